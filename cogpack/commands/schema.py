"""`cogpack schema`: the model's OpenAPI document, made from its source without importing it."""

from cogpack.commands.lock import DEFAULT_PYTHON
from cogpack.commands.prepare import describe_project, open_project
from cogpack.commands.session import Session
from cogpack.lock import read_lock


def schema(session: Session) -> bytes:
    """With the versions of the lock where there is one: nothing is resolved for this."""
    project = open_project(session)
    found = read_lock(project.root)
    decisions = found.platforms.get(project.config.pack.platform) if found else None
    python = ".".join((project.config.python_version or DEFAULT_PYTHON).split(".")[:2])
    version = next((wheel.version for wheel in decisions.wheels if wheel.name == "cog"), "") if decisions else ""
    described = describe_project(
        project, sdk_version=version or "unlocked", python=decisions.python if decisions else python
    )
    for note in described.notes:
        session.progress.note(note)
    return described.document
