"""Packages are configured: the tree comes out as dpkg would leave it, and no script has run."""

from collections.abc import Mapping, Sequence

from cogpack.errors import InputError
from cogpack.layers.debs.deb.package import UnpackedPackage
from cogpack.layers.debs.effects.alternatives import Alternative, install_alternatives
from cogpack.layers.debs.effects.effects import CHOICES, EFFECTS, Effect, find_effect
from cogpack.layers.debs.effects.ldcache import write_cache
from cogpack.layers.debs.effects.scripts import NotUnderstood, literal_choices, read_script
from cogpack.layers.debs.tree import Tree


def configure(tree: Tree, packages: Sequence[UnpackedPackage], arch: str) -> None:
    """Bring the tree to the state in which dpkg would leave it with every package configured."""
    ordered = sorted(packages, key=lambda package: package.name)
    effects: dict[str, Effect] = {}
    choices: list[Alternative] = []
    for package in ordered:
        effect = find_effect(package.name)
        if effect is not None:
            effects[package.name] = effect
            choices += literal_choices(package.script("postinst"))
            choices += CHOICES.get(package.name, ())
        else:
            choices += _understood(package)
    for name in EFFECTS:
        if name in effects:
            effects[name](tree)
    for name, effect in effects.items():
        if name not in EFFECTS:
            effect(tree)
    install_alternatives(tree, choices)
    write_cache(tree, arch)


def is_stood_in_for(name: str) -> bool:
    """Tell whether a package of this name needs no look at its scripts."""
    return find_effect(name) is not None


def _understood(package: UnpackedPackage) -> list[Alternative]:
    return check_scripts(package.name, package.file.version, package.control)


def check_scripts(name: str, version: str, control: Mapping[str, bytes]) -> list[Alternative]:
    """Give the alternatives that the scripts of `control` register; `InputError` where they do what is not known."""
    choices: list[Alternative] = []
    for kind, argument in (("preinst", "install"), ("postinst", "configure")):
        result = read_script(control.get(kind, b"").decode("utf-8", "replace"), fresh=argument)
        if isinstance(result, NotUnderstood):
            raise InputError(
                f"build.system_packages: {name} {version} has a {kind} script "
                f"that cogpack can't stand in for (at {result.line!r:.100})",
                next_step="run cogpack lock --upgrade where its scripts can be read: dpkg installs it then",
            )
        choices += result.choices
    return choices
