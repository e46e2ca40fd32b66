"""uv runs here as a subprocess: wheels only, for the target, with hashes, and nothing in its environment to sway it.

In and out are files of a scratch directory: a requirements file, and a lock as PEP 751 has it.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import uv

from cogpack import toml
from cogpack.cache.scratch import scratch_directory
from cogpack.disk import writing
from cogpack.errors import InputError, UnavailableError
from cogpack.lockfile import LockedWheel
from cogpack.notes import Note
from cogpack.resolve.wheels.failures import failure, warned
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.target import TargetPython

if TYPE_CHECKING:
    from packaging.pylock import Package

_SECONDS = 900
_LOCK = "pylock.cogpack.toml"
_TORCH = "pyproject.toml"
_VIA = "via.txt"
_ON_A_LINE = ("--annotation-style", "line")


class WheelQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Is what uv is asked, in lines of requirements files, of which `./x.whl` is relative to `root`.

    `preferences`: versions, by name, that are kept where they still fit;
    `optional`: names that are required, too, unless nothing fits with them: then each is told by its note;
    `built`: wheels by file name that lines name by `file:`, and nobody else has;
    `places` gives the lines, as `file:line`, that a text is about;
    `without`: names that count as not required, whoever requires them; `overrides`: lines that count in place of what
    others require of their packages; `of_torch`: names that come from PyTorch's index alone, and are required; not
    `dependencies`: what the requirements require is not asked for; `oldest`: of what fits, the oldest is wanted.
    """

    requirements: Sequence[str]
    constraints: Sequence[str] = ()
    without: Sequence[str] = ()
    overrides: Sequence[str] = ()
    of_torch: Sequence[str] = ()
    dependencies: bool = True
    oldest: bool = False
    root: Path = Path()
    preferences: Mapping[str, str] = {}
    optional: Mapping[str, Note] = {}
    built: Mapping[str, LockedWheel] = {}
    places: Callable[[str], Sequence[str]] = lambda _: ()


