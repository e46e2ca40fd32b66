"""The virtual environment itself: what `python -m venv` makes, written by hand (PEP 405)."""

from collections.abc import Iterable

from cogpack.layers.entry import Bytes, Directory, Entry, File, Symlink

VENV = "opt/venv"
SITE = f"{VENV}/lib/python/site-packages"
"""The same for every Python, so that layers of wheels are too. `lib/python3.N/site-packages` is a link to it, at the
same depth: run paths of the `$ORIGIN/../..` kind reach the same place through both."""

INTERPRETER = f"/{VENV}/bin/python3"


class VenvSource:
    """`python`: "3.13"; `interpreter`: absolute path of the base's CPython."""

    def __init__(self, *, python: str, interpreter: str) -> None:
        self.name = f"venv: Python {python}"
        self._python = python
        self._interpreter = interpreter

    def key(self) -> str:
        return f"venv-1 {self._python} {self._interpreter}"

    def entries(self) -> Iterable[Entry]:
        home = self._interpreter.rpartition("/")[0]
        settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {self._python}\n"
        yield File(f"{VENV}/pyvenv.cfg", Bytes(settings.encode()))
        yield Symlink(f"{VENV}/bin/python3", self._interpreter)
        yield Symlink(f"{VENV}/bin/python", "python3")
        yield Symlink(f"{VENV}/bin/python{self._python}", "python3")
        yield Symlink(f"{VENV}/lib64", "lib")
        yield Directory(SITE)
        yield Symlink(f"{VENV}/lib/python{self._python}/site-packages", "../python/site-packages")
