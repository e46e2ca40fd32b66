"""Debian packages, their control files, indexes of them and images that have some are made wrong, and read: an error of
ours, or none.

    python scripts/fuzz_debs.py deb --minutes 10 [--seed N] [--corpus DIR]

Inputs that go from one line to another as no earlier one did are kept and changed further. `--corpus`: real packages,
for `deb` and `control`, or indexes. Whatever raises another error, takes longer than two seconds, or gives a file
outside of the root is written to `--findings`, and the command ends with 1.
"""

import argparse
import io
import lzma
import random
import struct
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pysequoia

from cogpack.digest import DiffID, sha256
from cogpack.errors import CogpackError
from cogpack.images.ground import ground_of
from cogpack.images.listings import Listings
from cogpack.layers.content import LocalFile
from cogpack.layers.debs.configure import check_scripts, configure
from cogpack.layers.debs.database import write_database, write_policy
from cogpack.layers.debs.deb.archive import read_control, read_deb
from cogpack.layers.debs.deb.control import format_control, parse_control
from cogpack.layers.debs.deb.package import DebFile, UnpackedPackage
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.merge import link_equal, merge
from cogpack.layers.debs.over.installed import DpkgDatabase
from cogpack.layers.debs.over.source import OverImageSource
from cogpack.layers.debs.source import PackageSource
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import complete
from cogpack.layers.spool import Spool
from cogpack.oci import OCI_LAYER, Descriptor, LayerInfo
from cogpack.progress import SILENT, Cancellation
from cogpack.reference import Reference
from cogpack.resolve.base_image import BaseFiles
from cogpack.resolve.debs.archives.index import parse_index
from cogpack.resolve.debs.archives.keyring import Keyring, debian_keyring
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.release_file import verify_release
from cogpack.resolve.debs.over.installed import Installed, InstalledIndex
from cogpack.resolve.debs.over.sources import read_archives
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe
from cogpack.seal import THIS_RUN

Target = Callable[[bytes], object]

SECONDS = 2.0
LONGEST = 256 * 1024
"""Bytes of an input: what takes long for its size alone is no finding."""
COVERED = "/cogpack/"
WORDS = tuple(
    word.encode("latin-1")
    for word in (
        *(
            "0",
            "-1",
            "00000000000",
            "77777777777",
            "4294967296",
            "9" * 30,
            "\xff\xff\xff\xff",
            "\x80",
            "\0",
            "\xc2\xb2",
        ),
        *("../", "/", "./", "//", "\n", "\n\n", "\n ", ": ", ", ", " | ", "(>= 1)", "%", "$", "`", "*", "\\"),
        *("Package: ", "Version: ", "Depends: ", "Provides: ", "Essential: yes\n", "Size: ", "SHA256:", "Conflicts: "),
        *(
            "update-alternatives --install ",
            " --slave ",
            'case "$1" in\n',
            "esac\n",
            "if ",
            "then\n",
            "fi\n",
            "ldconfig",
        ),
        *("include ", "/etc/ld.so.conf.d/*.conf", "usr/lib/", "lib/", "bin", "etc/passwd", "Date: ", "Valid-Until: "),
    )
)


class Fuzzer:
    """Changes inputs and keeps those that take new ways through `target`. `found`: what it must not do, by input."""

    def __init__(self, target: Target, seeds: Sequence[bytes], change: "Change", chance: random.Random) -> None:
        self.pool = [*seeds]
        self.found: dict[bytes, str] = {}
        self.runs = 0
        self.reached: set[tuple[CodeType, int, int]] = set()
        self._last = 0
        self._target = target
        self._change = change
        self._chance = chance
        self._kinds: set[str] = set()
        for seed in seeds:
            self.run(seed)

    def run(self, data: bytes) -> bool:
        """Tell whether it reached something new."""
        before, self._last = len(self.reached), 0
        began = time.process_time()
        fault = told = ""
        sys.settrace(self._call)
        try:
            self._target(data)
        except CogpackError:
            pass
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            fault = f"{type(error).__name__} in {_place(error)}"
            told = f"{fault}: {error!s:.200}"
        finally:
            sys.settrace(None)
        took = time.process_time() - began
        if not fault and took > SECONDS:
            fault = "too long"
        self.runs += 1
        if fault and fault not in self._kinds:
            self._kinds.add(fault)
            self.found[data] = told or fault
        return len(self.reached) > before

    def step(self) -> None:
        data = self._change(self._chance.choice(self.pool), self._chance.choice(self.pool))
        if len(data) <= LONGEST and self.run(data):
            self.pool.append(data)

    def _call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        return self._line if COVERED in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            self.reached.add((frame.f_code, self._last, frame.f_lineno))
            self._last = frame.f_lineno
        return self._line


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    found = "?"
    while trace is not None:
        if COVERED in trace.tb_frame.f_code.co_filename:
            found = f"{trace.tb_frame.f_code.co_filename.rpartition(COVERED)[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


