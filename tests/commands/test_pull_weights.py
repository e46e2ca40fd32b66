"""Files out of a stranger's layers: whatever they hold, nothing is written outside the directory."""

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cogpack.cli import run
from cogpack.commands.pull_weights import pull_weights
from cogpack.commands.session import Session, Settings
from cogpack.commands.tree import Tree
from cogpack.digest import sha256
from cogpack.errors import InputError, MismatchError
from cogpack.layout import Layout
from cogpack.oci import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Platform,
    encode,
)

Entry = tuple[str, bytes] | tuple[str, bytes, bytes, str]
"""Name and content; or with a type and a link."""


def layer(*entries: Entry, mode: int = 0o644) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, *more in entries:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if more:
                info.type, info.linkname = more  # type: ignore[assignment]
            info.size = 0 if more else len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Settings(cache=tmp_path / "cache"))


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the output, whose name begins like it (P20)."""
    place = tmp_path / "out-evil"
    place.mkdir()
    (place / "precious").write_text("mine")
    return place


def image(root: Path, *layers: bytes, diff_ids: list[str] | None = None, architecture: str = "amd64") -> str:
    """An OCI layout of an image with no names, its layers gzipped where that makes them shorter; its tag is "x"."""
    layout = Layout.create(root / "layout")
    stored = [min(data, gzip.compress(data, mtime=0), key=len) for data in layers]
    types = [OCI_LAYER if packed == data else OCI_LAYER_GZIP for packed, data in zip(stored, layers, strict=True)]
    ids = diff_ids or ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]
    config = json.dumps(
        {"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}}
    ).encode()

    def descriptor(data: bytes, media_type: str) -> dict[str, object]:
        layout.add(data)
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(config, OCI_CONFIG),
            "layers": [descriptor(data, kind) for data, kind in zip(stored, types, strict=True)],
        }
    ).encode()
    layout.add(manifest)
    layout.publish({"x": Descriptor(media_type=OCI_MANIFEST, digest=sha256(manifest), size=len(manifest))})
    return str(root / "layout")


def below(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def pulled(session: Session, tmp_path: Path, *layers: bytes) -> dict[str, bytes]:
    found = pull_weights(session, image(tmp_path, *layers), tmp_path / "out")
    assert set(found.files) == set(below(tmp_path / "out"))
    return below(tmp_path / "out")


@pytest.mark.parametrize("name", ["../out-evil/precious", "a/../../out-evil/precious", "..", "a/.."])
def test_a_path_that_leaves_is_refused_and_nothing_appears(
    session: Session, tmp_path: Path, outside: Path, name: str
) -> None:
    """P18, P20."""
    with pytest.raises(InputError, match="leaves the root"):
        pulled(session, tmp_path, layer((name, b"evil")))
    assert not (tmp_path / "out").exists()
    assert below(outside) == {"precious": b"mine"}


def test_an_absolute_path_is_one_below_the_directory(session: Session, tmp_path: Path) -> None:
    """P18."""
    assert pulled(session, tmp_path, layer(("/etc/x", b"1"))) == {"etc/x": b"1"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["../out-evil", "/", "../out-evil/precious", "b", "."])
def test_links_are_left_out_so_that_nothing_is_written_through_them(
    session: Session, tmp_path: Path, outside: Path, kind: bytes, target: str
) -> None:
    """P19: in one layer, and from one layer to the next; also chains of them."""
    links: list[Entry] = [("a", b"", kind, target), ("b", b"", kind, "a"), ("d/c", b"", kind, "../b")]
    files: list[Entry] = [("a/precious", b"evil"), ("b", b"evil"), ("d/c/precious", b"evil")]
    assert pulled(session, tmp_path, layer(*links, *files), layer(*links), layer(*files)) == {
        "a/precious": b"evil",
        "b": b"evil",
        "d/c/precious": b"evil",
    }
    assert below(outside) == {"precious": b"mine"}


@pytest.mark.parametrize("last", [False, True])
def test_a_directory_that_becomes_a_link_meanwhile_is_not_followed(
    tmp_path: Path, outside: Path, *, last: bool
) -> None:
    """P19: names are looked up in the directory that was opened before."""
    root = tmp_path / "out"
    (root / "a").mkdir(parents=True)
    with Tree(root) as tree:
        tree.write(["a", "b"], 1, [b"1"])
        if last:
            (root / "a" / "precious").symlink_to(outside / "precious")
            tree.write(["a", "precious"], 4, [b"evil"])
            assert (root / "a" / "precious").read_bytes() == b"evil"
            (root / "a" / "part").symlink_to(outside / "precious")
            with pytest.raises(InputError, match="can't write"):
                tree.write(["a", "part"], 4, [b"evil"], offset=0)
        else:
            (root / "a").rename(root / "old")
            (root / "a").symlink_to(outside)
            for act in (
                lambda: tree.write(["a", "precious"], 4, [b"evil"]),
                lambda: tree.write(["a", "b", "c"], 0, []),
            ):
                with pytest.raises(InputError, match="can't write"):
                    act()
            tree.remove(["a", "precious"])
            tree.clear(["a"])
    assert below(outside) == {"precious": b"mine"}


def test_devices_and_bits_of_others_are_dropped(session: Session, tmp_path: Path) -> None:
    """P21."""
    kinds: list[Entry] = [
        ("null", b"", tarfile.CHRTYPE, ""),
        ("disk", b"", tarfile.BLKTYPE, ""),
        ("pipe", b"", tarfile.FIFOTYPE, ""),
    ]
    assert pulled(session, tmp_path, layer(*kinds, ("run", b"#!"), mode=0o6777)) == {"run": b"#!"}
    found = list((tmp_path / "out").rglob("*"))
    assert [stat.S_IMODE(path.stat().st_mode) & 0o7133 for path in found] == [0]


def test_a_file_larger_than_the_disk_is_refused_before_a_byte_of_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P16, P21: the disk is not filled first."""
    real = os.fstatvfs

    def full(file: int) -> os.statvfs_result:
        fields = list(real(file))
        fields[4] = 0  # f_bavail
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "fstatvfs", full)
    with pytest.raises(InputError, match="has 1000 bytes; with what came before, more than are free"):
        pulled(session, tmp_path, layer(("big", bytes(1000))))


