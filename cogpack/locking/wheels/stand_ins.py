"""A stand-in is a wheel without files: uv weighs a source by it, of which nobody knows more than name and version."""

import zipfile
from collections.abc import Sequence
from email.parser import HeaderParser
from pathlib import Path

from packaging.version import Version

from cogpack.disk import writing

_DATE = (1980, 1, 1, 0, 0, 0)


def write_stand_in(directory: Path, name: str, version: Version, requires: Sequence[str] = ()) -> Path:
    """Write one of a package's normalised `name`, which `requires` what these lines of METADATA say."""
    stem = f"{name.replace('-', '_')}-{version}"
    path = directory / f"{stem}-py3-none-any.whl"
    info = f"{stem}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"{line}\n" for line in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: cogpack\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with writing(path), zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(zipfile.ZipInfo(member, _DATE), text)
    return path


def required_lines(metadata: str) -> tuple[str, ...]:
    """Take from METADATA what a wheel requires."""
    found = HeaderParser().parsestr(metadata)
    return tuple(
        f"{name}: {' '.join(str(value).split())}"
        for name in ("Requires-Dist", "Provides-Extra")
        for value in found.get_all(name, [])
    )
