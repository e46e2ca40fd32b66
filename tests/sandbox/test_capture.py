"""What a layer of changes holds, and what it does not."""

import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from support.archives import archive, directory, file, link, symlink
from support.privileges import unprivileged
from support.trees import make_deep

from cogpack.layers import tar
from cogpack.layers.entry import Directory, Entry, Fifo, File, HardLink, Symlink, Whiteout
from cogpack.sandbox.capture.capture import Captured, CapturedSource, capture
from cogpack.sandbox.capture.dropped import BELOW, WHOLE
from cogpack.sandbox.capture.snapshot import Snapshot
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.laid import CAPABILITY, LaidTree
from cogpack.sandbox.trees.lay import lay
from cogpack.sandbox.trees.owners import birth_of

Member = tuple[tarfile.TarInfo, bytes]


def changed(
    place: Path,
    members: list[Member],
    change: Callable[[LaidTree], object],
    *,
    owned: bool = False,
    keep: tuple[str, ...] = (),
) -> Captured:
    place.mkdir(exist_ok=True)
    tree = lay(place / "place", [archive(*members)], owned=owned)
    before = Snapshot.of(tree.root)
    change(tree)
    return capture(tree, before, keep=keep)


def tar_bytes(entries: list[Entry]) -> bytes:
    return b"".join(tar.blocks(tar.segments(entries)))


def told(captured: Captured) -> list[tuple[str, str]]:
    return [(type(entry).__name__, entry.path) for entry in captured.entries]


def write(tree: LaidTree, path: str, data: bytes = b"new") -> Path:
    full = tree.root / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_bytes(data)
    return full


def remove(path: Path) -> None:
    for child in path.iterdir():
        child.unlink()
    path.rmdir()


