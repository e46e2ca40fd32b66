"""A name that is no package gets those that may be meant: by what the writer wants, before how it is spelt."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from cogpack.resolve.debs.archives.index import PackageIndex
from cogpack.resolve.debs.names.programs import PROGRAMS

_MEANT: Mapping[str, Sequence[str]] = {
    # What other systems call it, and what its Python module or project is called.
    "blas": ("libopenblas-dev",),
    "build-base": ("build-essential",),
    "cairo": ("libcairo2-dev",),
    "cv2": ("libgl1", "libglib2.0-0"),
    "docker": ("docker.io",),
    "exa": ("eza",),
    "fuse": ("fuse3",),
    "gl": ("libgl1",),
    "glib": ("libglib2.0-0",),
    "glib2": ("libglib2.0-0",),
    "golang": ("golang-go",),
    "jpeg": ("libjpeg-dev",),
    "lapack": ("liblapack-dev",),
    "libatlas-base-dev": ("libopenblas-dev",),
    "libgl": ("libgl1",),
    "libgl1t64": ("libgl1",),
    "libglut3": ("libglut3.12",),
    "libjpeg": ("libjpeg-dev",),
    "libjpeg-turbo": ("libjpeg62-turbo",),
    "libjpeg-turbo8": ("libjpeg62-turbo",),
    "libjpeg8": ("libjpeg62-turbo",),
    "libopencv": ("libopencv-dev", "python3-opencv"),
    "libreadline-gplv2-dev": ("libreadline-dev",),
    "libsndfile": ("libsndfile1",),
    "mesa": ("libgl1", "libgl1-mesa-dri"),
    "mysql": ("default-libmysqlclient-dev",),
    "neofetch": ("fastfetch",),
    "opencv": ("libopencv-dev", "python3-opencv"),
    "openssl-dev": ("libssl-dev",),
    "postgresql-dev": ("libpq-dev",),
    "psycopg2": ("libpq-dev",),
    "python": ("python-is-python3",),
    "python2": ("python3",),
    "sndfile": ("libsndfile1",),
    "soundfile": ("libsndfile1",),
    "torch": ("libgomp1",),
    "yarn": ("yarnpkg",),
}
_DIGITS = re.compile(r"\d+(?:\.\d+)*")
_WORD = re.compile(r"[a-z]{2,}")
_EMPTY = frozenset({"lib", "dev", "devel", "python", "common", "bin", "tools", "for", "the", "and", "of"})
_MOST = 3


def suggestions(name: str, indexes: Sequence[PackageIndex]) -> list[str]:
    """Give up to three packages that may be meant by `name`, the likeliest first."""
    names = {there for index in indexes for there in index.names()}
    for found in (
        [package for package in dict.fromkeys(_meant(name)) if any(map(_knows(package), indexes))],
        _of_other_versions(name, names),
        _continued(name, names),
        sorted(names & _slips(name)),
        _described(name, indexes),
        _spelt(name, names),
    ):
        if found:
            return found[:_MOST]
    return []


def _meant(name: str) -> Iterator[str]:
    stem = re.sub(r"-(?:devel|headers)$", "-dev", name)
    yield from (*_MEANT.get(name, ()), *_MEANT.get(stem, ()))
    if name in PROGRAMS:
        yield PROGRAMS[name]
    if library := re.fullmatch(r"(lib[a-z0-9+_-]+?)\.so(?:\.(\d+))?(?:\.\d+)*", name):  # Debian policy 8.1
        title, number = library[1].replace("_", "-"), library[2] or ""
        yield from (f"{title}{number}", f"{title}-{number}", f"{title}{number}t64", f"{title}-dev")
    if stem.endswith("-dev"):
        yield from (stem, f"lib{stem}")
    if name.startswith("python-"):
        yield name.replace("python-", "python3-", 1)
    yield from (f"python3-{name}", f"lib{name}-dev") if stem == name else ()


def _knows(package: str) -> Callable[[PackageIndex], bool]:
    return lambda index: bool(index.packages(package) or index.providers(package))


def _of_other_versions(name: str, names: Iterable[str]) -> list[str]:
    """Give those that differ in their numbers alone, the highest first: `gcc-14` for `gcc-9`."""
    if not _DIGITS.search(name):
        return []
    stem = _DIGITS.sub("#", name.removesuffix("t64"))
    found = [there for there in names if _DIGITS.sub("#", there.removesuffix("t64")) == stem]

    def order(there: str) -> tuple[bool, list[int]]:
        numbers = re.findall(r"\d+", there)
        return len(numbers) == len(re.findall(r"\d+", name)), [*map(int, numbers)]

    return sorted(found, key=order, reverse=True)


def _continued(name: str, names: Iterable[str]) -> list[str]:
    """Give the library of this name and what is compiled against it: `libx11-6` and `libx11-dev` for `libx11`."""
    whole = re.compile(re.escape(name) + r"(?:-?[\d.]+(?:t64)?|-dev)")
    return sorted(filter(whole.fullmatch, names), key=lambda there: (there.endswith("-dev"), there))


def _slips(name: str) -> set[str]:
    """Give what may have been meant where one letter is wrong, missing, too much, or in its neighbour's place."""
    cuts = [(name[:at], name[at:]) for at in range(len(name) + 1)]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789+-."
    return {
        *(left + right[1:] for left, right in cuts),
        *(left + right[1::-1] + right[2:] for left, right in cuts),
        *(left + letter + right[1:] for left, right in cuts for letter in letters),
        *(left + letter + right for left, right in cuts for letter in letters),
    }


def _described(name: str, indexes: Sequence[PackageIndex]) -> list[str]:
    """Give those whose name, `Provides` and description have all its words: those with most of them in the name
    first."""
    words = {word.removeprefix("lib") for word in _WORD.findall(name)} - {*_EMPTY, ""}
    found: dict[str, tuple[int, int]] = {}
    for package in (package for index in indexes for package in index.all()) if words else ():
        if words <= _words_of(f"{package.name} {package.provides} {package.description}"):
            found[package.name] = (-len(words & _words_of(package.name)), len(package.name))
    return sorted(found, key=lambda there: (*found[there], there))


def _words_of(text: str) -> set[str]:
    return {word for found in _WORD.findall(text.lower()) for word in (found, found.removeprefix("lib"))}


def _spelt(name: str, names: Iterable[str]) -> list[str]:
    # A slip seldom hits the first letter, and comparing with all 65,000 names takes seconds.
    similar = sorted({there for there in names if there[:1] == name[:1] and abs(len(there) - len(name)) <= 3})
    return get_close_matches(name, similar, n=_MOST, cutoff=0.8)
