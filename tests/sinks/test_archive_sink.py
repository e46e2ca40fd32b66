"""The archive of `docker load`, as bytes."""

import gzip
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.images import file_layer, fill
from support.validate import check_tar

from cogpack.digest import DiffID, sha256
from cogpack.errors import InputError
from cogpack.layers.built import BaseLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.known import Outgoing
from cogpack.oci import OCI_LAYER_GZIP, Descriptor, LayerInfo
from cogpack.progress import Cancelled
from cogpack.sinks.archive import ArchiveSink


def made(sink_into: Path) -> bytes:
    with ArchiveSink.write(sink_into) as sink:
        fill(sink, [file_layer("project", {"src/hello.txt": b"hello\n"}, Gzip())], ["me/model:v1"])
    return sink_into.read_bytes()


def test_the_same_image_twice_is_byte_identical(tmp_path: Path) -> None:
    assert made(tmp_path / "one.tar") == made(tmp_path / "two.tar")


def test_its_bytes_stay_what_they_are(tmp_path: Path) -> None:
    data = made(tmp_path / "image.tar")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        entries = [(entry.name, entry.mode, entry.uid, entry.mtime) for entry in archive]
    assert [entry[0].rpartition(".")[2] for entry in entries] == ["tar", "json", "json"]
    assert {entry[1:] for entry in entries} == {(0o644, 0, 315619200)}
    assert len(data) % 512 == 0


def test_it_can_be_written_into_a_pipe(tmp_path: Path) -> None:
    expected = made(tmp_path / "image.tar")
    reading, writing = os.pipe()
    found = io.BytesIO()

    def read() -> None:
        with os.fdopen(reading, "rb") as stream:
            shutil.copyfileobj(stream, found)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(writing, "wb") as stream:
        fill(ArchiveSink(stream), [file_layer("project", {"src/hello.txt": b"hello\n"}, Gzip())], ["me/model:v1"])
    reader.join()
    assert found.getvalue() == expected


def test_a_base_layer_is_unpacked_and_keeps_its_diff_id(tmp_path: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("etc"))
    blob = gzip.compress(plain.getvalue())
    descriptor = Descriptor(media_type=OCI_LAYER_GZIP, digest=sha256(blob), size=len(blob))
    readings: list[Descriptor] = []

    def read(descriptor: Descriptor) -> Iterator[bytes]:
        readings.append(descriptor)
        yield blob

    base = BaseLayer("base", LayerInfo(descriptor, DiffID(sha256(plain.getvalue()))), read, [])
    with ArchiveSink.write(tmp_path / "image.tar") as sink:
        fill(sink, [base], ["x:latest"])
    with tarfile.open(tmp_path / "image.tar") as archive:
        stream = archive.extractfile("layers/0.tar")
        assert stream is not None
        assert stream.read() == plain.getvalue()
    assert len(readings) == 2  # once for its size


def test_ctrl_c_ends_the_reading_of_a_base_layer_for_its_size(tmp_path: Path) -> None:
    blocks = [bytes(1 << 20)] * 5
    data = b"".join(blocks)
    info = LayerInfo(Descriptor(media_type=OCI_LAYER_GZIP, digest=sha256(data), size=len(data)), DiffID(sha256(data)))
    given: list[int] = []

    def read(_: Descriptor) -> Iterator[bytes]:
        for block in blocks:
            given.append(len(block))
            yield gzip.compress(block)

    def stopped(_: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled), ArchiveSink.write(tmp_path / "image.tar") as sink:
        sink.add_layer(Outgoing(BaseLayer("base", info, read, [])), stopped)
    assert len(given) == 1


def test_an_archive_replaces_an_older_one_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(b"older")

    def fail() -> None:
        with ArchiveSink.write(path) as sink:
            sink.add_layer(Outgoing(file_layer("project", {"a": b"1"})), lambda size: None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
    made(path)
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    for bad in (tmp_path / "missing" / "image.tar", tmp_path):
        with pytest.raises(InputError, match=str(bad)), ArchiveSink.write(bad):
            pass


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory for podman, which takes no path of more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="p") as name:
        yield Path(name)


@pytest.mark.integration
@pytest.mark.parametrize("program", ["podman", "skopeo"])
def test_podman_and_skopeo_take_it_too(tmp_path: Path, program: str, short: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    made(tmp_path / "image.tar")
    if program == "podman":
        storage = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs"]
        command = ["podman", *storage, "load", "--input", f"{tmp_path}/image.tar"]
    else:
        command = ["skopeo", "copy", f"docker-archive:{tmp_path}/image.tar", f"oci:{tmp_path}/out:x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if program == "podman":
        assert "me/model:v1" in done.stdout
    else:
        assert (tmp_path / "out" / "index.json").exists()


def test_layers_of_one_archive_are_whole_tars(tmp_path: Path) -> None:
    with ArchiveSink.write(tmp_path / "image.tar") as sink:
        infos = [
            sink.add_layer(Outgoing(file_layer("x", {f"a/{n}": b"x" * n}, Gzip())), lambda size: None)
            for n in (0, 511, 512)
        ]
    with tarfile.open(tmp_path / "image.tar") as archive:
        for number, info in enumerate(infos):
            stream = archive.extractfile(f"layers/{number}.tar")
            assert stream is not None
            data = stream.read()
            assert "sha256:" + hashlib.sha256(data).hexdigest() == info.diff_id
            assert [entry.name for entry in check_tar(data)] == ["a", f"a/{(0, 511, 512)[number]}"]
