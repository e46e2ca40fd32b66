"""Files out of a stranger's layers: whatever they hold, nothing is written outside the directory."""

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from cogpack.cli import run
from cogpack.commands.pull_weights import pull_weights
from cogpack.digest import sha256
from cogpack.disk import DiskError
from cogpack.errors import InputError, MismatchError
from cogpack.images.unpack import Tree
from cogpack.layout import Layout
from cogpack.oci import (
    LAYER_NAME,
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
from cogpack.opening import open_image
from cogpack.progress import Silent
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

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
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment=os.environ)) as opened:
        yield opened


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the output, whose name begins like it (P20)."""
    place = tmp_path / "out-evil"
    place.mkdir()
    (place / "precious").write_text("mine")
    return place


def image(
    root: Path,
    *layers: bytes,
    diff_ids: list[str] | None = None,
    architecture: str = "amd64",
    history: list[dict[str, object]] | None = None,
) -> str:
    """An OCI layout of an image with no names, its layers gzipped where that makes them shorter; its tag is "x"."""
    layout = Layout.create(root / "layout")
    stored = [min(data, gzip.compress(data, mtime=0), key=len) for data in layers]
    types = [OCI_LAYER if packed == data else OCI_LAYER_GZIP for packed, data in zip(stored, layers, strict=True)]
    ids = diff_ids or ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers]
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": ids},
            "history": history,
        }
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


@pytest.mark.parametrize("target", ["../out-evil", "/", "../out-evil/precious", "b", "."])
def test_symbolic_links_are_left_out_so_that_nothing_is_written_through_them(
    session: Session, tmp_path: Path, outside: Path, target: str
) -> None:
    """P19: in one layer, and from one layer to the next; also chains of them."""
    kind = tarfile.SYMTYPE
    links: list[Entry] = [("a", b"", kind, target), ("b", b"", kind, "a"), ("d/c", b"", kind, "../b")]
    files: list[Entry] = [("a/precious", b"evil"), ("b", b"evil"), ("d/c/precious", b"evil")]
    assert pulled(session, tmp_path, layer(*links, *files), layer(*links), layer(*files)) == {
        "a/precious": b"evil",
        "b": b"evil",
        "d/c/precious": b"evil",
    }
    assert below(outside) == {"precious": b"mine"}


@pytest.mark.parametrize("target", ["../out-evil/precious", "/", "", ".", "b", "d", "/../out-evil/precious", "a"])
def test_a_hard_link_to_what_is_no_file_of_the_tree_is_refused(
    session: Session, tmp_path: Path, outside: Path, target: str
) -> None:
    links: list[Entry] = [("d/x", b"1"), ("s", b"", tarfile.SYMTYPE, "../out-evil/precious")]
    with pytest.raises(InputError, match=r"/a is a hard link to /.*, which is no such file before it|holds the path"):
        pulled(session, tmp_path, layer(*links, ("a", b"", tarfile.LNKTYPE, target)))
    assert not (tmp_path / "out").exists()
    assert below(outside) == {"precious": b"mine"}


def test_a_hard_link_is_another_name_of_its_file(session: Session, tmp_path: Path) -> None:
    links: list[Entry] = [("d/x", b"1"), ("b", b"", tarfile.LNKTYPE, "./d/x"), ("e/f/c", b"", tarfile.LNKTYPE, "/b")]
    assert pulled(session, tmp_path, layer(("b", b"old"), ("e/f/c", b"old")), layer(*links)) == {
        "b": b"1",
        "d/x": b"1",
        "e/f/c": b"1",
    }
    assert len({(tmp_path / "out" / name).stat().st_ino for name in ("b", "d/x", "e/f/c")}) == 1


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


def test_the_total_of_what_comes_is_known_before_the_first_byte(session: Session, tmp_path: Path) -> None:
    told: list[int] = []

    class Told(Silent):
        def task(self, name: str, size: int | None, verb: str = "") -> Silent:
            told.extend([size] if size else [])  # not of what is only asked
            return self

        def advance(self, size: int) -> None:
            told.append(0)

    session.progress = Told()
    layers = [layer(("src/a", b"1")), layer(("src/b", b"2" * 1000))]
    pull_weights(session, image(tmp_path, *layers), tmp_path / "out")
    assert all(told[:2])
    assert told[2:]
    assert not any(told[2:])


def test_a_config_that_lists_other_layers_is_refused(session: Session, tmp_path: Path) -> None:
    """P17."""
    with pytest.raises(InputError, match="its config lists 2"):
        pull_weights(session, image(tmp_path, layer(("a", b"1")), diff_ids=["x", "y"]), tmp_path / "out")


def test_names_that_a_manifest_has_lost_are_those_of_the_history(session: Session, tmp_path: Path) -> None:
    """As where skopeo made it one of Docker's format, whose layers have no annotations."""
    layers = layer(("etc/x", b"1")), layer(("src/w", b"2"))
    steps: list[dict[str, object]] = [
        {"created_by": "cogpack", "comment": "debian: trixie, 94 packages"},
        {"created_by": "CMD", "empty_layer": True},
        {"created_by": "cogpack", "comment": "weights: w"},
    ]
    assert pull_weights(session, image(tmp_path, *layers, history=steps), tmp_path / "out").files == ("w",)
    for number, others in enumerate((steps[:1], [step | {"created_by": "me"} for step in steps])):
        found = pull_weights(
            session, image(tmp_path / f"{number}", *layers, history=others), tmp_path / f"{number}.out"
        )
        assert found.files == ("etc/x", "w")


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
            raise DiskError("the disk is full", next_step="make room")
        return real(self, descriptor)

    monkeypatch.setattr(Layout, "blob", blob)
    with pytest.raises(InputError, match="the disk is full"):
        pull_weights(session, target, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    pull_weights(Session(session.settings), target, tmp_path / "out")
    assert len(read) == 5  # the third one twice
    assert below(tmp_path / "out") == {f"file{number}": bytes([number]) * 5000 for number in range(4)}
    assert {path.name for path in tmp_path.iterdir()} == {"layout", "out"}


JOIN = "var/lib/cogpack/join.json"
PART = "/var/lib/cogpack/parts/x/0000"


def joined(path: str = "/src/m", size: int = 6, parts: object = ((PART + "0", 3), (PART + "1", 3))) -> bytes:
    return json.dumps([{"path": path, "joined": "/var/lib/cogpack/joined/x/m", "size": size, "parts": parts}]).encode()


def named_image(root: Path, **layers: bytes) -> str:
    """An OCI layout of an image whose layers have names, as cogpack's have."""
    made = Layout.create(root / "layout")
    ids = ["sha256:" + hashlib.sha256(data).hexdigest() for data in layers.values()]
    config = json.dumps(
        {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}}
    ).encode()
    described = []
    for name, data in layers.items():
        kind = OCI_LAYER_GZIP if data[:2] == b"\x1f\x8b" else OCI_LAYER
        annotations = {LAYER_NAME: name}
        described.append({"mediaType": kind, "digest": made.add(data), "size": len(data), "annotations": annotations})
    place = {"mediaType": OCI_CONFIG, "digest": made.add(config), "size": len(config)}
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": place, "layers": described}
    ).encode()
    digest = made.add(manifest)
    made.publish({"x": Descriptor(media_type=OCI_MANIFEST, digest=digest, size=len(manifest))})
    return str(made.root)


