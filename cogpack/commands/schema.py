"""`cogpack schema`: the model's OpenAPI document, made from its source without importing it."""

from pathlib import Path

import msgspec

from cogpack.comparing.schemas import ComparedSchema, compare_schemas
from cogpack.errors import InputError, MismatchError
from cogpack.lockfile import Decisions, read_lock
from cogpack.locking.other_locks import check_others
from cogpack.notes import Code, Note
from cogpack.planning.describing import describe_project, find_described
from cogpack.project import Project
from cogpack.runtime.schema.given import read_given
from cogpack.session import Session


def schema(session: Session) -> bytes:
    """Return the document, with the versions of the lock where there is one that can be read.

    Nothing is resolved for this, nor refused for what a schema does not need.
    """
    project = find_described(session)
    decisions = _decisions(session, project)
    version = decisions.sdk_version if decisions else ""
    python = decisions.python.minor if decisions else project.config.python_minor
    described = describe_project(project, sdk_version=version or "unlocked", python=python)
    for note in described.notes:
        session.progress.note(note)
    return described.document


class SchemaChecked(msgspec.Struct, frozen=True, kw_only=True):
    """Tells how the model's document differs from another. `breaking`: calls that worked may fail or be understood
    otherwise."""

    breaking: bool
    changes: tuple[ComparedSchema, ...]


def check_schema(session: Session, before: Path) -> SchemaChecked:
    """Compare the document in the file `before`, which callers know, with the one of now."""
    known = read_given(before, where="--check")
    changes = compare_schemas(known.decode(), schema(session).decode())
    return SchemaChecked(breaking=any(change.breaking for change in changes), changes=changes)


def _decisions(session: Session, project: Project) -> Decisions | None:
    try:
        found = read_lock(project.lock_path)
        check_others(project, found)  # as `own_lock`, which is not loaded for this
    except (InputError, MismatchError) as error:
        moved = f"; {error.next_step}" if isinstance(error, MismatchError) else ""
        session.progress.note(Note(Code.LOCK_UNREAD, f"{error.message}: the schema is made without it{moved}"))
        return None
    return found.platforms.get(project.config.pack.platforms[0]) if found else None
