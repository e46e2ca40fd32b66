"""What offers make known of a plan's layers, by whose word: a key that cog.yaml names, or the repository's alone."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from cogpack.errors import CogpackError, DeniedError, MismatchError, UnavailableError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.known import Claims, Known
from cogpack.layers.layer import key_of
from cogpack.layers.spool import Once
from cogpack.layers.wheels.libraries import WheelLibrary
from cogpack.lockfile import Decisions
from cogpack.notes import Code, Note
from cogpack.planning.plan import Plan
from cogpack.progress import asking
from cogpack.project import Project
from cogpack.reference import Reference
from cogpack.registry.repository import Repository
from cogpack.session import Session
from cogpack.threads import each

if TYPE_CHECKING:
    from cogpack.planning.shared_layers.offer import Contents, Offer


_AT_A_TIME = 8
_SIGN = "name the certificate of who published it under cogpack.shared_layers.keys"


class _Heard(msgspec.Struct, frozen=True):
    """Is an offer whose blob is there. `signer`: a fingerprint, "" where no key that counts signed it."""

    offer: "Offer"
    signer: str


def hear_offers(session: Session, project: Project, plan: Plan, decisions: Decisions, known: Known) -> Known:
    """Add what the repository of `cogpack.shared_layers.from` offers of layers of which nobody else says anything that
    is trusted, and have it asked for the blobs of all that may be there.

    A depot stands for all servers: with one, nobody is asked.
    """
    shared = project.config.pack.shared_layers
    if shared.source is None or session.depot is not None:
        return known
    from cogpack.planning.shared_layers.sharing import shared_of

    home = Reference.parse(shared.source)
    layers = shared_of(plan, decisions)
    unknown = [layer for layer in layers if (found := known.of(layer)) is None or not found.trusted]
    hearing = _Hearing(session, project, home)
    with asking(session.progress, home.name):
        heard = [one for one in hearing.all(unknown) if one is not None]
    for layer in layers:
        if layer not in unknown and (info := known.info(layer)) is not None:
            session.blob_origins.told(info.descriptor.digest, home)
    for one in heard:
        session.blob_origins.told(one.offer.info.descriptor.digest, home)
    without = (
        f"find out who published {home.name}:TAG of this layer; without cogpack.shared_layers.from it is made here"
    )
    for signer in sorted({one.signer for one in heard}):
        said = {one.offer.key: one.offer.info for one in heard if one.signer == signer}
        name = f"{home.name}, signed by {signer}" if signer else home.name
        known = known.adding(unknown, Claims(name, said, trusted=bool(signer), without=without))
    hearing.tell([layer.name for layer in unknown if (found := known.of(layer)) and found.source == home.name])
    keyed = {key_of(layer): layer for layer in unknown}
    for one in heard:
        if one.signer:
            hearing.learn(one.offer, [part.artifact.digest for part in plan.inputs_of(keyed[one.offer.key])])
    return known


class _Hearing:
    """Asks one repository, and keeps what is to be told of it. One that can't be asked once is not asked again."""

    def __init__(self, session: Session, project: Project, home: Reference) -> None:
        from cogpack.planning.shared_layers.signing import read_keys

        self._session = session
        self._home = home
        self._repository: Repository = session.repository(home, patient=False)
        self._keys = read_keys(project)
        self._of_all = project.config.pack.shared_layers.trust == "repository"
        self._refused: list[str] = []
        self._away: CogpackError | None = None

    def all(self, layers: Sequence[BuiltLayer]) -> Sequence[_Heard | None]:
        cancellation = self._session.cancellation
        return each(self._ask, layers, jobs=_AT_A_TIME, name="offer", cancellation=cancellation) if layers else ()

    def _ask(self, layer: BuiltLayer) -> _Heard | None:
        from cogpack.planning.shared_layers.offer import DAMAGED, read_offer, tag_of
        from cogpack.planning.shared_layers.signing import signer_of

        if self._away is not None:
            return None
        tag = tag_of(key_of(layer))
        where = f"{self._home.name}:{tag}"
        try:
            found = self._repository.manifest(tag)
            if found is None:
                return None
            offer = read_offer(found, key_of(layer), where=where)
            signer = signer_of(offer, self._keys)
            if signer is None and not self._of_all:
                raise MismatchError(f"{where}: no key that cog.yaml names has signed it", next_step=_SIGN)
            if not self._repository.has_blob(offer.info.descriptor):
                raise MismatchError(f"{where}: the blob that it offers is not there, in its size", next_step=DAMAGED)
        except (DeniedError, UnavailableError) as error:
            self._away = error
        except CogpackError as error:
            self._refused.append(f"{layer.name} is made here: {error.message} (next: {error.next_step})")
        else:
            return _Heard(offer, signer or "")
        return None

    def tell(self, vouched: Sequence[str]) -> None:
        """Note what was not heard, and what is heard by nobody's word but the repository's: the layers `vouched`."""
        note = self._session.progress.note
        if self._away is not None:
            text = f"{self._home.name}: {self._away.message}; {self._away.next_step}"
            note(Note(Code.SHARED_UNASKED, text))
        for text in sorted(self._refused):
            note(Note(Code.SHARED_REFUSED, text))
        if vouched:
            text = f"{self._home.name} alone says what these layers come out as: {', '.join(vouched)}"
            note(Note(Code.SHARED_VOUCHED, f"{text}; trust: keys, under cogpack.shared_layers, takes no such word"))

    def learn(self, offer: "Offer", wheels: Sequence[str]) -> None:
        """Have it known what the libraries are of the wheels that a signed offer's layer is made of, once asked."""
        contents = Once(partial(self._contents, offer))
        for digest in wheels:
            sha256 = digest.removeprefix("sha256:")
            self._session.wheel_libraries.told(sha256, partial(_libraries, contents, sha256))

    def _contents(self, offer: "Offer") -> "Contents | None":
        from cogpack.planning.shared_layers.offer import read_contents

        try:
            with self._repository.blob(offer.contents) as blocks:
                return read_contents(blocks, where=f"{self._home.name}@{offer.contents.digest}")
        except CogpackError as error:
            self._session.progress.note(Note(Code.SHARED_REFUSED, error.message))
            return None


def _libraries(contents: "Once[Contents | None]", sha256: str) -> tuple[WheelLibrary, ...] | None:
    found = contents()
    return found.libraries.get(sha256) if found else None
