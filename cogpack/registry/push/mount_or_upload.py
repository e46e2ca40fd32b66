"""Whether a blob is mounted from another repository of its registry or uploaded is decided here.

Who calls has asked before whether the repository has it (`sinks/registry` of a layer, `copy` of any blob).
"""

from collections.abc import Iterable
from urllib.parse import quote

from cogpack.digest import Digest
from cogpack.errors import CogpackError
from cogpack.registry.push.protocol import Answer
from cogpack.registry.push.requests import as_answer
from cogpack.registry.requests import Requests
from cogpack.trace import TRACE

_NOT_ASKED = Answer(0)


def mount_or_open(requests: Requests, digest: Digest, sources: Iterable[str], *, name: str) -> Answer | None:
    """Mount a blob from the first of `sources`, repositories of this registry, that lets us.

    None: mounted. Else it is to be uploaded, and this is what the registry said last instead, which may be an upload
    that is open now. `name`: of the blob, for the trace.
    """
    opened = _NOT_ASKED
    for source in sources:
        if opened.location:  # of the mount before: nobody will use it
            requests.cancel(opened.location)
        answer = _mount(requests, digest, source)
        if TRACE.level:
            TRACE.decided(f"{name}: {'mounted' if answer is None else 'not to be mounted'} from {source}")
        if answer is None:
            return None
        opened = answer
    return opened


def _mount(requests: Requests, digest: Digest, source: str) -> Answer | None:
    """Ask for one mount; never of a repository for which the user has another login."""
    if not requests.is_ours(source):
        return _NOT_ASKED
    url = f"{requests.base}/blobs/uploads/?mount={quote(digest)}&from={quote(source, safe='/')}"
    try:
        answer = requests.request("POST", url, tries="few", scopes=(f"repository:{source}:pull",))
    except CogpackError:  # refused mounts come in every shape; an upload tells what is really wrong
        return _NOT_ASKED
    return None if answer.status == 201 else as_answer(requests, "POST", answer)
