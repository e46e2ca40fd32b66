"""A project is found, and its model described: which needs neither lock nor layers, and loads nothing of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from packaging.version import Version

from cogpack.errors import InputError
from cogpack.lockfile import Lock
from cogpack.notes import Code, Note
from cogpack.project import Project, find_project, for_platforms
from cogpack.runtime.schema import Described, describe, describe_given
from cogpack.runtime.schema.given import VARIABLE, read_given
from cogpack.session import Session

_WHEELS = ("COG_SDK_WHEEL", "COGLET_WHEEL")
_TAKE_ANY = tuple((0, minor) for minor in range(17, 22))
"""Versions of cog whose coglet gives places to functions that are not async: 0.16 does not (cog/server/worker.py), nor
does 0.22 and later (coglet-python/src/worker_bridge.rs)."""


def find_described(session: Session, *, outputs: Sequence[Path] = ()) -> Project:
    """Find and read the project, whether this version can pack it or not."""
    settings = session.settings
    log = session.environment.get("COGPACK_LOG")  # grows while the project is read
    written = [*outputs, *settings.outputs, *([Path(log)] if log else [])]
    project = find_project(settings.directory, settings.file, outputs=written, cache=session.kept.place)
    if settings.platforms:
        project = for_platforms(project, settings.platforms)
    if given := _given_schema(session):
        project = msgspec.structs.replace(project, schema=given)
    session.notes.policy.project = project.config.pack.notes
    session.machine.check_base(project.config)
    for note in (*project.config.notes, *_unheeded(session)):
        session.progress.note(note)
    return project


def _unheeded(session: Session) -> Iterator[Note]:
    """Tell of variables by which `cog build` takes another SDK: the lock says which one the image has."""
    for name in _WHEELS:
        if session.environment.get(name):
            text = f"{name} is not looked at: build.sdk_version of cog.yaml says which version of cog is in the image"
            yield Note(Code.COG_OPTION, text)


def _given_schema(session: Session) -> bytes | None:
    if path := session.settings.openapi_schema:
        return read_given(path, where="--openapi-schema")
    if named := session.environment.get(VARIABLE):
        return read_given(Path(named), where=VARIABLE)
    return None


def describe_project(project: Project, *, sdk_version: str, python: str) -> Described:
    """The OpenAPI document of the model, from its source, of which no fault counts where the document was given."""
    major, _, minor = python.partition(".")
    config = project.config
    if project.schema is not None:
        return describe_given(
            project.source,
            project.schema,
            predict=config.predict,
            train=config.train,
            python=(int(major), int(minor)),
        )
    predict = "run" if "run" in config.places else "predict"  # its new name
    return describe(
        project.source,
        predict=config.predict,
        train=config.train,
        version=sdk_version,
        python=(int(major), int(minor)),
        none_default=config.pack.none_default,
        named={str(config.train): config.where("train"), str(config.predict): config.where(predict)},
    )


def check_concurrency(project: Project, described: Described, *, sdk_version: str | None) -> tuple[Note, ...]:
    """Refuse a model that can't come up: coglet gives more than one place to async functions alone. Notes of what it
    may take, though `cog build` would not. `sdk_version`: None for what is taken where nobody says it."""
    config = project.config
    slots = config.concurrency or described.concurrency or 1
    if slots == 1 or not described.synchronous:
        return ()
    place = config.where("concurrency.max") if config.concurrency else f"@concurrent(max={slots})"
    text = f"{place}: {slots} predictions at once need an async function, and that of {described.synchronous} is none"
    if described.wrapped:
        return (Note(Code.COG_REFUSES, f"{text}: the server starts only if what wraps it makes one"),)
    if sdk_version not in (None, "prerelease") and Version(sdk_version).release[:2] in _TAKE_ANY:
        return (Note(Code.COG_REFUSES, f"{text}: cog {sdk_version} starts, and later ones do not"),)
    raise InputError(text, next_step="write async def, or remove concurrency.max")


def describe_locked(project: Project, lock: Lock) -> Described:
    """Make it with the versions that the lock has."""
    decisions = lock.platforms[project.config.pack.platform]
    described = describe_project(project, sdk_version=decisions.sdk_version, python=decisions.python.minor)
    notes = check_concurrency(project, described, sdk_version=decisions.sdk_version)
    return msgspec.structs.replace(described, notes=(*described.notes, *notes))


def check_predictor(project: Project) -> None:
    """Before resolving: a mistake in the predictor should not cost a resolve to learn of."""
    described = describe_project(project, sdk_version="", python=project.config.python_minor)
    check_concurrency(project, described, sdk_version=project.config.sdk_version)
