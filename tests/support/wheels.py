"""Small wheels, made by hand so that they can also be made wrong."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from cogpack.layers.content import LocalFile
from cogpack.layers.wheels import WheelFile


def record_row(path: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    quoted = f'"{path}"' if "," in path else path
    return f"{quoted},sha256={digest},{len(data)}\n"


def make_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, bytes] | None = None,
    executable: frozenset[str] = frozenset(),
    links: frozenset[str] = frozenset(),
    entry_points: str = "",
    tag: str = "py3-none-any",
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    python: str = "",
    raw: Mapping[str, bytes] | None = None,
    method: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """`files`: by path in the wheel; `raw`: members that RECORD does not list, or that replace the usual ones."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    contents = dict(files or {f"{name.replace('-', '_')}.py": f"NAME = {name!r}\n".encode()})
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {line}\n" for line in requires)
    metadata += "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    metadata += f"Requires-Python: {python}\n" if python else ""
    contents[f"{info}/METADATA"] = metadata.encode()
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    if entry_points:
        contents[f"{info}/entry_points.txt"] = entry_points.encode()
    record = "".join(record_row(path, data) for path, data in contents.items()) + f"{info}/RECORD,,\n"
    contents[f"{info}/RECORD"] = record.encode()
    contents |= raw or {}
    path = directory / f"{stem}-{tag}.whl"
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, data in contents.items():
            entry = zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = method
            mode = 0o120777 if member in links else 0o100755 if member in executable else 0o100644
            entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return path


def wheel_file(path: Path) -> WheelFile:
    return WheelFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), lambda: LocalFile.of(path))
