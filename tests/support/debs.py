"""Small Debian packages and archives, made by hand so that they can also be made wrong."""

import gzip
import hashlib
import io
import lzma
import struct
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import zstandard

from cogpack.layers.content import LocalFile
from cogpack.layers.debs.deb.package import DebFile

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def member(
    path: str,
    data: bytes | str | None = None,
    *,
    mode: int = 0o644,
    uid: int = 0,
    gid: int = 0,
    link: str = "",
    kind: bytes | None = None,
) -> tuple[tarfile.TarInfo, bytes]:
    """A tar member: a file with data, a link with `link`, else a directory; `kind` for the unusual."""
    info = tarfile.TarInfo(path)
    info.mode, info.uid, info.gid = mode, uid, gid
    content = data.encode() if isinstance(data, str) else data or b""
    if kind is not None:
        info.type = kind
        info.linkname = link
    elif link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    elif data is None:
        info.type, info.mode = tarfile.DIRTYPE, mode | 0o111
    info.size = len(content)
    return info, content


def tar(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members:
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return out


def deb(
    name: str,
    *data: tuple[tarfile.TarInfo, bytes],
    version: str = "1",
    arch: str = "amd64",
    fields: Mapping[str, str] | None = None,
    control: Mapping[str, str] | None = None,
    packer: str = ".xz",
) -> bytes:
    """A whole .deb; `fields` of its control file, `control` the files beside that."""
    lines = {"Package": name, "Version": version, "Architecture": arch, "Maintainer": "A <a@example.org>"}
    text = "".join(f"{key}: {value}\n" for key, value in (lines | dict(fields or {})).items())
    files = [member("./control", text + "Description: test\n a longer text\n")]
    files += [member(f"./{kind}", body, mode=0o755) for kind, body in (control or {}).items()]
    return ar(
        [
            ("debian-binary", b"2.0\n"),
            (f"control.tar{packer}", PACKERS[packer](tar(files))),
            (f"data.tar{packer}", PACKERS[packer](tar(data))),
        ]
    )


def deb_file(directory: Path, name: str, data: bytes, *, version: str = "1", arch: str = "amd64") -> DebFile:
    path = directory / f"{name}_{version}.deb"
    path.write_bytes(data)
    return DebFile(
        name=name,
        version=version,
        arch=arch,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        locate=lambda: LocalFile.of(path),
    )


def stanza(name: str, version: str = "1", **fields: str) -> str:
    """A stanza of a package index; underscores in field names are dashes."""
    lines = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Filename": f"pool/{name}_{version}.deb",
        "Size": "1000",
        "SHA256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
    }
    lines |= {key.replace("_", "-"): value for key, value in fields.items()}
    return "".join(f"{key}: {value}\n" for key, value in lines.items()) + "\n"


def shared_object(soname: str | None, machine: int = 62) -> bytes:
    """The least that is an ELF shared object: a header, two program headers, a dynamic section, its strings."""
    strings = b"\0" + (soname or "").encode() + b"\0"
    dynamic_at = 64 + 2 * 56
    dynamic = struct.pack("<qQ", 5, dynamic_at + 64)
    if soname is not None:
        dynamic += struct.pack("<qQ", 14, 1)
    dynamic = dynamic.ljust(64, b"\0")
    size = dynamic_at + len(dynamic) + len(strings)
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, size, size, 4096)
    where = struct.pack("<IIQQQQQQ", 2, 4, dynamic_at, dynamic_at, dynamic_at, 64, 64, 8)
    return header + load + where + dynamic + strings


def narrow_object(soname: str) -> bytes:
    """The same of i386, with 32 bits."""
    strings = b"\0" + soname.encode() + b"\0"
    at = 52 + 2 * 32
    dynamic = struct.pack("<6I", 5, at + 24, 14, 1, 0, 0)
    size = at + len(dynamic) + len(strings)
    header = struct.pack("<4sBBBB8xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 3, 3, 1, 0, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    load = struct.pack("<8I", 1, 0, 0, 0, size, size, 4, 4096)
    where = struct.pack("<8I", 2, at, at, at, len(dynamic), len(dynamic), 4, 4)
    return header + load + where + dynamic + strings
