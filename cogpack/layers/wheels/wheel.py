"""What a wheel says of itself (PyPA binary distribution format): its name, and the files of its `.dist-info`."""

import configparser
import csv
import io
from collections.abc import Callable, Collection
from typing import NoReturn

from installer import records, utils  # never of its parts: threads that begin with two of them deadlock
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cogpack.errors import InputError

METADATA_LIMIT = 4 * 1024 * 1024
"""Bytes of METADATA, WHEEL and entry_points.txt, each."""

_RECORD_LIMIT = 64 * 1024 * 1024


class Wheel:
    """Tells what a wheel says, by its file name and the `names` in it; `read` gives a file's bytes, at most `limit`.

    `project`: its normalised name; `distribution`: the same in the file name's own spelling; `dist_info`: the directory
    of its metadata. `InputError` for what makes no wheel.
    """

    def __init__(self, filename: str, names: Collection[str], read: Callable[[str, int], bytes]) -> None:
        self._filename = filename
        self._names = names
        self._read = read
        try:
            self.project, _, _, _ = parse_wheel_filename(filename)
        except InvalidWheelFilename as error:
            raise InputError(f"{filename}: {error}", next_step="give the wheel its real name") from error
        self.distribution = filename.partition("-")[0]
        self.dist_info = self._find_dist_info()

    def refuse(self, problem: str) -> NoReturn:
        raise InputError(f"{self._filename}: {problem}", next_step="this wheel can't be installed: choose another one")

    def data_of(self, name: str) -> str | None:
        """Give the path of a file in the wheel's `.data` directory, from there; None of a file that is elsewhere.

        The directory names the project, with a version or, as maturin wrote it, without, in any spelling. That of
        another name is one as any, as uv has it.
        """
        top, _, below = name.partition("/")
        if not below or not top.endswith(".data"):
            return None
        stem = top.removesuffix(".data")
        names = (stem, stem.partition("-")[0], stem.rpartition("-")[0])
        return below if self.project in {canonicalize_name(name) for name in names} else None

    def check(self) -> None:
        """Refuse a wheel of another format version than 1, and one without METADATA."""
        version = str(utils.parse_metadata_file(self._text("WHEEL")).get("Wheel-Version", ""))
        if version.partition(".")[0].strip() != "1":
            self.refuse(f"wheel format version {version!r:.40}, cogpack reads 1.x")
        self._text("METADATA")

    def metadata(self) -> str:
        return self._text("METADATA")

    def entry_points(self) -> dict[str, tuple[str, str]]:
        """Give the scripts that it asks for: module and attribute by name; of a script for the terminal and one with
        windows the latter, as pip makes it last."""
        if f"{self.dist_info}/entry_points.txt" not in self._names:
            return {}
        try:
            found = list(utils.parse_entrypoints(self._text("entry_points.txt")))
        except (configparser.Error, AssertionError, AttributeError) as error:
            self.refuse(f"its entry_points.txt can't be read: {error!s:.200}")
        found.sort(key=lambda script: script[3] == "gui")
        return {name: (module, attribute) for name, module, attribute, _ in found}

    def record(self) -> dict[str, tuple[str, str]]:
        """Read its RECORD, as it says: hash and size by path in the wheel."""
        try:
            lines = (line for line in io.StringIO(self._text("RECORD", _RECORD_LIMIT)) if line.strip())
            return {path: (hash_, size) for path, hash_, size in records.parse_record_file(lines)}
        except (records.InvalidRecordEntry, csv.Error) as error:
            self.refuse(f"its RECORD can't be read: {error!s:.200}")

    def _find_dist_info(self) -> str:
        tops = {name.partition("/")[0] for name in self._names}
        found = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(found) != 1:
            self.refuse(f"expected one .dist-info directory, found {', '.join(found) or 'none'}")
        if canonicalize_name(found[0].partition("-")[0].removesuffix(".dist-info")) != self.project:
            self.refuse(f"{found[0]} belongs to another project")
        return found[0]

    def _text(self, name: str, limit: int = METADATA_LIMIT) -> str:
        path = f"{self.dist_info}/{name}"
        if path not in self._names:
            self.refuse(f"it has no {path}")
        try:
            return self._read(path, limit).decode()
        except UnicodeDecodeError:
            self.refuse(f"{path} is not UTF-8")
