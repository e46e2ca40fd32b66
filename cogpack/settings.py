"""What a caller of a run chooses, as one value."""

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

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
        for name in ("directory", "cache", "offline", "openapi_schema"):
            if (path := getattr(self, name)) is not None:
                need_path(path, name)
        for name in self.__struct_fields__:
            if isinstance(getattr(self, name), str) and name not in ("file", "isolation"):
                raise TypeError(f"{name}: expected several texts, found the text {getattr(self, name)!r:.200}")
        if not isinstance(self.environment, Mapping):
            raise TypeError(f"environment: expected a mapping, as os.environ, found {self.environment!r:.200}")
        if not 1 <= self.jobs <= _JOBS:
            raise InputError(f"jobs: expected 1 to {_JOBS}, found {self.jobs}", next_step="take 4, the default")
        rungs = (self.isolation,) if self.isolation else ()
        for key, values, there in (
            ("platforms", self.platforms, PLATFORMS),
            ("isolation", rungs, get_args(Isolation)),
        ):
            if unknown := [value for value in values if value not in there]:
                raise InputError(f"{key}: there is no {unknown[0]!r:.100}", next_step=f"choose of {', '.join(there)}")


def need_path(value: Path, name: str) -> None:
    """Raise a `TypeError` of a path that is text: what it has no method for would fail somewhere below."""
    if not isinstance(value, Path):
        raise TypeError(f"{name}: expected a pathlib.Path, found {value!r:.200}")
