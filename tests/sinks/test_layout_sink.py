"""The OCI image layout directory."""

import errno
import io
import json
import os
import threading
from pathlib import Path

import pytest
from support.images import file_layer, fill, tree
from support.validate import validate_layout

from cogpack.digest import sha256
from cogpack.errors import InputError, MismatchError
from cogpack.layers.compression import Gzip
from cogpack.layers.known import Outgoing
from cogpack.layout import Layout
from cogpack.sinks.layout import LayoutSink


def one_layer(text: bytes = b"hello\n") -> list:
    return [file_layer("project", {"src/hello.txt": text}, Gzip())]


def test_the_same_image_twice_is_byte_identical_into_new_and_old_directories(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fill(LayoutSink(tmp_path / name), one_layer(), ["me/model:v1", "me/model:latest"])
    first = tree(tmp_path / "one")
    assert tree(tmp_path / "two") == first
    fill(LayoutSink(tmp_path / "one"), one_layer(), ["me/model:latest", "me/model:v1"])
    assert tree(tmp_path / "one") == first


def test_a_layout_holds_its_three_parts_and_nothing_else(tmp_path: Path) -> None:
    fill(LayoutSink(tmp_path / "out"), one_layer(), ["x:latest"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert len(list((tmp_path / "out" / "blobs" / "sha256").iterdir())) == 3


def test_an_empty_directory_is_used(tmp_path: Path) -> None:
    fill(LayoutSink(tmp_path), one_layer(), ["x:latest"])
    assert validate_layout(tmp_path, "x:latest").read("src/hello.txt") == b"hello\n"


def test_a_directory_with_other_files_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not an OCI image layout"):
        LayoutSink(tmp_path)
    assert tree(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        LayoutSink(tmp_path / "out")


@pytest.mark.parametrize("text", ["", "[]", '{"imageLayoutVersion": "2.0.0"}', '{"imageLayoutVersion": ["1.0.0"]}'])
def test_a_layout_of_another_version_is_refused_untouched(tmp_path: Path, text: str) -> None:
    (tmp_path / "oci-layout").write_text(text)
    with pytest.raises(InputError, match="oci-layout"):
        LayoutSink(tmp_path)
    assert tree(tmp_path) == {"oci-layout": text.encode()}


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't write"):
        LayoutSink(tmp_path / "file" / "out")


def test_other_images_of_the_layout_stay_and_a_name_moves(tmp_path: Path) -> None:
    fill(LayoutSink(tmp_path), one_layer(b"1"), ["a:1"])
    fill(LayoutSink(tmp_path), one_layer(b"2"), ["b:1"])
    fill(LayoutSink(tmp_path), one_layer(b"3"), ["a:1"])
    assert validate_layout(tmp_path, "a:1").read("src/hello.txt") == b"3"
    assert validate_layout(tmp_path, "b:1").read("src/hello.txt") == b"2"
    assert sorted(Layout.read(tmp_path).names()) == ["a:1", "b:1"]


def test_fields_that_others_wrote_into_the_index_stay(tmp_path: Path) -> None:
    sink = LayoutSink(tmp_path)
    foreign = {"mediaType": "application/x", "digest": "sha512:" + "0" * 128, "size": 1, "urls": ["https://x"]}
    (tmp_path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [foreign]}))
    fill(sink, one_layer(), ["a:1"])
    entries = json.loads((tmp_path / "index.json").read_bytes())["manifests"]
    assert foreign in entries
    assert len(entries) == 2


def test_two_images_written_at_once_are_both_there(tmp_path: Path) -> None:
    def write(number: int) -> None:
        fill(LayoutSink(tmp_path), one_layer(b"%d" % number), [f"a:{number}"])

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(8):
        assert validate_layout(tmp_path, f"a:{number}").read("src/hello.txt") == b"%d" % number
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_what_a_killed_build_left_is_swept_and_what_a_running_one_writes_is_not(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    with layout.incoming() as blob:
        blob.write(b"half")
        (tmp_path / ".cogpack-killed").write_bytes(b"half")
        LayoutSink(tmp_path)
        (left,) = tmp_path.glob(".cogpack-*")
        assert left.name != ".cogpack-killed"
        blob.write(b" and half")
        blob.keep(sha256(b"half and half"))
    assert layout.blob_size(sha256(b"half and half")) == 13


def test_blobs_get_the_modes_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        fill(LayoutSink(tmp_path / "out"), one_layer(), ["a:1"])
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert modes == {0o640}


def test_a_layout_is_read_by_its_one_image(tmp_path: Path) -> None:
    image, root = fill(LayoutSink(tmp_path), one_layer(), ["a:1", "a:latest"])
    layout = Layout.read(tmp_path)
    assert layout.image().digest == root.digest
    assert layout.blob_bytes(layout.image()) == image.manifest
    assert layout.blob_bytes(image.config_descriptor) == image.config


def test_a_layout_of_several_images_asks_which(tmp_path: Path) -> None:
    fill(LayoutSink(tmp_path), one_layer(b"1"), ["a:1"])
    fill(LayoutSink(tmp_path), one_layer(b"2"), ["b:1"])
    with pytest.raises(InputError, match=r"expected one image, found 2 \(a:1, b:1\)"):
        Layout.read(tmp_path).image()


def test_an_unfinished_layout_is_not_read(tmp_path: Path) -> None:
    LayoutSink(tmp_path).add_layer(Outgoing(one_layer()[0]), lambda size: None)
    with pytest.raises(InputError, match=r"no index\.json"):
        Layout.read(tmp_path)


def test_a_damaged_blob_is_named(tmp_path: Path) -> None:
    image, root = fill(LayoutSink(tmp_path), one_layer(), ["a:1"])
    path = Layout(tmp_path).blob_path(root.digest)
    path.write_bytes(image.manifest[:-1] + b" ")
    with pytest.raises(MismatchError, match=path.name):
        Layout.read(tmp_path).blob_bytes(root)
    path.unlink()
    with pytest.raises(InputError, match="is missing"):
        Layout.read(tmp_path).blob_bytes(root)


def test_a_blob_that_the_disk_does_not_give_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    _, root = fill(LayoutSink(tmp_path), one_layer(), ["a:1"])
    layout = Layout.read(tmp_path)
    monkeypatch.setattr("cogpack.layout.layout.open_file", lambda _: Broken())
    with layout.blob(root) as blocks, pytest.raises(InputError, match=f"{root.digest[7:]}: Input/output error"):
        list(blocks)


def test_a_damaged_manifest_is_mended_by_the_next_build(tmp_path: Path) -> None:
    image, root = fill(LayoutSink(tmp_path), one_layer(), ["a:1"])
    Layout(tmp_path).blob_path(root.digest).write_bytes(image.manifest[:-1] + b" ")
    fill(LayoutSink(tmp_path), one_layer(), ["a:1"])
    assert validate_layout(tmp_path, "a:1").manifest_bytes == image.manifest


@pytest.mark.parametrize(
    "index",
    [
        "",
        "[]",
        "{}",
        '{"manifests": 1}',
        '{"manifests": [1]}',
        '{"manifests": []}',
        '{"manifests": [{"digest": "sha256:../../x", "mediaType": "x", "size": 1}]}',
        '{"manifests": [{"digest": "sha256:%s", "mediaType": "x", "size": 99999999999}]}' % ("0" * 64),
        "[" * 100_000,
    ],
)
def test_a_hostile_index_is_an_input_error(tmp_path: Path, index: str) -> None:
    LayoutSink(tmp_path)
    (tmp_path / "index.json").write_text(index)
    layout = Layout.read(tmp_path)
    with pytest.raises(InputError, match=str(tmp_path)):
        layout.blob_bytes(layout.image())
