"""`cogpack auth explain`: which source of credentials is used for a registry, and what the others say."""

from cogpack.commands.login import registry_host
from cogpack.commands.session import Session
from cogpack.reference import Reference
from cogpack.registry.credentials import Explained


def explain(session: Session, target: str) -> Explained:
    """`target`: HOST or HOST/REPOSITORY. No secret is in the answer."""
    if "/" not in target.removeprefix("https://").removeprefix("http://").rstrip("/"):
        return session.credentials.explain(registry_host(target), "")
    reference = Reference.parse(target)
    return session.credentials.explain(reference.registry.lower(), reference.repository)
