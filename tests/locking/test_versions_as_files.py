"""A version that the shell takes for a file is told with the line that says it."""

from pathlib import Path

from locking.test_decide_base import requested
from locking.test_deviations import wheel

from cogpack.lockfile import Decisions
from cogpack.locking.lines.versions_as_files import versions_as_files
from cogpack.notes import Code, Note
from cogpack.project import find_project


def test_a_version_behind_an_unquoted_sign_is_told_and_no_other_file(tmp_path: Path) -> None:
    lines = ["echo a > /=1", "pip install x>=1.2", 'pip install "y>=2"', "pip install z > /dev/null"]
    (tmp_path / "cog.yaml").write_text(
        "build:\n  run:\n" + "".join(f"    - '{line}'\n" for line in lines) + "predict: predict.py:P\n"
    )
    (tmp_path / "predict.py").write_text("")
    decisions = Decisions(base=requested("libc6"), wheels=(wheel("cog", "1"),), clashes=())
    assert list(versions_as_files(find_project(tmp_path).config, decisions)) == [
        Note(
            Code.VERSION_AS_FILE,
            "cog.yaml:4:7: build.run[1]: the shell reads >=1.2 as a file, which it makes: /=1.2, and no version is "
            "asked for; quote it",
        )
    ]
