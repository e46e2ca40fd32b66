"""A wheel that was built becomes the same bytes wherever its files are the same: sorted, of one date, stored as they
are, under a RECORD of ours. So neither a backend's way to zip nor a version of zlib decides what a lock pins."""

import csv
import io
import struct
from collections.abc import Iterator, Sequence
from email.parser import Parser

import msgspec
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from cogpack import inflate
from cogpack.errors import InputError
from cogpack.layers.content import Bytes, Content, LocalFile
from cogpack.layers.tar import read
from cogpack.layers.wheels.placing import is_executable, is_installed, open_wheel, true_row
from cogpack.layers.wheels.wheel import Wheel
from cogpack.layers.wheels.zipped import ZipContent
from cogpack.locking.wheels.building import Source
from cogpack.planning.building.job import LARGEST
from cogpack.resolve.wheels.target import TargetPython

_LIMIT, _MOST = LARGEST, 2**16 - 1
"""Bytes and members of a zip archive without zip64."""
_DATE = (1980 - 1980) << 9 | 1 << 5 | 1
"""1980-01-01, as MS-DOS has it (APPNOTE 4.4.6)."""
_MADE_BY_UNIX = 3 << 8 | 20
_NEEDED = 20
_UTF8 = 0x800
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_ELF = b"\x7fELF"


class _Member(msgspec.Struct, frozen=True):
    name: str
    content: Content
    executable: bool


def canonical(file: LocalFile, filename: str, source: Source, target: TargetPython, *, pure: bool) -> Iterator[bytes]:
    """Check the wheel `file`, which a backend named so, and give its bytes as they are kept.

    `pure`: it was not built over the image's tree, and may have no machine code. `InputError` for a wheel that is
    damaged or unsafe, of another project or version than `source` is, or not for `target`.
    """
    wheel, contents = open_wheel(file, filename)
    _check_identity(wheel, filename, source)
    tags = parse_wheel_filename(filename)[3]
    if not tags & target.tags().keys():
        wheel.refuse(f"it is for none of what Python {target.python} on {target.machine} takes")
    kept = [
        _Member(name, content, is_executable(content.member.mode))
        for name, content in contents.items()
        if is_installed(wheel, name)
    ]
    if pure and {tag.platform for tag in tags} != {"any"}:
        raise _compiled(source, f"its wheel, {filename}, is for one platform")
    if pure and (found := next((one.name for one in kept if _is_compiled(one)), None)):
        raise _compiled(source, f"{found} of its wheel is machine code")
    record = f"{wheel.dist_info}/RECORD"
    members = sorted(kept, key=lambda one: (one.name.startswith(f"{wheel.dist_info}/"), one.name))
    members.append(_Member(record, Bytes(_record(members, record)), executable=False))
    size = sum(one.content.size + 2 * len(one.name.encode()) + _LOCAL.size + _CENTRAL.size for one in members)
    if size + _END.size > _LIMIT or len(members) > _MOST:
        wheel.refuse(f"it has {size} bytes in {len(members)} files; a zip archive may have {_LIMIT} in {_MOST}")
    return _zipped(members)


def _check_identity(wheel: Wheel, filename: str, source: Source) -> None:
    metadata = Parser().parsestr(wheel.metadata(), headersonly=True)
    name, version = str(metadata.get("Name", "")), str(metadata.get("Version", ""))
    try:
        _, named, _, _ = parse_wheel_filename(filename)
        found = Version(version)
    except InvalidVersion:
        wheel.refuse(f"its METADATA says version {version!r:.100}")
    if canonicalize_name(name) != wheel.project or found != named:
        wheel.refuse(f"its METADATA is of {name:.100} {version:.100}")
    if source.name and canonicalize_name(source.name) != wheel.project:
        raise _another(source, f"{wheel.project} {found}")
    if source.version and Version(source.version) != found:
        raise _another(source, f"{wheel.project} {found}")


def _another(source: Source, found: str) -> InputError:
    wanted = f"{source.name} {source.version}".strip()
    return InputError(
        f"{source.title}: its source builds {found}, expected {wanted}",
        next_step="name it as its source does, or pin another version",
    )


def _is_compiled(member: _Member) -> bool:
    with member.content.open() as stream:
        return stream.read(len(_ELF)) == _ELF


def _compiled(source: Source, what: str) -> InputError:
    return InputError(
        f"{source.title}: {what}, and this machine is not the image's",
        next_step="build it where commands can be run over the image's files, or pin a version that has a wheel",
    )


def _record(members: Sequence[_Member], record: str) -> bytes:
    text = io.StringIO(newline="")
    rows = [(one.name, *true_row(one.content)) for one in members]
    csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
    return text.getvalue().encode()


def _zipped(members: Sequence[_Member]) -> Iterator[bytes]:
    """Give a zip archive (APPNOTE 6.3) of `members`, in their order, none of them compressed."""
    directory: list[bytes] = []
    offset = 0
    for one in members:
        name = one.name.encode()
        flags = 0 if one.name.isascii() else _UTF8
        size, crc32 = one.content.size, _crc32(one.content)
        common = (flags, 0, 0, _DATE, crc32, size, size, len(name), 0)
        mode = 0o100755 if one.executable else 0o100644
        directory.append(_CENTRAL.pack(b"PK\1\2", _MADE_BY_UNIX, _NEEDED, *common, 0, 0, 0, mode << 16, offset) + name)
        yield (header := _LOCAL.pack(b"PK\3\4", _NEEDED, *common) + name)
        yield from read(one.content)
        offset += len(header) + size
    listing = b"".join(directory)
    yield listing
    yield _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(listing), offset, 0)


def _crc32(content: Content) -> int:
    if isinstance(content, ZipContent):
        return content.member.crc32
    crc32 = 0
    for block in read(content):
        crc32 = inflate.crc32(block, crc32)
    return crc32
