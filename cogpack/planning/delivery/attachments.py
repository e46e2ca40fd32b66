"""What travels with an image: its lock and an SPDX document are attached to its manifest, and to its index.

They change no byte of the image, and the same image gets the same ones: who pushes it again finds them there.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from cogpack.config.model import lock_name
from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError
from cogpack.lockfile import LOCK_TYPE, AttachedLock, Lock
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor
from cogpack.planning.delivery.delivery import BroughtImages, Delivery
from cogpack.planning.prepare import Prepared, with_steps
from cogpack.registry.credentials import replicate
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.images.attached import Attachment


class Attaching:
    """Attaches to the images of one push, at each of its targets. Where all is there, nothing is made of the lock.

    `asks`: a registry is asked for them even if this machine attached them: somebody may have deleted them since.
    """

    def __init__(self, session: Session, each: Sequence[Prepared], *, asks: bool) -> None:
        self._session = session
        self._asks = asks
        self._each = each
        self._locks: dict[str, AttachedLock] = {}

    def attach(self, delivery: Delivery, brought: BroughtImages) -> tuple[Digest, ...]:
        """Attach to what was brought; name the artifacts that were put there. A registry that won't have them has the
        image all the same, which a note says."""
        where = delivery.target.repository
        if replicate.is_of_its_kind(where.registry, self._session.environment):
            return ()  # it takes models; of artifacts nobody knows
        made: list[Digest] = []
        try:
            for image in brought.images:
                made += self._attach(delivery, image.image.descriptor, str(image.platform), fresh=image.requests > 0)
            if brought.index is not None:
                fresh = any(image.requests for image in brought.images)
                made += self._attach(delivery, brought.index.descriptor, "", fresh=fresh)
        except CogpackError as error:
            text = f"{where.name}: lock and SBOM are not attached to the image: {error.message}"
            self._session.progress.note(Note(Code.NOT_ATTACHED, f"{text}; --no-attach pushes without them"))
        return tuple(made)

    def _attach(self, delivery: Delivery, subject: Descriptor, platform: str, *, fresh: bool) -> list[Digest]:
        """Attach to a manifest what is not attached yet; `fresh`: it came just now, so nothing is."""
        where, origins = delivery.target.repository, self._session.blob_origins

        def is_seen(digest: Digest) -> bool:
            return where.repository in origins.of(where.registry, digest)

        whole = sha256(f"all is attached to {subject.digest}".encode())
        if not (fresh or self._asks) and is_seen(whole):
            return []
        listed = () if fresh else {entry.digest for entry in delivery.images.referrers(subject.digest)}
        made = self._made(platform, where.repository.rpartition("/")[2])
        lacking = [one for one in made if one.of(subject).descriptor.digest not in listed]
        if lacking:
            from cogpack.images.attached import put_attachments
            from cogpack.images.referrers import EMPTY_CONFIG

            blobs = [EMPTY_CONFIG.descriptor.digest, *(one.file.descriptor.digest for one in made)]
            seen, cancellation = set(filter(is_seen, blobs)), self._session.cancellation
            put_attachments(delivery.images, lacking, subject, there=seen, cancellation=cancellation)
            origins.record(where.registry, where.repository, blobs)
        origins.record(where.registry, where.repository, [whole])
        return [one.of(subject).descriptor.digest for one in lacking]

    def _made(self, platform: str, name: str) -> "tuple[Attachment, ...]":
        """Make what is attached to the image of a platform, or of all."""
        from cogpack.locking.attached import attached_lock, told_by

        if platform not in self._locks:
            self._locks[platform] = attached_lock(self._lock(platform), told=told_by(self._each[0].project))
        return attachments(self._locks[platform], name, config=self._each[0].project.config_path.name)

    def _lock(self, platform: str) -> Lock:
        """Give what is decided for one platform, or for all that are pushed."""
        decided = {}
        for one in self._each:
            its = one.project.config.pack.platform
            if platform in ("", its):
                decided[its] = with_steps(one.lock, its, one.settled).platforms[its]
        return msgspec.structs.replace(self._each[0].lock, platforms=decided)


def attachments(lock: AttachedLock, name: str, *, config: str) -> "tuple[Attachment, ...]":
    """Make what is attached to an image that is called `name`: the lock, called as that of `config`, first, for who
    finds the document has it."""
    from cogpack.images.attached import SPDX_TYPE, Attachment
    from cogpack.sbom import spdx_document

    return (
        Attachment(kind=LOCK_TYPE, title=lock_name(config), data=lock.encode(config=config)),
        Attachment(kind=SPDX_TYPE, title=f"{name}.spdx.json", data=spdx_document(name, lock.lock)),
    )