def with_parts(root: Path, document: bytes, *parts: bytes) -> str:
    entries: list[Entry] = [(f"{PART}{number}"[1:], data) for number, data in enumerate(parts)]
    return named_image(
        root, **{"weights: joined at start": layer((JOIN, document)), "weights: m part 1": layer(*entries)}
    )


def test_a_file_in_parts_is_put_together(session: Session, tmp_path: Path) -> None:
    assert pull_weights(session, with_parts(tmp_path, joined(), b"abc", b"def"), tmp_path / "out").files == ("m",)
    assert below(tmp_path / "out") == {"m": b"abcdef"}


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        *((joined(path=path), (b"abc", b"def")) for path in ("", "/", "//", "/src/", "/src", "m", "/src/../x", "/./b")),
        (joined(path="/src/a\0b"), (b"abc", b"def")),
        (joined(size=2**70), (b"abc", b"def")),
        (joined(size=2**53 + 1, parts=[[PART + "0", 2**53], [PART + "1", 1]]), (b"abc", b"def")),
        (joined(size=2**70, parts=[[PART + "0", 2**70]]), (b"abc",)),
        (joined(size=-1), (b"abc", b"def")),
        (joined(size=0, parts=[[PART + "0", 3], [PART + "1", -3]]), (b"abc", b"")),
        (joined(size=7), (b"abc", b"def")),
        (joined(size=10 * 2**40), (b"abc", b"def")),
        (joined(size=0, parts=[]), ()),
        (joined(), (b"abc",)),
        (joined(), (b"ab", b"cdef")),
        (joined(), (b"abc", b"defg")),
        (joined(parts=[[PART + "0", 3], ["/nope", 3]]), (b"abc", b"def")),
        (joined(parts=[[PART + "0", 3], [PART + "0", 3]]), (b"abc", b"def")),
        (joined(parts=[["", 3], [PART + "0", 3]]), (b"abc", b"def")),
        (joined(parts=[[f"{PART}{n}", 0] for n in range(10_001)], size=0), ()),
        (joined()[:-1] + b"," + joined()[1:], (b"abc", b"def")),
        (joined()[:-1] + b"," + joined(path="/m", parts=[[PART + "2", 6]])[1:], (b"abc", b"def", b"ghijkl")),
        (joined()[:-1] + b"," + joined(path="/src/m/n", parts=[[PART + "2", 6]])[1:], (b"abc", b"def", b"ghijkl")),
        (b"", ()), (b"{}", ()), (b"[[]]", ()), (b"[" * 10_000, ()), (b'[{"path": 1}]', ()), (b"\xff", ()),
    ],
)  # fmt: skip
def test_a_join_document_that_is_not_ours_is_refused(
    session: Session, tmp_path: Path, document: bytes, parts: tuple[bytes, ...]
) -> None:
    """M8: neither a traceback, nor a file that is short or has holes."""
    with pytest.raises(InputError):
        pull_weights(session, with_parts(tmp_path, document, *parts), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"layout"}


