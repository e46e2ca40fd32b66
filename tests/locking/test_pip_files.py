"""Files that a pip line names are read as pip reads them, or not at all."""

import time

import pytest

from cogpack.locking.lines.pip.files import all_names, with_files
from cogpack.requirements.model import Options
from cogpack.resolve.pip import UnforeseenError
from cogpack.run_lines import PipInstall, PipRequirement, PipUninstall

FILES = {
    "/c/r.txt": "b>=1  # why\n-r more/s.txt\na[x]; python_version > '3'\n-c limits.txt\n",
    "/c/more/s.txt": "--extra-index-url https://i.example/s\nd @ https://f.example/d-1-py3-none-any.whl\n-r ../t.txt\n",
    "/c/t.txt": "--pre\ne\n",
    "/c/limits.txt": "f<2\n",
    "/c/empty.txt": "# nothing\n",
}


def read(path: str) -> bytes | None:
    return FILES[path].encode() if path in FILES else None


def test_what_files_say_stands_behind_what_the_line_names_in_their_order() -> None:
    said = with_files(PipInstall(requirements=(PipRequirement("z"),), files=("/c/r.txt",), upgrade=True), read)
    assert [one.text for one in said.effect.requirements] == [
        "z", "b>=1", "d @ https://f.example/d-1-py3-none-any.whl", "e", 'a[x] ; python_version > "3"',
    ]  # fmt: skip
    assert [one.kind for one in said.effect.requirements] == ["index", "index", "wheel", "index", "index"]
    assert said.effect.options == Options(extra_index_urls=("https://i.example/s",), pre=True)
    assert (list(map(str, said.constraints)), said.indexed) == (["f<2"], True)
    assert (said.effect.files, said.effect.constraints, said.effect.upgrade) == ((), (), True)


def test_constraints_of_a_line_require_nothing() -> None:
    said = with_files(PipInstall(requirements=(PipRequirement("z"),), constraints=("/c/limits.txt",)), read)
    assert ([one.text for one in said.effect.requirements], list(map(str, said.constraints))) == (["z"], ["f<2"])
    assert not said.indexed


def test_a_line_without_files_is_as_it_was() -> None:
    effect = PipInstall(requirements=(PipRequirement("z"),))
    assert with_files(effect, read).effect == effect


def test_what_files_name_is_uninstalled() -> None:
    assert all_names(PipUninstall(names=("z",), files=("/c/r.txt",)), read) == ("z", "b", "d", "e", "a")


@pytest.mark.parametrize(
    "text",
    [
        "a --config-settings=x=y",
        "a --index-url https://i.example/simple",
        "--only-binary :all:\na",
        "--prefer-binary\na",
        "--no-binary a\na",
        f"a==1 --hash=sha256:{'0' * 64}",
        "-e .",
        ".",
        "./a-1-py3-none-any.whl",
        "./lib",
        "-e ./lib",
        "git+https://me:${TOKEN}@h.example/a",
        f"a @ https://h.example/a.zip#sha256={'0' * 64}",
        "cog==0.1",
        "a @ https://h.example/${TOKEN}/a-1-py3-none-any.whl",
        "--extra-index-url https://me:secret@i.example/simple\na",
        "--extra-index-url https://i.example/simple?token=secret\na",
        "-r missing.txt",
        "-r r.txt",
        "# nothing",
        "a =! 1",
    ],
)
def test_what_only_pip_can_tell_is_left_to_it(text: str) -> None:
    with pytest.raises(UnforeseenError):
        with_files(PipInstall(files=("/c/r.txt",)), lambda path: text.encode() if path == "/c/r.txt" else None)


def test_a_constraints_file_that_requires_is_left_to_pip() -> None:
    with pytest.raises(UnforeseenError, match="of constraints"):
        with_files(
            PipInstall(requirements=(PipRequirement("z"),), constraints=("/c/k.txt",)),
            lambda path: b"-r r.txt" if path == "/c/k.txt" else b"a",
        )


def test_a_file_of_empty_lines_takes_the_time_of_its_length() -> None:
    began = time.process_time()
    effect = PipInstall(files=("/n/r.txt",))
    found = with_files(effect, lambda _: b"a==1\n" + b"\n" * 200_000)
    assert found.effect.requirements == (PipRequirement("a==1"),)
    assert time.process_time() - began < 3
