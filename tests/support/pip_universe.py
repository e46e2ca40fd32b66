"""Small worlds of packages and lines of pip over them, and what real pip does with each line.

`python -m support.pip_universe PIP_WHEEL FIRST_SEED COUNT` (in `tests/`) writes some to stdout, answered by that pip.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec
from packaging.utils import canonicalize_name
from support.wheels import make_wheel

NAMES = tuple("abcdefg")
VERSIONS = ("1.0", "1.1", "1.2", "2.0", "2.1", "2.2rc1", "3.0")

Answer: TypeAlias = dict[str, str] | None
"""Versions by name after a line; None where pip failed."""


class Release(msgspec.Struct, frozen=True, omit_defaults=True):
    """Is a file that `place` offers: the main index, another one, or a directory of links."""

    place: str
    name: str
    version: str
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    python: str = ""
    yanked: bool = False
    source: bool = False

    @property
    def filename(self) -> str:
        return f"{self.name}-{self.version}" + (".tar.gz" if self.source else "-py3-none-any.whl")


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """Is a command: `pip ACTION ARGUMENTS`. `places`: besides the main index."""

    action: str
    arguments: tuple[str, ...]
    places: tuple[str, ...] = ()
    after: Answer = None


class Universe(msgspec.Struct, frozen=True):
    """Holds releases, and lines that are done one after the other, the first with nothing there."""

    releases: tuple[Release, ...]
    lines: tuple[Line, ...]


def _specifier(chance: random.Random) -> str:
    version = chance.choice(VERSIONS)
    ranges = (">=1.1", ">=1.2", ">=2.0", "<2.0", "<2.1", "<3.0", "<=2.0", "==2.*", "~=1.1", ">=1.0,<2.1", ">=1.1,<3.0")
    return chance.choice((*[""] * 7, *ranges, f"=={version}", *[f"!={version}"] * 2))


def requirement(chance: random.Random, names: Sequence[str]) -> str:
    extras = chance.choice(("", "", "", "", "[x]", "[y]", "[x,y]"))
    return f"{chance.choice(names)}{extras}{_specifier(chance)}"


def _release(chance: random.Random, name: str, version: str) -> Release:
    others = [other for other in NAMES if other != name]
    requires = [requirement(chance, others) for _ in range(chance.choice((0, 0, 0, 0, 1, 1, 2)))]
    marker = chance.choice(("", "", "", "", '; python_version < "3.8"', '; sys_platform == "linux"'))
    requires = [f"{line}{marker}" for line in requires]
    extras = chance.choice(((), ("x",), ("y",)))
    requires += [f'{requirement(chance, others)}; extra == "{extra}"' for extra in extras]
    place = chance.choice(("main",) * 6 + ("other", "links"))
    return Release(
        place=place,
        name=name,
        version=f"{version}+local" if place == "other" and chance.random() < 0.5 else version,
        requires=tuple(requires),
        extras=extras,
        python=chance.choice(("",) * 10 + (">=3.8", "<3.9")),
        yanked=place != "links" and chance.random() < 0.06,
        source=chance.random() < 0.03,
    )


def _line(chance: random.Random) -> Line:
    if chance.random() < 0.12:
        return Line("uninstall", ("-y", *chance.sample(NAMES, chance.choice((1, 1, 2)))))
    arguments: list[str] = []
    if chance.random() < 0.25:
        arguments += chance.choice((["-U"], ["-U"], ["-U", "--upgrade-strategy=eager"]))
    for option, often in (
        ("--force-reinstall", 0.1),
        ("--no-deps", 0.12),
        ("--pre", 0.1),
        ("--prefer-binary", 0.05),
        ("--only-binary=:all:", 0.05),
    ):
        if chance.random() < often:
            arguments.append(option)
    arguments += [requirement(chance, NAMES) for _ in range(chance.choice((1, 1, 2, 3)))]
    places = tuple(place for place in ("other", "links") if chance.random() < 0.3)
    return Line("install", tuple(arguments), places)


def made_up(seed: int, lines: int) -> Universe:
    """Make one up. What it is for a seed may be another with another Python."""
    chance = random.Random(seed)
    releases = {}
    for name in NAMES:
        for version in chance.sample(VERSIONS, chance.randint(3, 7)):
            release = _release(chance, name, version)
            releases[release.filename] = release
    return Universe(tuple(releases.values()), tuple(_line(chance) for _ in range(lines)))


class RealPip:
    """Does lines in an environment of its own, without a network. `wheel`: of the pip that does it."""

    def __init__(self, directory: Path, wheel: Path) -> None:
        self._directory = directory
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory / "pip")
        venv.create(directory / "venv", with_pip=False, symlinks=True)
        (self._site,) = (directory / "venv").glob("lib/*/site-packages")

    def answered(self, universe: Universe) -> Universe:
        self._lay(universe.releases)
        lines = [msgspec.structs.replace(line, after=self._do(line)) for line in universe.lines]
        shutil.rmtree(self._site, ignore_errors=True)  # pip itself takes it away with the last package
        self._site.mkdir()
        return Universe(universe.releases, tuple(lines))

    def _lay(self, releases: Sequence[Release]) -> None:
        self._places = Path(tempfile.mkdtemp(dir=self._directory))
        for place in ("main", "other"):
            for name in NAMES:
                (self._places / place / name).mkdir(parents=True)
        (self._places / "links").mkdir()
        for release in releases:
            directory = self._places / release.place / (release.name if release.place != "links" else "")
            if release.source:
                (directory / release.filename).write_bytes(b"no archive")
            else:
                make_wheel(
                    directory,
                    release.name,
                    release.version,
                    requires=release.requires,
                    extras=release.extras,
                    python=release.python,
                )
            if release.place != "links":
                yanked = ' data-yanked=""' if release.yanked else ""
                with (directory / "index.html").open("a") as page:
                    page.write(f'<a href="{release.filename}"{yanked}>{release.filename}</a>\n')

    def _do(self, line: Line) -> Answer:
        options: list[str] = []
        if line.action == "install":
            options += ["--no-compile", "--index-url", (self._places / "main").as_uri()]
            if "other" in line.places:
                options += ["--extra-index-url", (self._places / "other").as_uri()]
            if "links" in line.places:
                options += ["--find-links", str(self._places / "links")]
        done = self._run(line.action, *options, *line.arguments)
        return self._there() if done else None

    def _there(self) -> dict[str, str]:
        stems = (path.name.removesuffix(".dist-info") for path in self._site.glob("*.dist-info"))
        return dict(
            sorted((canonicalize_name(name), version) for name, _, version in (s.partition("-") for s in stems))
        )

    def _run(self, *arguments: str) -> bool:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._directory), "PIP_CONFIG_FILE": os.devnull}
        done = subprocess.run(
            [self._directory / "venv/bin/python", self._directory / "pip/pip", *arguments, "-qqq"],
            env=environment | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0


def main(wheel: str, first: str, count: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        pip = RealPip(Path(directory), Path(wheel))
        found = [pip.answered(made_up(seed, 6)) for seed in range(int(first), int(first) + int(count))]
    lines = (json.dumps(msgspec.to_builtins(one), separators=(",", ":")) for one in found)
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main(*sys.argv[1:])