Change = Callable[[bytes, bytes], bytes]


def changes(chance: random.Random) -> Change:
    """Give a function that makes another input of two."""

    def change(data: bytes, other: bytes) -> bytes:
        made = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            at = chance.randrange(len(made) + 1)
            size = chance.choice((1, 2, 4, 16, 64, 512))
            match chance.randrange(8):
                case 0 if made:
                    made[min(at, len(made) - 1)] ^= 1 << chance.randrange(8)
                case 1:
                    made[at : at + size] = b""
                case 2:
                    made[at:at] = made[at : at + size]
                case 3:
                    made[at:at] = chance.choice(WORDS)
                case 4:
                    word = chance.choice(WORDS)
                    made[at : at + len(word)] = word
                case 5:
                    start = chance.randrange(len(other) + 1)
                    made[at : at + size] = other[start : start + size]
                case 6:
                    start = chance.randrange(len(other) + 1)
                    made[at:at] = other[start : start + size]
                case _:
                    lines = made.split(b"\n")
                    lines.insert(chance.randrange(len(lines) + 1), bytearray(chance.choice(other.split(b"\n"))))
                    made = bytearray(b"\n".join(lines))
        return bytes(made)

    return change


def changed_debs(chance: random.Random) -> Change:
    """Give one that mostly changes what is within the archives, with the sums that tar wants of each header."""
    change = changes(chance)

    def deb(data: bytes, other: bytes) -> bytes:
        parts = unpacked(data)
        if not parts or chance.random() < 0.2:
            return change(data, other)
        name = chance.choice(sorted(parts))
        parts[name] = change(parts[name], unpacked(other).get(name, b""))
        if chance.random() < 0.9:
            parts[name] = summed(parts[name])
        return packed(parts)

    return deb


def changed_layers(chance: random.Random) -> Change:
    """Give one that mostly leaves the sums of headers right."""
    change = changes(chance)
    return lambda data, other: summed(made) if (made := change(data, other)) and chance.random() < 0.9 else made


def unpacked(deb: bytes) -> dict[str, bytes]:
    """Give the two tars of a package in which they are not packed."""
    return {name: data for name, data in members(deb).items() if name in ("control.tar", "data.tar")}


def members(deb: bytes) -> dict[str, bytes]:
    place, parts = 8, {}
    while place + 60 <= len(deb):
        name = deb[place : place + 16].decode("ascii", "replace").strip()
        size = deb[place + 48 : place + 58].strip()
        if not size.isdigit():
            return {}
        parts[name] = deb[place + 60 : place + 60 + int(size)]
        place += 60 + int(size) + int(size) % 2
    return parts


def packed(parts: dict[str, bytes]) -> bytes:
    made = b"!<arch>\n"
    for name, data in {"debian-binary": b"2.0\n", **parts}.items():
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
    return made


