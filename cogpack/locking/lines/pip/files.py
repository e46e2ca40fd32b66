"""Files that a pip line names by `-r` and `-c` are read in clones of the lines before it, as pip reads them.

Only where pip and we read the same of all that is in them; `UnforeseenError` says where that isn't sure.
"""

import posixpath
import re
from collections.abc import Callable

import msgspec
from packaging.requirements import Requirement

from cogpack.errors import InputError
from cogpack.redaction import has_secret
from cogpack.requirements.model import GitAddress, Include, LocalPath, Options, RequirementLine, SourceLine
from cogpack.requirements.parse import parse_requirements
from cogpack.resolve.pip import UnforeseenError
from cogpack.run_lines import PipInstall, PipRequirement, PipUninstall

ReadFile = Callable[[str], bytes | None]
"""Reads a file, by its absolute path, as it lies in the image when a line is resolved; None where there is none."""

_OTHERWISE = re.compile(r"(?m)^[^\S\n]*+[^\s#-][^#\n]*\s--(?!hash\b)|--(?:only|prefer|no)-binary\b|\$\{")
"""What pip reads otherwise than `requirements`: options of one requirement, choices of files, variables."""
_DEEPEST = 20
"""Files within files."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a line says together with its files. `effect`: names none any more; `constraints`: of `-c`; `indexed`: a
    file says where packages are looked for."""

    effect: PipInstall
    constraints: tuple[Requirement, ...] = ()
    indexed: bool = False


def with_files(effect: PipInstall, read: ReadFile) -> Said:
    """Put what files say behind what the line itself names, as pip does."""
    reading = _Reading(read)
    for path in effect.constraints:
        reading.add(path, constraint=True)
    for path in effect.files:
        reading.add(path)
    if effect.files and not (reading.required or effect.requirements):
        raise UnforeseenError(f"{effect.files[0]} requires nothing")
    options = reading.options
    addresses = (*filter(None, [options.index_url]), *options.extra_index_urls, *options.find_links)
    if any(map(has_secret, addresses)):
        raise UnforeseenError("a requirements file has an address with what looks like a secret in it")
    return Said(
        effect=msgspec.structs.replace(
            effect,
            requirements=(*effect.requirements, *map(_wanted, reading.required)),
            files=(),
            constraints=(),
            options=Options.of([effect.options, options]),
        ),
        constraints=tuple(Requirement(line.text) for line in reading.limits),
        indexed=bool(addresses),
    )


def all_names(effect: PipUninstall, read: ReadFile) -> tuple[str, ...]:
    """Give the names of all that `pip uninstall` takes away."""
    reading = _Reading(read)
    for path in effect.files:
        reading.add(path)
    return (*effect.names, *(line.name for line in reading.required))


class _Reading:
    """Gathers what files say, in their order."""

    def __init__(self, read: ReadFile) -> None:
        self._read = read
        self.required: list[RequirementLine | SourceLine] = []
        self.limits: list[RequirementLine] = []
        self.options = Options()

    def add(self, path: str, *, constraint: bool = False, deep: int = 0) -> None:
        if deep == _DEEPEST:
            raise UnforeseenError(f"{path} is named by too many files within files")
        if (data := self._read(path)) is None:
            raise UnforeseenError(f"{path} is not there when the line is resolved")
        try:
            text = data.decode()
            found = parse_requirements(text, path=path)
        except (UnicodeDecodeError, InputError) as error:
            why = error.message if isinstance(error, InputError) else f"{path}: not UTF-8"
            raise UnforeseenError(f"only pip can tell what it makes of {why}") from None
        if (
            found.notes
            or found.local_wheels
            or found.local_links
            or found.addresses
            or found.unisolated
            or _OTHERWISE.search(text)
        ):
            raise UnforeseenError(f"only pip can tell what it makes of {path}")
        if any(line.hashes for line in found.required) or any(line.hashes for line in found.sources):
            raise UnforeseenError(f"{path} has hashes, which pip holds files to")
        if constraint and found.sources:
            raise UnforeseenError(f"{path} is of constraints, and names {found.sources[0].source}")
        self.options = Options.of([self.options, found.options])
        both: list[RequirementLine | SourceLine | Include] = [*found.required, *found.sources, *found.includes]
        for one in sorted(both, key=lambda one: one.line):
            if isinstance(one, SourceLine):
                self.required.append(one)
            elif isinstance(one, RequirementLine):
                (self.limits if constraint else self.required).append(one)
            elif constraint and not one.constraint:
                raise UnforeseenError(f"{path} is of constraints, and requires {one.file}")
            else:
                self.add(posixpath.normpath(f"{path}/../{one.file}"), constraint=one.constraint, deep=deep + 1)


def _wanted(line: RequirementLine | SourceLine) -> PipRequirement:
    if isinstance(line, SourceLine):
        if isinstance(line.source, LocalPath):
            raise UnforeseenError(f"{line.place} names ./{line.source.path}, which lies where pip is started")
        text = str(msgspec.structs.replace(line, editable=False))
        if not isinstance(line.source, GitAddress):
            return PipRequirement(text, "archive")
        return PipRequirement(text, "editable git" if line.editable else "git")
    if not line.url:
        return PipRequirement(line.text)
    return PipRequirement(line.text, "wheel" if line.url.partition("#")[0].endswith(".whl") else "archive")
