"""Packages are configured: the tree comes out as dpkg would leave it, and no script has run."""

from collections.abc import Mapping, Sequence

from cogpack.errors import InputError
from cogpack.layers.debs.deb.package import UnpackedPackage
from cogpack.layers.debs.effects.alternatives import CHOICES, Alternative, install_alternatives
from cogpack.layers.debs.effects.effects import EFFECTS, SAME_AGAIN, Effect, find_effect
from cogpack.layers.debs.effects.ldcache import write_cache
from cogpack.layers.debs.effects.scripts import NotUnderstood, fortran_links, literal_choices, read_script
from cogpack.layers.debs.tree import Tree


def configure(tree: Tree, packages: Sequence[UnpackedPackage], arch: str) -> None:
    """Bring the tree to the state in which dpkg would leave it with every package configured."""
    choices = stand_in(tree, packages)
    install_alternatives(tree, choices)
    write_cache(tree, arch)


def stand_in(tree: Tree, packages: Sequence[UnpackedPackage]) -> list[Alternative]:
    """Do what the scripts of packages do that are installed for the first time; gives the alternatives that they
    register."""
    ordered = sorted(packages, key=lambda package: package.name)
    effects: dict[str, Effect] = {}
    choices: list[Alternative] = []
    for package in ordered:
        effect = None if package.file.foreign else find_effect(package.name)
        if effect is not None:
            effects[package.name] = effect
            choices += literal_choices(package.script("postinst"))
            choices += CHOICES.get(package.name, ())
        else:
            choices += check_scripts(package.name, package.file.version, package.control)
            for path, target in fortran_links(package.script("preinst")):
                if path not in tree:
                    tree.link(path, target)
    for name in EFFECTS:
        if name in effects:
            effects[name](tree)
    for name, effect in effects.items():
        if name not in EFFECTS:
            effect(tree)
    return choices


def is_stood_in_for(name: str) -> bool:
    """Tell whether a package of Debian's of this name needs no look at its scripts."""
    return find_effect(name) is not None


def check_scripts(name: str, version: str, control: Mapping[str, bytes]) -> list[Alternative]:
    """Give the alternatives that the scripts of `control` register; `InputError` where they do what is not known."""
    return _checked(name, version, [("preinst", "install", "", control), ("postinst", "configure", "", control)])


def check_upgrade(
    name: str,
    versions: tuple[str, str],
    controls: tuple[Mapping[str, bytes], Mapping[str, bytes]],
    *,
    foreign: bool = False,
) -> list[Alternative]:
    """Do the same of a package that takes the place of another version of it: `versions` and `controls` of the old one
    and of the new (Debian policy 6.5, "Summary of ways maintainer scripts are called"). `foreign`: see `DebFile`."""
    (old, new), (before, after) = versions, controls
    effect = None if foreign else find_effect(name)
    if effect is not None:
        if effect not in SAME_AGAIN:
            raise InputError(
                f"build.system_packages: {name} {new} is to take the place of {old} of the base, which cogpack can't "
                "stand in for",
                next_step="choose a newer base that has it",
            )
        return [*literal_choices(after.get("postinst", b"").decode("utf-8", "replace")), *CHOICES.get(name, ())]
    return _checked(
        name,
        new,
        [
            ("prerm", "upgrade", new, before),
            ("preinst", "upgrade", old, after),
            ("postrm", "upgrade", new, before),
            ("postinst", "configure", old, after),
        ],
    )


def _checked(name: str, version: str, calls: Sequence[tuple[str, str, str, Mapping[str, bytes]]]) -> list[Alternative]:
    """Read scripts, each with its arguments."""
    choices: list[Alternative] = []
    for kind, argument, other, control in calls:
        result = read_script(control.get(kind, b"").decode("utf-8", "replace"), fresh=argument, other=other)
        if isinstance(result, NotUnderstood):
            raise InputError(
                f"build.system_packages: {name} {version} has a {kind} script "
                f"that cogpack can't stand in for (at {result.line!r:.100})",
                next_step="run cogpack lock --upgrade where its scripts can be read: dpkg installs it then",
            )
        choices += result.choices
    return choices
