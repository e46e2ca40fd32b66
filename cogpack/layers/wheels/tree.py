"""A wheel's files at their places in the virtual environment (PyPA binary distribution format, "Installing a wheel").

purelib and platlib are one directory, `lib/python/site-packages`. The real directory names no Python minor, so that
one layer serves them all; `lib/pythonX.Y/site-packages` is a link to it, of the same depth, or rpaths and RECORD's
relative paths would break.

As pip does it, but: INSTALLER says cogpack; headers go to `include/site/<distribution>`; compiled files are left out;
REQUESTED and direct_url.json are never written, because the layer must not depend on who asked for the wheel.
"""

import base64
import csv
import hashlib
import io
import posixpath
from collections.abc import Iterable

from installer.records import InvalidRecordEntry, parse_record_file
from installer.utils import parse_metadata_file

from cogpack.layers.content import BLOCK, Bytes, Content, LocalFile
from cogpack.layers.entry import File
from cogpack.layers.wheels.archive import read_members
from cogpack.layers.wheels.member import ZipContent
from cogpack.layers.wheels.places import Places, is_executable
from cogpack.layers.wheels.venv import PYTHON, SITE

_INSTALLER = b"cogpack\n"

_RECORD_LIMIT = 64 * 1024 * 1024
METADATA_LIMIT = 4 * 1024 * 1024
"""Bytes of METADATA, WHEEL and entry_points.txt, each."""

_SCRIPT_LIMIT = 16 * 1024 * 1024


def wheel_files(wheel: LocalFile, filename: str) -> list[File]:
    """The files that installing `wheel` gives. `filename` is its real name (PEP 427), for the errors too.

    `InputError` for a wheel that is damaged, hostile or not of format version 1.
    """
    return _Wheel(wheel, filename).files()


class _Wheel:
    def __init__(self, wheel: LocalFile, filename: str) -> None:
        self._contents = {
            member.name: ZipContent(wheel, filename, member) for member in read_members(wheel, where=filename)
        }
        self._places = Places(filename, self._contents)
        self._refuse = self._places.refuse
        self._dist_info = self._places.dist_info
        self._found: dict[str, File] = {}
        self._recorded: list[tuple[str, str, str]] = []

    def _text(self, name: str, limit: int) -> str:
        content = self._contents.get(f"{self._dist_info}/{name}")
        if content is None:
            self._refuse(f"it has no {self._dist_info}/{name}")
        try:
            return content.read(limit).decode()
        except UnicodeDecodeError:
            self._refuse(f"{self._dist_info}/{name} is not UTF-8")

    def files(self) -> list[File]:
        self._check_version()
        rows = self._rows()
        scripts: list[tuple[str, Bytes]] = []
        if f"{self._dist_info}/entry_points.txt" in self._contents:
            scripts += self._places.launchers(self._text("entry_points.txt", METADATA_LIMIT))
        for path, launcher in scripts:
            self._add(path, launcher, executable=True)
        generated = {path for path, _ in scripts}
        for name, content in self._contents.items():
            if not self._places.is_installed(name):
                continue
            path, scheme = self._places.place(name)
            if path in generated:  # brought beside the entry point it was made from; pip prefers its own, too
                continue
            placed = self._with_interpreter(content) if scheme == "scripts" else content
            row = rows.get(name) if placed is content else None
            self._add(path, placed, executable=scheme == "scripts" or is_executable(content.member.mode), row=row)
        record = f"{SITE}/{self._dist_info}/RECORD"
        self._add(f"{SITE}/{self._dist_info}/INSTALLER", Bytes(_INSTALLER))
        self._recorded.append((_relative(record), "", ""))
        self._found[record] = File(record, Bytes(_encode(self._recorded)))
        return list(self._found.values())

    def _check_version(self) -> None:
        version = str(parse_metadata_file(self._text("WHEEL", METADATA_LIMIT)).get("Wheel-Version", ""))
        if version.partition(".")[0].strip() != "1":
            self._refuse(f"wheel format version {version!r:.40}, cogpack reads 1.x")
        self._text("METADATA", METADATA_LIMIT)

    def _rows(self) -> dict[str, tuple[str, str]]:
        """RECORD: (hash, size) by path in the wheel.

        A row that is wrong of the size was made from other bytes (torch 1.11 and 1.12 have such METADATA): size and
        hash are then those of the file itself, which the archive's own sha256 and the zip's CRC vouch for.
        """
        try:
            lines = (line for line in io.StringIO(self._text("RECORD", _RECORD_LIMIT)) if line.strip())
            rows: dict[str, tuple[str, str]] = {row[0]: row[1:] for row in parse_record_file(lines)}
        except (InvalidRecordEntry, csv.Error) as error:
            self._refuse(f"its RECORD can't be read: {error!s:.200}")
        for path, (_, size) in rows.items():
            content = self._contents.get(path)
            if size and content is not None and size != str(content.size):
                rows[path] = _true_row(content)
        return rows

    def _with_interpreter(self, content: ZipContent) -> Content:
        """A script of the wheel with `#!python` made real; anything else is left where it lies."""
        with content.open() as stream:
            if stream.read(8) != b"#!python":
                return content
        _, _, body = content.read(_SCRIPT_LIMIT).partition(b"\n")
        return Bytes(f"#!{PYTHON}\n".encode() + body)

    def _add(
        self, path: str, content: Content, *, executable: bool = False, row: tuple[str, str] | None = None
    ) -> None:
        """`row`: hash and size as RECORD has them; contents of ours are hashed, others that it lacks stay without."""
        if path in self._found:
            self._refuse(f"two of its files are /{path}")
        self._found[path] = File(path, content, mode=0o755 if executable else 0o644)
        if isinstance(content, Bytes):
            row = _true_row(content)
        self._recorded.append((_relative(path), *(row or ("", ""))))


def _true_row(content: Content) -> tuple[str, str]:
    """Hash and size of `content`, as RECORD has them."""
    digest = hashlib.sha256()
    with content.open() as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return f"sha256={base64.urlsafe_b64encode(digest.digest()).decode().rstrip('=')}", str(content.size)


def _relative(path: str) -> str:
    """As RECORD names it: from the site directory."""
    return path.removeprefix(f"{SITE}/") if path.startswith(f"{SITE}/") else posixpath.relpath(path, SITE)


def _encode(rows: Iterable[tuple[str, str, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()
