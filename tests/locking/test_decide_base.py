"""Which base a project gets: what is kept, and what is refused before anybody is asked."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from support.locked_bases import IMAGE

from cogpack.config import Config
from cogpack.config.parse import parse_config
from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import (
    Base,
    DebianBase,
    DebianRelease,
    LockedDeb,
    Present,
    RegistryBase,
    SystemPackages,
)
from cogpack.locking.base_question import BaseQuestion
from cogpack.locking.decide_base import decide_base
from cogpack.locking.shared_base import SharedBase, SharedImage
from cogpack.progress import SILENT
from cogpack.resolve.debs.names.tools import COG_TOOLS

TRIXIE = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=())
SLIM = msgspec.structs.replace(TRIXIE, slim=True)
BOOKWORM = msgspec.structs.replace(TRIXIE, suite="bookworm", python="3.11", glibc="2.36")
OF_IMAGE = "cogpack: {base: 'registry.test/python:1'}\n"


class AskedError(Exception):
    """What is decided anew asks somebody."""


class Nobody:
    """A session that says when it is asked for anything."""

    def __getattr__(self, name: str) -> Any:
        raise AskedError(name)


def config(text: str) -> Config:
    return parse_config(text.encode())


def decided(text: str, kept: Base | None, shared: SharedBase | SharedImage | None = None, **environment: str) -> Base:
    session: Any = Nobody()
    session.environment, session.progress = environment, SILENT
    return decide_base(msgspec.structs.replace(BaseQuestion.of(session, config(text)), shared=shared), kept)


def requested(*names: str) -> DebianBase:
    packages = tuple(
        LockedDeb(
            name=name, version="1", arch="amd64", archive="debian", path="p", size=1, sha256="0" * 64, requested=True
        )
        for name in names
    )
    return msgspec.structs.replace(TRIXIE, system_packages=SystemPackages(packages=packages, recommends=True))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("predict: a.py:P", TRIXIE),
        ("build: {python_version: '3.13.2'}", TRIXIE),
        ("build: {system_packages: [ffmpeg, git]}", requested("git", "ffmpeg")),
        ("build: {system_packages: ['ffmpeg>=0.9', 'git=1']}", requested("git", "ffmpeg")),
        ("build: {system_packages: [git, libgl1-mesa-glx]}", requested("git", "libgl1", "libglx-mesa0")),
        ("build: {system_packages: [libaio1]}", requested("libaio1t64")),
        ("build: {system_packages: [git, libcudnn8]}", requested("git")),
        ("build: {python_version: '3.12', system_packages: [git, python3.12-dev, libpython3.12]}", requested("git")),
        ("cogpack: {recommends: false}", TRIXIE),
        ("build: {python_version: '3.12'}", TRIXIE),
        ("build: {python_version: '3.14'}", TRIXIE),
        ("build: {python_version: '3.10'}", BOOKWORM),
        ("build: {python_version: '3.11.4'}", BOOKWORM),
        ("cogpack: {base: debian}", TRIXIE),
        ("cogpack: {base: 'debian:slim'}", SLIM),
        ("cogpack: {base: 'debian:trixie-slim'}", SLIM),
        ("cogpack: {base: 'debian:bookworm'}", BOOKWORM),
        ("build: {python_version: '3.13'}\ncogpack: {base: 'debian:bookworm'}", BOOKWORM),
        ("build: {python_version: '3.11'}\ncogpack: {base: 'debian:trixie'}", TRIXIE),
        (OF_IMAGE, IMAGE),
        ("build: {python_version: '3.12'}\n" + OF_IMAGE, IMAGE),
        ("build: {python_version: '3.11'}\n" + OF_IMAGE, IMAGE),
    ],
)
def test_a_base_that_still_is_what_the_project_asks_for_is_kept_and_nobody_is_asked(text: str, kept: Base) -> None:
    assert decided(text, kept) is kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("predict: a.py:P", None),
        ("build: {python_version: '3.11'}", TRIXIE),
        ("predict: a.py:P", msgspec.structs.replace(TRIXIE, arch="arm64")),
        ("build: {python_version: '3.12', system_packages: [git, python3.11-dev]}", requested("git")),
        ("build: {python_version: '3.13', system_packages: [git, python3.13-dev]}", requested("git")),
        ("build: {system_packages: [ffmpeg]}", requested("git", "ffmpeg")),
        ("build: {system_packages: ['ffmpeg=7']}", requested("ffmpeg")),
        ("build: {system_packages: ['ffmpeg>=2']}", requested("ffmpeg")),
        ("build: {system_packages: [git, libgl1-mesa-glx]}", requested("git")),
        ("build: {system_packages: [ffmpeg]}\ncogpack: {recommends: false}", requested("ffmpeg")),
        ("predict: a.py:P", IMAGE),
        (OF_IMAGE, TRIXIE),
        ("predict: a.py:P", SLIM),
        ("cogpack: {base: 'debian:slim'}", TRIXIE),
        ("build: {python_version: '3.11'}\ncogpack: {base: 'debian:slim'}", SLIM),
        ("cogpack: {base: 'debian:trixie'}", BOOKWORM),
        ("cogpack: {base: 'registry.test/python:2'}", IMAGE),
        ("build: {system_packages: [git]}\ncogpack: {tools: cog}", requested("git")),
    ],
)
def test_any_other_is_decided_anew(text: str, kept: Base | None) -> None:
    with pytest.raises(AskedError):
        decided(text, kept)


def with_packages(*requested: str, present: str = "") -> RegistryBase:
    """The image with packages over it, of which one was there already."""
    packages = tuple(
        LockedDeb(
            name=name, version="1", arch="amd64", archive="debian", path="p", size=1, sha256="0" * 64, requested=True
        )
        for name in requested
    )
    there = (Present(present, "2"),) if present else ()
    return msgspec.structs.replace(
        IMAGE, system_packages=SystemPackages(packages=packages, present=there, recommends=True)
    )


@pytest.mark.parametrize(
    ("packages", "kept", "anew"),
    [
        ("[git]", with_packages("git"), False),
        ("[git, curl]", with_packages("git", present="curl"), False),
        ("['curl>=2']", with_packages(present="curl"), False),
        ("['curl>=3']", with_packages(present="curl"), True),
        ("[git]", IMAGE, True),
        ("[git, curl]", with_packages("git"), True),
        ("[git]", with_packages("git", present="curl"), True),
    ],
)
def test_packages_over_an_image_are_kept_where_they_are_what_is_asked_for(
    packages: str, kept: RegistryBase, anew: bool
) -> None:
    text = f"build: {{system_packages: {packages}}}\n" + OF_IMAGE
    if anew:
        with pytest.raises(AskedError):
            decided(text, kept)
    else:
        assert decided(text, kept) is kept


def test_packages_that_are_not_asked_for_any_more_leave_an_image_as_it_was() -> None:
    assert decided(OF_IMAGE, with_packages("git")) == IMAGE


def test_a_mirror_that_is_none_is_refused_over_an_image_that_is_kept_too() -> None:
    with pytest.raises(InputError, match="COGPACK_DEBIAN_MIRROR"):
        decided(OF_IMAGE, IMAGE, COGPACK_DEBIAN_MIRROR="nowhere")


def test_a_package_of_tools_and_of_a_compiler_is_told_by_the_place_of_the_tools() -> None:
    session: Any = SimpleNamespace(environment={})
    question = BaseQuestion.of(session, config("cogpack: {tools: cog}"))
    question = msgspec.structs.replace(question, tools=COG_TOOLS, compiler=("g++", "libpython3.13-dev"))
    places = question.debs(["g++", "libpython3.13-dev"]).places
    assert (places["g++"], places["libpython3.13-dev"]) == (
        "cog.yaml:1:18: cogpack.tools",
        "cog.yaml: cogpack.compiler",
    )


WITH_RELEASE = msgspec.structs.replace(IMAGE, release="3.12.9")
BYTECODE = "cogpack: {base: 'registry.test/python:1', bytecode: true}\n"


@pytest.mark.parametrize("text", [OF_IMAGE, OF_IMAGE.replace("}", ", bytecode: false}")])
def test_the_release_that_was_asked_for_once_does_not_stay(text: str) -> None:
    assert decided(text, WITH_RELEASE) == IMAGE
    assert decided(text, None, SharedImage("x.lock", WITH_RELEASE)) == IMAGE


@pytest.mark.parametrize("build", ["", "build: {python_version: '3.12'}\n", "build: {python_version: '3.12.4'}\n"])
def test_the_release_of_a_python_that_may_run_is_asked_for_once(build: str) -> None:
    assert decided(build + BYTECODE, WITH_RELEASE) is WITH_RELEASE
    with pytest.raises(AskedError, match="images"):
        decided(build + BYTECODE, IMAGE)


def test_the_release_of_a_python_that_another_is_laid_over_is_not_asked_for() -> None:
    bare = msgspec.structs.replace(IMAGE, python=None, interpreter=None)
    for base in (IMAGE, bare):
        assert decided("build: {python_version: '3.10'}\n" + BYTECODE, base) is base
    assert decided("build: {python_version: '3.10'}\n" + BYTECODE, WITH_RELEASE) == IMAGE
    assert decided(BYTECODE, bare) is bare


def of(stamp: str, *hashes: str) -> DebianBase:
    """A base of packages that are told by their hashes, from the archive as it was by `stamp`."""
    release = DebianRelease(archive="debian", suite="x", date="", sha256="", signed_by="", snapshot=stamp)
    packages = tuple(
        LockedDeb(name=digit, version="1", arch="amd64", archive="debian", path="p", size=1, sha256=digit * 64)
        for digit in hashes
    )
    return msgspec.structs.replace(TRIXIE, releases=(release,), packages=packages)


OF_A_DAY = "cogpack: {debian_snapshot: 2026-11-01}"


def test_the_base_of_the_day_that_is_asked_for_is_kept_and_that_of_another_is_not() -> None:
    kept = of("20261101T000000Z", "1")
    assert decided(OF_A_DAY, kept) is kept
    assert decided("predict: a.py:P", kept, COGPACK_DEBIAN_SNAPSHOT="2026-11-01") is kept
    assert decided("predict: a.py:P", kept) is kept, "nobody asks for another"
    for text, day in ((OF_A_DAY.replace("11-01", "11-02"), ""), ("predict: a.py:P", "2026-11-02")):
        with pytest.raises(AskedError):
            decided(text, kept, COGPACK_DEBIAN_SNAPSHOT=day)


def test_the_base_of_another_lock_is_kept_while_it_is_that_ones() -> None:
    kept = of("20261101T000000Z", "1", "2")
    assert decided("predict: a.py:P", kept, SharedBase("x.lock", of("20261001T000000Z", "1", "2"))) is kept
    with pytest.raises(AskedError):
        decided("predict: a.py:P", kept, SharedBase("x.lock", of("20261001T000000Z", "1", "3")))


def test_the_base_of_a_lock_of_another_python_is_refused() -> None:
    other = msgspec.structs.replace(of("20261101T000000Z", "1"), suite="bookworm", python="3.11")
    with pytest.raises(InputError, match=r"the base of x.lock is Debian bookworm, and this project.s is trixie"):
        decided("predict: a.py:P", None, SharedBase("x.lock", other))


def test_the_base_of_a_lock_that_has_less_in_it_is_refused_with_the_name_to_write() -> None:
    with pytest.raises(InputError, match=r"is Debian trixie-slim, and this project.s is trixie, ") as caught:
        decided("predict: a.py:P", None, SharedBase("x.lock", SLIM))
    assert caught.value.next_step.endswith("write base: debian:trixie-slim under cogpack")
    assert decided("cogpack: {base: 'debian:trixie-slim'}", SLIM, SharedBase("x.lock", SLIM)) is SLIM


def test_a_base_that_is_somebody_elses_is_not_upgraded_alone() -> None:
    kept = of("20261101T000000Z", "1")
    session: Any = Nobody()
    session.environment = {}
    for text, shared in ((OF_A_DAY, None), ("predict: a.py:P", SharedBase("x.lock", kept))):
        with pytest.raises(InputError, match="--upgrade-system: the base is that of"):
            decide_base(
                msgspec.structs.replace(BaseQuestion.of(session, config(text)), shared=shared, upgrade_system=True),
                kept,
            )
