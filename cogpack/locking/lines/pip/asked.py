"""What a pip line asks for, and what of its choice it lays."""

from collections.abc import Collection, Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cogpack.lockfile import LockedWheel
from cogpack.locking.lines.pip.files import Said
from cogpack.locking.lines.pip.source import PipSource
from cogpack.locking.lines.pip.uv import check_uv
from cogpack.locking.sources.direct import DirectWheel
from cogpack.resolve.pip import Asked, Offer, Package, Taste, UnforeseenError
from cogpack.run_lines import PipInstall, PipRequirement

_OLDEST = Version("25.1")
"""The first pip that pins packages in the order that `resolve.pip` knows."""


def check_line(said: Said, before: Mapping[str, LockedWheel]) -> None:
    """Raise `UnforeseenError` of a line that only running it can tell."""
    effect = said.effect
    if effect.options.require_hashes:
        raise UnforeseenError("--require-hashes is of requirements files")
    if effect.installer == "uv":
        check_uv(effect, before, indexed=said.indexed)
        return
    if (pip := before.get("pip")) is None:
        raise UnforeseenError("an earlier line has taken pip away")
    if Version(pip.version) < _OLDEST:
        raise UnforeseenError(f"pip {pip.version} chooses otherwise than pip {_OLDEST} and later")


def taste_of(effect: PipInstall) -> Taste:
    return Taste(
        pre=effect.options.pre,
        prefer_binary=effect.prefer_binary,
        only_binary=effect.only_binary,
        no_binary=effect.no_binary,
    )


def is_laid(
    package: Package, effect: PipInstall, before: Mapping[str, LockedWheel], local: Collection[Package]
) -> bool:
    """Tell whether pip lays what it chose: not where this version is there already, but of a directory."""
    if package.file is None:
        return False
    old = before.get(package.name)
    if old is None or effect.force_reinstall or package in local:
        return True
    if Version(old.version) == package.version:
        return False
    if effect.ignore_installed:
        raise UnforeseenError(f"with --ignore-installed, {old.name} {old.version} stays beside another")
    return True


def asked(requirement: PipRequirement, source: PipSource, built: Mapping[PipRequirement, DirectWheel]) -> Asked:
    """Say what is asked for; of a source, the wheel that was `built` of it."""
    if (direct := built.get(requirement)) is not None:
        return Asked(Requirement(f"{direct.wheel.name}{direct.extras}"), package_of(direct))
    if requirement.kind != "wheel":
        return Asked(Requirement(requirement.text))
    try:
        parsed = Requirement(requirement.text)  # NAME @ URL
    except InvalidRequirement:
        package = source.named(requirement.text)
        return Asked(Requirement(package.name), package)
    package = source.named(parsed.url or "")
    if package.name != canonicalize_name(parsed.name):
        raise UnforeseenError(f"{parsed.name} is not what the address names")
    return Asked(parsed, package)


def package_of(direct: DirectWheel) -> Package:
    """Give a wheel that was built as one that is offered here."""
    wheel = direct.wheel
    offer = Offer(filename=wheel.filename, url=direct.path.absolute().as_uri(), sha256=wheel.sha256, size=wheel.size)
    return Package(wheel.name, Version(wheel.version), offer)
