"""Packages over an image that others made are configured: what their scripts would leave is written, and what the
image's own packages would make of it."""

from collections.abc import Mapping, Sequence

from cogpack.layers.debs.configure import check_upgrade, stand_in
from cogpack.layers.debs.deb.package import UnpackedPackage
from cogpack.layers.debs.effects.alternatives import Alternative, install_alternatives
from cogpack.layers.debs.effects.ldcache import write_cache
from cogpack.layers.debs.effects.pam import STACKS, configure_pam
from cogpack.layers.debs.over.installed import DpkgDatabase
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import Entry

_PROFILES = "usr/share/pam-configs/"


def configure_over(
    tree: Tree,
    packages: Sequence[UnpackedPackage],
    database: DpkgDatabase,
    before: Mapping[str, Entry],
    controls: Mapping[str, Mapping[str, bytes]],
    arch: str,
) -> None:
    """Configure `packages`, of which some take the place of others in the image. `before`: what the image has;
    `controls`: by package, the control files of the version that was there."""
    choices: list[Alternative] = []
    for package in sorted(packages, key=lambda one: one.name):
        if old := database.own.get(package.name):
            versions = old.version, package.file.version
            both = controls[package.name], package.control
            choices += check_upgrade(package.name, versions, both, foreign=package.file.foreign)
    choices += stand_in(tree, [package for package in packages if package.name not in database.own])
    if any(member.path.startswith(_PROFILES) for package in packages for member, _ in package.data):
        _authenticate(tree, database, before)
    install_alternatives(tree, choices)
    write_cache(tree, arch)


def _authenticate(tree: Tree, database: DpkgDatabase, before: Mapping[str, Entry]) -> None:
    """Have PAM's stacks follow from its profiles, unless somebody has written in them (pam-auth-update(8))."""
    if "libpam-runtime" not in database.own:
        return
    found = Tree(before)
    configure_pam(found)
    if all(found.read(path) == tree.read(path) for path in STACKS):
        configure_pam(tree)
