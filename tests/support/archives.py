"""Layers of others, and of our own, to be laid."""

import io
import tarfile

from cogpack.layers.entry import Entry, complete
from cogpack.sandbox.capture.capture import CapturedSource
from cogpack.sandbox.trees.ahead import Archive
from cogpack.sandbox.trees.lay import Recipe


def member(
    path: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", link: str = "", **fields: int
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.size, info.mode = kind, link, len(data), fields.pop("mode", 0o755)
    for name, value in fields.items():
        setattr(info, name, value)
    return info, data


def archive(*members: tuple[tarfile.TarInfo, bytes], name: str = "layer") -> Archive:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as out:
        for info, data in members:
            out.addfile(info, io.BytesIO(data))
    return Archive(name, lambda: [buffer.getvalue()])


def recipe(*entries: Entry) -> Recipe:
    return Recipe(CapturedSource("recipe", complete(entries, {})))


def file(path: str, data: bytes = b"x", **fields: int) -> tuple[tarfile.TarInfo, bytes]:
    return member(path, data=data, **{"mode": 0o644, **fields})


def directory(path: str, **fields: int) -> tuple[tarfile.TarInfo, bytes]:
    return member(path, tarfile.DIRTYPE, **fields)


def symlink(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(path, tarfile.SYMTYPE, link=target)


def link(path: str, target: str, **fields: int) -> tuple[tarfile.TarInfo, bytes]:
    return member(path, tarfile.LNKTYPE, link=target, **{"mode": 0o644, **fields})
