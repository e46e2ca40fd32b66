"""`cogpack registry probe`: what a registry supports, measured in one of its repositories."""

from cogpack.errors import InputError
from cogpack.opening import parse_reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.probe import Probed
from cogpack.registry.probe import probe as _probe
from cogpack.registry.repository import Repository
from cogpack.session import Session


def probe(session: Session, target: str) -> Probed:
    """Measure in `target`, a repository (`HOST/NAME`) that may be pushed to; its tags and images stay as they are."""
    if "/" not in target:
        raise InputError(f"{target}: a repository is probed, not a registry", next_step=f"write {target}/NAME")
    reference = parse_reference(session, target)
    if reference.tag or reference.digest:
        raise InputError(f"{target}: a repository is probed, not an image", next_step=f"write {reference.name}")
    return _probe(session.repository(reference, push=True), Repository(session.http, reference, Credentials([])))
