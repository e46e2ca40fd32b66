"""The archive of an interpreter is read as a layer, and nothing of it is run.

It ends as uv leaves one that it installs, less what only uv reads; and without bytecode, which Python would not take
since no file here has the time that it was made for.
"""

import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path

from cogpack.decompress import decompressed
from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.layers.content import Bytes, LocalFile
from cogpack.layers.cpython.relocated import build_variables, package_description
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink
from cogpack.layers.spool import Once, Spool
from cogpack.oci import encode
from cogpack.sizes import BLOCK
from cogpack.untar import Member, Untar

_RECIPE = "cpython/1"
"""Part of the key: another whenever the same archive would give other entries."""

_TOP = "python/"
"""The directory that all of an archive lies in."""

_TEXT = 4 * 1024 * 1024
"""Bytes that a file may have which is changed; they have some tens of thousands."""

_MANAGED = b"""[externally-managed]
Error=This interpreter is a layer of the image, which others share. Use the environment in /opt/venv.
"""


class CPythonSource:
    """Gives the entries of the interpreter `version`, "3.12.16", at `prefix`, an absolute path.

    `sha256`: of its archive, which `archive` fetches; `spool`: a directory for a temporary file of its unpacked size.
    """

    def __init__(
        self,
        *,
        version: str,
        sha256: str,
        prefix: str,
        archive: Callable[[], LocalFile],
        spool: Path,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._version = version
        self._sha256 = sha256
        self._prefix = prefix
        self._archive = archive
        self._directory = spool
        self._check = check
        self.entries = Once(lambda: list(self._read()))

    @property
    def name(self) -> str:
        return f"python: CPython {self._version}"

    def key(self) -> str:
        return "cpython:" + sha256(encode([_RECIPE, self._sha256, self._prefix])).removeprefix("sha256:")

    def _read(self) -> Iterator[Entry]:
        archive, where = self._archive(), f"archive of CPython {self._version}"
        minor = self._version.rpartition(".")[0]
        library = f"lib/python{minor}"
        there: set[str] = set()
        spool = Spool(self._directory, self._check)
        with archive.open() as file:
            tar = Untar(decompressed(iter(lambda: file.read(BLOCK), b"")), where=where)
            for member in tar:
                path = _below_top(member, where)
                if not path or "__pycache__" in path.split("/"):
                    continue
                there.add(path)
                yield self._entry(member, path, library, tar, spool, where)
        for needed in (f"bin/python{minor}", f"{library}/os.py"):
            if needed not in there:
                raise _no_archive(where, f"it has no {_TOP}{needed}")
        if f"{library}/EXTERNALLY-MANAGED" not in there:
            yield File(self._at(f"{library}/EXTERNALLY-MANAGED"), Bytes(_MANAGED))
        for name in {"bin/python", "bin/python3"} - there:
            yield Symlink(self._at(name), f"python{minor}")

    def _at(self, path: str) -> str:
        return f"{self._prefix.strip('/')}/{path}"

    def _entry(self, member: Member, path: str, library: str, tar: Untar, spool: Spool, where: str) -> Entry:
        """Give its entry, with the owner and the modes that packages give to programs and other files."""
        mode = 0o755 if member.mode & 0o100 else 0o644
        match member.kind:
            case "directory":
                return Directory(self._at(path))
            case "symlink":
                return Symlink(self._at(path), _kept_inside(member, path, where))
            case "hardlink":
                return HardLink(self._at(path), self._at(_inside(member.target, where)), mode)
            case "file":
                change = self._change(path, library)
                if change is not None:
                    return File(self._at(path), Bytes(change(_text(member, tar, where)).encode()), mode)
                return File(self._at(path), spool.write(tar.content(), member.size), mode)
            case _:
                raise _no_archive(where, f"{member.path} is a {member.kind}")

    def _change(self, path: str, library: str) -> Callable[[str], str] | None:
        """Say what becomes of a file that names the place which the archive was built for."""
        directory, _, name = path.rpartition("/")
        if directory == library and name.startswith("_sysconfigdata_") and name.endswith(".py"):
            return lambda text: build_variables(text, self._prefix, where=name)
        if directory == "lib/pkgconfig" and name.endswith(".pc"):
            return package_description
        return None


def _below_top(member: Member, where: str) -> str:
    """Tell the path in the prefix; "" of the prefix itself."""
    return "" if member.kind == "directory" and f"{member.path}/" == _TOP else _inside(member.path, where)


def _inside(path: str, where: str) -> str:
    if not path.startswith(_TOP):
        raise _no_archive(where, f"{path!r:.200} is not in {_TOP}")
    return path.removeprefix(_TOP)


def _kept_inside(member: Member, path: str, where: str) -> str:
    """Give the target of a link, which must be in the prefix, too."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), member.link))
    if member.link.startswith("/") or target == ".." or target.startswith("../"):
        raise _no_archive(where, f"{member.path} is a link out of it, to {member.link!a:.200}")
    return member.link


def _text(member: Member, tar: Untar, where: str) -> str:
    if member.size > _TEXT:
        raise _no_archive(where, f"{member.path} has {member.size} bytes")
    try:
        return b"".join(tar.content()).decode()
    except UnicodeDecodeError:
        raise _no_archive(where, f"{member.path} is no UTF-8 text") from None


def _no_archive(where: str, why: str) -> InputError:
    return InputError(f"{where}: {why}", next_step="take an archive as python-build-standalone publishes them")
