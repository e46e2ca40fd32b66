"""What lines of `build.run` fetch is pinned: each address once, by the bytes that it leads to now."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from cogpack.artifacts import Brought, NotAFileError, bring
from cogpack.errors import CogpackError
from cogpack.layers.content import LocalFile
from cogpack.layers.weights.probe import probe_local
from cogpack.lockfile import LockedFetch, LockedSandboxed
from cogpack.run_lines import Fetch
from cogpack.session import Session
from cogpack.threads import each

StepFetch: TypeAlias = tuple[int, Fetch]


def pin_fetches(
    session: Session, fetches: Sequence[StepFetch], kept: Sequence[LockedFetch], places: Sequence[str], *, probed: bool
) -> tuple[tuple[LockedFetch, ...], tuple[LockedSandboxed, ...]]:
    """Pin all of them; what was `kept` is not asked for. `places`: of all steps; `probed`: it is looked into each, for
    what zstd would leave."""
    known = {pin.url: pin for pin in kept if not probed or pin.ratio is not None}
    first = {fetch.url: (step, fetch) for step, fetch in reversed(fetches)}

    def pin(item: StepFetch) -> LockedFetch | LockedSandboxed:
        step, fetch = item
        if fetch.url in known:
            return known[fetch.url]
        try:
            found = bring(session.store, session.http, fetch.url, redirects=fetch.redirects)
        except NotAFileError as why:
            return LockedSandboxed(step=step, why=str(why))
        except CogpackError as error:
            error.message = f"{places[step]}: {error.message}"
            raise
        return _pinned(session, fetch.url, found, probed=probed)

    jobs = session.settings.jobs
    found = each(pin, list(first.values()), jobs=jobs, name="pin", cancellation=session.cancellation)
    pins = tuple(sorted((one for one in found if isinstance(one, LockedFetch)), key=lambda one: one.url))
    return pins, tuple(one for one in found if isinstance(one, LockedSandboxed))


def _pinned(session: Session, url: str, found: Brought, *, probed: bool) -> LockedFetch:
    artifact = found.artifact
    assert artifact.size is not None
    pin = LockedFetch(
        url=url, address=found.address, sha256=artifact.digest.removeprefix("sha256:"), size=artifact.size
    )
    if not probed:
        return pin
    return msgspec.structs.replace(pin, ratio=probe_local(LocalFile.of(session.store.fetch(artifact, list)), None))
