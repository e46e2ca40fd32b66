"""`cogpack sbom`: what the lock has in the image, as an SPDX or a CycloneDX document."""

from typing import Literal, TypeAlias

from cogpack.locking.current import current_lock
from cogpack.planning.prepare import open_project
from cogpack.sbom import cyclonedx_document, parts_of, spdx_document
from cogpack.session import Session

SbomFormat: TypeAlias = Literal["spdx", "cyclonedx"]


def sbom(session: Session, *, form: SbomFormat = "spdx") -> bytes:
    """Return the document of the project's image, for the platform that it is packed for."""
    project = open_project(session)
    platform = project.config.pack.platform
    lock = current_lock(session, project, writes=False, locked=session.settings.locked)
    decisions = lock.platforms[platform]
    write = spdx_document if form == "spdx" else cyclonedx_document
    name = project.config.image or project.root.name
    return write(name, parts_of(decisions, lock.weights), created=decisions.created or 0)
