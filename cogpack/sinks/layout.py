"""An OCI image layout directory is a sink (`cogpack build -o DIR`). What else is in the layout stays there."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cogpack.images.layout import LayoutImages
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.layout import Layout
from cogpack.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, Image, ImageIndex, LayerInfo
from cogpack.progress import Cancellation, counted
from cogpack.sinks.copies import Copies, Copy


class LayoutSink:
    """A sink over the images of a layout. `copies`: what a registry has of layers that are known and not here."""

    parallel = True
    form = Form.STORED

    def __init__(self, directory: Path, copies: Copies | None = None) -> None:
        """Open or make a layout; anything but one, or a new or empty directory, is an `InputError`, untouched."""
        self._copies = copies
        self._layout = Layout.create(directory)
        self._images = LayoutImages(self._layout, Cancellation())
        self.filling = self._layout.filling

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        if layer.known is not None and self._images.has_blob(layer.known.descriptor):
            return layer.known
        if layer.known is not None and self._copied(layer, layer.known, on_bytes):
            return layer.known
        with self._layout.incoming() as blob:

            def fill(body: Body) -> None:
                for block in counted(body, on_bytes):
                    blob.write(block)

            info = layer.copy_to(fill)
            if not self._images.has_blob(info.descriptor):
                blob.keep(info.descriptor.digest)
        return info

    def _copied(self, layer: Outgoing, known: LayerInfo, on_bytes: Callable[[int], None]) -> bool:
        """Take the blob from where it is said to be. False: the layer is to be made."""

        def take(copy: Copy, count: Callable[[int], None]) -> None:
            with self._layout.incoming() as blob:
                for block in counted(copy, count):
                    blob.write(block)
                blob.keep(known.descriptor.digest)

        return self._copies is not None and bool(self._copies.bring(layer, known.descriptor, take, on_bytes))

    def put(self, image: Image) -> Descriptor:
        self._images.put_blob(image.config_descriptor, image.config)
        self._images.put_manifest(image.manifest, OCI_MANIFEST, image.descriptor.digest)
        return image.descriptor

    def put_index(self, index: ImageIndex) -> Descriptor:
        """Store it, by digest: its images are there."""
        self._images.put_manifest(index.data, OCI_INDEX, index.descriptor.digest)
        return index.descriptor

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        self._layout.publish(dict.fromkeys(tags, root))
