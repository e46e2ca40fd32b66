"""An error about a line of the user's shows it, with a caret below the column: on pipes too, and no secret with it."""

import json
import time
import unicodedata
from pathlib import Path

import pytest

from cogpack.cli import run
from cogpack.cli.excerpts import find_place, illustrated, project_root
from cogpack.errors import InputError, ModelError, together


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
        "environment: [DB_PASSWORD=correcthorsebattery, PATH=/x]",
        "DB_PASS=abcd1234efgh",
        "- WANDB_KEY=0123456789abcdef0123456789abcdef01234567",
        "- STRIPE_KEY=sk_live_abcd1234abcd1234",
        "SECRET: abcdefghij",
        "authToken = 'correct horse'",
        "curl -u me:hunter22 https://x",
        "curl -sSLu me:hunter22 https://x",
        "curl --proxy-user=me:hunter22 https://x",
        "wandb.login(key='0123456789abcdef0123456789abcdef01234567')",
        "wandb.login('0123456789abcdef0123456789abcdef01234567')",
        "x = f('-----BEGIN PRIVATE KEY-----')",
        f"x = {'y' * 2000}",
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


@pytest.mark.parametrize("line", ["token" * 20000, "secret: " * 10000, f"x = 1 # {'token aaaaaaaaaaaaa ' * 4000}"])
def test_a_long_line_is_refused_without_a_look_at_it(line: str, tmp_path: Path) -> None:
    before = time.process_time()
    assert rows(tmp_path, line, 1) == []
    assert time.process_time() - before < 0.2


def test_a_value_in_the_line_after_a_name_that_tells_of_a_secret_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text('password = (\n    "hunter"\n)\nprint(1)\n')
    shown = [len(illustrated(about(f"predict.py:{line}:1"), tmp_path).split("\n")) > 1 for line in (1, 2, 3, 4)]
    assert shown == [False, False, True, True]


CONFIG = """\
build:
  gpu: true
  run:
    - pip install x
    - command: fetch it
      mounts:
      - type: other
  python_version: "3.12"
  pre_install: [make,
    install]
environment:
- A=b
- C=d
run: predict.py:Runner
image: r8.im/me/x
build2: {run: [x]}
train: train.py:train
"""


def test_no_line_of_cog_yaml_within_variables_commands_and_secrets_is_shown(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text(CONFIG)
    lines = CONFIG.splitlines()
    shown = [line for at, line in enumerate(lines, 1) if "\n" in illustrated(about(f"cog.yaml:{at}:1"), tmp_path)]
    assert shown == [lines[at - 1] for at in (1, 2, 8, 14, 15, 17)]


def test_of_json_as_cog_yaml_no_line_within_variables_is_shown(tmp_path: Path) -> None:
    lines = ["{", '"environment": [', '"A=b"', "],", '"build": {"gpu": 3}', "}"]
    (tmp_path / "cog.yaml").write_text("\n".join(lines))
    shown = [at for at in range(1, 7) if "\n" in illustrated(about(f"cog.yaml:{at}:1"), tmp_path)]
    assert shown == [1, 5, 6]


def test_what_a_build_says_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "predict.py").write_text("print(1)\n")
    failure = InputError("evil 1.0: can't be built: it ended with 1\n  predict.py:1:1: x", next_step="pin another")
    for error in (failure, together([failure, about("cog.yaml:1")]), ModelError("predict.py:1: x", next_step="y")):
        assert illustrated(error, tmp_path) == error.message


def test_no_line_of_a_file_outside_the_project_or_a_hidden_one_is_shown(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for path in (tmp_path / "id", root / ".env", root / ".ssh/id", root / ".dockerignore"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("word\n")
    (root / "link").symlink_to("../id")
    (root / "below").symlink_to(".ssh")
    for name in ("../id", "link", ".env", ".ssh/id", "below/id", f"{tmp_path}/id"):
        assert illustrated(about(f"{name}:1:1"), root) == f"{name}:1:1: wrong"
    assert illustrated(about(".dockerignore:1"), root).endswith("    1 | word")


def about(place: str) -> InputError:
    return InputError(f"{place}: wrong", next_step="mend it")


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
    last = InputError("x: wrong", next_step="mend 4")
    assert str(together([last, InputError("y: wrong", next_step="mend 4"), *faults])).split("\n")[1:3] == [
        "  x: wrong (next: mend 4)",
        "  y: wrong (next: the same)",
    ]
    many = [InputError(f"requirements.txt:1: wrong {n}", next_step="mend") for n in range(60)]
    assert illustrated(together(many), tmp_path).endswith("wrong 49\n      1 | a b\n  and 10 more")
    assert together(many).next_step == "mend"


def test_a_place_is_looked_for_in_the_project_not_in_the_directory_that_the_command_runs_in(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "cog.yaml").write_text("run: x")
    for directory in (tmp_path, tmp_path / "below"):
        (directory / "predict.py").write_text(f"# {directory.name}\n")
    root = project_root(tmp_path / "below", "cog.yaml")
    assert root == tmp_path
    assert find_place("predict.py:1:6: wrong", root) == (tmp_path / "predict.py", 1, 6)
    assert project_root(tmp_path / "below", "./other.yaml") is None
    assert find_place("predict.py:1:6: wrong", None) is None


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


def test_an_error_of_a_directory_whose_links_lead_in_a_circle_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Looking for the project's line ended in a traceback."""
    (tmp_path / "loop").symlink_to("loop")
    assert run(["schema", "-C", str(tmp_path / "loop")]) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("words", [["diff", "a" * 300, "./x"], ["serve", "a" * 300]])
def test_a_word_that_is_too_long_to_be_a_file_is_told_as_what_it_is_not(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert "File name too long" not in capsys.readouterr().err
