"""A wheel's files at their places in the virtual environment (PyPA binary distribution format, "Installing a wheel").

purelib and platlib are one directory, `lib/python/site-packages`. The real directory names no Python minor, so that
one layer serves them all; `lib/pythonX.Y/site-packages` is a link to it, of the same depth, or rpaths and RECORD's
relative paths would break.

As pip does it, but: INSTALLER says cogpack; headers go to `include/site/<distribution>`; compiled files are left out;
REQUESTED and direct_url.json are never written, because the layer must not depend on who asked for the wheel.
"""

import base64
import configparser
import csv
import hashlib
import io
import posixpath
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from installer.records import InvalidRecordEntry, parse_record_file
from installer.utils import parse_entrypoints, parse_metadata_file
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cogpack.errors import InputError
from cogpack.layers.content import Bytes, Content
from cogpack.layers.entry import File
from cogpack.layers.wheels.archive import Member, read_members
from cogpack.layers.wheels.content import ZipContent
from cogpack.layers.wheels.venv import PYTHON, SITE, real_path

_INSTALLER = b"cogpack\n"
_LAUNCHER = f"""#!{PYTHON}
import sys

from {{module}} import {{first}}

if __name__ == "__main__":
    sys.exit({{attribute}}())
"""

_RECORD_LIMIT = 64 * 1024 * 1024
_METADATA_LIMIT = 4 * 1024 * 1024
_SCRIPT_LIMIT = 16 * 1024 * 1024
_NOT_INSTALLED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"})
_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})


def wheel_files(path: Path, filename: str) -> list[File]:
    """The files that installing the wheel at `path` gives. `filename` is its real name (PEP 427), for the errors too.

    `InputError` for a wheel that is damaged, hostile or not of format version 1.
    """
    return _Wheel(path, filename).files()


class _Wheel:
    def __init__(self, path: Path, filename: str) -> None:
        self._filename = filename
        try:
            name, _, _, _ = parse_wheel_filename(filename)
        except InvalidWheelFilename as error:
            raise InputError(f"{filename}: {error}", next_step="give the wheel its real name") from error
        self._contents = {
            member.name: ZipContent(path, filename, member) for member in read_members(path, where=filename)
        }
        self._dist_info = self._find_dist_info(name)
        # The file name's own spelling: pip takes it for the directory of headers as well.
        self._distribution = filename.partition("-")[0]
        self._found: dict[str, File] = {}
        self._recorded: list[tuple[str, str, str]] = []

    def _refuse(self, problem: str) -> NoReturn:
        raise InputError(f"{self._filename}: {problem}", next_step="this wheel can't be installed: choose another one")

    def _find_dist_info(self, name: str) -> str:
        tops = {member.partition("/")[0] for member in self._contents}
        found = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(found) != 1:
            self._refuse(f"expected one .dist-info directory, found {', '.join(found) or 'none'}")
        if canonicalize_name(found[0].partition("-")[0].removesuffix(".dist-info")) != name:
            self._refuse(f"{found[0]} belongs to another project")
        return found[0]

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
        scripts = list(self._entry_points())
        for path, content in scripts:
            self._add(path, content, executable=True)
        generated = {path for path, _ in scripts}
        for name, content in self._contents.items():
            if not self._is_installed(name):
                continue
            path, scheme = self._place(name)
            if path in generated:  # brought beside the entry point it was made from; pip prefers its own, too
                continue
            placed = self._with_interpreter(content) if scheme == "scripts" else content
            row = rows.get(name) if placed is content else None
            self._add(path, placed, executable=scheme == "scripts" or _is_executable(content.member), row=row)
        record = f"{SITE}/{self._dist_info}/RECORD"
        self._add(f"{SITE}/{self._dist_info}/INSTALLER", Bytes(_INSTALLER))
        self._recorded.append((_relative(record), "", ""))
        self._found[record] = File(record, Bytes(_encode(self._recorded)))
        return list(self._found.values())

    def _check_version(self) -> None:
        version = str(parse_metadata_file(self._text("WHEEL", _METADATA_LIMIT)).get("Wheel-Version", ""))
        if version.partition(".")[0].strip() != "1":
            self._refuse(f"wheel format version {version!r:.40}, cogpack reads 1.x")
        self._text("METADATA", _METADATA_LIMIT)

    def _rows(self) -> dict[str, tuple[str, str]]:
        """RECORD: (hash, size) by path in the wheel. What it says of sizes must be true."""
        try:
            lines = (line for line in io.StringIO(self._text("RECORD", _RECORD_LIMIT)) if line.strip())
            rows = {row[0]: row[1:] for row in parse_record_file(lines)}
        except (InvalidRecordEntry, csv.Error) as error:
            self._refuse(f"its RECORD can't be read: {error!s:.200}")
        for path, (_, size) in rows.items():
            content = self._contents.get(path)
            if size and content is not None and size != str(content.size):
                self._refuse(f"RECORD says that {path} has {size:.20} bytes, it has {content.size}")
        return rows

    def _entry_points(self) -> Iterator[tuple[str, Content]]:
        if f"{self._dist_info}/entry_points.txt" not in self._contents:
            return
        try:
            found = list(parse_entrypoints(self._text("entry_points.txt", _METADATA_LIMIT)))
        except (configparser.Error, AssertionError, AttributeError) as error:
            self._refuse(f"its entry_points.txt can't be read: {error!s:.200}")
        for name, module, attribute, _ in found:
            path = real_path(f"bin/{name}")
            if name in ("", ".", "..") or "/" in name or name.startswith(".wh.") or not name.isprintable() or not path:
                self._refuse(f"{name!r:.100} is no name for a script")
            first = attribute.partition(".")[0]
            yield path, Bytes(_LAUNCHER.format(module=module, first=first, attribute=attribute).encode())

    def _is_installed(self, name: str) -> bool:
        directory, _, base = name.rpartition("/")
        if directory == self._dist_info and base in _NOT_INSTALLED:
            return False
        return "__pycache__" not in name.split("/")

    def _place(self, name: str) -> tuple[str, str]:
        """(path in the image, scheme) of a file of the wheel."""
        top, _, rest = name.partition("/")
        if not rest or not top.endswith(".data"):
            return f"{SITE}/{name}", "purelib"
        scheme, _, rest = rest.partition("/")
        if top != f"{self._dist_info.removesuffix('.dist-info')}.data" or scheme not in _SCHEMES or not rest:
            self._refuse(f"{name}: expected NAME-VERSION.data/SCHEME/FILE, SCHEME one of {', '.join(sorted(_SCHEMES))}")
        if scheme in ("purelib", "platlib"):
            return f"{SITE}/{rest}", scheme
        places = {"scripts": "bin", "headers": f"include/site/{self._distribution}", "data": "."}
        path = real_path(posixpath.normpath(f"{places[scheme]}/{rest}"))
        if path is None:
            self._refuse(f"{name} would replace a part of the virtual environment")
        return path, scheme

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
            digest = base64.urlsafe_b64encode(hashlib.sha256(content.data).digest()).decode().rstrip("=")
            row = (f"sha256={digest}", str(content.size))
        self._recorded.append((_relative(path), *(row or ("", ""))))


def _is_executable(member: Member) -> bool:
    """As pip has it: a mode without a file type says nothing."""
    return stat.S_ISREG(member.mode) and bool(member.mode & 0o111)


def _relative(path: str) -> str:
    """As RECORD names it: from the site directory."""
    return path.removeprefix(f"{SITE}/") if path.startswith(f"{SITE}/") else posixpath.relpath(path, SITE)


def _encode(rows: Iterable[tuple[str, str, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()
