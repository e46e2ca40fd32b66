"""A compiler for builds comes beside all that the lock has over Debian's base, whatever the archive has by now."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from locking.test_decide_base import config
from support.debian_archive import Signer
from support.debian_mirror import Archive, mirroring

from cogpack.config import Config
from cogpack.lockfile.base_kinds import Base, DebianBase
from cogpack.locking.base_question import BaseQuestion
from cogpack.locking.decide_base import decide_base
from cogpack.resolve.debs.archives import keyring
from cogpack.session import Session
from cogpack.settings import Settings

WANTED = config("build: {system_packages: [tool]}\n")


def filled(archive: Archive, version: str, compilers: Sequence[str] = ()) -> None:
    archive.fill()
    archive.add("tool", version=version, depends="lib", files={"usr/bin/tool": version})
    archive.add("lib", version=version, files={"usr/lib/lib.so": version})
    archive.add("make")
    archive.add("scripted", depends="lib", postinst="#!/bin/sh\nupdate-what-nobody-knows\n")
    archive.add("headers", depends="libc6 (= 2.41-12)")
    for name in compilers:
        archive.add(name, depends="headers" if name == "gcc" else "headers, lib (>= 2)")
    archive.finish()


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Archive, Archive]]:
    """The archive as it was, and as it is."""
    signer = Signer()
    monkeypatch.setattr(keyring, "debian_keyring", lambda: signer.keyring)
    with mirroring(tmp_path / "then", signer) as then, mirroring(tmp_path / "now", signer) as now:
        filled(then, "1")
        filled(now, "2", ["gcc", "newer"])
        yield then, now


def decided(tmp_path: Path, archive: Archive, kept: Base | None, *compiler: str, wanted: Config = WANTED) -> DebianBase:
    (tmp_path / "cog.yaml").write_text("predict: a.py:P\n")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    settings = Settings(directory=tmp_path, cache=tmp_path / "cache", environment=environment)
    with Session(settings) as session:
        question = msgspec.structs.replace(BaseQuestion.of(session, wanted), compiler=compiler, building=bool(compiler))
        found = decide_base(question, kept)
    assert isinstance(found, DebianBase)
    return found


def test_what_the_image_has_stays_but_for_what_the_compiler_needs_newer(
    tmp_path: Path, archives: tuple[Archive, Archive]
) -> None:
    then, now = archives
    base = decided(tmp_path, then, None)

    def over(*compiler: str) -> dict[str, str]:
        found = decided(tmp_path, now, base, *compiler)
        assert found.packages == base.packages
        return {deb.name: deb.version for deb in found.system_packages.packages}

    assert {deb.name: deb.version for deb in base.system_packages.packages} == {"lib": "1", "tool": "1"}
    with_gcc = decided(tmp_path, now, base, "gcc", "make")
    assert over("gcc", "make") == {"gcc": "1", "headers": "1", "lib": "1", "make": "1", "tool": "1"}
    assert with_gcc.system_packages.compiler == ("gcc", "headers", "make")
    assert {*base.system_packages.packages} < {*with_gcc.system_packages.packages}
    assert {*base.system_packages.releases} < {*with_gcc.system_packages.releases}, "where lib 1 is had, and gcc"
    del now.seen[:]
    assert decided(tmp_path, now, with_gcc, "gcc", "make") == with_gcc
    assert not now.seen, "no archive is read where all is there"
    assert over("newer") == {"headers": "1", "lib": "2", "newer": "1", "tool": "1"}


def test_what_dpkg_installs_stays_with_it_beside_the_compiler(
    tmp_path: Path, archives: tuple[Archive, Archive]
) -> None:
    then, now = archives
    wanted = config("build: {system_packages: [scripted]}\n")
    base = decided(tmp_path, then, None, wanted=wanted)
    assert base.system_packages.dpkg == ("scripted",)
    found = decided(tmp_path, now, base, "gcc", wanted=wanted)
    assert found.system_packages.dpkg == ("scripted",)
    assert [deb.name for deb in found.system_packages.packages] == ["gcc", "headers", "lib", "scripted"]
