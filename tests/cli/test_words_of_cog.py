"""What a Cog user types is taken, or refused with the right word to type."""

import shlex
from pathlib import Path

import pytest

from cogpack.cli.parser import parser
from cogpack.errors import InputError

LIST = Path(__file__).with_name("words_of_cog.txt")
LINES = [line.partition(" | ")[::2] for line in LIST.read_text().splitlines() if not line.startswith("#")]


def outcome(words: list[str]) -> str:
    try:
        parser().parse_args(words)
    except InputError as error:
        return f"{error.message}; {error.next_step}"
    return "taken"


def test_a_hundred_commands_of_cog_are_taken_or_say_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is in words_of_cog.txt: a command, and `taken` or words that its refusal has."""
    (tmp_path / "cog.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(LINES) > 100
    wrong = {}
    for command, expected in LINES:
        cog, *words = shlex.split(command, posix="{" not in command)
        assert cog == "cog"
        found = outcome(words)
        if found != "taken" if expected == "taken" else expected not in found:
            wrong[command] = found
    assert wrong == {}
