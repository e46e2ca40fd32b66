"""What a new lock has otherwise is told in lines that people read."""

import msgspec

from cogpack.digest import sha256
from cogpack.lockfile import REQUIRES, VERSION, Decisions, Lock, LockedWheel
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb, RegistryBase, SystemPackages
from cogpack.lockfile.clones import LockedClone
from cogpack.locking.changes import change_lines, changes, holdings, package_changes

PLATFORM = "linux/amd64"
IMAGE = RegistryBase(
    reference="python:3.12-slim",
    digest=sha256(b"image"),
    python="3.12",
    glibc="2.36",
    interpreter="/usr/local/bin/python3.12",
    config='{"rootfs": {"diff_ids": []}}',
    layers=(),
)
WHEEL = LockedWheel(name="numpy", version="2.1", filename="numpy-2.1-py3-none-any.whl", sha256="a" * 64, size=3_000_000)


def debian(**versions: str) -> DebianBase:
    packages = tuple(
        LockedDeb(name=name, version=text, arch="amd64", archive="debian", path="p", size=2_000_000, sha256="0" * 64)
        for name, text in versions.items()
    )
    return DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=packages)


def lock(base: Base, *wheels: LockedWheel) -> Lock:
    return Lock(
        version=VERSION,
        requires=f"cogpack>={REQUIRES}",
        format=2,
        inputs={},
        platforms={PLATFORM: Decisions(base=base, wheels=wheels, clashes=())},
    )


def told(before: Lock, after: Lock) -> list[str]:
    return change_lines(changes(before, after, PLATFORM))


def test_packages_and_wheels_that_moved_are_named_and_what_is_as_it_was_is_not() -> None:
    before = lock(debian(git="1", curl="7", tar="3"), WHEEL)
    after = lock(debian(git="2", curl="7", xz="5"), msgspec.structs.replace(WHEEL, version="2.2"))
    assert told(before, before) == []
    assert told(before, after) == [
        "moved    git 1 -> 2",
        "removed  tar 3",
        "added    xz 5",
        "moved    numpy 2.1 -> 2.2",
    ]


def test_packages_that_builds_alone_have_are_named() -> None:
    def made(git: str, gcc: str) -> Lock:
        base = debian(git=git)
        packages = SystemPackages(packages=debian(git=git, gcc=gcc).packages)
        found = Decisions(base=base, wheels=(WHEEL,), clashes=(), build_compiler=packages)
        return msgspec.structs.replace(lock(base, WHEEL), platforms={PLATFORM: found})

    found = package_changes(made("1", "1"), made("2", "2"), PLATFORM)
    assert [(one.kind, str(one)) for one in found] == [
        ("Debian package", "moved    git 1 -> 2"),
        ("build-time package", "moved    gcc 1 -> 2"),
    ]


def test_a_clone_that_moved_is_named() -> None:
    before, after = lock(IMAGE, WHEEL), lock(IMAGE, WHEEL)
    for commit, found in (("a" * 40, before), ("b" * 40, after)):
        clone = LockedClone(url="https://git.test/tools.git", directory="tools", commit=commit)
        found.platforms[PLATFORM] = msgspec.structs.replace(found.platforms[PLATFORM], clones=(clone,))
    assert told(before, after) == [f"moved    https://git.test/tools.git in /tools {'a' * 12} -> {'b' * 12}"]


def test_another_kind_of_base_is_one_base_less_and_one_more() -> None:
    digest = IMAGE.digest[7:19]
    lines = ["removed  Debian trixie amd64", f"added    python:3.12-slim {digest}", "removed  git 1"]
    assert told(lock(debian(git="1")), lock(IMAGE)) == lines
    assert told(lock(IMAGE), lock(debian(git="1"))) == [
        "added    Debian trixie amd64",
        f"removed  python:3.12-slim {digest}",
        "added    git 1",
    ]


def test_an_image_that_moved_under_its_tag_is_named_by_its_digests() -> None:
    moved = msgspec.structs.replace(IMAGE, digest=sha256(b"another"))
    assert told(lock(IMAGE), lock(moved)) == [f"moved    python:3.12-slim {IMAGE.digest[7:19]} -> {moved.digest[7:19]}"]


def test_many_packages_are_counted() -> None:
    before = lock(debian(**{f"p{number}": "1" for number in range(30)}))
    after = lock(debian(**{f"p{number}": "2" for number in range(10, 31)}))
    assert told(before, after) == ["changed  31 Debian packages: 1 added, 10 removed, 20 moved"]


def test_what_a_lock_holds_is_summed_up_by_the_kind_of_its_base() -> None:
    of_debian, of_image = lock(debian(git="1", curl="7"), WHEEL), lock(IMAGE, WHEEL)
    assert holdings(of_debian.platforms[PLATFORM]) == "2 Debian packages (4.0 MB) and 1 wheel (3.0 MB)"
    assert holdings(of_image.platforms[PLATFORM]) == "python:3.12-slim and 1 wheel (3.0 MB)"
