"""What would need a shell is refused at lock where the base has none, and nothing else is."""

import msgspec
import pytest
from locking.test_decide_base import SLIM, TRIXIE, config

from cogpack.errors import InputError
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb, SystemPackages
from cogpack.locking.slim import check_slim

DEB = LockedDeb(name="tex", version="1", arch="amd64", archive="debian", path="p", size=1, sha256="0" * 64)
WHEEL = LockedWheel(name="pip", version="1", filename="pip-1-py3-none-any.whl", sha256="0" * 64)
WITH_DPKG = SystemPackages(packages=(DEB,), dpkg=("tex",))


NONE = SystemPackages()
RUN = "has to be run, and there is no shell in debian:slim"
OUT = "(next: write base: debian:trixie under cogpack"


def over(base: DebianBase, packages: SystemPackages = NONE) -> Decisions:
    base = msgspec.structs.replace(base, system_packages=packages)
    return Decisions(base=base, wheels=(WHEEL,), clashes=())


def test_commands_and_packages_that_nothing_could_run_are_named_all_at_once_with_the_way_out() -> None:
    text = "build:\n  run:\n  - mkdir /x\n  - make\n  system_packages: [tex]\ncogpack: {base: 'debian:slim'}"
    with pytest.raises(InputError) as caught:
        check_slim(config(text), over(SLIM, WITH_DPKG))
    of = "(cog.yaml:6:17: cogpack.base)"
    assert caught.value.message.splitlines() == [
        "2 things must change:",
        f"  cog.yaml:4:5: build.run[1]: {RUN} {of} {OUT}, or take the command out)",
        f"  cog.yaml:5:20: build.system_packages: dpkg has to install tex, and is not in debian:slim {of} {OUT})",
    ]


def test_lines_that_are_not_run_and_packages_whose_scripts_are_known_go_over_it() -> None:
    text = "build: {run: ['mkdir /x'], system_packages: [tex]}\ncogpack: {base: 'debian:slim'}"
    check_slim(config(text), over(SLIM, SystemPackages(packages=(DEB,))))


def test_nothing_is_refused_over_a_base_with_a_shell() -> None:
    check_slim(config("build: {run: [make]}"), over(TRIXIE, WITH_DPKG))
