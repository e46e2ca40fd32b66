"""Small images with no base, for tests of what carries images about."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cogpack.images.assemble import NamedLayer, Run, assemble
from cogpack.images.interface import WritableImages
from cogpack.images.referrers import ArtifactFile, artifact_of, put_artifact
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Codec, Uncompressed
from cogpack.layers.files import FilesSource, generated
from cogpack.layers.known import NOTHING, Known, Outgoing
from cogpack.layers.layer import Body, Layer, key_of
from cogpack.oci import Descriptor, Image, LayerInfo, Platform
from cogpack.planning.plan import Plan
from cogpack.sinks.sink import Sink


def file_layer(
    name: str, files: dict[str, bytes], codec: Codec | None = None, *, remembered: bool = True
) -> BuiltLayer:
    """A layer of `files`: path to content."""
    placed = [generated(path, data) for path, data in files.items()]
    return BuiltLayer(FilesSource(name, placed), codec or Uncompressed(), remembered=remembered)


def image_of(layers: Sequence[Layer], infos: Sequence[LayerInfo], *, command: Sequence[str] = ("/hello",)) -> Image:
    run = Run(
        environment=(("LANG", "C.UTF-8"),),
        path="/opt/bin",
        command=tuple(command),
        working_directory="/",
        ports=(),
        labels={"test": "yes"},
    )
    parts = [NamedLayer(layer.name, key_of(layer), info) for layer, info in zip(layers, infos, strict=True)]
    return assemble(parts, run, platform=Platform(architecture="amd64", os="linux"))


def attach(
    images: WritableImages,
    subject: Descriptor,
    artifact_type: str,
    files: Sequence[ArtifactFile] = (),
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """An artifact of `files` that refers to `subject`, as others attach one; as what it is listed there."""
    node = artifact_of(subject, artifact_type, [file.descriptor for file in files], annotations)
    for file in files:
        images.put_blob(file.descriptor, file.data)
    put_artifact(images, node)
    return node.entry


def drain(body: Body) -> None:
    for _ in body:
        pass


def known_of(*layers: Layer) -> Known:
    """What each of them comes out as: it is made for it."""
    return NOTHING.with_read({key_of(layer): layer.copy_to(drain) for layer in layers})


def plan_of(*layers: Layer) -> Plan:
    """An image of `layers` with no base."""
    return Plan(
        layers=layers,
        base_layers=0,
        base=None,
        run=Run(environment=(), path="/bin", command=("a",), working_directory="/", ports=(), labels={}),
        platform=Platform(architecture="amd64", os="linux"),
        annotations={},
        created=None,
    )


def fill(
    sink: Sink,
    layers: Sequence[Layer],
    tags: Sequence[str],
    *,
    known: Known = NOTHING,
    on_bytes: Callable[[int], None] = lambda size: None,
    command: Sequence[str] = ("/hello",),
) -> tuple[Image, Descriptor]:
    """Layers, image and tags into `sink`, in the order of the protocol."""
    image = image_of(layers, [sink.add_layer(Outgoing(layer, known), on_bytes) for layer in layers], command=command)
    root = sink.put(image)
    sink.commit(root, tags)
    return image, root


def tree(directory: Path) -> dict[str, bytes]:
    """Every file beneath `directory`, by its relative path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}
