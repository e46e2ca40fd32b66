"""The file of a whole machine (`COGPACK_CONFIG`, else /etc/cogpack/config.toml) holds for every project on it.

It can deny notes and bases, and allow nothing that somebody else denies; and it names mirrors and where
addresses are mapped to, for where neither the command line, the environment nor cog.yaml does.
"""

import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cogpack.config import Config
from cogpack.depot import VARIABLE as DEPOT
from cogpack.errors import InputError
from cogpack.patterns import pattern
from cogpack.policy import Rules, rules
from cogpack.reference import Reference
from cogpack.text import nearest

if TYPE_CHECKING:
    from cogpack.http import UrlMap

VARIABLE = "COGPACK_CONFIG"
PLACE = Path("/etc/cogpack/config.toml")
_LIMIT = 64 * 1024
_URL = pattern(r"https?://[^\s,@]+(?:,https?://[^\s,@]+)?")
_TIME = pattern(r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d:\d\d(?:[Zz]|[+-]\d\d:\d\d))?", re.ASCII)
_DEPOT = pattern(r"https?://[^\s@]+|/[^\0\n]+")


class _Notes(msgspec.Struct, frozen=True, kw_only=True):
    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True, kw_only=True):
    """What may stand in it. `registry_mirrors`: each as `--registry-mirror`; `url_map`: each `PREFIX=PREFIX`;
    `allowed_bases`: globs over `HOST/NAME`; `attach`: whether a push attaches lock and SBOM to what it pushes."""

    registry_mirrors: tuple[str, ...] = ()
    debian_mirror: str | None = None
    debian_snapshot: str | None = None
    depot: str | None = None
    url_map: tuple[str, ...] = ()
    allowed_bases: tuple[str, ...] | None = None
    attach: bool = True
    notes: _Notes = _Notes()


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the file says. `name`: of the file, "" where there is none. `bases`: None where any will do. `url_map`: None
    where it maps nothing."""

    name: str = ""
    rules: Rules = Rules()
    bases: tuple[str, ...] | None = None
    attach: bool = True
    registry_mirrors: tuple[str, ...] = ()
    debian_mirror: str | None = None
    debian_snapshot: str | None = None
    depot: str | None = None
    url_map: "UrlMap | None" = None

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return `given`, with the file's mirrors where it names none."""
        ours = {"COGPACK_REGISTRY_MIRROR": " ".join(self.registry_mirrors)} if self.registry_mirrors else {}
        ours |= {"COGPACK_DEBIAN_MIRROR": self.debian_mirror} if self.debian_mirror else {}
        ours |= {"COGPACK_DEBIAN_SNAPSHOT": self.debian_snapshot} if self.debian_snapshot else {}
        ours |= {DEPOT: self.depot} if self.depot else {}
        return ours | {name: value for name, value in given.items() if value or name not in ours}

    def check_base(self, config: Config) -> None:
        """Refuse an image as base that is not among those allowed. Debian's own packages are no image."""
        if config.pack.base is None or self.bases is None:
            return
        where = config.where("cogpack.base")
        name = Reference.parse(config.pack.base, where=where).name
        if not any(fnmatchcase(name, pattern) for pattern in self.bases):
            allowed = ", ".join(self.bases) or "none"
            raise InputError(
                f"{where}: {name} is not among the bases that {self.name} allows: {allowed}",
                next_step="choose one of those, or leave out cogpack.base, which takes Debian packages",
            )


def read_machine(environment: Mapping[str, str], *, usual: Path = PLACE) -> Machine:
    """Read the file, if it is there; one that `COGPACK_CONFIG` names must be."""
    chosen = environment.get(VARIABLE)
    path = Path(chosen) if chosen else usual
    try:
        with path.open("rb") as stream:
            data = stream.read(_LIMIT + 1)
    except OSError as error:
        if not chosen and isinstance(error, FileNotFoundError | NotADirectoryError):
            return Machine()
        where = f"{VARIABLE}: {path}" if chosen else str(path)
        raise InputError(f"{where}: {error.strerror}", next_step="make it a readable file") from error
    if len(data) > _LIMIT:
        raise InputError(f"{path}: more than {_LIMIT} bytes", next_step="shorten it")
    return _parsed(data, str(path))


def _parsed(data: bytes, name: str) -> Machine:
    import tomllib  # few machines have such a file

    try:
        document = tomllib.loads(data.decode())
        _check_keys(document, _File.__struct_fields__, name)
        if isinstance(notes := document.get("notes"), dict):
            _check_keys(notes, _Notes.__struct_fields__, f"{name}: notes")
        found = msgspec.convert(document, _File)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"{name}: {error}", next_step="correct it; docs/notes.md has an example") from error
    try:
        if found.registry_mirrors:
            from cogpack.registry.pull.mirrors import Mirrors  # with what only requests need

            Mirrors(found.registry_mirrors)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", next_step="write each as docker.io=mirror.example.com") from error
    if found.debian_mirror is not None and not _URL.fullmatch(found.debian_mirror):
        raise InputError(
            f"{name}: debian_mirror: expected a URL without a password, or two with a comma between",
            next_step="write it as http://mirror.example.com/debian",
        )
    if found.debian_snapshot is not None and not _TIME.fullmatch(found.debian_snapshot):
        raise InputError(
            f"{name}: debian_snapshot: expected a date or a time in quotes",
            next_step='write it as "2026-01-31" or "2026-01-31T00:00:00Z"',
        )
    if found.depot is not None and not _DEPOT.fullmatch(found.depot):
        raise InputError(
            f"{name}: depot: expected a URL without a password, or an absolute path",
            next_step="write it as https://files.example.com/depot",
        )
    url_map = None
    if found.url_map:
        from cogpack.http import UrlMap  # likewise

        url_map = UrlMap.parse(found.url_map, where=f"{name}: url_map")
    return Machine(
        name=name,
        rules=rules(found.notes.deny, found.notes.allow, where=f"{name}: notes"),
        bases=found.allowed_bases,
        attach=found.attach,
        registry_mirrors=found.registry_mirrors,
        debian_mirror=found.debian_mirror,
        debian_snapshot=found.debian_snapshot,
        depot=found.depot,
        url_map=url_map,
    )


def _check_keys(table: Mapping[str, object], known: Collection[str], where: str) -> None:
    for key in table:
        if key not in known:
            near = nearest(key, sorted(known))
            hint = f"; did you mean {near}?" if near else ""
            raise InputError(f"{where}: unknown key {key!r:.80}{hint}", next_step=f"use one of {', '.join(known)}")
