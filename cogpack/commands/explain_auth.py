"""`cogpack auth explain`: which source of credentials is used for a registry, and what the others say."""

from cogpack.commands.login import registry_host
from cogpack.reference import Reference
from cogpack.registry.credentials import Explained
from cogpack.registry.credentials.files import normal_key
from cogpack.session import Session


def explain(session: Session, target: str) -> Explained:
    """Say which credentials `target`, a HOST or HOST/REPOSITORY, would get. No secret is in the answer."""
    if "/" not in normal_key(target):
        return session.credentials.explain(registry_host(target), "")
    reference = Reference.parse(target)
    return session.credentials.explain(reference.registry.lower(), reference.repository)
