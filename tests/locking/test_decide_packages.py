"""Over an image of a registry what lacks comes beside the packages that are there, which stay."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import pytest
from locking.test_decide_base import IMAGE, config

from cogpack.errors import UnavailableError
from cogpack.lockfile.base_kinds import LockedDeb, SystemPackages
from cogpack.locking import decide_packages as module
from cogpack.locking.base_question import BaseQuestion

COG = "build: {system_packages: [curl]}\ncogpack: {base: 'registry.test/python:1', recommends: false}\n"


def deb(name: str, version: str) -> LockedDeb:
    return LockedDeb(
        name=name,
        version=version,
        arch="amd64",
        archive="debian",
        path="p",
        size=1,
        sha256="0" * 64,
        requested=True,
    )


class Archives(module._Image):
    """Has all but Python's headers, by now as version 2."""

    asked: list[list[str]]
    away = False

    def resolved(
        self,
        wanted: Sequence[str],
        newer: Collection[str],
        *,
        optional: Collection[str] = (),
        kept: SystemPackages | None = None,
    ) -> SystemPackages:
        self.asked.append(list(wanted))
        if self.away:
            raise UnavailableError("away", next_step="wait")
        there = {one.name: one for one in kept.packages} if kept else {}
        there |= {name: deb(name, "2") for name in wanted if name not in optional or "python" not in name}
        return msgspec.structs.replace(kept or SystemPackages(), packages=tuple(there[name] for name in sorted(there)))


class Session:
    def __init__(self) -> None:
        self.environment: dict[str, str] = {}
        self.progress = self
        self.notes: list[str] = []

    def note(self, note: Any) -> None:
        self.notes.append(note.text)


def decided(kept: SystemPackages, *compiler: str, building: bool = False) -> tuple[SystemPackages, list[str]]:
    session: Any = Session()
    base = msgspec.structs.replace(IMAGE, has=("libc6",), system_packages=kept)
    question = msgspec.structs.replace(BaseQuestion.of(session, config(COG)), compiler=compiler, building=building)
    found = module.decide_packages(question, base, kept, lambda: pytest.fail("read"))
    return found.system_packages, session.notes


@pytest.fixture(autouse=True)
def archives(monkeypatch: pytest.MonkeyPatch) -> type[Archives]:
    monkeypatch.setattr(module, "_Image", Archives)
    monkeypatch.setattr(Archives, "asked", [], raising=False)
    return Archives


def versions(packages: SystemPackages) -> dict[str, str]:
    return {one.name: one.version for one in packages.packages}


LOCKED = SystemPackages(packages=(deb("curl", "1"),))


def test_a_compiler_comes_beside_what_is_locked_and_what_lacks_is_asked_for_once(archives: type[Archives]) -> None:
    found, notes = decided(LOCKED, "g++", "libpython3.11-dev")
    assert versions(found) == {"curl": "1", "g++": "2"}
    assert (found.compiler, found.lacking) == (("g++",), ("libpython3.11-dev",))
    assert notes == [f"the archives of {IMAGE.reference} have no libpython3.11-dev: what compiles when it runs fails"]
    assert archives.asked == [["g++", "libpython3.11-dev"]]
    assert decided(found, "g++", "libpython3.11-dev") == (found, [])
    assert len(archives.asked) == 1
    with_build, notes = decided(found, "g++", "libpython3.11-dev", "gcc", "python-x", building=True)
    assert versions(with_build) == {"curl": "1", "g++": "2", "gcc": "2"}
    assert with_build.compiler == ("g++", "gcc")
    assert notes == [f"the archives of {IMAGE.reference} have no python-x: what is built with it fails"]
    without, _ = decided(msgspec.structs.replace(LOCKED, lacking=("libpython3.11-dev",)))
    assert without == LOCKED, "what nobody wants any more does not lack"


@pytest.mark.parametrize("building", [False, True])
def test_the_key_that_does_without_is_named_where_it_is_read(archives: type[Archives], *, building: bool) -> None:
    archives.away = True
    try:
        with pytest.raises(UnavailableError) as caught:
            decided(LOCKED, "g++", building=building)
    finally:
        archives.away = False
    assert ("compiler: false" in caught.value.next_step) is not building
