"""The symbolic links of a project lead somewhere in its image, which has the project at `HOME` wherever it is here.

Right in the image are links into the project, to the targets of managed weights, and to what every container has of
/dev (OCI runtime-spec, config-linux.md "Default Devices", runtime-linux.md "Dev symbolic links"). They are kept as they
were written.
"""

import os
from collections.abc import Collection

from cogpack.encodings import is_utf8
from cogpack.errors import InputError
from cogpack.symlinks import follow

HOME = "src"
"""The first part of each of the project's paths in the image."""

_DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr", "shm"})
_ADVICE = (
    "put the files themselves into the project, have weights of cog.yaml bring them from where they are, or list the "
    "link in .dockerignore"
)


class Links:
    """Follows links of the project at `root`, an absolute path. `targets`: absolute paths of the image that managed
    weights fill."""

    def __init__(self, root: str, targets: Collection[str] = ()) -> None:
        self._root = root
        self._targets = [_parts(target) for target in targets]

    def lead(self, directory: str, target: str) -> str | None:
        """Give the path of the image, without its leading slash, to which `target` leads from `directory` of the
        project.

        Links on the way are followed too; a loop leads nowhere: None.
        """
        return follow(target, self._link, start=f"{HOME}/{directory}")

    def _link(self, place: str) -> str | None:
        """Tell where the link at this path of the image leads, if one of the project is there."""
        if not place.startswith(f"{HOME}/"):
            return None
        try:
            return os.readlink(f"{self._root}/{place.removeprefix(f'{HOME}/')}")  # noqa: PTH115 - a Path would rewrite it
        except (OSError, ValueError):  # no link, or nothing there
            return None

    def find(self, path: str) -> str | None:
        """Follow the links of `path` of the project; None where that is no path of the project."""
        found = None if "\0" in path else self.lead("", path)
        return found.removeprefix(f"{HOME}/") if found is not None and found.startswith(f"{HOME}/") else None

    def is_right(self, place: str) -> bool:
        """Tell whether the image has, or may have, something at this path that has the same name there as here."""
        parts = _parts(place)
        if parts[:1] == [HOME] or (parts[:1] == ["dev"] and parts[1:2] and parts[1] in _DEVICES):
            return True
        return bool(parts) and any(
            parts[: len(target)] == target or target[: len(parts)] == parts for target in self._targets
        )

    def fault(self, path: str, target: str) -> InputError | None:
        """Refuse the link at `path` where it would lead elsewhere in the image than here."""
        if not is_utf8(target):
            return InputError(f"{path}: the link's target is not UTF-8 text", next_step="make the link anew")
        directory = path.rpartition("/")[0]
        place = self.lead(directory, target)
        if place is None or self.is_right(place):
            return None
        inside = os.path.normpath(target)
        if inside.startswith(f"{self._root}/"):
            advice = f"make it relative: ln -sfn {os.path.relpath(inside, f'{self._root}/{directory}')} {path}"
        elif target.startswith("/"):
            advice = f"{_ADVICE}; kept are links to /{HOME}, which is the project in the image, and to the targets of "
            advice += "weights"
        else:
            advice = _ADVICE
        return InputError(f"{path}: a symbolic link to {target}, which leaves the project", next_step=advice)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
