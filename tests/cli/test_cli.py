"""The outermost layer: words in, exit codes out, and the documents that speak of it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cogpack import __version__
from cogpack.cli import run
from cogpack.cli.grammar import Grammar
from cogpack.cli.parser import parser

ROOT = Path(__file__).resolve().parents[2]


def cogpack(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "cogpack", *arguments], capture_output=True, text=True, check=False)


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a process has which ran one command."""
    program = (
        f"import sys; from cogpack.cli import run; code = run({list(arguments)!r})\n"
        "print('\\n'.join(['', *sys.modules]), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", _PATHS + program], capture_output=True, text=True, check=True)
    return {*done.stderr.splitlines()}


_PATHS = f"import sys; sys.path[:] = {sys.path!r}; "
"""Without `site`, since what the tests' own packages have Python load at its start is none of ours."""


def test_the_version_is_told_before_anything_but_python_is_loaded() -> None:
    loaded = loaded_by("--version")
    assert {name for name in loaded if name.startswith("cogpack")} == {
        "cogpack",
        "cogpack.cli",
        "cogpack.cli.standard_streams",
    }
    assert len(loaded) < 50
    assert not loaded & {"argparse", "contextlib", "pathlib", "re", "typing"}


def test_a_schema_is_made_without_what_only_requests_and_layers_need(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text("predict: predict.py:predict\n")
    (tmp_path / "predict.py").write_text("def predict(x: int) -> int:\n    return x\n")
    loaded = loaded_by("schema", "-C", str(tmp_path))
    assert len(loaded) < 380
    assert not loaded & {"httpx", "httpcore", "rich", "ssl", "zstandard", "cogpack.layers", "cogpack.images"}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("push", "--jobs", "0"), ("build",)])
def test_words_that_mean_nothing_end_with_2(arguments: tuple[str, ...]) -> None:
    done = cogpack(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""


def test_a_directory_without_a_project_is_said_in_two_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "-C", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"error: no cog\.yaml in .*\nnext: .*\n", err)


def test_a_bug_is_told_as_one_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(session: object) -> None:
        raise ZeroDivisionError("in test")

    monkeypatch.setattr("cogpack.commands.schema.schema", fail)
    assert run(["schema"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("Traceback")
    assert "ZeroDivisionError: in test" in err
    assert err.splitlines()[-2] == "error: this is a bug of cogpack"
    assert __version__ in err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("registry", "serve", "x", "--port", "99999"),
        ("inspect", "--insecure-registry", "http://h.io", "h.io/a"),
        ("copy", "--insecure-credentials", "h.io/a", "h.io/a", "x"),
    ],
)
def test_what_would_have_no_effect_or_another_one_is_refused(arguments: tuple[str, ...]) -> None:
    done = cogpack(*arguments)
    assert done.returncode == 2
    assert re.match(r"error: cogpack [a-z ]+: --[a-z-]+: expected .*\nnext: see cogpack [a-z ]+ --help\n$", done.stderr)


@pytest.mark.slow
def test_a_standard_output_without_room_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Predictor\n")
    (tmp_path / "predict.py").write_text(
        "from cog import BasePredictor\n\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, text: str) -> str:\n        return text\n"
    )
    with open("/dev/full", "w") as full:
        command = [
            sys.executable,
            "-m",
            "cogpack",
            "schema",
            "-C",
            str(tmp_path),
        ]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "error: standard output: No space left on device" in done.stderr


def _options(found: Grammar) -> dict[str, set[str]]:
    """Commands by their words, with their options."""
    options = {"": set(found.options())}
    for name, below in found.commands.items():
        options |= {f"{name} {rest}".strip(): flags for rest, flags in _options(below).items()}
    return options


OF_OTHERS = {
    "--but",
    "--extra-index-url",
    "--find-links",
    "--logs",
    "--no-index",
    "--upload-url",
    "--variant",
    "--x-mode",
}
"""Options of coglet, pip, debootstrap and scripts that documents name."""
DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_commands_and_flags_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    known = _options(parser())
    for command in set(re.findall(r"(?<!from )\bcogpack ((?:(?:auth|registry|weights) )?[a-z]+)(?= [A-Z.$-]|`)", text)):
        assert command in known, command
    flags = set().union(*known.values())
    for flag in set(re.findall(r"`(--[a-z-]+)", text)) | set(re.findall(r"\bcogpack [^`\n|]*? (--[a-z-]+)", text)):
        assert flag in flags | OF_OTHERS, flag


def test_the_changelog_has_this_version() -> None:
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize(
    ("words", "goes_on"),
    [
        ("push h.io/a/b", True),
        ("copy h.io/a/b x.io/a/b", True),
        ("pull h.io/a/b -o DIR", True),
        ("weights pull h.io/a/b -o DIR", True),
        ("build -o DIR", True),
        ("build -o FILE.tar", False),
        ("load", False),
        ("verify h.io/a/b", False),
        ("lock", False),
        ("inspect h.io/a/b", False),
    ],
)
def test_an_interrupted_command_says_whether_it_goes_on_where_it_was(
    words: str, goes_on: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cogpack.session.Session.__enter__", stop)
    assert run(words.split()) == 130
    more = "; what is finished is not done again" if goes_on else ""
    assert capsys.readouterr().err == f"interrupted\nnext: run it again{more}\n"


def test_ctrl_c_while_modules_are_loaded_ends_without_a_traceback() -> None:
    program = """\
import os, signal, sys
class Stop:
    def find_spec(self, name, *_):
        if name == "cogpack.cli.program":
            os.kill(os.getpid(), signal.SIGINT)
from cogpack.cli import main
sys.meta_path.insert(0, Stop())
main(["plan"])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
