"""A lock depends on its inputs: requirements files with all that they name, local wheels, archives' keys, and what
decides in cog.yaml."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cogpack.config import Config, DebianChoice, PackWeights
from cogpack.disk import open_regular, reading
from cogpack.encodings import decode_text
from cogpack.errors import InputError
from cogpack.requirements.model import LocalLinks, LocalPath, LocalWheel, Requirements, Selection, SourceLine
from cogpack.sizes import BLOCK

MAX_BYTES = 16 * 1024 * 1024
_MAX_KEY = 1024 * 1024
_MAX_DEPTH = 50


class ProjectInputs(msgspec.Struct, frozen=True):
    """Is what was read of them. `requirements`: all files merged, wheels' paths relative to the project. `normalised`:
    bytes by file name. `keys`: of `cogpack.apt`, by file as it is called there.

    `faults`: of lines that can't be taken; the rest is without them.
    """

    requirements: Requirements
    normalised: dict[str, bytes]
    keys: dict[str, bytes]
    faults: tuple[InputError, ...] = ()


def read_inputs(root: Path, config: Config, *, config_name: str) -> ProjectInputs:
    """Read every file that `config` names for its packages; all must lie inside `root`."""
    selection = Selection(
        python=config.python_minor,
        arch=config.pack.platforms[0].partition("/")[2],
        extras=config.pack.extras,
        groups=config.pack.dependency_groups,
    )
    reader = _InputFiles(root, selection)
    packages = Requirements()
    if config.python_packages:
        from cogpack.requirements.parse import parse_requirements

        lines = [config.line(f"build.python_packages[{index}]") for index in range(len(config.python_packages))]
        packages = parse_requirements(
            "\n".join(config.python_packages), path=config_name, lines=lines, faults=reader.faults
        )
        reader.add(packages, config_name, constraint=False, above=())
    if config.python_requirements is not None:
        where = config.where("build.python_requirements")
        name = _relative(root, "", config.python_requirements, where)
        reader.read(name, where, constraint=False, above=())
    normalised = {config_name: _decisive(config, packages)}
    normalised |= {name: found.normalised().encode() for name, found in reader.files.items()}
    normalised |= reader.locks
    keys: dict[str, bytes] = {}
    for index, archive in enumerate(config.pack.apt):
        if archive.key_file is not None:
            where = config.where(f"cogpack.apt[{index}].key")
            name, keys[archive.key_file] = read_key(root, archive.key_file, where)
            normalised[name] = hashlib.sha256(keys[archive.key_file]).hexdigest().encode()
    for wheel in reader.merged.local_wheels:
        normalised[wheel.file] = _sha256(root, wheel.file, f"{wheel.path}:{wheel.line}").encode()
    for line in reader.merged.sources:
        if isinstance(line.source, LocalPath) and line.source.is_archive:
            normalised[line.source.path] = _sha256(root, line.source.path, line.place).encode()
    return ProjectInputs(reader.merged, dict(sorted(normalised.items())), keys, tuple(reader.faults))


_ALONE = ("uv.lock", "pylock.toml", "pyproject.toml", "requirements.txt")
"""What `build.python_requirements` names mostly."""


class _InputFiles:
    """Reads requirements files and what they name, and collects what the lock depends on."""

    def __init__(self, root: Path, selection: Selection) -> None:
        self.root = root
        self.selection = selection
        self.files: dict[str, Requirements] = {}
        self.locks: dict[str, bytes] = {}
        self.merged = Requirements()
        self.faults: list[InputError] = []
        self._done: set[tuple[str, bool]] = set()

    def read(self, name: str, where: str, *, constraint: bool, above: tuple[str, ...]) -> None:
        """Read a file and those that it names. `name` is relative to the root; `where` names the place that asked for
        it; `above`: files that led here."""
        from cogpack.requirements.files import is_lock, parse_file

        if name in above or len(above) > _MAX_DEPTH:
            raise InputError(f"{where}: {name} leads back to itself", next_step="break the circle of -r and -c")
        if (name, constraint) in self._done:
            return
        self._done.add((name, constraint))
        if name not in self.files:
            text = _read_text(self.root, name, where, () if above else _ALONE)
            if is_lock(name):  # of which this run sees what is for its platform
                selected = (self.selection.extras, self.selection.groups)
                self.locks[name] = msgspec.json.encode(selected) + text.encode()
            self.files[name] = parse_file(text, path=name, selection=self.selection, faults=self.faults)
        self.add(self.files[name], name, constraint=constraint, above=(*above, name))

    def add(self, found: Requirements, name: str, *, constraint: bool, above: tuple[str, ...]) -> None:
        wheels = tuple(self._placed(wheel, name) for wheel in found.local_wheels)
        sources = tuple(self._placed_source(line, name) for line in found.sources)
        if constraint and wheels:
            raise InputError(
                f"{wheels[0].path}:{wheels[0].line}: a wheel's path is no constraint",
                next_step="name the wheel in a requirements file",
            )
        if constraint and sources:
            raise InputError(
                f"{sources[0].place}: source code is no constraint", next_step="name it in a requirements file"
            )
        placed = msgspec.structs.replace(
            found,
            required=() if constraint else found.required,
            constrained=found.required if constraint else (),
            local_wheels=wheels,
            sources=sources,
            includes=(),
            local_links=tuple(self._linked(links, name) for links in found.local_links),
        )
        self.merged = Requirements.of([self.merged, placed])
        for include in found.includes:
            where = f"{include.path}:{include.line}"
            target = _relative(self.root, name, include.file, where)
            self.read(target, where, constraint=constraint or include.constraint, above=above)

    def _linked(self, links: LocalLinks, name: str) -> LocalLinks:
        """Find it as pip does: beside the file that names it, else from the project. It may lie outside of that, like
        an index."""
        places = [self.root / Path(name).parent / links.directory, self.root / links.directory]
        found = next(filter(os.path.isdir, places), places[0])
        return msgspec.structs.replace(links, directory=os.path.normpath(found))

    def _placed(self, wheel: LocalWheel, name: str) -> LocalWheel:
        file = self._found(name, wheel.file, f"{wheel.path}:{wheel.line}", wheel.name)
        return msgspec.structs.replace(wheel, file=file)

    def _placed_source(self, line: SourceLine, name: str) -> SourceLine:
        if not isinstance(line.source, LocalPath):
            return line
        path = self._found(name, line.source.path, line.place, line.name)
        if path == ".":
            raise InputError(
                f"{line.place}: {line.source.path} is the project itself",
                next_step="leave it out: the project is on Python's path in the image",
            )
        return msgspec.structs.replace(line, source=LocalPath(path=path))

    def _found(self, beside: str, path: str, where: str, package: str) -> str:
        """Give a path as it is from the project: as pip and uv have it, which are started there; else, since people
        write it so, as it is from the file `beside`."""
        candidates: list[str] = []
        instead = ", or name a repository or an index that has it (docs/how-to/several-models.md)"
        instead += f", or write {package}==VERSION" if package else ""
        for base in dict.fromkeys(("", beside)):
            try:
                candidates.append(_relative(self.root, base, path, where, instead))
            except InputError as error:
                outside = error
        for candidate in candidates:
            if os.path.exists(self.root / candidate):  # noqa: PTH110 - a name may be too long for a Path to ask
                return candidate
        if candidates:
            return candidates[-1]
        raise outside


def _relative(root: Path, beside: str, path: str, where: str, instead: str = "") -> str:
    """Write `path` as text relative to `root`; a relative one starts in the directory of the file `beside`. `instead`:
    what helps, besides a copy, where it is outside."""
    if "\0" in path:
        raise InputError(f"{where}: a NUL character in a path", next_step="take it out")
    asked = root / Path(beside).parent / path
    if path.startswith("/"):
        asked = Path(os.path.realpath(asked.parent)) / asked.name
    absolute = os.path.normpath(asked)
    if not Path(absolute).is_relative_to(root) or not Path(os.path.realpath(absolute)).is_relative_to(root):
        raise InputError(f"{where}: {path} is outside the project", next_step=f"put a copy into the project{instead}")
    return Path(absolute).relative_to(root).as_posix()


def _read_text(root: Path, name: str, where: str, instead: Sequence[str]) -> str:
    """Read a file; `instead`: files of the project that may be meant, where they are there."""
    try:
        with open_regular(root / name) as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        there = [other for other in instead if other != name and (root / other).is_file()]
        raise InputError(
            f"{where}: {name}: {error.strerror}",
            next_step=f"name {' or '.join(there)}, or add the file" if there else "correct the name, or add the file",
        ) from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: more than {MAX_BYTES} bytes", next_step="name the file that lists packages")
    try:
        return decode_text(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{name}:{line}: not UTF-8 text", next_step="save the file as UTF-8") from error


def read_key(root: Path, file: str, where: str) -> tuple[str, bytes]:
    """Read a key that `where` names, a `file` of the project; with its path there."""
    name = _relative(root, "", file, where)
    with reading(f"{where}: {name}", "correct the name, or add the file"), open_regular(root / name) as opened:
        data = opened.read(_MAX_KEY + 1)
    if len(data) > _MAX_KEY:
        raise InputError(
            f"{where}: {name}: more than {_MAX_KEY} bytes, which no key has",
            next_step="name the file with the key alone",
        )
    return name, data


def _sha256(root: Path, file: str, where: str) -> str:
    digest = hashlib.sha256()
    with reading(f"{where}: {file}", "correct the path, or add the file"), open_regular(root / file) as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return "sha256:" + digest.hexdigest()


def _decisive(config: Config, packages: Requirements) -> bytes:
    """Write the values of cog.yaml from which something is resolved, in one spelling."""
    pack = config.pack
    values = {
        "build": {
            "gpu": config.gpu,
            "cuda": config.cuda,
            "cudnn": config.cudnn,
            "python_version": config.python_version,
            "python_packages": packages.normalised(),
            "system_packages": config.system_packages,
            "run": config.run,
            "sdk_version": config.sdk_version,
        },
        # Not the platform: a lock has decisions for each. What stands here is what it was for most.
        "cogpack": {"base": pack.base, "platform": "linux/amd64", "exclude_newer": pack.exclude_newer},
        "traces": config.traces,
    }
    if not pack.recommends:
        values["cogpack.recommends"] = False
    if pack.bytecode is not None:
        values["cogpack.bytecode"] = pack.bytecode
    if pack.compiler is not None:
        values["cogpack.compiler"] = pack.compiler
    if pack.debian != DebianChoice():
        values["cogpack.base"] = pack.debian
    if pack.tools:
        values["cogpack.tools"] = pack.tools
    if pack.constraints_from:
        values["cogpack.constraints_from"] = pack.constraints_from
    if pack.cuda_toolkit:
        values["cogpack.cuda_toolkit"] = [pack.cuda_toolkit, dict(config.environment).get("TORCH_CUDA_ARCH_LIST")]
    if pack.torch_index:
        values["cogpack.torch_index"] = pack.torch_index
    if pack.debian_snapshot or pack.debian_base_from:
        values["cogpack.debian"] = [pack.debian_snapshot, pack.debian_base_from]
    if pack.apt:
        values["cogpack.apt"] = pack.apt
    if config.weights:
        values["weights"] = config.weights
        pinning = msgspec.structs.replace(pack.weights, include=(), exclude=(), min_size=None)
        if pinning != PackWeights():
            values["cogpack.weights"] = pinning
    return msgspec.json.encode(values, order="deterministic")
