"""An OCI image layout directory is a sink (`cogpack build -o DIR`). What else is in the layout stays there."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cogpack.images.layout import LayoutImages
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.layout import Layout
from cogpack.oci import Descriptor, Image, ImageIndex, LayerInfo
from cogpack.progress import Cancellation, counted
from cogpack.sinks.sink import put_image, put_index


class LayoutSink:
    """A sink over the images of a layout."""

    parallel = True
    form = Form.STORED

    def __init__(self, directory: Path) -> None:
        """Open or make a layout; anything but one, or a new or empty directory, is an `InputError`, untouched."""
        self._layout = Layout.create(directory)
        self._images = LayoutImages(self._layout, Cancellation())
        self.filling = self._layout.filling

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        if layer.known is not None and self._images.has_blob(layer.known.descriptor):
            return layer.known
        with self._layout.incoming() as blob:

            def fill(body: Body) -> None:
                for block in counted(body, on_bytes):
                    blob.write(block)

            info = layer.copy_to(fill)
            if not self._images.has_blob(info.descriptor):
                blob.keep(info.descriptor.digest)
        return info

    def put(self, image: Image) -> Descriptor:
        return put_image(self._images, image)

    def put_index(self, index: ImageIndex) -> Descriptor:
        """Store it, by digest: its images are there."""
        return put_index(self._images, index)

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        self._layout.publish(dict.fromkeys(tags, root))
