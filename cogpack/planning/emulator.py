"""An emulator of arm64 is had for amd64 machines whose kernel lets a user namespace have its own: Debian's qemu, pinned
here, which is fetched and verified as packages of a base are, and unpacked beside each tree. It is GPL, and no part of
cogpack."""

from pathlib import Path

from cogpack.artifacts import Input
from cogpack.disk import write_whole, writing
from cogpack.errors import InputError
from cogpack.layers.debs.deb.package import read_package
from cogpack.layers.spool import Spool
from cogpack.layers.tar import read
from cogpack.lockfile.base_kinds import LockedDeb
from cogpack.locking.maintainer_scripts import deb_artifact, deb_file
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.urls import pool_urls
from cogpack.session import Session

_SNAPSHOT = "20261121T211544Z"
"""When Debian's archive had it."""
_PROGRAM = "usr/bin/qemu-aarch64"

PACKAGE = LockedDeb(
    name="qemu-user",
    version="1:10.0.13+ds-0+deb13u1",
    arch="amd64",
    archive="debian",
    path="pool/main/q/qemu/qemu-user_10.0.13+ds-0+deb13u1_amd64.deb",
    size=71089852,
    sha256="ca6ede739327a20ae5a3498230c8a3a9a072c586e131bc6bcc1201eb1725e336",
)
"""Its programs are linked statically: any tree will do."""


def emulator_input(session: Session, mirror: str | None) -> Input:
    """Give the package that has it."""

    def urls() -> list[str]:
        return pool_urls(PACKAGE, DebianMirror.choose(mirror, session.environment), _SNAPSHOT)

    return Input(supply=session.supply, artifact=deb_artifact(PACKAGE), noun="Debian package", urls=urls)


def find_emulator(session: Session, mirror: str | None, place: Path) -> Path:
    """Return the emulator, in the new directory `place`. `mirror`: of Debian, where a project names one."""

    source = emulator_input(session, mirror)
    with writing(place):
        place.mkdir(mode=0o700, parents=True)
    for member, content in read_package(deb_file(PACKAGE, source.file), Spool(place, session.cancellation.check)).data:
        if content is not None and member.path == _PROGRAM:
            write_whole(place / "emulator", read(content), mode=0o700)
            return place / "emulator"
    raise InputError(f"{PACKAGE.name} {PACKAGE.version} has no {_PROGRAM}", next_step="report it as a bug")
