"""Of the wheels that a version has, one is chosen."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cogpack.errors import InputError
from cogpack.resolve.wheels.target import TargetPython

if TYPE_CHECKING:
    from packaging.pylock import PackageArchive, PackageWheel

_HASH = re.compile(r"(?:\s--hash=|[#&])(sha\d+)[:=]([0-9a-fA-F]+)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def named_hashes(lines: Iterable[str]) -> dict[str, frozenset[str]]:
    """Collect the sha256 by package from lines that name hashes, behind the requirement or in its address.

    uv ignores them.

    A package with hashes of other kinds only has an empty set: nothing could be checked, so nothing passes.
    """
    found: dict[str, set[str]] = {}
    for line in lines:
        name = _NAME.match(line)
        hashes = _HASH.findall(line)
        if name and hashes:
            allowed = found.setdefault(canonicalize_name(name[0]), set())
            allowed.update(value.lower() for kind, value in hashes if kind == "sha256")
    return {name: frozenset(allowed) for name, allowed in found.items()}


def filename_of(file: "PackageWheel | PackageArchive") -> str:
    return (
        getattr(file, "name", None)
        or (unquote(urlsplit(file.url).path) if file.url else str(file.path)).rpartition("/")[2]
    )


def best_wheel(
    wheels: "Iterable[PackageWheel]", tags: Mapping[Tag, int], allowed: frozenset[str] | None
) -> "PackageWheel | None":
    """Choose the wheel whose tag has the first place of `tags`; of equals the highest build number (PEP 427).

    Only those with a sha256 count, and with `allowed` only those with one of these.
    """
    candidates: list[tuple[int, tuple[int, str] | tuple[()], str, PackageWheel]] = []
    for wheel in wheels:
        filename, sha256 = filename_of(wheel), wheel.hashes.get("sha256")
        if sha256 is None or (allowed is not None and sha256 not in allowed):
            continue
        try:
            _, _, build, wheel_tags = parse_wheel_filename(filename)
        except InvalidWheelFilename:
            continue
        ranks = [tags[tag] for tag in wheel_tags if tag in tags]
        if ranks:
            candidates.append((-min(ranks), build, filename, wheel))
    return max(candidates, key=lambda item: item[:3])[3] if candidates else None


def no_wheel(name: str, version: str, target: TargetPython) -> InputError:
    return InputError(
        f"requirements: {name} {version} has no wheel for Python {target.python}, {target.machine}, "
        f"glibc {target.glibc}",
        next_step=f"pin another version, or build a wheel (pip wheel {name}) and name its file in the requirements",
    )
