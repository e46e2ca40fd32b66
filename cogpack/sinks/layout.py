"""An OCI image layout directory is a sink (`cogpack build -o DIR`). What else is in the layout stays there."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.layout import Layout
from cogpack.oci import Descriptor, Image, LayerInfo
from cogpack.progress import counted


class LayoutSink:
    parallel = True
    form = Form.STORED

    def __init__(self, directory: Path) -> None:
        """Open or make a layout; anything but one, or a new or empty directory, is an `InputError`, untouched."""
        self._layout = Layout.create(directory)
        self.filling = self._layout.filling

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        if layer.known is not None and self._layout.has(layer.known.descriptor):
            return layer.known
        with self._layout.incoming() as blob:

            def fill(body: Body) -> None:
                for block in counted(body, on_bytes):
                    blob.write(block)

            info = layer.copy_to(fill)
            if not self._layout.has(info.descriptor):
                blob.keep(info.descriptor.digest)
        return info

    def put(self, image: Image) -> Descriptor:
        self._layout.add(image.config)
        self._layout.add(image.manifest)
        return image.descriptor

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        self._layout.publish(dict.fromkeys(tags, root))