def test_files_that_are_larger_than_the_disk_together_do_not_fill_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P16: a thousandfold smaller layer may hold them."""
    real = os.fstatvfs

    def small(file: int) -> os.statvfs_result:
        fields = list(real(file))
        fields[1], fields[4] = 1000, 10  # f_frsize, f_bavail
        return os.statvfs_result(fields)

    monkeypatch.setattr(os, "fstatvfs", small)
    with pytest.raises(InputError, match="/c: has 3500 bytes; with what came before"):
        pulled(session, tmp_path, *(layer((name, bytes(3500))) for name in "abc"))


def test_a_layer_that_unpacks_to_something_else_is_refused(session: Session, tmp_path: Path) -> None:
    """P17: gzipped, so its digest says nothing of what is in it."""
    target = image(tmp_path, layer(("a", bytes(5000))), diff_ids=["sha256:" + "0" * 64])
    with pytest.raises(MismatchError, match=f"its config says sha256:{'0' * 64}"):
        pull_weights(session, target, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"layout"}


def test_a_config_that_lists_other_layers_is_refused(session: Session, tmp_path: Path) -> None:
    """P17."""
    with pytest.raises(InputError, match="its config lists 2"):
        pull_weights(session, image(tmp_path, layer(("a", b"1")), diff_ids=["x", "y"]), tmp_path / "out")


def test_whiteouts_hide_what_lower_layers_have_and_nothing_outside(
    session: Session, tmp_path: Path, outside: Path
) -> None:
    """P22: also an opaque root, and names that would be a path."""
    lower = layer(("a/x", b"1"), ("a/y", b"2"), ("b/z", b"3"), ("c", b"4"))
    upper = layer(
        ("a/.wh.x", b""), ("b/.wh..wh..opq", b""), ("b/new", b"5"), (".wh...", b""), (".wh..", b""), (".wh.", b"")
    )
    assert pulled(session, tmp_path, lower, upper) == {"a/y": b"2", "b/new": b"5", "c": b"4"}
    assert below(outside) == {"precious": b"mine"}


def test_an_opaque_root_hides_all_below_and_nothing_beside(session: Session, tmp_path: Path, outside: Path) -> None:
    """P22."""
    assert pulled(session, tmp_path, layer(("a/x", b"1"), ("y", b"2")), layer((".wh..wh..opq", b""), ("z", b"3"))) == {
        "z": b"3"
    }
    assert below(outside) == {"precious": b"mine"}


def test_a_whiteout_of_a_path_outside_is_refused(session: Session, tmp_path: Path, outside: Path) -> None:
    """P22."""
    with pytest.raises(InputError, match="leaves the root"):
        pulled(session, tmp_path, layer(("../out-evil/.wh.precious", b"")))
    assert below(outside) == {"precious": b"mine"}


def test_of_two_files_with_one_path_the_last_wins_whole(session: Session, tmp_path: Path) -> None:
    """P23: in a layer and between layers; a shorter one leaves nothing of the longer, a file may follow a directory."""
    assert pulled(
        session,
        tmp_path,
        layer(("a", b"a long one"), ("a", b"short"), ("d/e", b"1"), ("f", b"2")),
        layer(("a", b"x"), ("d", b"now a file")),
    ) == {"a": b"x", "d": b"now a file", "f": b"2"}


def test_names_that_differ_by_case_or_dots_are_two_files(session: Session, tmp_path: Path) -> None:
    """P23: on Linux's file systems."""
    names: list[Entry] = [("a", b"1"), ("A", b"2"), ("a.", b"3"), ("a ", b"4")]
    assert pulled(session, tmp_path, layer(*names)) == {"a": b"1", "A": b"2", "a.": b"3", "a ": b"4"}


