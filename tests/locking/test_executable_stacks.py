"""A wheel with a library that newer C libraries refuse stands on an older Debian, unless cog.yaml names another."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from locking.test_decide_base import BOOKWORM, IMAGE, TRIXIE, config
from locking.test_program_headers import library
from support.wheels import make_wheel

from cogpack.layers.wheels.outline import Outline
from cogpack.lockfile import Decisions, LockedExecutableStack, LockedWheel
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.asked_base import usual_suite
from cogpack.locking.executable_stacks import find_executable_stacks, stack_notes, suite_for
from cogpack.locking.wheels.outlines import local_reader
from cogpack.notes import Code
from cogpack.progress import Cancellation

STACK = LockedExecutableStack(wheel="asks-1.0-py3-none-any.whl", library="large.so")
NEW = msgspec.structs.replace(IMAGE, glibc="2.41")


def wheel(name: str) -> LockedWheel:
    return LockedWheel(name=name, version="1.0", filename=f"{name}-1.0-py3-none-any.whl", sha256=f"{len(name):064}")


def decided(base: Base, *stacks: LockedExecutableStack) -> Decisions:
    return Decisions(base=base, wheels=(wheel("asks"),), clashes=(), executable_stacks=stacks)


class Looked:
    """Outlines of wheels in a directory, that say which were asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[str] = []

    def of(self, wheel: LockedWheel) -> tuple[LockedWheel, Outline]:
        self.asked.append(wheel.name)
        read, size = local_reader(self.directory / wheel.filename)
        return wheel, Outline(wheel.filename, read, size)


def find(outlines: Looked, kept: Decisions | None, *names: str) -> tuple[LockedExecutableStack, ...]:
    given: Any = outlines
    return find_executable_stacks(given, [wheel(name) for name in names], kept, Cancellation())


@pytest.fixture
def outlines(tmp_path: Path) -> Looked:
    sizes = {"large.so": (7, 1024), "second.so": (6, 768), "third.so": (6, 512), "fourth.so": (7, 256)}
    files = {name: library(flags, size=size) for name, (flags, size) in sizes.items()}
    make_wheel(tmp_path, "asks", files=files)
    make_wheel(tmp_path, "sound", files={"large.so": library(6)})
    make_wheel(tmp_path, "pure")
    return Looked(tmp_path)


def test_the_wheels_that_ask_for_one_are_found_among_all(outlines: Looked) -> None:
    assert find(outlines, None, "sound", "asks", "pure") == (STACK,)


def test_what_the_lock_says_of_the_same_wheels_holds_and_only_others_are_looked_at(outlines: Looked) -> None:
    assert find(outlines, decided(TRIXIE, STACK), "asks", "pure") == (STACK,)
    assert find(outlines, decided(BOOKWORM, STACK), "sound", "pure") == ()
    assert outlines.asked == ["pure", "sound", "pure"]


def test_a_lock_over_an_older_base_did_not_look(outlines: Looked) -> None:
    assert find(outlines, decided(BOOKWORM), "asks") == (STACK,)


@pytest.mark.parametrize(
    ("text", "without", "with_one"),
    [
        ("predict: a.py:P", "trixie", "bookworm"),
        ("build: {python_version: '3.12'}", "trixie", "bookworm"),
        ("cogpack: {base: 'debian:slim'}", "trixie", "bookworm"),
        ("build: {python_version: '3.11'}", None, None),
        ("cogpack: {base: 'debian:trixie'}", None, None),
        ("cogpack: {debian_base_from: ../cogpack.lock}", None, None),
        ("cogpack: {base: 'registry.test/python:1'}", None, None),
    ],
)
def test_the_suite_is_another_for_them_where_nobody_named_one(
    text: str, without: str | None, with_one: str | None
) -> None:
    found = config(text)
    usual = usual_suite(found)
    assert suite_for(found, usual, None) == without
    assert suite_for(found, usual, decided(TRIXIE)) == without
    assert suite_for(found, usual, decided(TRIXIE, STACK)) == with_one


TAKEN = (
    "Debian bookworm is taken: large.so of asks 1.0 asks for an executable stack, which the C library of trixie refuses"
)
OF_TRIXIE = (
    "asks for an executable stack, which glibc 2.41 of Debian refuses: it will not load; take base: debian:bookworm"
)


@pytest.mark.parametrize(
    ("text", "base", "code", "said"),
    [
        ("predict: a.py:P", BOOKWORM, Code.SUITE_OF_WHEEL, TAKEN),
        ("predict: a.py:P\ncogpack: {base: 'debian:trixie'}", TRIXIE, Code.EXECUTABLE_STACK, OF_TRIXIE),
        (
            "cogpack: {base: 'r.test/x:1'}",
            NEW,
            Code.EXECUTABLE_STACK,
            "refuses: it will not load; take a base of an older",
        ),
    ],
)
def test_it_is_told_which_wheel_and_why_and_what_else_could_be_done(
    text: str, base: Base, code: Code, said: str
) -> None:
    (note,) = stack_notes(config(text), decided(base, STACK))
    assert note.code == code
    assert said in note.text
    assert list(stack_notes(config(text), decided(base))) == []


def test_nothing_is_told_where_the_project_has_the_c_library_allow_it() -> None:
    text = "environment: ['GLIBC_TUNABLES=glibc.rtld.execstack=2']\ncogpack: {base: 'debian:trixie'}"
    assert list(stack_notes(config(text), decided(TRIXIE, STACK))) == []
