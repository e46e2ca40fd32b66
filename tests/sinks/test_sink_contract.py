"""What every sink promises, each read back without cogpack's code."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.images import file_layer, fill, image_of, known_of
from support.validate import check_tar, validate_layout

from cogpack.http import Http
from cogpack.images.registry import RegistryImages
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, SplicedGzip, Uncompressed, Zstd
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Form
from cogpack.reference import Reference
from cogpack.registry.credentials import Credentials
from cogpack.registry.push.blob_origins import BlobOrigins
from cogpack.registry.repository import Repository
from cogpack.registry.server import Server
from cogpack.sinks.archive import ArchiveSink
from cogpack.sinks.layout import LayoutSink
from cogpack.sinks.registry import RegistrySink
from cogpack.sinks.sink import Sink

NAME = "me/model:v1"
BIG = b"weights" * 100_000


@dataclass(frozen=True)
class Seen:
    """An image as a stranger reads it: its config, and the plain tars of its layers."""

    config: bytes
    layers: tuple[bytes, ...]


class Place:
    """Somewhere that a sink writes to."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.directory = directory

    @contextmanager
    def sink(self) -> Iterator[Sink]:
        if self.kind == "layout":
            yield LayoutSink(self.directory / "layout")
        elif self.kind == "archive":
            with ArchiveSink.write(self.directory / "image.tar") as sink:
                yield sink
        else:
            with Server(self.directory / "registry") as server:
                reference = Reference.parse(f"{server.address}/me/model")
                http = Http()
                try:
                    repository = Repository(http, reference, Credentials([]), actions=("pull", "push"))
                    yield RegistrySink(RegistryImages(repository), BlobOrigins(self.directory / "homes"))
                finally:
                    http.close()

    @property
    def tag(self) -> str:
        return "v1" if self.kind == "registry" else NAME

    def seen(self) -> Seen | None:
        """What `tag` is to a reader; None where it is nothing."""
        if self.kind == "archive":
            path = self.directory / "image.tar"
            return read_archive(path.read_bytes(), NAME) if path.exists() else None
        index = self.directory / self.kind / "index.json"
        if not index.exists() or not json.loads(index.read_bytes())["manifests"]:
            return None
        image = validate_layout(self.directory / self.kind, NAME)
        return Seen(image.config_bytes, tuple(layer.tar for layer in image.layers))


def read_archive(data: bytes, tag: str) -> Seen:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        files = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
        assert archive.getnames()[-1] == "manifest.json"
    (entry,) = json.loads(files["manifest.json"])
    assert entry["RepoTags"] == [tag]
    config = files[entry["Config"]]
    assert entry["Config"] == hashlib.sha256(config).hexdigest() + ".json"
    layers = tuple(files[name] for name in entry["Layers"])
    for layer, diff_id in zip(layers, json.loads(config)["rootfs"]["diff_ids"], strict=True):
        assert "sha256:" + hashlib.sha256(layer).hexdigest() == diff_id
        check_tar(layer)
    return Seen(config, layers)


@pytest.fixture(params=["layout", "archive", "registry"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(request.param, tmp_path)


def layers() -> list[BuiltLayer]:
    return [
        file_layer("base", {"etc/os-release": b"ID=none\n", "usr/lib/big": bytes(3_000_000)}, Gzip()),
        file_layer("wheels: x", {"opt/venv/x.py": b"x = 1\n" * 1000}, SplicedGzip()),
        file_layer("weights", {"src/model.safetensors": BIG}, Uncompressed()),
        file_layer("project", {"src/predict.py": b"print()\n"}, Zstd()),
    ]


def test_an_image_comes_back_as_it_was_assembled(place: Place) -> None:
    with place.sink() as sink:
        image, _ = fill(sink, layers(), [place.tag])
    seen = place.seen()
    assert seen is not None
    assert seen.config == image.config
    with tarfile.open(fileobj=io.BytesIO(seen.layers[2])) as archive:
        stream = archive.extractfile("src/model.safetensors")
        assert stream is not None
        assert stream.read() == BIG


def test_nothing_can_be_seen_before_the_commit(place: Place) -> None:
    with place.sink() as sink:
        made = layers()
        image = image_of(made, [sink.add_layer(Outgoing(layer), lambda size: None) for layer in made])
        root = sink.put(image)
        assert place.seen() is None
        sink.commit(root, [place.tag])
    assert place.seen() is not None


def test_a_failing_layer_leaves_nothing_to_be_seen(place: Place) -> None:
    class Stop(BaseException):
        pass

    def stop(size: int) -> None:
        raise Stop

    with pytest.raises(Stop), place.sink() as sink:
        sink.add_layer(Outgoing(layers()[0]), stop)
    assert place.seen() is None
    left = [path for path in place.directory.rglob("*") if path.is_file() and "sha256" in path.parts]
    assert left == []
    assert [path.name for path in place.directory.rglob(".cogpack-*")] == []


def test_the_config_is_the_same_in_every_sink(tmp_path: Path) -> None:
    configs = set()
    for kind in ("layout", "archive", "registry"):
        place = Place(kind, tmp_path)
        with place.sink() as sink:
            image, _ = fill(sink, layers(), [place.tag])
        configs.add(image.config)
    assert len(configs) == 1


def test_all_bytes_that_move_are_counted(place: Place) -> None:
    with place.sink() as sink:
        layer = layers()[2]
        counts: list[int] = []
        info = sink.add_layer(Outgoing(layer), counts.append)
        expected = layer.size(sink.form)
    assert sum(counts) == expected == info.descriptor.size
    assert len(counts) >= 1


def test_a_layer_that_is_there_and_known_is_not_read_again(tmp_path: Path) -> None:
    for kind in ("layout", "registry"):
        place = Place(kind, tmp_path)
        with place.sink() as sink:
            first = layers()[0]
            info = sink.add_layer(Outgoing(first), lambda size: None)
            again = layers()[0]
            counts: list[int] = []
            assert sink.add_layer(Outgoing(again, known_of(again)), counts.append) == info
            assert counts == []


def test_a_known_layer_with_a_blob_of_another_size_is_made_again(tmp_path: Path) -> None:
    place = Place("layout", tmp_path)
    with place.sink() as sink:
        info = sink.add_layer(Outgoing(layers()[0]), lambda size: None)
        blob = tmp_path / "layout" / "blobs" / "sha256" / info.descriptor.digest.removeprefix("sha256:")
        whole = blob.read_bytes()
        blob.write_bytes(whole[:-1])
        again = layers()[0]
        assert sink.add_layer(Outgoing(again, known_of(again)), lambda size: None) == info
        assert blob.read_bytes() == whole


def test_the_form_says_whether_the_sink_takes_plain_tars(place: Place) -> None:
    with place.sink() as sink:
        info = sink.add_layer(Outgoing(layers()[0]), lambda size: None)
        assert sink.form is (Form.PLAIN if place.kind == "archive" else Form.STORED)
        assert (info.descriptor.digest == info.diff_id) is (sink.form is Form.PLAIN)
        assert sink.parallel is (place.kind != "archive")
