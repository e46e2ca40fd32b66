"""Wheels to entries, as an installer would spread them (PyPA "Binary distribution format", "Recording installs").

RECORD's own hashes are kept and not computed again: the whole wheel was verified by its sha256, and each file's size
and CRC are checked as it is read.
"""

import base64
import configparser
import csv
import hashlib
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
from blake3 import blake3
from installer.scripts import Script
from installer.utils import parse_entrypoints, parse_metadata_file
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from cogpack.errors import InputError
from cogpack.layers.entry import Bytes, Entry, File
from cogpack.layers.wheels.archive import Member, read_members, read_small
from cogpack.layers.wheels.venv import INTERPRETER, SITE, VENV
from cogpack.oci import encode

_RECIPE = "wheels-1"
_SCRIPT_LIMIT = 16 * 1024 * 1024


class WheelFile(msgspec.Struct, frozen=True):
    """`sha256`: hex; `locate` gives the file, fetching it if need be: asked only when a layer is really built."""

    filename: str
    sha256: str
    locate: Callable[[], Path]

    @property
    def label(self) -> str:
        try:
            name, version, _, _ = parse_wheel_filename(self.filename)
        except InvalidWheelFilename:
            return self.filename
        return f"{name} {version}"


class WheelsSource:
    """The files of one or more wheels, in the virtual environment."""

    def __init__(self, wheels: Sequence[WheelFile]) -> None:
        self._wheels = sorted(wheels, key=lambda wheel: wheel.filename)
        single = len(wheels) == 1
        self.name = f"wheels: {self._wheels[0].label}" if single else f"wheels: {len(wheels)} small ones"

    def key(self) -> str:
        hashes = [wheel.sha256 for wheel in self._wheels]
        return blake3(encode([_RECIPE, VENV, sorted(hashes)])).hexdigest()

    def entries(self) -> Iterable[Entry]:
        return merge(self._wheels)


def merge(wheels: Iterable[WheelFile]) -> list[File]:
    """The files of all `wheels`; `InputError` when two hold different bytes for one path."""
    found: dict[str, tuple[File, WheelFile]] = {}
    for wheel in wheels:
        for file in _spread(wheel):
            other = found.setdefault(file.path, (file, wheel))
            if other[1] is not wheel and not _equal(other[0], file):
                raise _clash(file.path, other[1], wheel)
    return [file for file, _ in found.values()]


def _equal(one: File, other: File) -> bool:
    return one.mode == other.mode and _fingerprint(one) == _fingerprint(other)


def _fingerprint(file: File) -> tuple[int, int]:
    content = file.content
    if isinstance(content, Member):
        return content.size, content.crc32
    with content.open() as stream:
        return content.size, zlib.crc32(stream.read())


def _clash(path: str, one: WheelFile, other: WheelFile) -> InputError:
    return InputError(
        f"{one.filename} and {other.filename} both hold {path.removeprefix(SITE + '/')}, with different bytes",
        next_step="remove one of the two from the requirements",
    )


def _spread(wheel: WheelFile) -> Iterator[File]:
    """Every file of `wheel` at its place, with RECORD and INSTALLER written anew."""
    members = {member.name: member for member in read_members(wheel.locate)}
    info = _dist_info(wheel, members)
    data = info.removesuffix(".dist-info") + ".data/"
    _check_version(wheel, members, info)
    recorded = _recorded(wheel, members, info)
    record: list[tuple[str, str, str]] = []
    generated = {f"{info}/RECORD", f"{info}/INSTALLER", f"{info}/REQUESTED", f"{info}/direct_url.json"}
    signatures = {f"{info}/RECORD.jws", f"{info}/RECORD.p7s"}
    for member in members.values():
        if member.name in generated or member.name in signatures or "__pycache__" in member.name.split("/"):
            continue
        if member.name not in recorded:
            raise _bad(wheel, f"{member.name!r:.200} is not in its RECORD")
        path, script = _place(wheel, member.name, data, info)
        if script and (content := _shebang(member)) is not None:
            yield File(path, Bytes(content), mode=0o755)
            record.append(_row(path, _hash(content), len(content)))
        else:
            yield File(path, member, mode=0o755 if script or member.executable else 0o644)
            record.append(_row(path, recorded[member.name], member.size))
    for script_file, body in _entry_points(wheel, members, info):
        path = f"{VENV}/bin/{script_file}"
        yield File(path, Bytes(body), mode=0o755)
        record.append(_row(path, _hash(body), len(body)))
    installer = b"cogpack\n"
    yield File(f"{SITE}/{info}/INSTALLER", Bytes(installer))
    record.append(_row(f"{SITE}/{info}/INSTALLER", _hash(installer), len(installer)))
    text = io.StringIO()
    rows = [*sorted(record), (f"{info}/RECORD", "", "")]
    csv.writer(text, lineterminator="\n").writerows(rows)
    yield File(f"{SITE}/{info}/RECORD", Bytes(text.getvalue().encode()))


