"""What lines of `build.run` fetch is pinned: each address once, by the bytes that it leads to now."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from cogpack.artifacts import Artifact, Brought, NotAFileError, bring
from cogpack.digest import Digest
from cogpack.errors import CogpackError
from cogpack.layers.content import LocalFile
from cogpack.lockfile import LockedFetch, LockedSandboxed
from cogpack.run_lines import Fetch
from cogpack.run_lines.addresses import last_part
from cogpack.session import Session
from cogpack.threads import each

StepFetch: TypeAlias = tuple[int, Fetch]


def pin_fetches(
    session: Session, fetches: Sequence[StepFetch], kept: Sequence[LockedFetch], places: Sequence[str], *, probed: bool
) -> tuple[tuple[LockedFetch, ...], tuple[LockedSandboxed, ...]]:
    """Pin all of them; what was `kept` stays, while the lines follow redirects as before. `places`: of all steps;
    `probed`: it is looked into each, for what zstd would leave."""
    known = {(pin.url, pin.redirects): pin for pin in kept}

    def pin(item: StepFetch) -> LockedFetch | LockedSandboxed:
        step, fetch = item
        try:
            if (before := known.get((fetch.url, fetch.redirects))) is not None:
                return _probed(session, before) if probed and before.ratio is None else before
            found = bring(session.store, session.http, fetch.url, redirects=fetch.redirects)
        except NotAFileError as why:
            return LockedSandboxed(step=step, why=str(why))
        except CogpackError as error:
            error.message = f"{places[step]}: {error.message}"
            raise
        pinned = _pinned(fetch, found)
        return _probed(session, pinned) if probed else pinned

    jobs = session.settings.jobs
    found = each(pin, _strictest(fetches), jobs=jobs, name="pin", cancellation=session.cancellation)
    pins = tuple(sorted((one for one in found if isinstance(one, LockedFetch)), key=lambda one: one.url))
    return pins, tuple(one for one in found if isinstance(one, LockedSandboxed))


def lacks_fetches(fetches: Sequence[StepFetch], kept: Sequence[LockedFetch]) -> bool:
    """Tell whether something is fetched, or is fetched in a way, that is not pinned."""
    pinned = {(pin.url, pin.redirects) for pin in kept}
    return any((fetch.url, fetch.redirects) not in pinned for _, fetch in _strictest(fetches))


def _strictest(fetches: Sequence[StepFetch]) -> list[StepFetch]:
    """Give one of those that want one address: one that follows no redirect says the most of it."""
    ordered = sorted(fetches, key=lambda item: (item[1].redirects, item[0]), reverse=True)
    return list({fetch.url: (step, fetch) for step, fetch in ordered}.values())


def _pinned(fetch: Fetch, found: Brought) -> LockedFetch:
    artifact = found.artifact
    assert artifact.size is not None
    return LockedFetch(
        url=fetch.url,
        redirects=fetch.redirects,
        address=found.address,
        sha256=artifact.digest.removeprefix("sha256:"),
        size=artifact.size,
    )


def _probed(session: Session, pin: LockedFetch) -> LockedFetch:
    """Look into the pinned bytes, wherever they are: another probe is no reason for another pin."""
    from cogpack.layers.weights.probe import probe_local

    artifact = Artifact(last_part(pin.url) or "file", Digest(f"sha256:{pin.sha256}"), pin.size)
    path, _ = session.store.verified(artifact, lambda: [pin.address, pin.url] if pin.address else [pin.url])
    return msgspec.structs.replace(pin, ratio=probe_local(LocalFile.of(path), None))