class Uv(msgspec.Struct, frozen=True, kw_only=True):
    """Runs uv for one Python, over these indexes. `exclude_newer`: as uv has it; `cache`: for scratch directories;
    `metadata`: uv's own cache, which decides hashes."""

    target: TargetPython
    indexes: Indexes
    exclude_newer: str | None = None
    cache: Path
    metadata: Path

    def compile(self, question: WheelQuestion) -> "tuple[list[Package], list[Note]]":
        """Give what uv chose, for the target only, and what it warned of."""
        indexes = self.indexes
        with self._asking(question) as (command, work):
            with writing(work):
                # The output file of an earlier run is uv's way to prefer without requiring.
                (work / _LOCK).write_bytes(_preferred(question.preferences))
            written = ["--format", "pylock.toml", "--output-file", _LOCK, "--generate-hashes"]
            done, said = _run([*command, *written], work, self._environment())
            said = indexes.told(said)
            if indexes.relay and (error := indexes.relay.failure()):
                with indexes.hiding():
                    raise error
            if not done:
                raise failure(said, self.target)
            return _read((work / _LOCK).read_bytes(), self.target), list(warned(said))

    def requirers(self, question: WheelQuestion, chosen: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
        """Tell, by name, who requires each package, with "" for the user, where these versions were `chosen`; of
        nothing, where uv does not tell."""
        with self._asking(question) as (command, work):
            with writing(work):
                _write_lines(work / _VIA, (f"{name}=={version}" for name, version in chosen.items()))
            done, _ = _run([*command, "--output-file", _VIA, *_ON_A_LINE], work, self._environment())
            if self.indexes.relay:
                self.indexes.relay.failure()  # else it is told of the next run
            return _requirers((work / _VIA).read_text()) if done else {}

    @contextmanager
    def _asking(self, question: WheelQuestion) -> Iterator[tuple[list[str], Path]]:
        """Write the question into a directory; give the command that reads it there, but for what it writes."""
        indexes = self.indexes
        torch = indexes.torch if question.of_torch else None
        with scratch_directory(self.cache, "resolve-") as work:
            with writing(work):
                _write_lines(work / "requirements.in", map(indexes.asked_line, question.requirements))
                _write_lines(work / "constraints.txt", map(indexes.asked_line, question.constraints))
                nothing = (f"{name} ; python_version < '0'" for name in question.without)
                _write_lines(work / "overrides.txt", (*nothing, *map(indexes.asked_line, question.overrides)))
                if torch:
                    (work / _TORCH).write_bytes(_from_index(question.of_torch, indexes.read_at(torch.address)))
            yield self._command(question), work

    def _command(self, question: WheelQuestion) -> list[str]:
        command = [uv_program(), "--no-config", "pip", "compile", "requirements.in"]
        if self.indexes.torch and question.of_torch:
            command += [_TORCH]
        command += ["--constraints", "constraints.txt", "--overrides", "overrides.txt"]
        command += ["--no-header"]
        # uv needs some interpreter to run, and would install one if it found none.
        command += ["--python", sys.executable, "--no-python-downloads"]
        command += ["--python-version", self.target.python, "--python-platform", self.target.uv_platform]
        command += ["--only-binary", ":all:"]
        if self.exclude_newer:
            command += ["--exclude-newer", self.exclude_newer]
            for name in question.of_torch:  # its index does not say when a file was uploaded, and uv would take none
                command += ["--exclude-newer-package", f"{name}=false"]
        if not question.dependencies:
            command += ["--no-deps"]
        if question.oldest:
            command += ["--resolution", "lowest"]
        return [*command, *self.indexes.arguments()]

    def _environment(self) -> dict[str, str]:
        own = {"UV_CACHE_DIR": str(self.metadata.absolute()), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
        return self.indexes.variables() | own


def _requirers(text: str) -> dict[str, tuple[str, ...]]:
    """Read a requirements file of uv's, "av==11.0.0  # via faster-whisper, -r requirements.in"."""
    found = {}
    for line in text.splitlines():
        pin, _, names = line.partition("  # via ")
        # A constraint or an override requires nothing.
        above = (name for name in names.split(", ") if name and not name.startswith(("-c ", "--override ")))
        found[re.split(r"[=@ ]", pin, maxsplit=1)[0]] = tuple("" if " " in name else name for name in above)
    return found


def way_to(name: str, via: Mapping[str, Sequence[str]]) -> str:
    """Tell how the user comes to require a package, "a requires b, which requires "; "" where that is not known, or
    the user's own wish."""
    ways: list[tuple[str, ...]] = [(name,)]
    seen: set[str] = set()
    for way in ways:
        above = via.get(way[0], ())
        if "" in above and len(way) > 1:
            return f"{way[0]} requires " + "".join(f"{one}, which requires " for one in way[1:-1])
        if "" in above:
            return ""
        ways += ((one, *way) for one in above if one not in seen)
        seen.update(above)
    return ""


def _run(command: Sequence[str], work: Path, environment: dict[str, str]) -> tuple[bool, str]:
    """Run it: tell whether it worked, and what uv said on stderr."""
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the lock, once more
            stderr=subprocess.PIPE,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(
            f"uv found no answer in {_SECONDS} s", next_step="check the package index, or pin more versions"
        ) from None
    return done.returncode == 0, done.stderr.decode(errors="replace")


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def uv_program() -> str:
    """Find the program of the package uv."""
    try:
        return uv.find_uv_bin()
    except FileNotFoundError as error:
        raise InputError(
            f"the package uv is installed without its program: {error}",
            next_step="install cogpack anew, with what it depends on",
        ) from error


def _preferred(pins: Mapping[str, str]) -> bytes:
    """Write a lock of these versions. Their wheels are placeholders, which the format wants and uv does not read."""
    packages = [
        {
            "name": name,
            "version": version,
            "wheels": [
                {
                    "url": f"https://invalid.invalid/{name.replace('-', '_')}-{version}-py3-none-any.whl",
                    "hashes": {"sha256": "0" * 64},
                }
            ],
        }
        for name, version in pins.items()
    ]
    return toml.encode({"lock-version": "1.0", "created-by": "cogpack", "packages": packages})


def _from_index(names: Iterable[str], address: str) -> bytes:
    """Write a project that requires `names` from an index that has nothing else for anyone: only a project can say so
    to uv (its docs, "Pinning a package to an index")."""
    names = list(names)
    sources = "".join(f'{name} = {{ index = "torch" }}\n' for name in names)
    return (
        f'[project]\nname = "cogpack-torch"\nversion = "0"\ndependencies = {json.dumps(names)}\n'
        f"[tool.uv.sources]\n{sources}"
        f'[[tool.uv.index]]\nname = "torch"\nurl = {json.dumps(address)}\nexplicit = true\n'
    ).encode()


def _read(data: bytes, target: TargetPython) -> "list[Package]":
    from packaging.pylock import Pylock, PylockValidationError  # dozens of classes, which nobody needs whose lock fits

    try:
        packages = Pylock.from_dict(tomllib.loads(data.decode())).packages
    except PylockValidationError as error:
        raise UnavailableError(f"uv wrote a lock that can't be read: {error}", next_step="update uv") from error
    environment = dict(target.environment())
    return [package for package in packages if package.marker is None or package.marker.evaluate(environment)]