def test_whiteouts_are_of_the_topmost_only(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        remove(tree.root / "a/b")
        (tree.root / "a/z").unlink()
        remove(tree.root / "c")

    captured = changed(tmp_path, [file("a/b/x"), file("a/b/y"), file("a/z"), directory("c"), file("c/x")], change)
    assert captured.whiteouts == ("a/b", "a/z", "c")
    assert told(captured) == [("Whiteout", "c"), ("Directory", "a"), ("Whiteout", "a/b"), ("Whiteout", "a/z")]
    assert [entry.member for entry in captured.entries if isinstance(entry, Whiteout)] == [
        ".wh.c",
        "a/.wh.b",
        "a/.wh.z",
    ]


def test_what_takes_the_place_of_a_directory_hides_it_and_a_directory_that_was_made_again_hides_by_name(
    tmp_path: Path,
) -> None:
    def change(tree: LaidTree) -> None:
        for name in ("file", "link", "again"):
            remove(tree.root / name)
        write(tree, "file")
        (tree.root / "link").symlink_to("again")
        write(tree, "again/new")
        (tree.root / "was").unlink()
        write(tree, "was/now")

    captured = changed(tmp_path, [file("file/x"), file("link/x"), file("again/old"), file("was")], change)
    assert captured.whiteouts == ("again/old",)
    assert told(captured) == [
        ("Directory", "again"),
        ("Whiteout", "again/old"),
        ("File", "again/new"),
        ("File", "file"),
        ("Symlink", "link"),
        ("Directory", "was"),
        ("File", "was/now"),
    ]


def test_what_was_only_touched_or_written_again_is_not_in_the_layer(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        os.utime(tree.root / "a")
        write(tree, "d/b", b"x")
        (tree.root / "s").unlink()
        (tree.root / "s").symlink_to("a")
        (tree.root / "d/c").write_bytes(b"")
        (tree.root / "d/c").unlink()
        (tree.root / "a").rename(tree.root / "aside")
        (tree.root / "aside").rename(tree.root / "a")
        write(tree, "new").replace(tree.root / "moved")
        (tree.root / "moved").unlink()

    captured = changed(tmp_path, [file("a"), file("d/b"), symlink("s", "a")], change)
    assert (captured.entries, captured.whiteouts, captured.dropped) == ([], (), ())


def test_the_parents_of_what_changed_keep_owner_and_mode(tmp_path: Path) -> None:
    captured = changed(
        tmp_path,
        [directory("d", mode=0o1777, gid=4), directory("d/e", mode=0o500, uid=7)],
        lambda tree: write(tree, "d/e/f"),
    )
    assert captured.entries[:2] == [Directory("d", 0o1777, 0, 4), Directory("d/e", 0o500, 7, 0)]


def test_a_file_that_was_moved_takes_its_owner_along(tmp_path: Path) -> None:
    captured = changed(
        tmp_path,
        [file("a", uid=33, gid=4), directory("b", uid=5)],
        lambda tree: (tree.root / "a").rename(tree.root / "b/c"),
    )
    moved = captured.entries[-1]
    assert isinstance(moved, File)
    assert (moved.path, moved.uid, moved.gid) == ("b/c", 33, 4)
    assert captured.entries[0] == Whiteout("a")


def test_a_remembered_owner_changes_a_file_that_nothing_else_touched(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        full = tree.root / "a"
        tree.owners.record(full.lstat(), 33, 4, birth=birth_of(-100, str(full)))

    (entry,) = changed(tmp_path, [file("a"), file("b")], change).entries
    assert isinstance(entry, File)
    assert (entry.path, entry.uid, entry.gid) == ("a", 33, 4)


def test_a_new_name_of_a_file_below_has_the_file_written_whole(tmp_path: Path) -> None:
    captured = changed(
        tmp_path,
        [file("b", b"data", mode=0o4755, uid=3), link("c", "b", mode=0o4755, uid=3), file("d")],
        lambda tree: os.link(tree.root / "c", tree.root / "a"),
    )
    first, *others = captured.entries
    assert isinstance(first, File)
    assert (first.path, first.mode, first.uid) == ("a", 0o4755, 3)
    assert others == [HardLink("b", "a", 0o4755, 3), HardLink("c", "a", 0o4755, 3)]


def test_of_names_that_were_one_file_the_smallest_stays(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        for name in ("a", "c"):  # both get inodes of their own
            write(tree, "beside", b"x").replace(tree.root / name)
            (tree.root / name).chmod(0o644)

    captured = changed(tmp_path, [file("a"), link("b", "a"), link("c", "a")], change)
    assert told(captured) == [("File", "b"), ("File", "c")]


def test_two_equal_files_that_are_made_one_are_written(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        (tree.root / "b").unlink()
        os.link(tree.root / "a", tree.root / "b")

    assert told(changed(tmp_path, [file("a"), file("b")], change)) == [("File", "a"), ("HardLink", "b")]


def test_kinds_that_layers_have_no_word_for_are_dropped_and_hide_what_was_there(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        (tree.root / "a").unlink()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tree.root / "a"))
        os.mkfifo(tree.root / "fifo")
        (tree.root / "fifo").chmod(0o620)

    captured = changed(tmp_path, [file("a")], change)
    assert captured.entries == [Whiteout("a"), Fifo("fifo", 0o620)]
    assert [(one.path, one.reason) for one in captured.dropped] == [("a", "a socket")]


def test_a_device_below_is_not_missed(tmp_path: Path) -> None:
    device = tarfile.TarInfo("lib/null")
    device.type = tarfile.CHRTYPE
    captured = changed(tmp_path, [file("lib/a"), (device, b"")], lambda tree: write(tree, "lib/a"))
    assert told(captured) == [("Directory", "lib"), ("File", "lib/a")]


def test_temporary_files_caches_logs_and_locks_are_dropped_and_told(tmp_path: Path) -> None:
    paths = ["tmp/x", "var/tmp/x", "run/x", "dev/x", "proc/x", "var/cache/apt/pkgcache.bin", "var/lib/apt/lists/a/b"]
    paths += ["var/lib/apt/lists/c", "var/log/dpkg.log", "etc/passwd-", "var/lib/dpkg/status-old", "root/.cache/pip/a"]

    def change(tree: LaidTree) -> None:
        for path in [*paths, "root/.cache/huggingface/model", "var/log/other", "srv/tmp/x"]:
            write(tree, path)

    captured = changed(tmp_path, [directory("tmp"), file("var/log/dpkg.log", b"old")], change)
    assert [entry.path for entry in captured.entries if isinstance(entry, File)] == [
        "root/.cache/huggingface/model",
        "srv/tmp/x",
        "var/log/other",
    ]
    assert {one.path: (one.reason, one.files, one.size) for one in captured.dropped} == {
        "tmp": ("temporary", 1, 3),
        "var/tmp": ("temporary", 1, 3),
        "run": ("of the running system", 1, 3),
        "dev": ("the kernel's", 1, 3),
        "proc": ("the kernel's", 1, 3),
        "var/cache/apt": ("a cache", 1, 3),
        "var/lib/apt/lists": ("a cache", 2, 6),
        "var/log/dpkg.log": ("a log", 1, 3),
        "etc/passwd-": ("a backup", 1, 3),
        "var/lib/dpkg/status-old": ("a backup", 1, 3),
        "root/.cache/pip": ("a cache", 1, 3),
    }
    assert [entry.path for entry in captured.entries if isinstance(entry, Directory)] == [
        *("etc", "root", "root/.cache", "root/.cache/huggingface", "srv", "srv/tmp", "var", "var/cache", "var/lib"),
        *("var/lib/apt", "var/lib/dpkg", "var/log"),
    ]


def test_the_page_of_what_is_captured_names_all_that_is_dropped() -> None:
    page = (Path(__file__).parents[2] / "docs" / "captured.md").read_text()
    named = {}
    for line in page.partition("| not captured |")[2].splitlines()[1:]:
        if line.startswith("|"):
            named |= dict.fromkeys(re.findall(r"`/([^`]+)`", line), line.rsplit("|", 2)[1].strip())
    assert named == {**BELOW, **WHOLE}


def test_a_path_is_kept_by_naming_it(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        for path in ("tmp/keep/x", "tmp/drop", "var/log/dpkg.log"):
            write(tree, path)

    captured = changed(tmp_path, [directory("tmp", mode=0o1777)], change, keep=("/tmp/keep", "var/log/dpkg.log/"))
    assert told(captured) == [
        ("Directory", "tmp"),
        ("Directory", "tmp/keep"),
        ("File", "tmp/keep/x"),
        ("Directory", "var"),
        ("Directory", "var/log"),
        ("File", "var/log/dpkg.log"),
    ]
    assert captured.entries[0] == Directory("tmp", 0o1777)


def test_what_layers_below_had_in_such_places_is_hidden_when_it_is_removed(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        for path in ("tmp/x", "var/lib/apt/lists/a", "run/x", "dev/x"):
            (tree.root / path).unlink()
        (tree.root / "var/lib/apt/lists").chmod(0o700)

    members = [file("tmp/x"), directory("var/lib/apt/lists", mode=0o750), file("var/lib/apt/lists/a"), file("run/x")]
    captured = changed(tmp_path, [*members, file("dev/x")], change)
    assert captured.whiteouts == ("tmp/x", "var/lib/apt/lists/a")
    assert Directory("var/lib/apt/lists", 0o750) in captured.entries


def test_what_the_runner_laid_before_the_snapshot_is_not_the_commands(tmp_path: Path) -> None:
    tree = lay(tmp_path / "place", [archive(file("a"))], owned=False)
    write(tree, "etc/hosts")
    captured = capture(tree, Snapshot.of(tree.root))
    assert captured.entries == []


def test_files_and_directories_that_nobody_may_read_are_captured_with_their_modes(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        write(tree, "d/shut", b"s").chmod(0)
        (tree.root / "d").chmod(0o300)

    tree = lay(tmp_path / "place", [archive(file("a"))], owned=False)
    before = Snapshot.of(tree.root)
    change(tree)
    with unprivileged():
        captured = capture(tree, before)
        assert tar_bytes(captured.entries)
    assert [(entry.path, entry.mode) for entry in captured.entries if isinstance(entry, File | Directory)] == [
        ("d", 0o300),
        ("d/shut", 0),
    ]


def test_a_change_in_the_tick_of_the_snapshot_is_seen(tmp_path: Path) -> None:
    """The kernel's clock of files ticks every few milliseconds: a change may leave ctime, inode, mode and size."""
    tree = lay(tmp_path / "place", [archive(file("a", b"old"))], owned=False)
    before = Snapshot.of(tree.root)
    write(tree, "a", b"new")
    now = before.paths["a"]
    stale = Snapshot({"a": Snapshot.of(tree.root).paths["a"]}, now.ctime_ns)  # as if nothing had told it
    assert told(capture(tree, stale)) == [("File", "a")]


def test_names_and_targets_that_are_no_text_are_kept_as_bytes(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        write(tree, "caf\udce9/x")
        (tree.root / "s").symlink_to("caf\udce9")

    captured = changed(tmp_path, [], change)
    data = tar_bytes(captured.entries)
    place = tmp_path / "layer.tar"
    place.write_bytes(data)
    with tarfile.open(place) as found:
        assert found.getnames() == ["caf\udce9", "caf\udce9/x", "s"]
        assert found.getmember("s").linkname == "caf\udce9"
    assert b" hdrcharset=BINARY\n" in data
    assert b" path=caf\xe9/x\n" in data


def test_names_that_mean_deletion_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"/d/.wh.x: names that begin with .wh. mean deletion"):
        changed(tmp_path, [], lambda tree: write(tree, "d/.wh.x"))


def test_what_a_layer_comes_out_as_does_not_depend_on_times_or_place(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        os.utime(write(tree, "a/x"), (5, 5))
        os.utime(write(tree, "a/y"))

    one = changed(tmp_path, [], change)
    tree = lay(tmp_path / "other", [], owned=False)
    before = Snapshot.of(tree.root)
    write(tree, "a/y")
    write(tree, "a/x")
    assert tar_bytes(one.entries) == tar_bytes(capture(tree, before).entries)
    source = CapturedSource("run", one.entries)
    assert (source.name, source.entries()) == ("run", one.entries)


def v3(root: int) -> bytes:
    return struct.pack("<6I", 0x03000001, 1 << 10, 0, 0, 0, root)


V2 = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="capabilities are given by root only")
def test_capabilities_are_captured_as_if_no_namespace_had_set_them(tmp_path: Path) -> None:
    def change(tree: LaidTree) -> None:
        for name, value in (("old", V2), ("new", v3(1000))):
            os.setxattr(write(tree, name), CAPABILITY, value)

    captured = changed(tmp_path, [], change)
    assert [entry.xattrs for entry in captured.entries if isinstance(entry, File)] == [((CAPABILITY, V2),)] * 2
    assert b"SCHILY.xattr.security.capability=" + V2 in tar_bytes(captured.entries)


def capable() -> Member:
    info, data = file("ping")
    info.pax_headers = {f"SCHILY.xattr.{CAPABILITY}": V2.decode("latin-1")}
    return info, data


@pytest.mark.skipif(V2.decode("latin-1").encode() != V2, reason="tarfile would write it as UTF-8")
def test_a_capability_that_could_not_be_given_stays_until_the_file_is_written(tmp_path: Path) -> None:
    def keeping(tree: LaidTree) -> None:
        os.utime(tree.root / "ping")
        (tree.root / "ping").rename(tree.root / "ping2")

    moved = changed(tmp_path, [capable()], keeping).entries[-1]
    assert isinstance(moved, File)
    assert moved.xattrs == ((CAPABILITY, V2),)
    written = changed(tmp_path / "other", [capable()], lambda tree: write(tree, "ping")).entries
    assert [entry.xattrs for entry in written if isinstance(entry, File)] == [()]


def test_a_whiteout_is_an_empty_file_and_a_fifo_has_no_bytes() -> None:
    entries: list[Entry] = [Fifo("a", 0o640, 3, 4), Symlink("b", "a"), Whiteout("c/d")]
    blocks = list(tar.segments(entries))
    found = tarfile.TarInfo.frombuf(blocks[0], "utf-8", "strict")  # type: ignore[arg-type]
    assert (found.name, found.type, found.mode, found.uid, found.gid, found.size) == (
        "a",
        tarfile.FIFOTYPE,
        0o640,
        3,
        4,
        0,
    )
    found = tarfile.TarInfo.frombuf(blocks[2], "utf-8", "strict")  # type: ignore[arg-type]
    assert (found.name, found.type, found.mode, found.size) == ("c/.wh.d", tarfile.REGTYPE, 0, 0)


@pytest.mark.slow
def test_the_deep_and_the_shut_are_removed_all_the_same(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    make_deep(top, "d", 1500)
    (top / "shut").mkdir()
    (top / "shut/x").touch()
    (top / "shut").chmod(stat.S_IWUSR)
    with unprivileged():
        remove_tree(top)
    assert not top.exists()
    remove_tree(top)


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="capabilities are dropped by root only"
)
def test_root_that_may_not_enter_every_directory_removes_what_it_gave_away(tmp_path: Path) -> None:
    """As in a container that runs with `--cap-drop DAC_OVERRIDE`."""
    top = tmp_path / "top"
    (top / "given").mkdir(parents=True, mode=0o700)
    (top / "given/x").touch()
    os.chown(top / "given", 1000, 1000)
    program = (
        "import sys; from pathlib import Path; from cogpack.sandbox.trees.directories import remove_tree as remove"
    )
    lacking = "--bounding-set=-dac_override,-dac_read_search"
    subprocess.run(
        ["setpriv", lacking, sys.executable, "-c", f"{program}; remove(Path(sys.argv[1]))", str(top)], check=True
    )
    assert not top.exists()
