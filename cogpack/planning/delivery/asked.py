"""A target is asked what a push would move there, and nothing is sent: a plan stands without its answers, too."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from cogpack.digest import Digest
from cogpack.errors import DeniedError, UnavailableError
from cogpack.images.interface import Images
from cogpack.layers.layer import Layer
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor, LayerInfo
from cogpack.planning.delivery.targets import PushTarget
from cogpack.planning.known import present_image
from cogpack.progress import asking
from cogpack.session import Session

T = TypeVar("T")


class AskedTarget:
    """Asks a repository that a plan is for. Where it can't be asked, the plan stands without its answers."""

    def __init__(self, session: Session, target: PushTarget) -> None:
        self._session = session
        self._target = target
        self._there: set[Digest] = set()
        self.tagged: list[frozenset[Digest]] = []
        """Of each tag that names an image now, the layers of that."""
        self._images: Images | None = session.images(target.repository)

    def present_layers(self) -> Mapping[str, Mapping[str, LayerInfo]]:
        """Ask what its tags say that layers come out as, by the tag's name."""
        found = {}
        for tag in self._target.tags:
            if (images := self._images) is not None:
                name = self._target.repository.with_tag(tag)
                with asking(self._session.progress, str(name)):
                    answer = self._ask(partial(present_image, images, name, self._session.facts))
                found[str(name)] = answer.layers if answer else {}
                if answer and answer.blobs:
                    self.tagged.append(answer.blobs)
        return found

    def lacks(self, blob: Descriptor | None) -> bool | None:
        """Tell whether it would have to be sent; None where nobody can. `blob` is None of a layer yet to be made."""
        images = self._images
        if images is None or blob is None:
            return None if images is None else True
        found = self._ask(lambda: images.has_blob(blob))
        if found:
            self._there.add(blob.digest)
        return None if found is None else not found

    def mounts(self, layer: Layer, blob: Descriptor) -> bool:
        """Tell whether it has the layer's blob, or may have it from a repository beside it; nobody is asked."""
        beside = self._session.blob_origins.origins(self._target.repository, layer.origins, blob.digest)
        return blob.digest in self._there or bool(beside)

    def _ask(self, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except (DeniedError, UnavailableError) as error:
            self._images = None
            text = f"what a push would move is not known: {error.message}; {error.next_step}"
            self._session.progress.note(Note(Code.REGISTRY_UNASKED, text))
            return None


def moves(asked: Sequence[AskedTarget], blob: Descriptor | None) -> bool | None:
    """Tell whether any of them lacks it; None where that can't be told."""
    answers = [one.lacks(blob) for one in asked]
    return True if True in answers else None if None in answers or not answers else False
