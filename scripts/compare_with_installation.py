"""What cogpack lays is compared with what `apt-get install` leaves: every entry of two trees, over the same base.

    python scripts/compare_with_installation.py [--suite trixie] [--scratch DIR] [--keep] [ffmpeg git ...]

Needs root, Debian's umoci, and a mirror. One tree is an image of the packages, with what they recommend, unpacked by
umoci; the other is an image of none of them, in which apt-get of the base has installed them, in a chroot. Type, mode,
owner, content, target, extended attributes and hard links are compared; of what describes the whole (dpkg's status, the
library cache, /etc/shadow) what it says. What differs and nothing here explains is printed, and ends it with 1. By
default the packages are the twenty that most public Cog projects name.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tests")]

from measuring import scratch_directory  # noqa: E402
from packages import prepared  # noqa: E402

from cogpack.config import PYTHONS  # noqa: E402
from cogpack.lockfile.base_kinds import DebianBase  # noqa: E402
from cogpack.lockfile.text import read_lock  # noqa: E402

NAMES = Path(__file__).with_name("public_system_packages.txt")
COMMONEST = 20
INSTALL = "apt-get -qq --yes install"

MISSING: Mapping[str, Sequence[str]] = {
    "logs, locks and former states": (
        "var/log/(apt/.*|dpkg.log|alternatives.log|fontconfig.log)",
        "var/lib/dpkg/(lock|lock-frontend|triggers/Lock|[a-z]+-old)",
        "etc/(passwd|group|shadow|gshadow|subuid|subgid)-",
        r"etc/\.pwd\.lock",
        "run/adduser",
    ),
    "what apt has fetched, and has been told": ("var/cache/apt/.*", "var/lib/apt/.*"),
    "answers to questions that nobody is asked": ("var/cache/debconf/.*",),
    "the machine's identity": ("var/lib/dbus/machine-id",),
    "what systemd's tmpfiles.d has it make when it starts": (
        "run/.*",
        "etc/(mtab|vconsole.conf|default/locale)",
        "root/.ssh",
        "var/(cache|lib|log)/private",
        "var/log/README",
        "var/lib/systemd/(coredump|ephemeral-trees|network|pstore)",
    ),
    "services, which nobody starts": (
        "etc/rc[0-6S].d/.*",
        "etc/systemd/(system|user)/.*",
        "var/lib/systemd/deb-systemd-(user-)?helper-(enabled|masked)(/.*)?",
    ),
    "byte code": (r".*/__pycache__(/.*)?",),
    "links to documentation that is left out, and directories that had some": (
        "usr/share/doc/.*",
        "usr/share/(lintian|linda|info|locale|groff)",
    ),
    "caches, without which a program looks for itself": (
        "var/cache/ldconfig/aux-cache",
        "var/cache/fontconfig/.*",
        ".*/(giomodule|icon-theme).cache",
        "var/lib/systemd/catalog(/.*)?",
    ),
    "caches, without which a program knows what is built in": (
        "usr/share/mime/.*",
        "usr/share/glib-2.0/schemas/gschemas.compiled",
        ".*/(loaders|immodules).cache",
    ),
}
"""What apt alone leaves: patterns of paths (regular expressions) by reason."""

OTHER: Mapping[str, Sequence[str]] = {
    "of this comparison": ("etc/apt/sources.list.d/debian.sources", "src/cog.yaml", "etc/resolv.conf", "dev/.*"),
    "what apt has fetched, and has been told": ("var/cache/apt/.*", "var/lib/apt/.*"),
    "the machine's identity": ("etc/machine-id",),
    "what systemd's tmpfiles.d has it make when it starts": ("etc/credstore([.]encrypted)?", "var/log/journal"),
    "what dpkg remembers of packages that it once saw; ours has their digests, for scanners": (
        "var/lib/dpkg/available",
    ),
}
"""What is another on either side, in the same way."""


class Entry(msgspec.Struct, frozen=True):
    """Is all that is compared of a path. `what`: a digest, a target, or a device's number."""

    kind: str
    mode: int
    owner: tuple[int, int]
    what: str
    attributes: tuple[tuple[str, bytes], ...]
    linked: tuple[str, ...]

    def told(self, other: "Entry") -> str:
        names = [name for name in self.__struct_fields__ if getattr(self, name) != getattr(other, name)]
        return "; ".join(
            f"{name}: {getattr(self, name)!r:.60} here, {getattr(other, name)!r:.60} by apt" for name in names
        )


