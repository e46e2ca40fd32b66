"""An OCI image layout directory is a sink (`cogpack build -o DIR`). What else is in the layout stays there."""

from collections.abc import Callable, Sequence
from pathlib import Path

from cogpack.images.layout import LayoutImages
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Body, Form
from cogpack.layout import Layout
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor, Image, ImageIndex, LayerInfo
from cogpack.progress import SILENT, Cancellation, Progress, counted
from cogpack.sinks.copies import Copies, LostError
from cogpack.sinks.sink import put_image, put_index


class LayoutSink:
    """A sink over the images of a layout. `copies`: what a registry has of layers that are known and not here."""

    parallel = True
    form = Form.STORED

    def __init__(self, directory: Path, copies: Copies | None = None, progress: Progress = SILENT) -> None:
        """Open or make a layout; anything but one, or a new or empty directory, is an `InputError`, untouched."""
        self._copies = copies
        self._progress = progress
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
        if self._copies is None:
            return False
        with self._copies.find(layer.recipe, known.descriptor) as copy:
            if copy is None:
                return False
            at = 0
            try:
                with self._layout.incoming() as blob:
                    for block in copy:
                        at += len(block)
                        on_bytes(len(block))
                        blob.write(block)
                    blob.keep(known.descriptor.digest)
            except LostError as lost:
                self._progress.note(Note(Code.COPY_LOST, copy.lost(layer.name, lost)))
                on_bytes(-at)
                return False
        return True

    def put(self, image: Image) -> Descriptor:
        return put_image(self._images, image)

    def put_index(self, index: ImageIndex) -> Descriptor:
        """Store it, by digest: its images are there."""
        return put_index(self._images, index)

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        self._layout.publish(dict.fromkeys(tags, root))
