"""Which modules the files of wheels are, as the import system finds them in the site directory."""

import posixpath
from collections.abc import Collection, Iterable

from cogpack.layers.wheels.outline import Outline
from cogpack.layers.wheels.venv import SITE

_LIMIT = 64 * 1024
_START = f"{SITE}/"


class SiteModules:
    """Knows the modules of some wheels. `directories`: others, absolute, that their `.pth` files put on the path."""

    def __init__(self, outlines: Iterable[Outline]) -> None:
        self._names: dict[str, set[str]] = {}
        roots = [""]
        self.directories: list[str] = []
        for outline in outlines:
            for path in outline.files:
                if path.startswith(_START):
                    self._add(path.removeprefix(_START))
                    if path.endswith(".pth") and "/" not in path.removeprefix(_START):
                        for line in _lines(outline.content(path, _LIMIT)):
                            if line.startswith("/"):
                                self.directories.append(posixpath.normpath(line))
                            else:
                                roots.append(posixpath.normpath(line))
        self._roots = list(dict.fromkeys("" if root == "." else root for root in roots))

    def _add(self, path: str) -> None:
        while True:
            directory, _, name = path.rpartition("/")
            names = self._names.setdefault(directory, set())
            known = name in names
            names.add(name)
            if known or not directory:
                return
            path = directory

    def has(self, module: str, names: Iterable[str] = ()) -> bool:
        """Tell whether `import module` finds one. Of a package only its own name is looked at, since it may make up
        what is in it; of a directory without `__init__.py` (PEP 420) also what is in it, by `from module import names`,
        too."""
        parts = module.split(".")
        if any(self._finds(root, parts) for root in self._roots):
            return not self._is_space(parts) or all(
                any(self._finds(root, [*parts, name]) for root in self._roots) for name in names
            )
        return False

    def _finds(self, root: str, parts: list[str]) -> bool:
        at = root
        for part in parts:
            names: Collection[str] = self._names.get(at, ())
            if any(name.startswith(f"{part}.") for name in names):
                return True
            if part not in names:
                return False
            at = f"{at}/{part}" if at else part
            if any(name.startswith("__init__.") for name in self._names.get(at, ())):
                return True
        return True

    def _is_space(self, parts: list[str]) -> bool:
        """Tell whether it is a directory without `__init__.py`, and all that it is in."""
        places = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        return all(
            place in self._names and not any(name.startswith("__init__.") for name in self._names[place])
            for place in places
        )


def _lines(data: bytes | None) -> list[str]:
    """Give the lines of a `.pth` file that are directories (the documents of `site`)."""
    lines = (data or b"").decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith(("#", "import ", "import\t"))]
