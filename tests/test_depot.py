"""A depot, file by file: what is in it is believed by its digest, and what is not is said."""

from pathlib import Path

import pytest
from support.safetensors_files import made

from cogpack.depot import NAME, Depot, described, file_address
from cogpack.digest import sha256
from cogpack.errors import InputError, MismatchError
from cogpack.layers.weights.remote import RemoteContent, split_remote, whole_piece
from cogpack.layout import Layout

DATA = b"weight" * 10_000
WEIGHT = described("w.pt", sha256(DATA), len(DATA))


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    made = Depot.create(tmp_path / "depot")
    made.take([DATA], WEIGHT)
    return made


def test_files_are_listed_last_and_found_by_digest_and_by_name(depot: Depot) -> None:
    pack = depot.take([b"PACK", b"..."])
    with pytest.raises(InputError, match=r"not an OCI image layout"):
        Depot.read(depot.root)
    named = described("clone", pack.digest, pack.size)
    assert named.annotations is not None
    named.annotations[NAME] = "git abc 0 def"
    depot.publish("lock-1", [WEIGHT, named], {})
    depot.publish("lock-2", [WEIGHT], {})
    found = Depot.read(depot.root)
    assert found.find(WEIGHT.digest, len(DATA)) == depot.root / "blobs" / "sha256" / WEIGHT.digest[7:]
    assert found.find(WEIGHT.digest, 1) is None
    assert b"".join(found.blocks(WEIGHT, "a weight")) == DATA
    by_name = found.named("git abc 0 def")
    assert by_name is not None
    assert by_name.digest == pack.digest
    assert found.named("git abc 1 def") is None
    assert file_address(str(depot.root), pack.digest) == str(found.find(pack.digest, None))


def test_a_layout_of_images_is_no_depot(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path / "images")
    layout.publish({})
    with pytest.raises(InputError, match="nothing of a lock was fetched into this layout"):
        Depot.read(layout.root)


def test_another_file_than_was_promised_is_not_taken(depot: Depot) -> None:
    with pytest.raises(MismatchError, match="3 bytes came"):
        depot.take([b"abc"], described("other", sha256(b"other"), 5))
    assert depot.find(sha256(b"abc"), None) is None
    assert sorted(path.name for path in depot.root.iterdir()) == ["blobs", "oci-layout"]


def test_a_file_of_the_same_file_system_is_shared(depot: Depot, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_bytes(b"kept")
    file = described("kept", sha256(b"kept"), 4)
    depot.share(path, file)
    found = depot.find(file.digest, 4)
    assert found is not None
    assert found.samefile(path)
    depot.share(path, file)  # another process was quicker
    assert b"".join(depot.blocks(file, "a file")) == b"kept"


def test_what_is_damaged_or_missing_is_named_with_the_way_out(depot: Depot) -> None:
    lost = described("lost", sha256(b"lost"), 4)
    with pytest.raises(InputError, match=r"has no layer of x \(sha256:.*no server is asked with --offline"):
        list(depot.blocks(lost, "layer of x"))
    with pytest.raises(InputError, match="has no /src/w"):
        depot.open(lost.digest, 4, "/src/w")
    path = depot.find(WEIGHT.digest, len(DATA))
    assert path is not None
    path.write_bytes(bytes(len(DATA)))
    with pytest.raises(MismatchError, match=r"is not layer of x, whose name it has") as failed:
        list(depot.blocks(WEIGHT, "layer of x"))
    assert failed.value.next_step.startswith("remove it, and run cogpack fetch")
    file = depot.open(WEIGHT.digest, len(DATA), "/src/w")
    content = RemoteContent(lambda: file, lambda: whole_piece(len(DATA)), len(DATA), WEIGHT.digest)
    with pytest.raises(MismatchError, match="is not what the lock pins") as failed, content.open() as stream:
        stream.read()
    assert failed.value.next_step.startswith("remove it, and run cogpack fetch")


def test_a_weight_is_split_as_on_its_server(depot: Depot) -> None:
    data = made([("a", "U8", [4000]), ("b", "U8", [4000])])
    taken = depot.take([data])
    file = depot.open(taken.digest, taken.size, "/src/model.safetensors")
    pieces = split_remote("tensor", file, "model.safetensors", 4096)
    found = [b"".join(file.read(*where)) for piece in pieces for where in piece.ranges]
    assert b"".join(found) == data[-8000:]
    assert b"".join(file.read(file.size - 3, 10)) == data[-3:]
