"""Sources with a backend of their own in them, so that nothing is fetched to build one."""

import io
import tarfile
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

BACKEND = """
import os, sys, zipfile

NAME, VERSION, TAG = "demo", "1.0", "py3-none-any"
FILES = {"demo.py": b"x = 1\\n"}


def make(directory):
    info = f"{NAME}-{VERSION}.dist-info"
    files = {
        **FILES,
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {TAG}\\n".encode(),
        f"{info}/RECORD": b"lies.py,sha256=AAAA,17\\n",
    }
    path = f"{NAME}-{VERSION}-{TAG}.whl"
    with zipfile.ZipFile(os.path.join(directory, path), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1990, 1, 1, 0, 0, 0)), data)
    return path


def build_wheel(directory, settings=None, metadata=None):
    return make(directory)
"""
"""Makes a wheel of `FILES`. What a test adds comes behind it, and may define `build_wheel` anew."""


def source_files(backend: str = "", *, pyproject: str = PYPROJECT) -> dict[str, bytes]:
    """Give the files of a source; `backend` is added to the usual one."""
    return {"pyproject.toml": pyproject.encode(), "backend.py": (BACKEND + textwrap.dedent(backend)).encode()}


def make_sdist(path: Path, files: Mapping[str, bytes], *, top: str = "demo-1.0/") -> Path:
    """Make an archive of `files`, of the kind that its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, data in files.items():
                packed.writestr(top + name, data)
        return path
    with tarfile.open(path, f"w:{path.suffix.removeprefix('.')}") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(top + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path
