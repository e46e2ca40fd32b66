"""Who typed a config or a directory is told the command that makes its lock, wherever `cogpack lock` is told."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.world import World, ok

WAYS = [
    ["-f", "sub dir/blur.yaml"],
    ["-C", "sub dir", "-f", "blur.yaml"],
    ["-C", "sub dir"],
]


@pytest.fixture
def above(world: World) -> Path:
    """A directory whose own project is another one than that below it."""
    made = world.project()
    below = made.root / "sub dir"
    below.mkdir()
    for path in [*made.root.iterdir()]:
        if path.is_file():
            (below / path.name).write_bytes(path.read_bytes())
    (below / "blur.yaml").write_bytes((below / "cog.yaml").read_bytes())
    return made.root


def typed(text: str) -> list[str]:
    """Give the words of the `cogpack lock` that is told."""
    found = re.search(r"cogpack (lock[^;\n]*?)(?: and commit| writes it|$)", text, re.MULTILINE)
    assert found, text
    return shlex.split(found[1])


@pytest.mark.parametrize("way", WAYS)
def test_what_is_told_makes_the_lock_that_lacks(world: World, above: Path, way: list[str]) -> None:
    failed = world.cogpack("lock", "--check", *way, directory=above)
    (step,) = re.findall(r"^next: (.*)", failed.err, re.MULTILINE)
    assert (failed.code, typed(step)) == (3, ["lock", *way])
    as_json = world.cogpack("lock", "--check", *way, "--json", directory=above).json
    assert as_json["error"]["next"] == step
    planned = ok(world.cogpack("plan", *way, "--json", directory=above)).json
    (note,) = (note["text"] for note in planned["notes"] if note["code"] == "lock-unwritten")
    assert typed(note) == ["lock", *way]
    assert f"note: {note}\n" in ok(world.cogpack("plan", *way, directory=above)).err
    denied = world.cogpack("plan", *way, "--deny", "lock-unwritten", directory=above)
    assert (denied.code, typed(denied.err)) == (2, ["lock", *way])
    denied = world.cogpack("plan", *way, "--deny", "lock-unwritten", "--json", directory=above)
    assert note in denied.json["error"]["message"]
    (check,) = (
        one for one in world.cogpack("doctor", *way, "--json", directory=above).json["checks"] if one["name"] == "lock"
    )
    assert typed(check["next_step"]) == ["lock", *way]
    assert f"next: {check['next_step']}\n" in world.cogpack("doctor", *way, directory=above).out
    ok(world.cogpack(*typed(step), directory=above))
    ok(world.cogpack("lock", "--check", *way, directory=above))
    assert not (above / "cogpack.lock").exists()


def test_what_is_told_to_mend_a_config_mends_that_one(world: World, above: Path) -> None:
    old = (above / "cog.yaml").read_text().replace("run: ", "predict: ")
    assert "predict: " in old
    for path in (above / "cog.yaml", above / "sub dir/blur.yaml"):
        path.write_text(old)
    way = ["-f", "sub dir/blur.yaml"]
    told = world.cogpack("doctor", *way, directory=above)
    (words,) = re.findall(r"cogpack (doctor .*--fix)$", told.out, re.MULTILINE)
    world.cogpack(*shlex.split(words), directory=above)
    assert (above / "cog.yaml").read_text() == old
    assert (above / "sub dir/blur.yaml").read_text() != old


def test_who_typed_neither_is_told_the_short_one(world: World, above: Path) -> None:
    failed = world.cogpack("lock", "--check", "-C", ".", directory=above)
    assert failed.err.endswith("next: run cogpack lock and commit it\n")


def test_each_advice_of_an_error_that_stands_for_several_is_for_the_config_that_was_typed() -> None:
    from cogpack.cli.typed import tell
    from cogpack.errors import InputError, together

    parts = [InputError(f"cog.yaml:{n}: no", next_step=f"take {n}, then cogpack lock --upgrade") for n in (1, 2)]
    error = together(parts)
    for _ in range(2):  # a second time changes nothing
        tell("-f blur.yaml", error)
        assert [part.next_step for part in error.parts] == [
            f"take {n}, then cogpack lock -f blur.yaml --upgrade" for n in (1, 2)
        ]
        assert error.message.count("cogpack lock -f blur.yaml --upgrade)") == 2


def test_every_command_that_takes_a_project_is_told_with_it() -> None:
    from cogpack.cli.grammar import Grammar
    from cogpack.cli.parser import parser
    from cogpack.cli.typed import VERBS, as_typed

    def names(grammar: Grammar, above: str) -> Iterator[tuple[str, Grammar]]:
        for name, command in grammar.commands.items():
            yield f"{above}{name}", command
            yield from names(command, f"{above}{name} ")

    assert {name for name, command in names(parser(), "") if "-C" in command.options()} == VERBS
    told = "cogpack schema has what they are; cogpack fetch -o DIR, cogpack weights ls, cogpack push H/N:T"
    assert as_typed("-f a.yaml", told) == (
        "cogpack schema -f a.yaml has what they are; cogpack fetch -f a.yaml -o DIR, cogpack weights ls -f a.yaml, "
        "cogpack push -f a.yaml H/N:T"
    )
    for text in ("cogpack weights split", "cogpack cache clean", "cogpack inspect REF", as_typed("-f a.yaml", told)):
        assert as_typed("-f a.yaml", text) == text


def test_who_typed_a_project_is_told_how_its_push_and_its_inputs_are_asked(world: World, above: Path) -> None:
    way = ["-C", "sub dir"]
    pushed = world.cogpack("push", *way, directory=above)
    assert "run cogpack push -C 'sub dir' HOST/NAME:TAG, or" in pushed.err
    assert pushed.code == 2


@pytest.mark.parametrize(
    "text", ["cogpack.lock", "cogpack lock-x", "./cogpack lock", "uncogpack lock", "cogpack locks"]
)
def test_what_is_no_command_stays(text: str) -> None:
    from cogpack.cli.typed import as_typed

    assert as_typed("-f a.yaml", text) == text