def test_a_file_that_is_whole_and_in_parts_is_refused(session: Session, tmp_path: Path) -> None:
    target = named_image(
        tmp_path,
        **{
            "weights: joined at start": layer((JOIN, joined())),
            "weights: m part 1": layer((PART[1:] + "0", b"abc"), (PART[1:] + "1", b"def"), ("src/m", b"whole")),
        },
    )
    with pytest.raises(InputError, match="whole and in parts"):
        pull_weights(session, target, tmp_path / "out")


def test_parts_of_layers_that_an_earlier_run_had_count(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = named_image(
        tmp_path,
        **{
            "weights: joined at start": layer((JOIN, joined())),
            "weights: m part 1": layer((PART[1:] + "0", b"abc")),
            "weights: m part 2": layer((PART[1:] + "1", b"def")),
        },
    )
    write: Callable[..., None] = Tree.write

    def full(self: Tree, path: list[str], size: int, blocks: object, *, offset: int | None = None) -> None:
        if offset == 3:
            raise DiskError("full", next_step="make room")
        write(self, path, size, blocks, offset=offset)

    one_by_one = Session(msgspec.structs.replace(session.settings, jobs=1))
    with monkeypatch.context() as patched:
        patched.setattr(Tree, "write", full)
        with pytest.raises(DiskError):
            pull_weights(one_by_one, target, tmp_path / "out")
    assert pull_weights(session, target, tmp_path / "out").files == ("m",)
    assert below(tmp_path / "out") == {"m": b"abcdef"}


# A directory laid ready


@pytest.fixture
def in_the_way(session: Session, tmp_path: Path) -> Path:
    """The name under which the next pull into "out" grows."""
    target = image(tmp_path, layer(("a", b"1")))
    return tmp_path / f".out.{open_image(session, target).digest[7:19]}.unfinished"


@pytest.mark.parametrize("how", ["anybody", "group", "theirs", "link", "file", "pipe"])
def test_what_somebody_laid_ready_is_not_used(
    session: Session, tmp_path: Path, in_the_way: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M4: the files of the tree would be in their hands, and theirs among ours."""
    if how in ("anybody", "group", "theirs"):
        (in_the_way / "files").mkdir(parents=True)
        (in_the_way / "files" / "planted").write_text("evil")
        in_the_way.chmod({"anybody": 0o707, "group": 0o770}.get(how, 0o755))
    elif how == "link":
        (tmp_path / "elsewhere").mkdir()
        in_the_way.symlink_to(tmp_path / "elsewhere")
    elif how == "file":
        in_the_way.write_text("")
    else:
        os.mkfifo(in_the_way)
    if how == "theirs":
        real = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with pytest.raises(InputError, match="not ours alone"):
        pull_weights(session, str(tmp_path / "layout"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert in_the_way.is_symlink() or in_the_way.exists()


def test_what_no_layer_brought_is_in_no_output(session: Session, tmp_path: Path, in_the_way: Path) -> None:
    """M4: of our own, too: no earlier run has written down that it got so far."""
    (in_the_way / "files" / "deep").mkdir(parents=True)
    in_the_way.chmod(0o700)
    (in_the_way / "files" / "deep" / "planted").write_text("evil")
    assert pull_weights(session, str(tmp_path / "layout"), tmp_path / "out").files == ("a",)
    assert below(tmp_path / "out") == {"a": b"1"}
    assert not in_the_way.exists()


def test_a_tree_whose_root_is_not_ours_alone_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files").chmod(0o777)
    with pytest.raises(InputError, match="not ours alone"):
        Tree(tmp_path / "files")


# Where the output is


def test_an_output_may_be_a_link_to_an_empty_directory(session: Session, tmp_path: Path) -> None:
    """M15."""
    target = image(tmp_path, layer(("a", b"1"), ("d/b", b"2")))
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "out").symlink_to("disk/real")
    (tmp_path / "other").symlink_to("disk/new")
    for name, real in (("out", "real"), ("other", "new")):
        found = pull_weights(session, target, tmp_path / name)
        assert (found.directory, found.files) == (str(tmp_path / name), ("a", "d/b"))
        assert (tmp_path / name).is_symlink()
        assert below(tmp_path / "disk" / real) == {"a": b"1", "d/b": b"2"}
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {"real", "new"}


def test_an_output_may_be_the_current_directory_which_stays_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So may be a mount point, which can't be renamed over, below what we may not write to."""
    target = image(tmp_path, layer(("a", b"1")))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = (tmp_path / "here").stat().st_ino
    pull_weights(session, target, Path())
    assert Path("a").read_bytes() == b"1"
    assert (tmp_path / "here").stat().st_ino == before
    assert [path.name for path in Path().iterdir()] == ["a"]


@pytest.mark.parametrize("kind", ["full", "file", "loop", "link-to-full", "link-to-file"])
def test_an_output_that_will_not_do_is_refused_before_anything_is_fetched(
    session: Session, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = image(tmp_path, layer(("a", b"1")))
    place = tmp_path / "out"
    real = tmp_path / "real" if kind.startswith("link") else place
    if kind.endswith("full"):
        real.mkdir()
        (real / "mine").write_text("1")
    elif kind.endswith("file"):
        real.write_text("1")
    else:
        place.symlink_to("out")
    if real != place:
        place.symlink_to(real)
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr(Layout, "blob", None)
    with pytest.raises(InputError):
        pull_weights(session, target, place)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_output_with_the_longest_name_has_room_for_what_is_beside_it(session: Session, tmp_path: Path) -> None:
    for name in ("n" * 255, "\N{SNOWMAN}" * 85):
        pull_weights(session, image(tmp_path / "of", layer(("a", b"1"))), tmp_path / name)
        assert below(tmp_path / name) == {"a": b"1"}


@pytest.mark.parametrize("above", ["file", "file/more", "/proc", "/proc/none"])
def test_an_output_that_can_not_be_made_is_named_itself(session: Session, tmp_path: Path, above: str) -> None:
    (tmp_path / "file").write_text("1")
    place = tmp_path / above / "out"
    with pytest.raises(InputError) as caught:
        pull_weights(session, image(tmp_path, layer(("a", b"1"))), place)
    assert caught.value.message == f"{place}: can't write: there is no such directory"


# Floods


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("d/" * 3000 + "f", "3001 levels|too many levels|holds the path"),
        (("n" * 200 + "/") * 20 + "f", "256 levels and 2048 bytes at most"),
        ("n" * 256, "File name too long"),
        ("a/f", "no such directory"),
    ],
)
def test_names_that_this_machine_could_not_open_are_refused(
    session: Session, tmp_path: Path, name: str, match: str
) -> None:
    """M12: no RecursionError behind the rename, and nothing is left."""
    with pytest.raises(InputError, match=match):
        pull_weights(session, image(tmp_path, layer(("a", b"1"), (name, b"2"))), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"layout"}


def test_files_and_directories_without_end_are_refused(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M11: 25 kB of a layer are 200,000 files, or directories."""
    monkeypatch.setattr("cogpack.images.unpack._ENTRIES", 20)
    for entries in ([(f"f{n}", b"") for n in range(21)], [(f"{n}/a/b/c/f", b"") for n in range(5)]):
        with pytest.raises(InputError, match="more than 20 files and directories"):
            pull_weights(session, image(tmp_path, layer(*entries)), tmp_path / "out")
        assert {path.name for path in tmp_path.iterdir()} == {"layout"}


def test_small_files_are_synced_together(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """M11: one fsync each took minutes for what comes in seconds."""
    synced: list[str] = []
    monkeypatch.setattr("cogpack.images.unpack.sync_file_system", lambda file: synced.append("all"))
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append("one"), real(file)))
    layers = [layer(*((f"{number}-{n}", b"") for n in range(500))) for number in range(2)]
    assert len(pull_weights(session, image(tmp_path, *layers), tmp_path / "out").files) == 1000
    assert synced.count("all") == 2
    assert synced.count("one") < 20


def test_names_that_are_not_utf8_are_told_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """M12: as `\\xNN`, as in Rust's, Go's and Python's sources."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    target = image(tmp_path, layer(("caf\udce9", b"1"), ("\N{SNOWMAN}", b"2")))
    assert run(["weights", "pull", target, "-o", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["caf\\xe9", "\N{SNOWMAN}"]
