"""An image has bytecode where any two builders make the same of it: told by the lock alone, not by what is here."""

import msgspec
import pytest
from support.locked_bases import IMAGE

from cogpack.config.parse import parse_config
from cogpack.errors import InputError
from cogpack.lockfile import LockedInterpreter
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb, SystemPackages
from cogpack.locking.decide_bytecode import decide_bytecode

PYTHON = LockedDeb(
    name="python3.13", version="3.13.5-2+deb13u1", arch="amd64", archive="debian", path="p", size=1, sha256="0" * 64
)
DEBIAN = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=(PYTHON,))
NEWER = msgspec.structs.replace(DEBIAN, system_packages=SystemPackages(packages=(PYTHON,)))
OF_DEBIAN = msgspec.structs.replace(
    IMAGE, python="3.13", interpreter="/usr/bin/python3.13", release="3.13.4", system_packages=NEWER.system_packages
)
BESIDE = msgspec.structs.replace(OF_DEBIAN, interpreter="/usr/local/bin/python3.13")
UNKNOWN = msgspec.structs.replace(DEBIAN, packages=(msgspec.structs.replace(PYTHON, name="python3"),))


def laid(version: str) -> LockedInterpreter:
    return LockedInterpreter(version=version, url="https://p.example/a.tar.gz", sha256="0" * 64)


def decided(written: str, base: Base, interpreter: LockedInterpreter | None = None) -> str | None:
    return decide_bytecode(parse_config(f"cogpack: {{{written}}}".encode()), base, interpreter)


@pytest.mark.parametrize("written", ["", "bytecode: true"])
@pytest.mark.parametrize(
    ("base", "interpreter", "release"),
    [
        (DEBIAN, None, "cpython-3.13.5"),
        (DEBIAN, laid("3.12.16"), "cpython-3.12.16"),
        (IMAGE, laid("3.10.22"), "cpython-3.10.22"),
    ],
)
def test_the_release_is_that_of_the_images_python(
    written: str, base: Base, interpreter: LockedInterpreter | None, release: str
) -> None:
    assert decided(written, base, interpreter) == release


@pytest.mark.parametrize(
    ("base", "interpreter", "why"),
    [
        (IMAGE, None, "/usr/local/bin/python3.12 of registry.test/python:1 does not say which final release"),
        (NEWER, None, "packages over Debian replace /usr/bin/python3.13"),
        (OF_DEBIAN, None, "packages over registry.test/python:1 replace /usr/bin/python3.13"),
        (UNKNOWN, None, "/usr/bin/python3.13 of Debian does not say which final release"),
    ],
)
def test_there_is_none_where_builders_could_differ_and_who_insists_is_told_why(
    base: Base, interpreter: LockedInterpreter | None, why: str
) -> None:
    assert decided("", base, interpreter) is None
    with pytest.raises(InputError, match=r"cog\.yaml:1:\d+: (?:cogpack\.bytecode|true)") as caught:
        decided("bytecode: true", base, interpreter)
    assert why in caught.value.message


def test_of_an_images_own_python_there_is_some_for_who_insists_and_it_says_its_release() -> None:
    known = msgspec.structs.replace(IMAGE, release="3.12.9")
    assert decided("", known) is None
    assert decided("bytecode: true", known) == "cpython-3.12.9", "whatever PYTHON_VERSION says"
    assert decided("bytecode: true", BESIDE) == "cpython-3.13.4", "Debian's lies beside it"


def test_who_wants_none_has_none() -> None:
    assert decided("bytecode: false", DEBIAN) is None
