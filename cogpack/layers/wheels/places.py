"""Where the files of a wheel go (PyPA binary distribution format, "Installing a wheel"): names in, paths out.

purelib and platlib are one directory, `lib/python/site-packages`, which names no Python minor.
"""

import configparser
import posixpath
import stat
from collections.abc import Iterable, Iterator
from typing import NoReturn

from installer.utils import parse_entrypoints
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cogpack.errors import InputError
from cogpack.layers.content import Bytes
from cogpack.layers.wheels.venv import PYTHON, SITE, real_path

_LAUNCHER = f"""#!{PYTHON}
import sys

from {{module}} import {{first}}

if __name__ == "__main__":
    sys.exit({{attribute}}())
"""

_NOT_INSTALLED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json"})
_SCHEMES = frozenset({"purelib", "platlib", "headers", "scripts", "data"})


class Places:
    """Of one wheel, from its file name and the names in it.

    `project`: its normalised name; `dist_info`: the directory of its metadata. `InputError` for names that make no
    wheel.
    """

    def __init__(self, filename: str, names: Iterable[str]) -> None:
        self._filename = filename
        try:
            self.project, _, _, _ = parse_wheel_filename(filename)
        except InvalidWheelFilename as error:
            raise InputError(f"{filename}: {error}", next_step="give the wheel its real name") from error
        self.dist_info = self._find_dist_info(names)
        # The file name's own spelling: pip takes it for the directory of headers as well.
        self._distribution = filename.partition("-")[0]

    def refuse(self, problem: str) -> NoReturn:
        raise InputError(f"{self._filename}: {problem}", next_step="this wheel can't be installed: choose another one")

    def _find_dist_info(self, names: Iterable[str]) -> str:
        tops = {name.partition("/")[0] for name in names}
        found = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(found) != 1:
            self.refuse(f"expected one .dist-info directory, found {', '.join(found) or 'none'}")
        if canonicalize_name(found[0].partition("-")[0].removesuffix(".dist-info")) != self.project:
            self.refuse(f"{found[0]} belongs to another project")
        return found[0]

    def is_installed(self, name: str) -> bool:
        directory, _, base = name.rpartition("/")
        if directory == self.dist_info and base in _NOT_INSTALLED:
            return False
        return "__pycache__" not in name.split("/")

    def place(self, name: str) -> tuple[str, str]:
        """(path in the image, scheme) of a file of the wheel."""
        top, _, rest = name.partition("/")
        if not rest or not top.endswith(".data"):
            return f"{SITE}/{name}", "purelib"
        scheme, _, rest = rest.partition("/")
        if not self._is_own(top.removesuffix(".data")) or scheme not in _SCHEMES or not rest:
            self.refuse(f"{name}: expected NAME-VERSION.data/SCHEME/FILE, SCHEME one of {', '.join(sorted(_SCHEMES))}")
        if scheme in ("purelib", "platlib"):
            return f"{SITE}/{rest}", scheme
        places = {"scripts": "bin", "headers": f"include/site/{self._distribution}", "data": "."}
        path = real_path(posixpath.normpath(f"{places[scheme]}/{rest}"))
        if path is None:
            self.refuse(f"{name} would replace a part of the virtual environment")
        return path, scheme

    def _is_own(self, stem: str) -> bool:
        """Whether `stem` names this project, with a version or, as maturin wrote it, without, in any spelling."""
        names = (stem, stem.partition("-")[0], stem.rpartition("-")[0])
        return self.project in {canonicalize_name(name) for name in names}

    def launchers(self, entry_points: str) -> Iterator[tuple[str, Bytes]]:
        """Path and content of each script that the text of `entry_points.txt` asks for."""
        try:
            found = list(parse_entrypoints(entry_points))
        except (configparser.Error, AssertionError, AttributeError) as error:
            self.refuse(f"its entry_points.txt can't be read: {error!s:.200}")
        for name, module, attribute, _ in found:
            path = real_path(f"bin/{name}")
            if name in ("", ".", "..") or "/" in name or name.startswith(".wh.") or not name.isprintable() or not path:
                self.refuse(f"{name!r:.100} is no name for a script")
            first = attribute.partition(".")[0]
            yield path, Bytes(_LAUNCHER.format(module=module, first=first, attribute=attribute).encode())


def is_executable(mode: int) -> bool:
    """As pip has it: a mode without a file type says nothing, and that of a link is none of the file's."""
    return stat.S_ISREG(mode) and bool(mode & 0o111)
