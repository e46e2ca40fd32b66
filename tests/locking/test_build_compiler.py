"""What is compiled has a compiler where it is built, over the base of the image, and the lock has it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import pytest
from locking.test_decide_base import IMAGE, requested
from locking.test_deviations import wheel
from support.locked_bases import RELEASE

from cogpack.errors import InputError
from cogpack.lockfile import Decisions, IndexSource, LockedBuild
from cogpack.lockfile.base_kinds import Base
from cogpack.locking.build_compiler import BuildCompiler
from cogpack.locking.wheels.building import compiling_base
from cogpack.resolve.debs.archives.snapshot import Snapshot

BASE = requested("libc6")
WITH = requested("libc6", "gcc")
WHEEL = wheel("x", "1")
SOURCE = IndexSource(filename="x-1.tar.gz", sha256="0" * 64, size=1)
BUILD = LockedBuild(wheel=WHEEL.filename, source=SOURCE)
COMPILED = msgspec.structs.replace(BUILD, compiled=True)


class Asked:
    """Stands for `decide_base`."""

    def __init__(self) -> None:
        self.wanted: list[Sequence[str]] = []

    def __call__(self, compiler: Sequence[str]) -> Base:
        self.wanted.append(compiler)
        return WITH


def decided(
    base: Base = BASE,
    *,
    own: bool = True,
    kept: Decisions | None = None,
    take_on: Callable[[Base], Base | None] | None = None,
    snapshot: Snapshot | None = None,
) -> tuple[BuildCompiler, Asked]:
    asked = Asked()
    found = BuildCompiler(base, own=own, compiler=("g++",), kept=kept, snapshot=snapshot, decide=asked, take_on=take_on)
    return found, asked


def test_it_is_decided_once_and_only_if_something_was_compiled() -> None:
    found, asked = decided()
    assert (found.packages([BUILD]), asked.wanted) == (None, [])
    assert found.packages([BUILD, COMPILED]) == WITH.system_packages
    assert found.base() == WITH
    assert asked.wanted == [("g++", "gcc", "make", "libpython3.13-dev")]
    other, asked = decided(own=False)
    other.base()
    assert asked.wanted == [("g++", "gcc", "make")], "an interpreter that is laid over the base has its headers"


@pytest.mark.parametrize(
    ("has", "path", "wanted"),
    [
        (("gcc", "libc6"), "/usr/local/bin/python3.12", ("g++", "make")),
        (("libc6",), "/usr/bin/python3.12", ("g++", "gcc", "make", "libpython3.12-dev")),
        (("g++", "gcc", "libc6", "make"), "/usr/local/bin/python3.12", ()),
        ((), "/usr/bin/python3.12", ()),
        (None, "/usr/bin/python3.12", ()),
    ],
)
def test_over_an_image_of_a_registry_it_is_what_that_lacks(
    has: tuple[str, ...] | None, path: str, wanted: Sequence[str]
) -> None:
    base = msgspec.structs.replace(IMAGE, has=has, interpreter=path)
    asked: list[Sequence[str]] = []

    def decide(compiler: Sequence[str]) -> Base:
        asked.append(compiler)
        return WITH

    compiler = ("g++",) if wanted else ()
    found = BuildCompiler(base, own=True, compiler=compiler, kept=None, snapshot=None, decide=decide, take_on=None)
    assert found.helps == bool(wanted)
    if wanted:
        assert found.base() == WITH
        assert asked == [wanted]


def test_the_one_of_the_lock_stays_as_long_as_the_base_does() -> None:
    packages = WITH.system_packages
    kept = Decisions(base=BASE, wheels=(WHEEL,), builds=(COMPILED,), build_compiler=packages, clashes=())
    found, asked = decided(kept=kept)
    assert found.base() == compiling_base(kept)
    assert (kept.build_base, asked.wanted) == (BASE, [])
    with pytest.raises(InputError, match="a compiler that is not in it"):
        msgspec.structs.replace(kept, build_compiler=None)
    moved, asked = decided(kept=msgspec.structs.replace(kept, base=requested("libc6", "zlib1g")))
    moved.base()
    assert len(asked.wanted) == 1


def test_it_is_taken_on_where_that_is_asked_for_and_decided_anew_where_it_can_t_be() -> None:
    packages = requested("libc6", "make").system_packages
    kept = Decisions(base=BASE, wheels=(WHEEL,), builds=(COMPILED,), build_compiler=packages, clashes=())
    newer = requested("libc6", "make", "gcc")
    moved = msgspec.structs.replace(kept, base=requested("libc6", "zlib1g"))
    for lock in (kept, moved):
        found, asked = decided(kept=lock, take_on={compiling_base(lock): newer}.get)
        assert (found.base(), asked.wanted) == (newer, [])
    found, asked = decided(kept=kept, take_on=lambda _: None)
    assert (found.base(), len(asked.wanted)) == (WITH, 1)


@pytest.mark.parametrize(("day", "stays"), [(1, True), (2, False)])
def test_the_one_of_the_lock_is_of_the_time_that_is_asked_for(day: int, *, stays: bool) -> None:
    packages = msgspec.structs.replace(WITH.system_packages, releases=(RELEASE,))
    kept = Decisions(base=IMAGE, wheels=(WHEEL,), builds=(COMPILED,), build_compiler=packages, clashes=())
    found, asked = decided(IMAGE, kept=kept, snapshot=Snapshot(datetime(2026, 1, day, tzinfo=UTC)))
    assert (found.base().system_packages == packages, asked.wanted == []) == (stays, stays)
