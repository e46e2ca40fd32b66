"""The directory `.git` of a clone is written as `git clone` leaves it (gitrepository-layout(5)), without what differs
each time: no reflogs, no copies of templates, and an index that knows no file's times (gitformat-index(5))."""

import hashlib
import re
import struct
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cogpack.layers.content import Bytes
from cogpack.layers.entry import Directory, Entry, File

_CONFIG = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n"
_PACKED = "# pack-refs with: peeled fully-peeled sorted \n"
_PLAIN = re.compile(r"[!$-:<-[\]-~]+")
"""Values of git-config(1) that need no quotes."""


class Tag(msgspec.Struct, frozen=True):
    """`peeled`: the object that an annotated tag is of, after all tags between."""

    name: str
    oid: str
    peeled: str | None = None


class Worktree(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a repository says of itself. `branch`: that HEAD is on, "" for none; `default`: whether it is the
    server's; `server_commit`: what the branch is there; `refspec`: what a fetch brings; `shallow`: commits whose
    parents stay away; `submodules`: addresses by their names; `above`: from a submodule's directory to its files;
    `index`: mode and object by path."""

    url: str
    commit: str
    branch: str
    default: bool
    server_commit: str
    refspec: str
    tags: Sequence[Tag]
    shallow: Sequence[str]
    submodules: Mapping[str, str]
    above: str
    index: Mapping[str, tuple[int, str]]


def git_directory(root: str, found: Worktree) -> Iterator[Entry]:
    """Give all of a repository's directory at `root` but its objects."""
    for name in ("objects/info", "refs/heads", "refs/tags"):
        yield Directory(f"{root}/{name}")
    files = {
        "HEAD": f"ref: refs/heads/{found.branch}\n" if found.branch else f"{found.commit}\n",
        "config": _config(found),
        "packed-refs": _packed_refs(found),
    }
    if found.branch:
        files[f"refs/heads/{found.branch}"] = f"{found.commit}\n"
        if found.default:
            files["refs/remotes/origin/HEAD"] = f"ref: refs/remotes/origin/{found.branch}\n"
    if found.shallow:
        files["shallow"] = "".join(f"{oid}\n" for oid in found.shallow)
    for name, text in files.items():
        yield File(f"{root}/{name}", Bytes(text.encode()))
    yield File(f"{root}/index", Bytes(_index(found.index)))


def _config(found: Worktree) -> str:
    text = _CONFIG
    if found.above:
        text += f"\tworktree = {_value(found.above)}\n"
    text += f'[remote "origin"]\n\turl = {_value(found.url)}\n\tfetch = {found.refspec}\n'
    if found.branch:
        text += f'[branch "{found.branch}"]\n\tremote = origin\n\tmerge = refs/heads/{found.branch}\n'
    for name, url in sorted(found.submodules.items()):
        text += f'[submodule "{name}"]\n\tactive = true\n\turl = {_value(url)}\n'
    return text


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return text if _PLAIN.fullmatch(text) else f'"{escaped}"'


def _packed_refs(found: Worktree) -> str:
    refs = {f"refs/tags/{tag.name}": (tag.oid, tag.peeled) for tag in found.tags}
    if found.branch:
        refs[f"refs/remotes/origin/{found.branch}"] = (found.server_commit, None)
    text = _PACKED
    for name, (oid, peeled) in sorted(refs.items(), key=lambda ref: ref[0].encode()):
        text += f"{oid} {name}\n" + (f"^{peeled}\n" if peeled else "")
    return text


def _index(files: Mapping[str, tuple[int, str]]) -> bytes:
    """Write version 2. All zero where a file's status would stand, git compares contents, once."""
    out = bytearray(struct.pack(">4sLL", b"DIRC", 2, len(files)))
    for path, (mode, oid) in sorted((path.encode(), entry) for path, entry in files.items()):
        entry = bytes(24) + struct.pack(">L", mode) + bytes(12) + bytes.fromhex(oid)
        entry += struct.pack(">H", min(len(path), 0xFFF)) + path
        out += entry + bytes(8 - len(entry) % 8)
    return bytes(out) + hashlib.sha1(out, usedforsecurity=False).digest()
