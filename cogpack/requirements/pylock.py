"""`pylock.toml` (PEP 751) holds exact packages, with hashes, which stay what they are."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from cogpack.patterns import pattern
from cogpack.requirements.model import Selection

if TYPE_CHECKING:
    from packaging.pylock import Package

    from cogpack.requirements.toml_text import Line, TomlText

_NAME = pattern(r"pylock(?:\.[^.]+)?\.toml")


def is_pylock(filename: str) -> bool:
    return _NAME.fullmatch(filename) is not None


def pylock_lines(file: "TomlText", selection: Selection) -> "list[Line]":
    """Give the packages that the lock has for the image, and the indexes that they are from."""
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError  # for few projects

    from cogpack.requirements.toml_text import Line

    try:
        lock = Pylock.from_dict(file.document)
    except (PylockValidationError, PylockUnsupportedVersionError) as error:
        file.fail(f"no lock as PEP 751 has it: {error!s:.200}", "make it anew")
    file.check_python(lock.requires_python, selection)
    groups: set[str] = {canonicalize_name(name) for name in lock.dependency_groups or ()}
    file.check_selection(selection, extras=set(lock.extras or ()), groups=groups)
    environment: dict[str, str | AbstractSet[str]] = {
        **selection.environment,
        "extras": set(selection.extras),
        "dependency_groups": set(selection.groups or map(canonicalize_name, lock.default_groups or ())),
    }
    if lock.environments and not any(marker.evaluate(environment, "lock_file") for marker in lock.environments):
        file.fail(
            f"it is for none of Python {selection.python} on linux/{selection.arch}",
            "make it for that, or correct build.python_version",
        )
    numbers = file.packages()
    found: list[Line] = []
    for package in lock.packages:
        if package.marker is None or package.marker.evaluate(environment, "lock_file"):
            number = numbers.get(package.name, 1)
            found += (Line(text, number) for text in _lines(file, package, number))
    return list({line.text: line for line in found}.values())


def _lines(file: "TomlText", package: "Package", number: int) -> Iterator[str]:
    from cogpack.requirements.pinned import at_address, at_commit, file_in_project, from_index, in_project, pinned

    name = package.name
    if (vcs := package.vcs) is not None:
        yield at_commit(name, vcs.url or in_project(vcs.path or "."), vcs.commit_id, vcs.subdirectory)
    elif (directory := package.directory) is not None:
        if directory.path not in (".", "./"):  # that is the project, which is in the image
            yield f"{'-e ' if directory.editable else ''}{in_project(directory.path)}"
    elif (archive := package.archive) is not None:
        yield (
            at_address(name, archive.url, _digest(archive.hashes), archive.subdirectory)
            if archive.url
            else file_in_project(archive.path or "", _digest(archive.hashes))
        )
    else:
        if package.version is None:
            file.fail(f"{name} has no version", "make the lock anew", number)
        files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
        hashes = (f"{kind}:{value}" for one in files for kind, value in one.hashes.items() if kind in _KINDS)
        yield pinned(name, str(package.version), hashes)
        yield from sorted({f"--find-links {in_project(one.path)}/.." for one in files if one.path and not one.url})
        yield from from_index(package.index)


_KINDS = ("sha256", "sha384", "sha512")


def _digest(hashes: object) -> str | None:
    return f"sha256:{hashes['sha256']}" if isinstance(hashes, dict) and "sha256" in hashes else None