def read_tree(root: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    inodes: dict[tuple[int, int], list[str]] = {}
    for path, status in walk(root):
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            inodes.setdefault((status.st_dev, status.st_ino), []).append(path)
    for path, status in walk(root):
        real = root / path
        linked = tuple(sorted(inodes.get((status.st_dev, status.st_ino), [])))
        names = os.listxattr(real, follow_symlinks=False)
        found[path] = Entry(
            kind=stat.filemode(status.st_mode)[0],
            mode=stat.S_IMODE(status.st_mode),
            owner=(status.st_uid, status.st_gid),
            what=content(path, real, status),
            attributes=tuple(sorted((name, os.getxattr(real, name, follow_symlinks=False)) for name in names)),
            linked=linked if len(linked) > 1 else (),
        )
    return found


def walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    for directory, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(directory, name)
            yield str(path.relative_to(root)), path.lstat()


def content(path: str, real: Path, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(real)  # noqa: PTH115 - a Path would say it otherwise
    if not stat.S_ISREG(status.st_mode):
        return str(status.st_rdev) if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode) else ""
    read = next((read for pattern, read in MEANT.items() if re.fullmatch(pattern, path)), Path.read_bytes)
    return hashlib.sha256(read(real)).hexdigest()


def dpkg_status(path: Path) -> bytes:
    """Give the stanzas without their order, fields without theirs, and lines without blanks at their end."""
    text = re.sub(r"[ \t]+$", "", path.read_text(), flags=re.MULTILINE)
    stanzas = [re.split(r"\n(?=\S)", stanza) for stanza in text.strip().split("\n\n")]
    return json.dumps(sorted(sorted(stanza) for stanza in stanzas)).encode()


def library_cache(path: Path) -> bytes:
    done = subprocess.run(["ldconfig", "-p", "-C", str(path)], capture_output=True, check=True)
    return b"".join(line for line in done.stdout.splitlines(keepends=True) if b"=>" in line)


def without_days(path: Path) -> bytes:
    """Give the accounts without the day of the last change of a password."""
    return re.sub(rb"^([^:]*:[^:]*:)\d+", rb"\1", path.read_bytes(), flags=re.MULTILINE)


def lines(path: Path) -> bytes:
    return b"\n".join(sorted(path.read_bytes().splitlines()))


def owned_paths(path: Path) -> bytes:
    """Give what a package owns, but for directories of documentation: dpkg takes one that is left out for another's."""
    left_out = re.compile(rb"/usr/share/(lintian|linda|info|locale|groff|doc/[^/]*)")
    return b"\n".join(sorted(one for one in path.read_bytes().splitlines() if not left_out.fullmatch(one)))


MEANT: Mapping[str, Callable[[Path], bytes]] = {
    "var/lib/dpkg/status": dpkg_status,
    "var/lib/dpkg/info/.*[.]list": owned_paths,
    "var/lib/dpkg/triggers/File": lines,
    "etc/ld.so.cache": library_cache,
    "etc/shadow": without_days,
}
"""What is compared of these is what they say."""


def explanation(path: str, *, missing: bool) -> str | None:
    found = [*OTHER.items(), *(MISSING.items() if missing else ())]
    matching = (reason for reason, patterns in found if any(re.fullmatch(pattern, path) for pattern in patterns))
    return next(matching, None)


def differences(ours: Mapping[str, Entry], theirs: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    for path in sorted({*ours, *theirs}):
        if path not in ours:
            yield path, "only by apt"
        elif path not in theirs:
            yield path, "only here"
        elif ours[path] != theirs[path]:
            yield path, ours[path].told(theirs[path])


def unpacked(scratch: Path, name: str, packages: Sequence[str], suite: str) -> tuple[Path, list[str]]:
    """Build an image of a project with these packages, and unpack it: the tree, and what the suite calls them."""
    project = scratch / f"{name}-project"
    project.mkdir()
    config = {
        "build": {"system_packages": list(packages)},
        "run": "predict.py:Runner",
        "cogpack": {"base": f"debian:{suite}"},
    }
    (project / "cog.yaml").write_text(json.dumps(config))
    (project / "predict.py").write_bytes((ROOT / "examples/hello/predict.py").read_bytes())
    layout = scratch / f"{name}-layout"
    words = [sys.executable, "-m", "cogpack", "build", "-q", "-o", str(layout), "-t", "it:v1"]
    subprocess.run(words, cwd=project, check=True, stdout=subprocess.DEVNULL)
    (named,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    tag = named["annotations"]["org.opencontainers.image.ref.name"]
    tree = scratch / name
    subprocess.run(["umoci", "raw", "unpack", "--image", f"{layout}:{tag}", str(tree)], check=True)
    shutil.rmtree(layout)
    lock = read_lock(project / "cogpack.lock")
    assert lock is not None
    (decisions,) = lock.platforms.values()
    assert isinstance(decisions.base, DebianBase)
    return tree, [deb.name for deb in decisions.base.system_packages.packages if deb.requested]


def installed(tree: Path, packages: Sequence[str]) -> None:
    """Have apt-get of `tree` install them there, with /proc and /dev."""
    prepared(tree, packages, INSTALL)
    mounts = f"mount -t proc proc {tree}/proc && mount --rbind /dev {tree}/dev"
    install = f"chroot {tree} env DEBIAN_FRONTEND=noninteractive {INSTALL} {' '.join(packages)}"
    with (tree.parent / "apt.log").open("wb") as log:
        words = ["unshare", "--mount", "--", "sh", "-ec", f"{mounts} && {install}"]
        subprocess.run(words, check=True, stdout=log, stderr=log)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=sorted(PYTHONS), help="default: each")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("packages", nargs="*")
    given = parser.parse_args()
    names = [name for line in NAMES.read_text().splitlines() if (name := line.partition("#")[0].strip())]
    wrong = 0
    for suite in given.suite or sorted(PYTHONS):
        with scratch_directory(given.scratch) as scratch:
            packages = given.packages or names[:COMMONEST]
            ours, called = unpacked(scratch, "ours", packages, suite)
            theirs, _ = unpacked(scratch, "apt", (), suite)
            installed(theirs, called)
            told = Counter[str]()
            mine, other = read_tree(ours), read_tree(theirs)
            for path, what in differences(mine, other):
                reason = explanation(path, missing=path not in mine)
                told[reason or "not explained"] += 1
                if reason is None:
                    wrong += 1
                    print(f"{suite} /{path}: {what}", flush=True)
            print(f"{suite}: {' '.join(packages)}: {len(other)} entries by apt, {len(mine)} here")
            for reason, count in told.most_common():
                print(f"  {count:6} {reason}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