def _row(path: str, digest: str, size: int) -> tuple[str, str, str]:
    """Paths are relative to site-packages ("Recording installs", The RECORD file)."""
    if path.startswith(SITE + "/"):
        return path[len(SITE) + 1 :], digest, str(size)
    return "../../../" + path[len(VENV) + 1 :], digest, str(size)


def _hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _dist_info(wheel: WheelFile, members: dict[str, Member]) -> str:
    found = sorted({name.partition("/")[0] for name in members if re.match(r"[^/]+\.dist-info/", name)})
    if len(found) != 1:
        raise _bad(wheel, f"it has {len(found)} .dist-info directories, not one")
    return found[0]


def _metadata(wheel: WheelFile, members: dict[str, Member], name: str) -> str | None:
    if name not in members:
        return None
    try:
        return read_small(members[name]).decode()
    except UnicodeDecodeError:
        raise _bad(wheel, f"{name} is not UTF-8") from None


def _check_version(wheel: WheelFile, members: dict[str, Member], info: str) -> None:
    text = _metadata(wheel, members, f"{info}/WHEEL")
    version = parse_metadata_file(text).get("Wheel-Version", "") if text is not None else ""
    if not version.startswith("1."):
        raise _bad(wheel, f"Wheel-Version {version or 'missing'}; 1.x is known")


def _recorded(wheel: WheelFile, members: dict[str, Member], info: str) -> dict[str, str]:
    """path -> hash as RECORD writes it."""
    text = _metadata(wheel, members, f"{info}/RECORD")
    if text is None:
        raise _bad(wheel, "it has no RECORD")
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise _bad(wheel, f"its RECORD is damaged: {error}") from error
    if any(len(row) < 2 for row in rows):
        raise _bad(wheel, "its RECORD has a row without a hash column")
    return {row[0]: row[1] for row in rows}


def _place(wheel: WheelFile, name: str, data: str, info: str) -> tuple[str, bool]:
    """(path in the image, is a script) for a member ("The .data directory")."""
    if not name.startswith(data):
        return f"{SITE}/{name}", False
    scheme, _, rest = name[len(data) :].partition("/")
    if not rest:
        raise _bad(wheel, f"{name!r:.200} lies in no scheme of its .data directory")
    if scheme in ("purelib", "platlib"):
        return f"{SITE}/{rest}", False
    if scheme == "scripts":
        return f"{VENV}/bin/{rest}", True
    if scheme == "data":
        return f"{VENV}/{rest}", False
    if scheme == "headers":
        distribution = info.removesuffix(".dist-info").rpartition("-")[0]
        return f"{VENV}/include/site/{distribution}/{rest}", False
    raise _bad(wheel, f"{name!r:.200}: unknown scheme {scheme!r:.40}")


def _shebang(member: Member) -> bytes | None:
    """The script with its `#!python` line pointing to our interpreter; None where it has no such line."""
    with member.open() as stream:
        if not stream.read(8).startswith(b"#!python"):
            return None
    body = read_small(member, limit=_SCRIPT_LIMIT)
    _, newline, rest = body.partition(b"\n")
    return b"#!" + INTERPRETER.encode() + newline + rest


def _entry_points(wheel: WheelFile, members: dict[str, Member], info: str) -> Iterator[tuple[str, bytes]]:
    text = _metadata(wheel, members, f"{info}/entry_points.txt")
    if text is None:
        return
    try:
        found = sorted(parse_entrypoints(text))
    except (ValueError, AssertionError, configparser.Error) as error:
        raise _bad(wheel, f"its entry_points.txt is damaged: {error}") from error
    for name, module, attribute, section in found:
        if not re.fullmatch(r"[\w.+-]+", name) or name in (".", ".."):
            raise _bad(wheel, f"its entry_points.txt names a script {name!r:.100}")
        yield Script(name, module, attribute, section).generate(INTERPRETER, "posix")


def _bad(wheel: WheelFile, why: str) -> InputError:
    return InputError(f"{wheel.filename}: {why}", next_step="pin another version, or ask its publisher")
