"""Layers of a push are offered to other models, in the repository that cog.yaml names, where nobody offers them yet.

What stands under a key stays: who comes second with another digest is told of it. Registries have no way to write a tag
only if it is not there, so of two who begin within the same moment the later writes; each reads back what stands.
"""

import msgspec

from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.images.referrers import EMPTY_CONFIG
from cogpack.images.registry import RegistryImages
from cogpack.layers.built import BuiltLayer
from cogpack.layers.entry import Entry, File, Whiteout
from cogpack.layers.known import Known
from cogpack.layers.layer import key_of
from cogpack.layers.wheels.source import WheelsSource
from cogpack.lockfile import Decisions
from cogpack.notes import Code, Note
from cogpack.oci import OCI_MANIFEST, LayerInfo
from cogpack.planning.plan import Plan
from cogpack.planning.shared_layers.offer import (
    CONTENTS_LIMIT,
    Contents,
    Offer,
    contents_descriptor,
    read_offer,
    tag_of,
)
from cogpack.planning.shared_layers.sharing import shared_of
from cogpack.planning.shared_layers.signing import KEY, read_keys, read_signer, signer_of
from cogpack.project import Project
from cogpack.reference import Reference
from cogpack.session import Session


class Publisher:
    """Offers layers in the repository of `cogpack.shared_layers.publish`, signed where a key is given.

    All that can be wrong with the settings is an `InputError` of its making, before anything moves.
    """

    def __init__(self, session: Session, project: Project) -> None:
        config = project.config
        where = config.pack.shared_layers.publish
        if where is None:
            raise InputError(
                "--publish-layers: cog.yaml names no repository for it",
                next_step="write cogpack: {shared_layers: {publish: HOST/NAME}}",
            )
        self._session = session
        self._keys = read_keys(project)
        self._signer = read_signer(session.environment)
        named = self._keys.fingerprints if self._keys else ()
        own = self._signer.keys.fingerprints if self._signer else ()
        if named and not {*named} & {*own}:
            found = f"is {own[0]}" if own else "is none of them"
            raise InputError(
                f"{config.where('cogpack.shared_layers.keys')}: names the keys whose word counts; {KEY} {found}",
                next_step=f"set {KEY} to a file with the secret key of one of them",
            )
        self._images: RegistryImages = session.images(Reference.parse(where), push=True)
        self.name = self._images.name

    def publish(self, plan: Plan, decisions: Decisions, known: Known, source: RegistryImages) -> tuple[str, ...]:
        """Offer what `source` has of the plan's layers, and somebody who is trusted says what it is; name those that
        are new. The image is where it should be: what goes wrong here is a note."""
        done, left = [], []
        for layer in shared_of(plan, decisions):
            found = known.of(layer)
            if found is None or not found.trusted:
                left.append(layer.name)
                continue
            try:
                if self._stands(layer, found.info) is not None:
                    continue
                if (contents := self._contents(plan, layer)) is None:
                    left.append(layer.name)
                elif self._offer(layer, found.info, contents, source):
                    done.append(layer.name)
            except (DeniedError, UnavailableError) as error:  # so it would be with the others
                text = f"{self.name}: not published, {layer.name} and what follows: {error.message}; {error.next_step}"
                self._note(Code.SHARED_UNPUBLISHED, text)
                break
            except CogpackError as error:
                text = f"{self.name}: {layer.name} is not published: {error.message}; {error.next_step}"
                self._note(Code.SHARED_UNPUBLISHED, text)
        if left:
            text = f"{self.name}: not published, since what they are made of is not here: {', '.join(left)}"
            self._note(Code.SHARED_UNPUBLISHED, text)
        return tuple(done)

    def _note(self, code: Code, text: str) -> None:
        self._session.progress.note(Note(code, text))

    def _stands(self, layer: BuiltLayer, info: LayerInfo) -> bool | None:
        """Look up what stands under its key. True: this layer, by whose word we would give; False: another, of which it
        is told; None: it is to be written."""
        tag = tag_of(key_of(layer))
        found = self._images.manifest(tag)
        if found is None:
            return None
        try:
            offer = read_offer(found, key_of(layer), where=f"{self.name}:{tag}")
        except InputError as error:
            self._note(Code.SHARED_DIFFERS, f"{layer.name} is not published: {error.message}")
            return False
        if offer.info != info:
            what = f"{self.name}:{tag} is {offer.info.descriptor.digest}, and here it is {info.descriptor.digest}"
            self._note(Code.SHARED_DIFFERS, f"{layer.name} is not published: {what}")
            return False
        is_signed = self._signer is None or signer_of(offer, self._keys or self._signer.keys) is not None
        return True if is_signed and self._images.has_blob(info.descriptor) else None

    def _contents(self, plan: Plan, layer: BuiltLayer) -> Contents | None:
        """Tell what is in it; None where something would have to be fetched for that."""
        if not all(one.is_here() for one in plan.inputs_of(layer)):
            return None
        source, libraries = layer.source, self._session.wheel_libraries
        wheels = source.wheels if isinstance(source, WheelsSource) else ()
        return Contents(
            files=tuple(map(_listed, source.entries())),
            libraries={wheel.sha256: libraries.of(wheel) for wheel in wheels},
        )

    def _offer(self, layer: BuiltLayer, info: LayerInfo, contents: Contents, source: RegistryImages) -> bool:
        """Write the offer, and tell whether it is the one that stands then."""
        data = contents.packed()
        described = contents_descriptor(data)
        if described.size > CONTENTS_LIMIT:
            raise InputError(f"the list of its files has {described.size} bytes", next_step="leave it unpublished")
        offer = Offer(key=key_of(layer), info=info, contents=described)
        if self._signer is not None:
            offer = msgspec.structs.replace(offer, signature=self._signer.sign(offer))
        if not self._images.has_blob(info.descriptor):
            self._images.bring(info.descriptor, source, lambda _: self._session.cancellation.check())
        self._images.put_blob(described, data)
        self._images.put_blob(EMPTY_CONFIG.descriptor, EMPTY_CONFIG.data)
        if self._stands(layer, info) is not None:  # another was quicker while blobs moved
            return False
        self._images.put_manifest(offer.manifest, OCI_MANIFEST, tag_of(offer.key))
        return self._stands(layer, info) is True


def _listed(entry: Entry) -> tuple[str, int]:
    match entry:
        case File():
            return entry.path, entry.content.size
        case Whiteout():
            return entry.member, 0
    return entry.path, 0