def summed(tar: bytes) -> bytes:
    """Put right the sum of each block that looks like a header (tar(5))."""
    made = bytearray(tar[: len(tar) // 512 * 512])
    for at in range(0, len(made), 512):
        if made[at + 257 : at + 262] == b"ustar":
            made[at + 148 : at + 156] = b" " * 8
            made[at + 148 : at + 156] = b"%06o\0 " % sum(made[at : at + 512])
    return bytes(made)


# What is read


def read_whole_package(directory: Path) -> Target:
    """Read a package as a layer does, over one with what most packages count on."""
    spool = Spool(directory)

    def package(data: bytes, name: str = "") -> UnpackedPackage:
        found = read_deb(io.BytesIO(data), where="package", size=len(data), spool=spool)
        fields = parse_control(found.control["control"].decode("utf-8", "replace"))
        fields = {"Package": "x", "Version": "1", "Architecture": "amd64"} | fields
        file = DebFile(
            name=name or fields["Package"],
            version=fields["Version"],
            arch=fields["Architecture"],
            size=len(data),
            sha256="0" * 64,
            foreign=True,
            locate=lambda: None,  # type: ignore[arg-type,return-value]
        )
        return UnpackedPackage(file=file, fields=fields, control=found.control, data=found.data)

    base = package(made_deb("base-files", BASE))

    def target(data: bytes) -> None:
        packages = [base, package(data, "hostile")]
        tree = merge(packages[:1], packages[1:], "amd64")
        configure(tree, packages, "amd64")
        write_database(tree, packages, "amd64")
        write_policy(tree, "trixie", slim=False)
        for entry in link_equal(complete(tree, {})):
            parts = entry.path.split("/")
            assert not {"", ".", ".."} & {*parts}, f"a path that leads elsewhere: {entry.path!r}"

    return target


def read_control_files(data: bytes) -> None:
    """Read a stanza, and the same text as a maintainer script."""
    text = data.decode("utf-8", "replace")
    fields = parse_control(text)
    if all(fields) and not any("\n\n" in value or value.endswith("\n") for value in fields.values()):
        again = parse_control(format_control(fields))
        assert again.keys() == fields.keys(), "a stanza that reads otherwise once it is written"
    for kind in ("preinst", "postinst"):
        check_scripts("x", "1", {kind: data})


def read_archive(directory: Path) -> Target:
    """Read an index, and install what it has; or a Release, which a key of ours signs."""
    secret = pysequoia.Tsk.generate("Fuzz <fuzz@example.org>")
    keys = Keyring(bytes(secret.extract_certificate()), "a key of ours")

    def target(data: bytes) -> None:
        if data.startswith(b"Origin:"):
            signed = bytes(pysequoia.sign(secret.signer(), data, mode=pysequoia.SignatureMode.CLEAR))
            verify_release(signed, url="http://x/InRelease", suite=None, keys=keys, now=NOW)
            return
        index = parse_index(data, url="u", size=len(data), directory=directory, sha256="0" * 64, seal=THIS_RUN)
        universe = Universe([index])
        names = [package.name for package in index.all()]
        for name in names[:20]:
            solve(universe, [name], recommends=True)
        solve(universe, [*universe.essential(), *names[:2]])

    return target


def read_image(directory: Path) -> Target:
    """Read a layer as the base's only one, and lay two packages over it, of which it may have one."""
    places = []
    others = {"usr/bin/z": b"z", "usr/lib/x/z": b"z", "usr/share/doc/z": b"z"}
    for name, version, files in (("x", "2", FILES), ("z", "1", others)):
        path = directory / f"{name}.deb"
        path.write_bytes(made_deb(name, files, CONTROL if name == "x" else {}, version))
        places.append((name, version, path))

    def target(data: bytes) -> None:
        digest = sha256(data)
        layer = LayerInfo(Descriptor(media_type=OCI_LAYER, digest=digest, size=len(data)), DiffID(digest))
        files = BaseFiles(Reference.parse("registry.test/base:1"))
        files.apply(Listings().read(layer, lambda: nullcontext(iter([data])), where="base"))
        files.interpreter(["usr/bin"])
        for path in ("usr/local/bin", "etc"):
            files.place(path)
        ground = ground_of(files.members)
        tree = Tree(ground)
        database = DpkgDatabase(tree, "amd64", where="base")
        with suppress(CogpackError):  # and on with what else there is
            read_archives(tree, "amd64", MIRROR, where="base")
        texts = {name: one.text.encode("utf-8", "surrogateescape") for name, one in database.own.items()}
        there = InstalledIndex(
            (Installed(name=name, version=database.own[name].version, control=text) for name, text in texts.items()),
            where="base",
        )
        base = [DebCandidate(package, 0) for package in there.all()]
        solve(Universe([there], ["base"]), [], base=base, upgrades=True)
        debs = [
            DebFile(
                name=name,
                version=version,
                arch="amd64",
                size=path.stat().st_size,
                sha256=sha256(name.encode()).removeprefix("sha256:"),
                foreign=True,
                locate=partial(LocalFile.of, path),
            )
            for name, version, path in places
        ]
        unpacking = Unpacking(directory / "spool", SILENT, Cancellation())
        apart = [PackageSource(debs[0], arch="amd64", unpacking=unpacking)]
        source = OverImageSource(
            [layer.diff_id],
            lambda: ground,
            debs,
            arch="amd64",
            name="packages",
            where="base",
            unpacking=unpacking,
            apart=apart,
        )
        for entry in source.entries():
            parts = entry.path.split("/")
            assert not {"", ".", ".."} & {*parts}, f"a path that leads elsewhere: {entry.path!r}"

    return target


MIRROR = DebianMirror(main="http://m/debian", security="http://m/debian-security")
NOW = datetime(2026, 1, 1, tzinfo=UTC)

# Where it begins

BASE = {
    "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n",
    "usr/share/base-passwd/passwd.master": b"root:*:0:0:root:/root:/bin/bash\n",
    "usr/share/base-passwd/group.master": b"root:*:0:\nshadow:*:42:\n",
    "tmp/x": b"",
}
SCRIPT = b"""#!/bin/sh
set -e
case "$1" in
configure)
    update-alternatives --quiet --install /usr/bin/x x /usr/bin/x1 10 --slave /usr/share/x.1 x.1 /usr/share/x1.1
    ;;
esac
if [ "$1" = "configure" ] && [ -z "$2" ]; then
    ldconfig
fi
# Automatically added by dh_installsystemd/13
if [ "$1" = "configure" ]; then
    deb-systemd-helper enable x
fi
# End automatically added section
exit 0
"""
STANZA = b"""Package: x
Version: 1:2.0~rc1-3+b1
Architecture: amd64
Essential: yes
Pre-Depends: libc6 (>= 2.41)
Depends: a (>= 1) | b, c:any (<< 3), virtual
Recommends: d
Conflicts: e (<< 2)
Provides: virtual (= 3), y
Description: words
 more words
Filename: ./pool/x.deb
Size: 1000
SHA256: 0000000000000000000000000000000000000000000000000000000000000000

Package: libc6
Version: 2.41
Architecture: amd64
Filename: pool/libc6.deb
Size: 1
SHA256: 0000000000000000000000000000000000000000000000000000000000000000
"""
RELEASE = b"""Origin: Debian
Codename: trixie
Date: Thu, 01 Jan 2026 00:00:00 UTC
Valid-Until: Thu, 08 Jan 2027 00:00:00 UTC
Acquire-By-Hash: yes
Architectures: all amd64
SHA256:
 0000000000000000000000000000000000000000000000000000000000000000 12 main/binary-amd64/Packages.xz
"""


def library() -> bytes:
    """The least that is a shared object with a name."""
    strings = b"\0libx.so.1\0"
    dynamic = struct.pack("<qQqQqQqQ", 5, 240, 14, 1, 10, len(strings), 0, 0)
    header = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, 300, 300, 4096)
    return header + load + struct.pack("<IIQQQQQQ", 2, 4, 176, 176, 176, 64, 64, 8) + dynamic + strings


def made_deb(name: str, files: dict[str, bytes], control: dict[str, bytes] = {}, version: str = "1") -> bytes:  # noqa: B006
    stanza = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nReplaces: base-files\n".encode()
    return packed({"control.tar": _tar({"control": stanza, **control}), "data.tar": _tar(files)})


def _tar(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(f"./{path}")
            info.size = len(data)
            if path.endswith("@"):
                info.type, info.linkname, info.size = tarfile.SYMTYPE, data.decode(), 0
            elif path.endswith("="):
                info.type, info.linkname, info.size = tarfile.LNKTYPE, data.decode(), 0
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


FILES = {
    "usr/lib/libx.so.1.0": library(),
    "lib/liby.so@": b"libx.so.1",
    "usr/share/doc/x/copyright": b"free",
    "usr/bin/x1": b"#!/bin/sh\n",
    "usr/bin/x2=": b"./usr/bin/x1",
    "etc/ld.so.conf.d/x.conf": b"/opt/x # words\ninclude /etc/x\n",
    "etc/x": b"x",
}
CONTROL = {
    "postinst": SCRIPT,
    "triggers": b"interest-noawait /usr/lib\ninterest x\nactivate ldconfig\n",
    "conffiles": b"/etc/x\n",
    "md5sums": b"0" * 32 + b"  etc/x\n",
}
IMAGE = {
    "lib@": b"usr/lib",
    "usr/lib/libc.so.6": b"GNU C Library (Debian) stable release version 2.41.\n",
    "usr/bin/python3@": b"python3.13",
    "usr/bin/python3.13": b"x",
    "opt/.wh.x": b"",
    "etc/apt/sources.list": b"deb [signed-by=/etc/apt/trusted.gpg.d/k.gpg] http://deb.debian.org/debian x y\n",
    "etc/apt/sources.list.d/x.sources": b"Types: deb\nURIs: http://u/ubuntu\nSuites: n n-security\nComponents: main\n",
    "etc/apt/trusted.gpg.d/k.gpg": debian_keyring().data,
    "etc/dpkg/dpkg.cfg.d/x": b"path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n",
    "etc/passwd": b"root:x:0:0::/root:/bin/sh\n",
    "etc/group": b"root:x:0:\n",
    "etc/x": b"mine",
    "var/lib/dpkg/status": STANZA.replace(b"Version", b"Status: install ok installed\nConffiles:\n /etc/x 00\nVersion"),
    "var/lib/dpkg/info/x.list": b"/.\n/usr\n/usr/bin\n/usr/bin/x1\n/usr/bin/gone\n/etc/x\n",
    "var/lib/dpkg/info/libc6:amd64.list": b"/.\n/usr/lib\n",
    "var/lib/dpkg/info/x.postrm": b"#!/bin/sh\nset -e\n",
    "var/lib/dpkg/diversions": b"/usr/bin/x1\n/usr/bin/x1.real\n:\n",
    "var/lib/dpkg/statoverride": b"root root 4755 /usr/bin/x1\n",
    "var/lib/dpkg/alternatives/x": b"auto\n/usr/bin/x\nx.1\n/usr/share/x.1\n\n/usr/bin/x0\n5\n\n\n",
    "var/lib/dpkg/triggers/File": b"/usr/share x\n",
}


def seeds(kind: str) -> list[bytes]:
    if kind == "index":
        return [STANZA, RELEASE]
    if kind == "control":
        return [SCRIPT, STANZA]
    if kind == "image":
        return [_tar(IMAGE), _tar({path: data for path, data in IMAGE.items() if "dpkg" in path})]
    return [made_deb("x", FILES, CONTROL), made_deb("y", {"x" * 200: b"", "deep/er/@": b"/etc"})]


def real(kind: str, directory: Path) -> Iterator[bytes]:
    """Give small ones of others, as the target wants them."""
    for path in sorted(directory.rglob("*")):
        if not path.is_file() or path.stat().st_size > LONGEST:
            continue
        data = path.read_bytes()
        if kind == "index":
            yield data[:LONGEST]
        elif data.startswith(b"!<arch>"):
            control = read_control(io.BytesIO(data), where=path.name)
            parts = {name.partition(".tar")[0] + ".tar": unxz(part) for name, part in members(data).items()}
            if kind == "control":
                yield from control.values()
            elif sum(map(len, parts.values())) < LONGEST // 2:
                yield packed({name: part for name, part in parts.items() if name != "debian-binary.tar"})


def unxz(data: bytes) -> bytes:
    return lzma.decompress(data) if data.startswith(b"\xfd7zXZ") else data


def fuzzer(kind: str, directory: Path, chance: random.Random, corpus: Path | None = None) -> Fuzzer:
    """Make the one for `kind`, with its seeds; files that it needs go to `directory`."""
    targets: dict[str, Target] = {
        "deb": read_whole_package(directory),
        "control": read_control_files,
        "index": read_archive(directory),
        "image": read_image(directory),
    }
    change = {"deb": changed_debs, "image": changed_layers}.get(kind, changes)(chance)
    begin = [*seeds(kind), *(real(kind, corpus) if corpus else ())]
    return Fuzzer(targets[kind], begin, change, chance)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("deb", "control", "index", "image"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--findings", type=Path, default=Path("/tmp/cogpack-fuzz"))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        running = fuzzer(given.kind, Path(directory), random.Random(given.seed), given.corpus)
        print(f"{given.kind}: {len(running.pool)} seeds take {len(running.reached)} ways")
        end = time.monotonic() + given.minutes * 60
        while time.monotonic() < end:
            running.step()
        print(f"{given.kind}: {running.runs} runs, {len(running.pool)} inputs take {len(running.reached)} ways")
    for number, (data, fault) in enumerate(running.found.items()):
        given.findings.mkdir(parents=True, exist_ok=True)
        path = given.findings / f"{given.kind}-{given.seed}-{number}"
        path.write_bytes(data)
        print(f"{path}: {fault}")
    return 1 if running.found else 0


if __name__ == "__main__":
    sys.exit(main())
