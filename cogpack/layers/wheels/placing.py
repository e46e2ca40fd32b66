"""Where a wheel's files go in the virtual environment (PyPA binary distribution format, "Installing a wheel").

purelib and platlib are one directory, `lib/python/site-packages`. The real directory names no Python minor, so that
one layer serves them all; `lib/pythonX.Y/site-packages` is a link to it, of the same depth, or rpaths and RECORD's
relative paths would break.

As pip does it, but: INSTALLER says cogpack; headers go to `include/site/<distribution>`; compiled files are left out;
REQUESTED is never written, and direct_url.json only of a wheel that was built of what a requirement names by its
place, because the layer of any other must not depend on who asked for the wheel.
"""

import base64
import csv
import hashlib
import io
import posixpath
import stat
from collections.abc import Iterable, Iterator
from functools import partial

from cogpack.layers.content import Bytes, Content, LocalFile
from cogpack.layers.entry import File
from cogpack.layers.tar import read
from cogpack.layers.wheels.archive import read_members
from cogpack.layers.wheels.venv import PYTHON, SITE, real_path
from cogpack.layers.wheels.wheel import Wheel
from cogpack.layers.wheels.zipped import ZipContent

_INSTALLER = b"cogpack\n"

_LAUNCHER = f"""#!{PYTHON}
import sys

from {{module}} import {{first}}

if __name__ == "__main__":
    sys.exit({{attribute}}())
"""

_NOT_INSTALLED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"})
_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})
_SCRIPT_LIMIT = 16 * 1024 * 1024


def wheel_files(file: LocalFile, filename: str, direct_url: bytes = b"") -> list[File]:
    """Give the files that installing the wheel `file` makes. `filename` is its real name (PEP 427), for errors too;
    `direct_url`: what its `direct_url.json` says, b"" for none.

    `InputError` for a wheel that is damaged, hostile or not of format version 1.
    """
    return _Placing(*open_wheel(file, filename)).files(direct_url)


def open_wheel(file: LocalFile, filename: str) -> tuple[Wheel, dict[str, ZipContent]]:
    """Give what the wheel `file` says of itself, and its files by their names."""
    contents = {member.name: ZipContent(file, filename, member) for member in read_members(file, where=filename)}
    wheel = Wheel(filename, contents.keys(), lambda name, limit: contents[name].read(limit))
    wheel.check()
    return wheel, contents


def is_installed(wheel: Wheel, name: str) -> bool:
    """Tell whether a file of the wheel is to be seen in the environment."""
    directory, _, base = name.rpartition("/")
    if directory == wheel.dist_info and base in _NOT_INSTALLED:
        return False
    return "__pycache__" not in name.split("/")


