"""Which Python a project gets: the base's own, the one that the lock has, or one that is looked for."""

from typing import Any

import msgspec
import pytest
from support.locked_bases import IMAGE

from cogpack.config.parse import parse_config
from cogpack.lockfile import LockedInterpreter
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb
from cogpack.locking import decide_interpreter
from cogpack.oci import Platform

AMD64 = Platform(architecture="amd64", os="linux")
PYTHON = LockedDeb(
    name="python3.13", version="3.13.5-2+deb13u1", arch="amd64", archive="debian", path="p", size=1, sha256="0" * 64
)
DEBIAN = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=(PYTHON,))
SILENT = msgspec.structs.replace(IMAGE, config='{"rootfs": {"diff_ids": []}}')
BARE = msgspec.structs.replace(IMAGE, python=None, interpreter=None)
KEPT = LockedInterpreter(version="3.12.9", url="https://p.example/a.tar.gz", sha256="0" * 64)


def decided(
    monkeypatch: pytest.MonkeyPatch, asked: str, base: Base, kept: LockedInterpreter | None = None
) -> LockedInterpreter | str | None:
    """Tell what is decided; of one that is looked for, the version and who asks for it."""

    def find(version: str, arch: str, *, where: str, **_: object) -> str:
        return f"{version} {arch} {where}"

    class Session:
        http = environment = cache = None

    monkeypatch.setattr(decide_interpreter, "find_interpreter", find)
    session: Any = Session()
    config = parse_config(f"build: {{{asked and f'python_version: {asked}'}}}\ncogpack: {{base: 'x/y:1'}}".encode())
    return decide_interpreter.decide_interpreter(session, config, AMD64, base, kept)


@pytest.mark.parametrize(
    ("asked", "base"),
    [
        ("", DEBIAN),
        ("'3.13'", DEBIAN),
        ("3.13.5", DEBIAN),
        ("", IMAGE),
        ("'3.12'", IMAGE),
        ("3.12.7", IMAGE),
        ("3.12.1", SILENT),  # which one it has, nobody knows
    ],
)
def test_the_bases_own_is_taken_where_it_is_the_one_asked_for(
    asked: str, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert decided(monkeypatch, asked, base, KEPT) is None


@pytest.mark.parametrize(
    ("asked", "base", "looked_for"),
    [
        ("3.10", DEBIAN, "3.10 amd64 cog.yaml:1:25: build.python_version"),
        ("3.13.1", DEBIAN, "3.13.1 amd64 cog.yaml:1:25: build.python_version"),
        ("3.11", IMAGE, "3.11 amd64 cog.yaml:1:25: build.python_version"),
        ("3.12.1", IMAGE, "3.12.1 amd64 cog.yaml:1:25: build.python_version"),
        ("", BARE, "3.13 amd64 cog.yaml:2:17: cogpack.base"),
        ("3.12", BARE, "3.12 amd64 cog.yaml:1:25: build.python_version"),
    ],
)
def test_another_is_looked_for(asked: str, base: Base, looked_for: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decided(monkeypatch, asked, base) == looked_for


def test_the_one_that_the_lock_has_is_kept_as_long_as_it_is_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked in ("3.12", "3.12.9"):
        assert decided(monkeypatch, asked, DEBIAN, KEPT) is KEPT
    for asked in ("3.10", "3.12.90", "3.12.1"):
        assert decided(monkeypatch, asked, DEBIAN, KEPT) == f"{asked} amd64 cog.yaml:1:25: build.python_version"
