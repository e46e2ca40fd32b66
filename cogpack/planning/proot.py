"""proot is had for the machines that need it: two small Debian packages, pinned here, or a program of the user's own.

They are fetched and verified as packages of the base are, and unpacked beside each tree, so that nothing of an earlier
run is believed; proot is started by the tree's own loader, so nothing is installed. It is GPL, and no part of cogpack.
"""

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from cogpack.artifacts import Input
from cogpack.disk import write_whole, writing
from cogpack.errors import InputError, UnavailableError
from cogpack.layers.debs.deb.package import read_package
from cogpack.layers.spool import Spool
from cogpack.layers.tar import read
from cogpack.lockfile.base_kinds import LockedDeb
from cogpack.locking.maintainer_scripts import deb_artifact, deb_file
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.urls import pool_urls
from cogpack.sandbox.rungs.proot import Proot, through_loader
from cogpack.session import Session

VARIABLE = "COGPACK_PROOT"
_SNAPSHOT = "20251001T000000Z"
"""When Debian's archive had all of these; the sha256 says that they are the same today."""
_PARTS = re.compile(r"usr/bin/(?P<program>proot)|usr/lib/[^/]+/(?P<library>libtalloc\.so\.2)[.0-9]+")
_SECONDS = 30
"""How long proot may take to tell its version."""


def _deb(name: str, version: str, arch: str, directory: str, size: int, sha256: str) -> LockedDeb:
    path = f"pool/main/{directory}/{name}_{version}_{arch}.deb"
    return LockedDeb(name=name, version=version, arch=arch, archive="debian", path=path, size=size, sha256=sha256)


_AMD64 = (
    _deb(
        *("libtalloc2", "2.4.0-f2", "amd64", "t/talloc", 25616),
        "2cbba68ca13003a0da794f5bcc44d95d0a191514fdd2d2764858b37215f0867c",
    ),
    _deb(
        *("proot", "5.4.0-3", "amd64", "p/proot", 89268),
        "bebc55a4461cb6cf3063f8248aa2c93f12e2426d054cc85e42271b349d2f514f",
    ),
    _deb(
        *("proot", "5.1.0-1.3", "amd64", "p/proot", 75060),
        "ba51946d76c0a681c034b93266d870db7e21b0d3230a4d2dea3bffb556271aeb",
    ),
)
_ARM64 = (
    _deb(
        *("libtalloc2", "2.4.0-f2", "arm64", "t/talloc", 24328),
        "c472b4dedd969dd9f9a7c436a19651a573f4fd2672f874adc724866a3742f13c",
    ),
    _deb(
        *("proot", "5.4.0-3", "arm64", "p/proot", 81852),
        "736269702ac3915af98a402d7646296273ede4ba58dafeb21243ff8d09429813",
    ),
    _deb(
        *("proot", "5.1.0-1.3", "arm64", "p/proot", 68332),
        "55426adf80eb29525b552e0f91cc2b41faa3cea473452bc2c8d8d9b25fff325a",
    ),
)
PACKAGES = MappingProxyType({"x86_64": _AMD64, "aarch64": _ARM64})
"""By machine: the library of proot, then proot. 5.1 is for where 5.4 can't be had, or the image's C library is older
than 2.38."""


def find_proot(session: Session, mirror: str | None, root: Path, place: Path) -> Proot:
    """Return how proot is started over the tree `root`. `mirror`: of Debian, where a project names one; `place`: a new
    directory, where it lies as long as it is used.

    An `UnavailableError` where it can't be had.
    """
    if named := session.environment.get(VARIABLE):
        return _named(named)
    library, *programs = _packages(platform.machine())
    lacking: UnavailableError | None = None
    refusals: list[str] = []
    for program in programs:
        here = place / program.version
        try:
            for package in (library, program):
                _unpack(session, mirror, package, here)
            proot = through_loader(here / "proot", root, (here,))
        except UnavailableError as error:
            lacking = error
            continue
        except FileNotFoundError:
            refusals = ["there is none"]
            break
        if (refusal := _refusal(proot)) is None:
            return proot
        refusals.append(f"{program.version}: {refusal}")
    if refusals or lacking is None:
        raise InputError(
            f"proot, which is needed here, does not start with the image's C library ({'; '.join(refusals)})",
            next_step=f"set {VARIABLE} to a proot of this machine, or run it as root",
        )
    raise UnavailableError(
        f"proot is needed here, and can't be had: {lacking.message}",
        next_step=f"any one of these helps: COGPACK_DEBIAN_MIRROR=URL of a mirror that is reached; {VARIABLE}=/path "
        "of a proot; root; a machine that allows user namespaces",
    )


def _named(program: str) -> Proot:
    if not program.startswith("/") or not os.access(program, os.X_OK) or Path(program).is_dir():
        raise InputError(
            f"{VARIABLE}: expected the absolute path of a program, found {program!r:.200}",
            next_step="name proot's own file, or unset it",
        )
    return Proot((program,))


def _packages(machine: str) -> Sequence[LockedDeb]:
    if machine not in PACKAGES:
        raise InputError(f"no proot is known for {machine}", next_step=f"set {VARIABLE} to one that is here")
    return PACKAGES[machine]


def proot_inputs(session: Session, mirror: str | None, machine: str) -> tuple[Input, ...]:
    """Give the packages that `find_proot` may want on a `machine`."""
    return tuple(_input(session, mirror, package) for package in PACKAGES.get(machine, ()))


def _input(session: Session, mirror: str | None, package: LockedDeb) -> Input:
    def urls() -> list[str]:
        return pool_urls(package, DebianMirror.choose(mirror, session.environment), _SNAPSHOT)

    return Input(supply=session.supply, artifact=deb_artifact(package), noun="Debian package", urls=urls)


def _unpack(session: Session, mirror: str | None, package: LockedDeb, place: Path) -> None:
    """Write what `package` has of proot into `place`, by the names that the loader looks for."""

    source = _input(session, mirror, package)
    with writing(place):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    for member, content in read_package(deb_file(package, source.file), Spool(place, session.cancellation.check)).data:
        if content is not None and (found := _PARTS.fullmatch(member.path)):
            target = place / (found["program"] or found["library"])
            write_whole(target, read(content), mode=0o700)


def _refusal(proot: Proot) -> str | None:
    """Say why it does not start; None if it does."""
    try:
        done = subprocess.run(
            [*proot.command, "--version"], capture_output=True, env={}, cwd="/", timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode(errors="replace").strip()[-200:]
    return None if done.returncode == 0 else said or f"ended with {done.returncode}"
