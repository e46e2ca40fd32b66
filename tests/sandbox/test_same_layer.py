"""The same commands give the same layer in every rung: laid, run, captured."""

import io
import tarfile
from pathlib import Path

import pytest
from support.guests import EVERY_RUNG, guest, need, run
from support.program_tree import PASSWD

from cogpack.layers import tar
from cogpack.layers.entry import Directory, File, HardLink, Symlink, Whiteout
from cogpack.sandbox.capture.capture import Captured, capture
from cogpack.sandbox.capture.snapshot import Snapshot
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.standins import debian
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.laid import LaidTree
from cogpack.sandbox.trees.lay import Archive, lay

SCRIPT = r"""
set -e
echo new > /usr/new; chown 33:4 /usr/new
mkdir -p /srv/a/b; chown 5:6 /srv/a; chmod 2775 /srv/a; touch /srv/a/b/f; chown 7 /srv/a/b/f
touch /usr/tool; chmod 755 /usr/tool; chown 8:9 /usr/tool; chmod 4755 /usr/tool; ln /usr/tool /usr/other
touch /usr/lost; chmod 6755 /usr/lost; chown 1 /usr/lost
ln -s /nowhere /usr/link; chown -h 10:11 /usr/link
chown :12 /var/lib/his; echo more >> /var/lib/hers
rm /etc/group /var/lib/gone; echo bob2:x:1003:1003::/: >> /etc/passwd
rm /etc/resolv.conf; ln -s /etc/passwd /etc/resolv.conf; echo gone > /run/gone; echo gone > /dev/shm/gone
touch -d @1 /etc/hosts; mv /bin/seq /bin/qes
chmod 750 /var/lib/secret; rm -rf /run/cogpack /usr/sbin
(setsid sleep 1000 &)
"""


@pytest.fixture(scope="session")
def archive(programs: Path) -> bytes:
    """A layer of the programs, and of files that are others'."""

    def theirs(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid, member.gid, member.uname, member.gname = 0, 0, "", ""
        return member

    blocks = io.BytesIO()
    with tarfile.open(fileobj=blocks, mode="w") as made:
        made.add(programs, ".", filter=theirs)
        for name, uid, mode in (("his", 1001, 0o640), ("hers", 1002, 0o750), ("gone", 3, 0o644)):
            member = tarfile.TarInfo(f"var/lib/{name}")
            member.uid = member.gid = uid
            member.mode = mode
            made.addfile(member)
        member = tarfile.TarInfo("var/lib/secret")
        member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, 0o500, 1001, 1002
        made.addfile(member)
    return blocks.getvalue()


Told = tuple[object, ...]


def told(captured: Captured, programs: Path) -> list[Told]:
    """Each entry by its kind: path, mode and owner; bytes or target."""
    found: list[Told] = []
    for entry in captured.entries:
        match entry:
            case Directory(path, mode, uid, gid):
                found.append((f"{path}/", mode, uid, gid))
            case File(path, content, mode, uid, gid):
                data = b"".join(tar.read(content)) if content.size else b""
                is_program = data == (programs / "bin/seq").read_bytes()
                found.append((path, mode, uid, gid, "seq" if is_program else data.decode()))
            case Symlink(path, target, uid, gid):
                found.append((path, uid, gid, target))
            case HardLink(path, target, mode, uid, gid):
                found.append((path, mode, uid, gid, f"= {target}"))
            case Whiteout(path):
                found.append((f"- {path}",))
    return found


EXPECTED: list[Told] = [
    ("- bin/seq",),
    ("bin/qes", 0o755, 0, 0, "seq"),
    ("- etc/group",),
    ("etc/passwd", 0o644, 0, 0, f"{PASSWD}bob2:x:1003:1003::/:\n"),
    ("srv/a/", 0o2775, 5, 6),
    ("srv/a/b/f", 0o644, 7, 0, ""),
    ("- usr/sbin",),
    ("usr/link", 10, 11, "/nowhere"),
    ("usr/lost", 0o755, 1, 0, ""),
    ("usr/new", 0o644, 33, 4, "new\n"),
    ("usr/other", 0o4755, 8, 9, ""),
    ("usr/tool", 0o4755, 8, 9, "= usr/other"),
    ("- var/lib/gone",),
    ("var/lib/hers", 0o750, 1002, 1002, "more\n"),
    ("var/lib/his", 0o640, 1001, 12, ""),
    ("var/lib/secret/", 0o750, 1001, 1002),
]
"""But for parents, which are repeated as they are."""


def layer(place: Path, archive: bytes, rung: Rung, programs: Path) -> list[Told]:
    tree: LaidTree = lay(place, [Archive("programs", lambda: [archive])], owned=not rung.one_user)
    before = Snapshot.of(tree.root)
    try:
        with guest(tree.root, rung, owners=tree.owners, standins=debian(None)) as started:
            ran = run(started, SCRIPT)
        assert (ran.status, ran.output) == (0, "")
        return told(capture(tree, before), programs)
    finally:
        remove_tree(place)


@EVERY_RUNG
def test_every_rung_gives_one_layer(tmp_path: Path, archive: bytes, rung: Rung, programs: Path) -> None:
    need(rung, tmp_path)
    found = layer(tmp_path / "place", archive, rung, programs)
    changes = [entry for entry in found if entry[1:] != (0o755, 0, 0)]
    assert changes == EXPECTED
