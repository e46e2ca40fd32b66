"""The compiler of CUDA for builds stays while it is what cog.yaml asks for, over a base that stays."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from support.locked_bases import IMAGE, RELEASE

from cogpack.config.parse import parse_config
from cogpack.digest import sha256
from cogpack.errors import UnavailableError
from cogpack.lockfile import LockedToolkit
from cogpack.lockfile.base_kinds import (
    Base,
    DebianBase,
    LockedArchive,
    LockedDeb,
    Present,
    SystemPackages,
)
from cogpack.locking import cuda_toolkit, decide_base
from cogpack.locking.base_question import BaseQuestion
from cogpack.notes import Note

NAMES = (
    *(f"cuda-{name}-12-4" for name in ("minimal-build", "nvrtc-dev", "profiler-api", "nvtx", "nvml-dev")),
    *(f"lib{name}-dev-12-4" for name in ("cublas", "cufft", "curand", "cusolver", "cusparse")),
    *("g++-13", "ninja-build"),
)
BASE = msgspec.structs.replace(IMAGE, config=IMAGE.config.replace("{", '{"architecture": "amd64", ', 1))
LAID = SystemPackages(
    packages=tuple(
        LockedDeb(name=name, version="1", arch="amd64", archive="a", path="p", size=1, sha256="0" * 64, requested=True)
        for name in NAMES
    ),
    releases=(RELEASE,),
    recommends=True,
)
NVIDIAS = LockedArchive(uri="https://nvidia.test/debian", suites=("./",), key="AAAA", fingerprints=("0" * 40,))
DEBIAN = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=())
THERE = SystemPackages(present=tuple(Present(name, "1") for name in NAMES))
LATER = msgspec.structs.replace(RELEASE, snapshot="20260201T000000Z")


def stays(
    monkeypatch: pytest.MonkeyPatch, setting: str, packages: SystemPackages, base: Base = BASE, *, upgrade: bool = False
) -> bool:
    monkeypatch.setattr(cuda_toolkit, "read_archives", lambda *_: ())
    config = parse_config(
        b'build: {gpu: true, python_version: "3.12"}\n'
        b"cogpack: {base: 'registry.test/python:1', cuda_toolkit: build, %s}\n" % setting.encode()
    )
    toolkit = LockedToolkit(cuda="12.4", architectures="8.0", compiler="g++-13", packages=packages)
    before = msgspec.structs.replace(base, system_packages=packages)
    kept: Any = SimpleNamespace(base=base, toolkit=toolkit, build_base=before)
    session: Any = SimpleNamespace(environment={})
    project: Any = SimpleNamespace(config=config)
    anew = msgspec.structs.replace(before, glibc="2.0")
    monkeypatch.setattr(cuda_toolkit, "decide_base", lambda *_: anew)
    question = msgspec.structs.replace(BaseQuestion.of(session, config), upgrade_system=upgrade)
    found = cuda_toolkit.decide_toolkit(question, project, base, "12.4", kept)
    assert found.base in (before, anew)
    return found.base == before


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("recommends: true", True),
        ("recommends: false", False),
        ("debian_snapshot: 2026-01-01", True),
        ("debian_snapshot: 2026-02-01", False),
    ],
)
def test_it_is_decided_anew_for_another_time_or_with_what_is_recommended(
    monkeypatch: pytest.MonkeyPatch, setting: str, *, expected: bool
) -> None:
    assert stays(monkeypatch, setting, LAID) is expected
    assert stays(monkeypatch, setting, THERE), "of what the image has itself nothing is of a time"


def test_of_what_the_base_was_made_from_no_time_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    base = msgspec.structs.replace(BASE, system_packages=SystemPackages(releases=(LATER,)))
    packages = msgspec.structs.replace(LAID, releases=(LATER, RELEASE))
    assert stays(monkeypatch, "debian_snapshot: 2026-01-01", packages, base)
    assert not stays(monkeypatch, "debian_snapshot: 2026-01-01", packages)


@pytest.mark.parametrize("beside", [True, False])
def test_upgrade_system_takes_it_on_and_anew_where_that_can_t_be(
    monkeypatch: pytest.MonkeyPatch, *, beside: bool
) -> None:
    monkeypatch.setattr(cuda_toolkit, "take_on_beside", lambda _question, kept, *_: kept if beside else None)
    assert stays(monkeypatch, "recommends: true", LAID)
    assert stays(monkeypatch, "recommends: true", LAID, upgrade=True) == beside


def test_an_archive_that_is_away_holds_up_no_upgrade_that_moves_nothing_below(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> Base:
        raise UnavailableError("nvidia.test: Connection refused", next_step="try again")

    monkeypatch.setattr(decide_base, "decide_base", away)
    notes: list[Note] = []
    session: Any = SimpleNamespace(environment={}, progress=SimpleNamespace(note=notes.append))
    question = BaseQuestion.of(session, parse_config(b"{}"))
    kept = msgspec.structs.replace(BASE, system_packages=LAID)
    assert decide_base.take_on_beside(question, kept, BASE, BASE) == kept
    assert [note.code for note in notes] == ["build-tools-kept"]
    with pytest.raises(UnavailableError):
        decide_base.take_on_beside(question, kept, BASE, msgspec.structs.replace(BASE, glibc="2.0"))


def test_what_does_not_lie_over_the_base_any_more_is_not_taken_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> Base | None:
        return decide_base.take_on_beside(question, kept, BASE, base)

    session: Any = SimpleNamespace(environment={})
    question = BaseQuestion.of(session, parse_config(b"{}"))
    kept = msgspec.structs.replace(BASE, system_packages=LAID)
    monkeypatch.setattr(decide_base, "decide_base", lambda *_: kept)
    base = BASE
    assert found() == kept
    other = msgspec.structs.replace(LAID.packages[0], name="other", sha256="1" * 64)
    base = msgspec.structs.replace(BASE, system_packages=SystemPackages(packages=(other,)))
    assert found() is None
    base = BASE
    kept = msgspec.structs.replace(kept, system_packages=msgspec.structs.replace(LAID, archives=(NVIDIAS,)))
    assert found() is None, "whose archives are asked no more"
    kept = msgspec.structs.replace(BASE, system_packages=LAID)
    for base in (
        msgspec.structs.replace(BASE, digest=sha256(b"another")),
        msgspec.structs.replace(BASE, reference="registry.test/other:1"),
        DEBIAN,
    ):
        monkeypatch.setattr(decide_base, "decide_base", lambda *_, fresh=base: fresh)
        assert found() is None, "which is decided without what builds have"
    kept, base = DEBIAN, msgspec.structs.replace(DEBIAN, suite="bookworm")
    assert found() is None
    base = msgspec.structs.replace(DEBIAN, packages=LAID.packages[:1])
    monkeypatch.setattr(decide_base, "decide_base", lambda *_: kept)
    assert found() is None
