"""What a caller of a run chooses, as one value."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, get_args

import msgspec

from cogpack.config import PLATFORMS, Arch, Isolation
from cogpack.errors import InputError
from cogpack.machine import Machine
from cogpack.policy import Rules

_JOBS = 64


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller chooses; each field is what an option of the command line sets, and has its default.

    `environment`: all variables that count, for a program mostly `os.environ`. `directory` and `file`: the project's.
    What None stands for, the environment says: `cache`, as `COGPACK_CACHE_DIR` and XDG have it; `in_ci`, where a stale
    lock is an error and notes of secrets are denied, by `CI`; `machine`, what holds for all projects on this machine,
    by `COGPACK_CONFIG`. `jobs`: layers moved at a time, or connections; `locked`: a missing or stale lock is an error;
    `offline`: a depot that has all that the lock names, so that only registries are asked that the caller names;
    `paranoid`: read every file again; `registry_mirrors`: `HOST=MIRROR` each, in place of `COGPACK_REGISTRY_MIRROR`;
    `foreign_hosts`: to which the URLs of layers may lead; `realms`: see `Trust`. `platforms`: instead of cog.yaml's;
    `labels` and `annotations`: `KEY=VALUE`, written on the image; `git`: its commit, too. `isolation`: how
    steps are run, instead of cog.yaml's; `secrets`: what they mount, by its id. `openapi_schema`: the model's document,
    in place of what its source says. `outputs`: files that the caller is to
    write, which are no part of the image. `notes`: which are denied and allowed.

    A value of another type is a `TypeError`; a number or a name that there is not, an `InputError`.
    """

    directory: Path = Path()
    file: str = "cog.yaml"
    cache: Path | None = None
    jobs: int = 4
    insecure_registries: frozenset[str] = frozenset()
    insecure_credentials: frozenset[str] = frozenset()
    registry_mirrors: tuple[str, ...] = ()
    foreign_hosts: frozenset[str] = frozenset()
    realms: frozenset[str] | None = None
    locked: bool = False
    offline: Path | None = None
    in_ci: bool | None = None
    paranoid: bool = False
    environment: Mapping[str, str]
    platforms: tuple[Arch, ...] = ()
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    git: bool = False
    isolation: Isolation | None = None
    secrets: Mapping[str, bytes] = {}
    openapi_schema: Path | None = None
    outputs: tuple[Path, ...] = ()
    notes: Rules = Rules()
    machine: Machine | None = None

    def __post_init__(self) -> None:
        for kind, held, what, names in _KINDS:
            for name in names:
                value = getattr(self, name)
                if value is not None or name not in _OPEN:
                    _need(value, kind, held, name, what)
        if not 1 <= self.jobs <= _JOBS:
            raise InputError(f"jobs: expected 1 to {_JOBS}, found {self.jobs}", next_step="take 4, the default")
        rungs = () if self.isolation is None else (self.isolation,)
        for key, values, there in (
            ("platforms", self.platforms, PLATFORMS),
            ("isolation", rungs, get_args(Isolation)),
        ):
            if unknown := [value for value in values if value not in there]:
                raise InputError(f"{key}: there is no {unknown[0]!r:.100}", next_step=f"choose of {', '.join(there)}")


_KINDS: tuple[tuple[type, type, str, tuple[str, ...]], ...] = (
    (Path, object, "a pathlib.Path", ("directory", "cache", "offline", "openapi_schema")),
    (str, object, "text", ("file", "isolation")),
    (int, object, "a whole number", ("jobs",)),
    (bool, object, "True or False", ("locked", "in_ci", "paranoid", "git")),
    (tuple, str, "a tuple of texts", ("registry_mirrors", "platforms", "labels", "annotations")),
    (tuple, Path, "a tuple of pathlib.Path", ("outputs",)),
    (AbstractSet, str, "a set of texts", ("insecure_registries", "insecure_credentials", "foreign_hosts", "realms")),
    (Mapping, str, "a mapping of texts, as os.environ", ("environment",)),
    (Mapping, bytes, "a mapping of bytes", ("secrets",)),
    (Rules, object, "a cogpack.policy.Rules", ("notes",)),
    (Machine, object, "a cogpack.machine.Machine", ("machine",)),
)
"""A type, that of what it holds, both in words, and the fields that have it."""
_OPEN = frozenset({"cache", "realms", "offline", "in_ci", "isolation", "openapi_schema", "machine"})
"""Fields that may be None."""


def need_path(value: Path, name: str) -> None:
    """Raise a `TypeError` of a path that is text: what it has no method for would fail somewhere below."""
    _need(value, Path, object, name, "a pathlib.Path")


def _need(value: Any, kind: type, held: type, name: str, what: str) -> None:
    """Raise a `TypeError` of a value that is none of `kind`. What a mapping has is not shown: secrets, mostly."""
    found = type(value).__name__ if isinstance(value, Mapping) else f"{value!r:.200}"
    fits = isinstance(value, kind)
    if fits and held is not object:
        values: Iterable[object] = value.values() if isinstance(value, Mapping) else value
        if wrong := [type(one).__name__ for one in values if not isinstance(one, held)]:
            fits, found = False, f"{found} with {wrong[0]} in it"
    if not fits:
        raise TypeError(f"{name}: expected {what}, found {found}")
