"""This machine's own Python as the lowest layer of an image: enough of it to build a wheel in a guest."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from cogpack.layers.content import LocalFile
from cogpack.layers.entry import Directory, Entry, File

from .program_tree import libraries

PYTHON = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
_LIBRARY = Path(sysconfig.get_path("stdlib"))
_LEFT_OUT = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "idlelib", "ensurepip", "tkinter", "lib2to3", "__pycache__"}
)


class PythonSource:
    """Gives interpreter, /bin/sh, their libraries and Python's own at the paths that they have here."""

    name = "python"

    def key(self) -> str:
        return "python"

    def entries(self) -> Iterator[Entry]:
        yield Directory("tmp", 0o1777)
        yield Directory("root")
        modules = map(str, (_LIBRARY / "lib-dynload").glob("*.so"))
        for path in (PYTHON, *libraries([str(PYTHON), "/bin/sh", *modules])):
            yield File(str(path).lstrip("/"), LocalFile.of(Path(os.path.realpath(path))), 0o755)
        yield File("bin/sh", LocalFile.of(Path(os.path.realpath("/bin/sh"))), 0o755)
        for place, names, files in os.walk(_LIBRARY):
            names[:] = [name for name in names if name not in _LEFT_OUT and not name.startswith("config-")]
            for name in files:
                path = Path(place, name)
                if path.is_file():
                    yield File(str(path).lstrip("/"), LocalFile.of(Path(os.path.realpath(path))))
