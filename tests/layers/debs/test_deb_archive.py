import io
import random
import tarfile
from pathlib import Path

import pytest
from support.debs import PACKERS, ar, deb, member, tar

from cogpack.errors import CogpackError, InputError
from cogpack.layers.debs.deb import archive
from cogpack.layers.debs.deb.archive import DebContents, read_deb
from cogpack.layers.spool import Spool


def read(data: bytes, directory: Path) -> DebContents:
    return read_deb(io.BytesIO(data), where="package x", size=len(data), spool=Spool(directory))


@pytest.mark.parametrize("packer", sorted(PACKERS))
def test_every_compression_gives_the_same_files(tmp_path: Path, packer: str) -> None:
    data = deb("x", member("./usr/"), member("./usr/a", b"A" * 3_000_000), member("./usr/l", link="a"), packer=packer)
    found = read(data, tmp_path)
    assert [(one.path, one.kind) for one, _ in found.data] == [
        ("usr", "directory"),
        ("usr/a", "file"),
        ("usr/l", "symlink"),
    ]
    content = found.data[1][1]
    assert content is not None
    assert content.size == 3_000_000
    for _ in range(2):
        with content.open() as stream:
            assert stream.read() == b"A" * 3_000_000
    assert b"Package: x\n" in found.control["control"]


def test_owner_and_mode_are_kept(tmp_path: Path) -> None:
    found = read(deb("x", member("./bin/su", b"x", mode=0o4755, uid=0, gid=42)), tmp_path)
    assert [(one.mode, one.uid, one.gid) for one, _ in found.data] == [(0o4755, 0, 42)]


def test_long_names_are_whole(tmp_path: Path) -> None:
    path = "usr/share/" + "long" * 60 + "/file"
    assert read(deb("x", member(f"./{path}", b"1")), tmp_path).data[0][0].path == path


def test_nothing_of_a_package_appears_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    data = deb("x", member("./etc/a", b"secret"))
    read_deb(io.BytesIO(data), where="x", size=len(data), spool=spool)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["../escape", "./usr/../../escape", "usr/.."])
def test_a_path_that_leaves_the_root_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="leaves the root"):
        read(deb("x", member(path, b"1")), tmp_path)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(InputError, match=r"package x: .*/dev/thing is a"):
        read(deb("x", member("./dev/thing", kind=kind)), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("packer", [".xz", ".gz", ".zst"])
def test_a_bomb_is_stopped_at_its_limit(tmp_path: Path, packer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_FLOOR", 3_000_000)
    with pytest.raises(InputError, match="unpacks to more than 3000000 bytes"):
        read(deb("x", member("./a", bytes(4_000_000)), packer=packer), tmp_path)


def test_a_cut_package_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    data = deb("x", member("./etc/a", bytes(range(256)) * 40), packer=".gz")
    for cut in range(0, len(data) - 1, 97):
        with pytest.raises(CogpackError):
            read(data[:cut], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("packer", ["", ".xz"])
def test_damage_anywhere_is_an_error_of_ours_or_no_error(tmp_path: Path, packer: str) -> None:
    whole = deb("x", member("./usr/"), member("./usr/a", b"abc" * 300), member("./usr/l", link="a"), packer=packer)
    draw = random.Random(11)
    messages = []
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.choice((0, 0x2E, 0x2F, 0x37, 0x80, 0xFF, draw.randrange(256)))
        try:
            read(bytes(data), tmp_path)
        except CogpackError as error:
            messages.append(error.message)
    assert len(messages) > 100
    assert all(message.startswith("package x: ") for message in messages)


def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    data = (
        ar([("debian-binary", b"2.0\n")])
        + b"control.tar     0           0     0     100644  9999999999`\n"
        + b"x" * 100
    )
    with pytest.raises(InputError):
        read(data, tmp_path)


@pytest.mark.parametrize(
    "members",
    [
        [],
        [("debian-binary", b"3.0\n")],
        [("debian-binary", b"2.0\n")],
        [("debian-binary", b"2.0\n"), ("data.tar", b"")],
        [("debian-binary", b"2.0\n"), ("control.tar", tar([member("control", "x")]))],
        [("debian-binary", b"2.0\n"), ("control.tar", tar([])), ("data.tar", tar([]))],
        [("debian-binary", b"2.0\n"), ("control.tar.xz", b"\xfd7zXZ\0 not really"), ("data.tar", tar([]))],
    ],
)
def test_what_is_no_package_is_refused(tmp_path: Path, members: list[tuple[str, bytes]]) -> None:
    with pytest.raises(CogpackError):
        read(ar(members), tmp_path)


def test_members_of_other_tools_are_skipped(tmp_path: Path) -> None:
    data = deb("x", member("./a", b"1"))
    cut = data.index(b"data.tar")
    assert len(read(data[:cut] + ar([("_signature", b"123")])[8:] + data[cut:], tmp_path).data) == 1