def places(wheel: Wheel, names: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Give name, path in the image and scheme of each file of the wheel that is to be seen there.

    Of two at one path it is that of `.data`, which pip and uv lay after what is beside it.
    """
    found: dict[str, tuple[str, str, str]] = {}
    for name in sorted(filter(partial(is_installed, wheel), names), key=lambda name: wheel.data_of(name) is not None):
        path, scheme = place(wheel, name)
        found[path] = name, path, scheme
    yield from found.values()


def place(wheel: Wheel, name: str) -> tuple[str, str]:
    """Give (path in the image, scheme) of a file of the wheel."""
    below = wheel.data_of(name)
    if below is None:
        return f"{SITE}/{name}", "purelib"
    scheme, _, rest = below.partition("/")
    if scheme not in _SCHEMES or not rest:
        wheel.refuse(f"{name}: expected NAME-VERSION.data/SCHEME/FILE, SCHEME one of {', '.join(sorted(_SCHEMES))}")
    if scheme in ("purelib", "platlib"):
        return f"{SITE}/{rest}", scheme
    # The file name's own spelling: pip takes it for the directory of headers as well.
    directories = {"scripts": "bin", "headers": f"include/site/{wheel.distribution}", "data": "."}
    path = real_path(posixpath.normpath(f"{directories[scheme]}/{rest}"))
    if path is None:
        wheel.refuse(f"{name} would replace a part of the virtual environment")
    return path, scheme


def launchers(wheel: Wheel) -> Iterator[tuple[str, Bytes]]:
    """Give path and content of each script that the wheel's entry points ask for; of two of one name the last."""
    for name, (module, attribute) in wheel.entry_points().items():
        path = real_path(f"bin/{name}")
        if name in ("", ".", "..") or "/" in name or name.startswith(".wh.") or not name.isprintable() or not path:
            wheel.refuse(f"{name!r:.100} is no name for a script")
        first = attribute.partition(".")[0]
        yield path, Bytes(_LAUNCHER.format(module=module, first=first, attribute=attribute).encode())


class _Placing:
    """Puts the files of one wheel in their places, and makes the RECORD of them."""

    def __init__(self, wheel: Wheel, contents: dict[str, ZipContent]) -> None:
        self._wheel = wheel
        self._contents = contents
        self._found: dict[str, File] = {}
        self._recorded: list[tuple[str, str, str]] = []

    def files(self, direct_url: bytes) -> list[File]:
        rows = self._rows()
        scripts = list(launchers(self._wheel))
        for path, launcher in scripts:
            self._add(path, launcher, executable=True)
        generated = {path for path, _ in scripts}
        for name, path, scheme in places(self._wheel, self._contents):
            if path in generated:  # brought beside the entry point it was made from; pip prefers its own, too
                continue
            content = self._contents[name]
            placed = _with_interpreter(content) if scheme == "scripts" else content
            row = rows.get(name) if placed is content else None
            self._add(path, placed, executable=scheme == "scripts" or is_executable(content.member.mode), row=row)
        record = f"{SITE}/{self._wheel.dist_info}/RECORD"
        self._add(f"{SITE}/{self._wheel.dist_info}/INSTALLER", Bytes(_INSTALLER))
        if direct_url:
            self._add(f"{SITE}/{self._wheel.dist_info}/direct_url.json", Bytes(direct_url))
        self._recorded.append((_relative(record), "", ""))
        self._found[record] = File(record, Bytes(_encode(self._recorded)))
        return list(self._found.values())

    def _rows(self) -> dict[str, tuple[str, str]]:
        """Read the wheel's RECORD, and make it true.

        A row that is wrong of the size was made from other bytes (torch 1.11 and 1.12 have such METADATA): size and
        hash are then those of the file itself, which the archive's own sha256 and the zip's CRC vouch for.
        """
        rows = self._wheel.record()
        for path, (_, size) in rows.items():
            content = self._contents.get(path)
            if size and content is not None and size != str(content.size):
                rows[path] = true_row(content)
        return rows

    def _add(
        self, path: str, content: Content, *, executable: bool = False, row: tuple[str, str] | None = None
    ) -> None:
        """Put `content` at `path`. `row`: hash and size as RECORD has them; contents of ours are hashed, others that it
        lacks stay without."""
        if path in self._found:
            self._wheel.refuse(f"two of its files are /{path}")
        self._found[path] = File(path, content, mode=0o755 if executable else 0o644)
        if isinstance(content, Bytes):
            row = true_row(content)
        self._recorded.append((_relative(path), *(row or ("", ""))))


def _with_interpreter(content: ZipContent) -> Content:
    """Make `#!python` of a script of the wheel real; leave anything else where it lies."""
    with content.open() as stream:
        if stream.read(8) != b"#!python":
            return content
    _, _, body = content.read(_SCRIPT_LIMIT).partition(b"\n")
    return Bytes(f"#!{PYTHON}\n".encode() + body)


def is_executable(mode: int) -> bool:
    """Tell it as pip does: a mode without a file type says nothing, and that of a link is none of the file's."""
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def true_row(content: Content) -> tuple[str, str]:
    """Give hash and size of `content`, as RECORD has them."""
    digest = hashlib.sha256()
    for block in read(content):
        digest.update(block)
    return f"sha256={base64.urlsafe_b64encode(digest.digest()).decode().rstrip('=')}", str(content.size)


def _relative(path: str) -> str:
    """Give a path as RECORD names it: from the site directory."""
    return path.removeprefix(f"{SITE}/") if path.startswith(f"{SITE}/") else posixpath.relpath(path, SITE)


def _encode(rows: Iterable[tuple[str, str, str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()
