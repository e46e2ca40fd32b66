"""A small tree of files like an image's, made of this machine's own programs."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

PROGRAMS = (
    *("sh", "cat", "chmod", "chown", "chroot", "cp", "env", "head", "id", "ln", "ls", "mkdir", "mknod", "mount", "mv"),
    *("perl", "rm", "seq", "sleep", "stat", "setsid", "su", "touch", "tr", "true", "unshare", "wc"),
)

PASSWD = "root:x:0:0:root:/root:/bin/sh\nbob:x:1001:1002:Bob:/home/bob:/bin/sh\n"
GROUP = "root:x:0:\nbob:x:1002:\nvideo:x:44:bob\naudio:x:29:root,bob\n"


def missing_programs(programs: Sequence[str] = PROGRAMS) -> Sequence[str]:
    """Return what this machine would need for a tree, for the reason of a skipped test."""
    return [name for name in programs if shutil.which(name) is None]


def make_tree(root: Path, programs: Sequence[str] = PROGRAMS) -> Path:
    """Make /bin/sh, coreutils and perl with their libraries, users, and some files to be changed, below `root`."""
    for directory in ("bin", "etc", "root", "tmp", "usr/sbin", "var/lib"):
        (root / directory).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    (root / "etc/hosts").write_text("the image's own\n")
    (root / "usr/sbin/policy-rc.d").write_text("the image's own\n")
    found = [os.path.realpath(str(shutil.which(name))) for name in programs]
    for name, program in zip(programs, found, strict=True):
        shutil.copy(program, root / "bin" / name)
    for path in libraries(found):
        library = root / path.relative_to("/")
        library.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, library)
    return root


def libraries(programs: Sequence[str]) -> Sequence[Path]:
    """Return the shared libraries that programs are linked with."""
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    return [Path(word) for word in sorted(set(told.split())) if word.startswith("/") and not word.endswith(":")]
