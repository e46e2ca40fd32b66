"""proot, for machines that allow nothing else: it traces every call, and translates the paths in it.

It is a program of its own (GPL), which whoever runs a guest has found somewhere. Two things about it are settled here:
its acceleration is off, since with it 5.4 left guests untranslated in containers, where a step would have run on the
machine itself; and no guest begins before a token was read through it (`guest`).
"""

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from cogpack.digest import sha256
from cogpack.disk import writing
from cogpack.errors import InputError
from cogpack.sandbox.inroot import find_in
from cogpack.sandbox.rungs.mounts import DEVICES

_TEMPORARY = "PROOT_TMP_DIR"
_LIBRARIES = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.preload", "/opt", "/nix/store", "/gnu/store")


class Proot(msgspec.Struct, frozen=True):
    """How proot is started: the program, or before it a loader of another C library than the machine's, with what that
    one wants to know."""

    command: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Say what of this machine it is made of: what its command line names, and the machine's libraries where it is
        started by the machine's own loader."""
        named = [path for word in self.command for path in word.split(":") if path.startswith("/")]
        return (*named, *map(os.path.realpath, named), *(_LIBRARIES if len(self.command) == 1 else ()))

    def written(self, temporary: Path) -> tuple[str, ...]:
        """Say where it writes programs and starts them: `temporary`, or /tmp before 5.2, which knows no other."""
        program = Path(self.command[-1])
        return (str(temporary),) if _TEMPORARY.encode() in program.read_bytes() else (str(temporary), "/tmp")

    def arguments(
        self,
        root: Path,
        binds: tuple[tuple[str, str], ...],
        directory: str,
        ids: tuple[int, int],
        argv: tuple[str, ...],
    ) -> list[str]:
        """Return the command line that runs `argv` in `root`. `ids`: who the guest believes it is."""
        shown = [("/proc", "/proc"), ("/sys", "/sys"), *((f"/dev/{name}", f"/dev/{name}") for name in DEVICES), *binds]
        options = [word for source, target in shown for word in ("-b", f"{source}:{target}")]
        who = ["-0"] if ids == (0, 0) else ["-i", f"{ids[0]}:{ids[1]}"]
        return [*self.command, *who, "-r", str(root), *options, "-w", directory, *argv]

    @staticmethod
    def environment(temporary: Path) -> dict[str, str]:
        """Return its settings, which the guest sees too. `temporary`: where it may write programs and start them."""
        return {"PROOT_NO_SECCOMP": "1", _TEMPORARY: str(temporary)}


def without_colon(source: Path, beside: Path) -> str:
    """Name `source` as proot can be told of it, which cuts what it is to show at the first colon: by a link in `beside`
    where it has one. `InputError` where that has one, too."""
    if ":" not in str(source):
        return str(source)
    link = beside / f"shown-{sha256(os.fsencode(source))[-16:]}"
    _refuse_colon(link, f"{source} can't be shown")
    with writing(beside), suppress(FileExistsError):
        link.symlink_to(source)
    return str(link)


def _refuse_colon(path: Path, what: str) -> None:
    """Raise the `InputError` of the cache's paths with a colon, at which proot and loaders cut."""
    if ":" in str(path):
        raise InputError(
            f"isolation proot: {what}: a path is cut at a colon there, and the cache's, {path.parent}, has one",
            next_step="name a cache without a colon in COGPACK_CACHE_DIR, or choose another --isolation",
        )


def through_loader(program: Path, root: Path, libraries: tuple[Path, ...]) -> Proot:
    """Start `program` by the dynamic loader of the tree `root`, so that the machine needs no C library for it.

    `libraries`: directories to look for its others in. A tree without glibc has no such loader: FileNotFoundError.
    `InputError` where the tree lies below a directory with a colon.
    """
    for name in ("lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"):
        with suppress(FileNotFoundError, NotADirectoryError):
            loader = find_in(root, name)
            _refuse_colon(loader, "it can't be started")
            triplet = "x86_64-linux-gnu" if "x86" in name else "aarch64-linux-gnu"
            places = [*libraries, root / "lib" / triplet, root / "usr/lib" / triplet]
            return Proot((str(loader), "--library-path", ":".join(map(str, places)), str(program)))
    raise FileNotFoundError(root / "lib64")
