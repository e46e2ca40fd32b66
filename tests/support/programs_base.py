"""A base image whose programs are this machine's own, so that commands can be run over it without network."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.program_tree import make_tree, missing_programs

PROGRAMS = ("sh", "cat", "chmod", "chown", "head", "ln", "ls", "mkdir", "mv", "rm", "touch", "true")


def programs_base(directory: Path, programs: Sequence[str] = PROGRAMS) -> bytes:
    """Make a layer of them, in which a Python is found by its name; skip the test where this machine lacks one."""
    if missing := missing_programs(programs):
        pytest.skip(f"no {', '.join(missing)} here to make a base of")
    root = make_tree(directory / "root", programs)
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    (root / "usr/bin/python3.13").write_bytes(b"\x7fELF, or nearly")
    (root / "usr/bin/python3.13").chmod(0o755)
    (root / "usr/bin/python3").symlink_to("python3.13")
    (root / "lib").mkdir(exist_ok=True)
    (root / "lib/libc.so.6").write_bytes(b"GNU C Library (stand-in) stable release version 2.41.\n")
    (root / "usr/local/bin").mkdir(parents=True)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(root, "", filter=_of_root)
    return out.getvalue()


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    return entry
