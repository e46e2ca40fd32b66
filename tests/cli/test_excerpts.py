"""An error about a line of the user's shows it, with a caret below the column: on pipes too, and no secret with it."""

import json
import unicodedata
from pathlib import Path

import pytest

from cogpack.cli import run
from cogpack.cli.excerpts import find_place, illustrated
from cogpack.errors import InputError, together


def rows(directory: Path, line: str, column: int | None, name: str = "predict.py") -> list[str]:
    """Show one line of a file, as the only one, in an error about it."""
    (directory / name).write_text(f"{line}\n", encoding="utf-8")
    place = f"{name}:1:{column}" if column else f"{name}:1"
    head, *shown = illustrated(InputError(f"{place}: wrong", next_step="mend it"), directory).split("\n")
    assert head == f"{place}: wrong"
    return shown


def under(shown: list[str]) -> str:
    """Give what stands above the caret on a terminal, by the columns that signs take there."""
    line, caret = shown
    columns: list[str] = []
    for sign in line:
        wide = 2 if unicodedata.east_asian_width(sign) in "WF" else 0 if unicodedata.combining(sign) else 1
        columns += [sign] * (8 - len(columns) % 8 if sign == "\t" else wide)
    place = 0
    for sign in caret.removesuffix("^"):
        place += 8 - place % 8 if sign == "\t" else 1
    return columns[place]


@pytest.mark.parametrize(
    "line",
    [
        "def run(self, a: ^bytes) -> str: ...",
        "\t\tdef run(self, a: ^bytes) -> str: ...",
        "  x\ty: ^bytes",
        "name: '日本語', x: ^bytes",
        "name: 'e\u0301o\u0308', x: ^bytes",
        "name: '\U0001f600', x: ^bytes",
        "esc: '\x1b[31m', x: ^bytes",
        f"{'x' * 300} ^bytes",
        f"{'日' * 300} ^bytes {'本' * 300}",
        "^bytes",
    ],
)
def test_the_caret_is_below_the_column(line: str, tmp_path: Path) -> None:
    shown = rows(tmp_path, line.replace("^", ""), line.index("^") + 1)
    assert under(shown) == "b"
    assert all(sign.isprintable() or sign == "\t" for row in shown for sign in row)
    assert all(len(row) < 130 for row in shown)


def test_a_line_without_a_column_has_no_caret(tmp_path: Path) -> None:
    assert rows(tmp_path, "torch==", None, "requirements.txt") == ["    1 | torch=="]


def test_an_empty_line_and_one_that_is_not_there_are_not_shown(tmp_path: Path) -> None:
    assert rows(tmp_path, "  ", 1) == []
    (tmp_path / "cog.yaml").write_text("run: x")
    for place in ("cog.yaml:9:1: wrong", "gone.py:1:1: wrong", "host:5000: wrong", f"{tmp_path}/cog.yaml:1:1: wrong"):
        assert illustrated(InputError(place, next_step="mend it"), tmp_path) == place


@pytest.mark.parametrize(
    "line",
    [
        "- HF_TOKEN=hf_abcdefghijklmnopqrst",
        "- HF_TOKEN=abcdefgh12345678",
        "  api_key: 5f3b9a8c7d6e",
        "token: str = Input(default='correct horse')",
        'password = "hunter"',
        "client = Client(secret='tell-nobody', x=1)",
        "os.getenv('API_KEY', 'abcdef123456')",
        "x = 'ghp_0123456789abcdefghij'",
        "--index-url https://me:word@pypi.example.com/simple",
    ],
)
def test_a_line_that_may_hold_a_secret_is_not_shown(line: str, tmp_path: Path) -> None:
    assert rows(tmp_path, line, 3) == []


@pytest.mark.parametrize(
    "line",
    [
        "max_tokens: int = Input(description='Tokens to make', ge=1, le=4096, default=512)",
        "tokenizer = AutoTokenizer.from_pretrained(PATH)",
        "prompt: str = Input(description='What to write', default='a cat')",
    ],
)
def test_a_line_about_tokens_of_text_is_shown(line: str, tmp_path: Path) -> None:
    assert rows(tmp_path, line, 3)[0] == f"    1 | {line}"


def test_of_several_errors_each_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a b\ntorch\n-x\n")
    faults = [InputError(f"requirements.txt:{line}: wrong", next_step=f"mend {line}") for line in (1, 3)]
    assert illustrated(together(faults), tmp_path).split("\n") == [
        "2 things must change:",
        "  requirements.txt:1: wrong (next: mend 1)",
        "      1 | a b",
        "  requirements.txt:3: wrong (next: mend 3)",
        "      3 | -x",
    ]
    many = [InputError("requirements.txt:1: wrong", next_step="mend") for _ in range(60)]
    assert illustrated(together(many), tmp_path).endswith("\n      1 | a b\n  and 10 more")


def test_a_file_is_found_from_a_directory_below_its_project(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "cog.yaml").write_text("run: x")
    [found] = find_place("cog.yaml:1:6: wrong", tmp_path / "below")
    assert found == (tmp_path / "cog.yaml", 1, 6)


COG = 'build:\n  python_version: "3.12"\n  gpu: {gpu}\nrun: {run}\n'


@pytest.mark.parametrize(
    ("gpu", "named", "said"),
    [
        (
            "'yes'",
            "predict.py:Runner",
            (
                "error: cog.yaml:3:8: build.gpu: expected true or false, found \"yes\"\n    3 |   gpu: 'yes'\n"
                "      |        ^\nnext: write true or false, without quotes\n"
            ),
        ),
        (
            "true",
            "predit.py:Runner",
            (
                "error: cog.yaml:4:6: run: predit.py: no such file in the project; did you mean predict.py?\n"
                "    4 | run: predit.py:Runner\n      |      ^\nnext: correct the name, or add the file\n"
            ),
        ),
        (
            "true",
            "../predict.py:Runner",
            (
                "error: cog.yaml:4:6: run: ../predict.py:Runner is outside the project\n"
                "    4 | run: ../predict.py:Runner\n      |      ^\n"
                "next: name a file of the project, relative to cog.yaml\n"
            ),
        ),
        (
            "true",
            "predict.py:Runer",
            (
                "error: cog.yaml:4:6: run: predict.py has no class or function 'Runer' at the top level; did you mean "
                "Runner?\n    4 | run: predict.py:Runer\n      |      ^\n"
                "next: define it, or correct the reference in cog.yaml\n"
            ),
        ),
        (
            "true",
            "predict.py:Runner",
            (
                "error: predict.py:2:22: parameter 'x': type bytes is not supported\n"
                "    2 |     def run(self, x: bytes) -> str: ...\n      |                      ^\nnext: use str, int, "
            ),
        ),
    ],
)
def test_an_error_is_printed_with_the_line_it_is_about(
    gpu: str, named: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "cog.yaml").write_text(COG.format(gpu=gpu, run=named))
    (tmp_path / "predict.py").write_text("class Runner:\n    def run(self, x: bytes) -> str: ...\n")
    assert run(["lock", "-C", str(tmp_path), "--json"]) == 2
    out, err = capsys.readouterr()
    assert err.startswith(said)
    assert json.loads(out)["error"]["message"] == said.removeprefix("error: ").split("\n")[0]


def test_a_runner_of_github_gets_the_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    (tmp_path / "cog.yaml").write_text("build: {gpu: 3}\n")
    assert run(["schema", "-C", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("::error file=cog.yaml,line=1,col=14,title=cogpack::cog.yaml:1:14: build")
