"""What the page about public projects says is what its data says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def counting() -> ModuleType:
    spec = importlib.util.spec_from_file_location("count_public_projects", ROOT / "scripts/count_public_projects.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_counts_of_the_data(counting: ModuleType) -> None:
    projects = counting.read(ROOT / "scripts/public_projects.tsv")
    assert counting.counted(projects) in (ROOT / "docs/public-projects.md").read_text()
    others = counting.read(ROOT / "scripts/public_projects_of_others.tsv")
    _, _, causes = counting.counted(others).partition("\n\n")
    page = (ROOT / "docs/public-projects.md").read_text()
    assert causes in page
    assert f"| locks, with nothing open | {len(others)} | {sum(one.reached != '' for one in others)} |" in page
    for one in (*projects, *others):
        assert (one.cause == "") == (one.reached == one.tried), one
        assert {one.tried, one.reached} <= {"", *counting.STAGES}, one


@pytest.mark.parametrize(
    ("said", "reached"),
    [
        ("ModuleNotFoundError: No module named 'x'", ""),
        ("IMPORTED\nthe hub is huggingface.co\nSETUP ENDED BY\nAttributeError: x\nKeyError: 'x'", "imports"),
        ("IMPORTED\nSETUP ENDED BY\nRuntimeError: Found no NVIDIA driver on your system.", "setup"),
        ("IMPORTED\nSETUP ENDED BY\nOSError: x\nConnectionError: HTTPSConnectionPool", "setup"),
        ("IMPORTED\nSET UP\n", "ready"),
    ],
)
def test_how_far_a_model_comes_is_read_from_what_it_says(counting: ModuleType, said: str, reached: str) -> None:
    assert counting._reached(said) == reached


def test_a_project_is_tried_in_a_copy_up_to_what_stops_it(
    counting: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"lock": (0, "locked\n"), "build": (0, "built\n"), "exec": (0, "IMPORTED\nSETUP ENDED BY\nKeyError: 'x'\n")}
    asked = []

    def run(words: list[str], directory: Path, _: int) -> tuple[int, str]:
        asked.append(words[0])
        assert directory.parent != tmp_path
        return said[words[0]]

    monkeypatch.setattr(counting, "_run", run)
    for name in ("o+a", "o+b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cog.yaml").write_text("build: {python_version: '3.11'}\npredict: predict.py:P\n")

    def tried(*options: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["count", "try", str(tmp_path), *options])
        counting.main()
        return capsys.readouterr().out.splitlines()

    header, line = tried("--only", "o+a", "--logs", str(tmp_path / "logs"))
    assert line.split("\t") == ["o/a", "3.11", "ready", "imports", "", "KeyError: 'x'"]
    assert asked == ["lock", "build", "exec"]
    assert (tmp_path / "logs/o+a.imports.log").read_text() == said["exec"][1]
    (tmp_path / "done").write_text(f"{header}\n{line}\n")
    said["lock"] = (2, "note: x\nerror: wrong\nnext: do it\n")
    assert tried("--but", str(tmp_path / "done"), "--to", "locks") == [header, "o/b\t3.11\tlocks\t\t\terror: wrong"]