@pytest.mark.parametrize("command", [["pull", "--only", "weights"], ["weights", "pull"]])
def test_an_index_has_weights_for_each_platform(tmp_path: Path, command: list[str]) -> None:
    children = []
    for architecture in ("amd64", "arm64"):
        layout = Layout.read(Path(image(tmp_path, layer(("a", architecture.encode())), architecture=architecture)))
        platform = Platform(architecture=architecture, os="linux")
        children.append(msgspec.structs.replace(layout.names()["x"], platform=platform))
    index = encode(Index(schema_version=2, media_type=OCI_INDEX, manifests=children))
    layout.add(index)
    layout.publish({"x": Descriptor(media_type=OCI_INDEX, digest=sha256(index), size=len(index))})
    for given, found in (([], b"amd64"), (["--platform", "linux/arm64"], b"arm64")):
        assert run([*command, str(layout.root), *given, "-o", str(tmp_path / found.decode())]) == 0
        assert below(tmp_path / found.decode()) == {"a": found}


def test_the_weights_of_all_platforms_are_too_many(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["pull", "h.io/a", "--only", "weights", "--all-platforms", "-o", str(tmp_path / "out")]) == 2
    assert "name one --platform" in capsys.readouterr().err


def test_a_pull_goes_on_with_the_layers_that_it_lacks(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [layer((f"file{number}", bytes([number]) * 5000)) for number in range(4)]
    target = image(tmp_path, *layers)
    read: list[str] = []
    real: Callable[..., object] = Layout.blob

    def blob(self: Layout, descriptor: Descriptor) -> object:
        read.append(descriptor.digest)
        if len(read) == 3:
            raise InputError("the disk is full", next_step="make room")
        return real(self, descriptor)

    monkeypatch.setattr(Layout, "blob", blob)
    with pytest.raises(InputError, match="the disk is full"):
        pull_weights(session, target, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    pull_weights(Session(session.settings), target, tmp_path / "out")
    assert len(read) == 5  # the third one twice
    assert below(tmp_path / "out") == {f"file{number}": bytes([number]) * 5000 for number in range(4)}
    assert {path.name for path in tmp_path.iterdir()} == {"layout", "out"}
