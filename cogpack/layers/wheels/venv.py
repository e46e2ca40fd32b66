"""The virtual environment that wheels live in (PEP 405), written by hand: no Python runs to make it."""

from collections.abc import Collection, Iterable, Sequence

from cogpack.digest import sha256
from cogpack.layers.content import Bytes
from cogpack.layers.entry import Directory, Entry, File, Symlink
from cogpack.oci import encode
from cogpack.patterns import pattern
from cogpack.runtime.contract import PROBE, VENV, probe_program

SITE = f"{VENV}/lib/python/site-packages"
"""The real site directory. `lib/pythonX.Y/site-packages` is a link to it, of the same depth."""

PYTHON = f"/{VENV}/bin/python3"

LAUNCHER = f'#!/bin/sh\nexec {PYTHON} "$@"\n'
"""Starts it from elsewhere: of a link, Python would look for `pyvenv.cfg` beside the link."""

_CONFIG = f"{VENV}/pyvenv.cfg"

_RECIPE = "venv/2"
"""Part of the key: another one whenever the same arguments would give other entries."""

_LIB64 = pattern(r"^lib64(?=/|$)")
_VERSIONED_SITE = pattern(r"^lib/python\d+\.\d+/site-packages(?=/|$)")
_OWN = pattern(
    r"bin|lib|lib/python(\d+\.\d+)?|lib/python/site-packages"  # directories
    r"|(pyvenv\.cfg|bin/python(3(\.\d+)?)?)(/.*)?"  # files and links
)


def real_path(path: str) -> str | None:
    """Find where a file that a wheel puts at `path` of the environment really lies; None if it replaced a part of it.

    A layer that wrote through the links would turn them into directories.
    """
    path = _VERSIONED_SITE.sub("lib/python/site-packages", _LIB64.sub("lib", path, count=1), count=1)
    return None if _OWN.fullmatch(path) else f"{VENV}/{path}"


def local_names(python: str) -> Sequence[str]:
    """Name where commands and sources look for a Python of this minor version, since Cog's images have it there."""
    names = ("bin/python", "bin/python3", "bin/pip", f"lib/python{python}/site-packages")
    return [f"usr/local/{name}" for name in names]


class VenvSource:
    """Gives the environment without any wheel, and the probe that its Python runs, as a layer.

    `python`: "3.13"; `interpreter`: its path in the image; `local`: which of `local_names` lead to it, too, as they
    do in Cog's images.
    """

    def __init__(self, *, python: str, interpreter: str, local: Collection[str] = ()) -> None:
        self._python = python
        self._interpreter = interpreter
        self._local = local

    @property
    def name(self) -> str:
        return f"venv: Python {self._python}"

    def key(self) -> str:
        names = local_names(self._python)
        local = ["local", *(name for name in names if name in self._local and len(self._local) < len(names))]
        parts = [_RECIPE, VENV, sha256(probe_program()), self._python, self._interpreter]
        return sha256(encode([*parts, *(local if self._local else [])]))

    def entries(self) -> Iterable[Entry]:
        home = self._interpreter.rpartition("/")[0]
        config = f"home = {home}\ninclude-system-site-packages = false\nversion = {self._python}\n"
        site = f"lib/python{self._python}/site-packages"
        return [
            *self._names(),
            Symlink(f"{VENV}/bin/python", "python3"),
            Symlink(f"{VENV}/bin/python3", self._interpreter),
            Symlink(f"{VENV}/bin/python{self._python}", "python3"),
            Directory(SITE),
            Symlink(f"{VENV}/{site}", "../python/site-packages"),
            Symlink(f"{VENV}/lib64", "lib"),
            File(_CONFIG, Bytes(config.encode())),
            File(PROBE, Bytes(probe_program())),
        ]

    def _names(self) -> Iterable[Entry]:
        for path in local_names(self._python):
            name = path.removeprefix("usr/local/")
            if path in self._local:
                launches = name in ("bin/python", "bin/python3")
                yield File(path, Bytes(LAUNCHER.encode()), 0o755) if launches else Symlink(path, f"/{VENV}/{name}")
