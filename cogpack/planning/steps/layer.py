"""The layers of what the commands of `build.run` changed. Their blobs are had from who runs the commands, and keeps
them."""

from collections.abc import Callable

from cogpack.digest import DiffID, Digest, sha256
from cogpack.layers import tar
from cogpack.layers.built import BaseLayer, layer_key
from cogpack.layers.compression import Codec
from cogpack.layers.layer import Consume, Form
from cogpack.lockfile import LockedStepsLayer
from cogpack.oci import LayerInfo, encode


def steps_layer_key(diff_id: DiffID, codec: Codec) -> Digest:
    """Name a layer of steps by what it is: who runs them again, and finds the same, has the same layer."""
    return layer_key(sha256(encode(["cogpack steps layer", tar.VERSION, diff_id])), codec)


class _Layer:
    info = None
    origins = ()
    remote = False
    read_first = False
    costly = True
    remembered = True
    ratio = None
    among_weights = False
    """Whether it lies there: it hides nothing of any layer."""

    def __init__(self, name: str, key: Digest) -> None:
        self.name = name
        self.key = key

    def size(self, form: Form) -> int | None:  # noqa: ARG002 - as all layers have it
        return None


class StepsLayer(_Layer):
    """Is a layer whose diff ID is decided. `blob` gives its bytes, which takes a run where nobody has kept them."""

    def __init__(self, locked: LockedStepsLayer, codec: Codec, blob: "Callable[[StepsLayer], BaseLayer]") -> None:
        super().__init__(locked.name, steps_layer_key(locked.diff_id, codec))
        self.diff_id = self.contents = locked.diff_id
        self.among_weights = locked.kind in ("weights", "files")
        self._blob = blob

    def blob(self) -> BaseLayer:
        return self._blob(self)

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        return self.blob().copy_to(consume, form)


class OpenLayer(_Layer):
    """Stands in a plan for the layers of steps of which nobody knows yet what they change."""

    @property
    def contents(self) -> Digest:
        return self.key

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:  # noqa: ARG002
        raise AssertionError(f"{self.name}: was not run")
