"""What a layer of system packages costs beside `apt-get install` in a chroot, and a tar of what that made; and what
Debian's base does beside mmdebstrap.

    python benchmarks/packages.py [--runs 3] [--packages ffmpeg] [--recommends] [--scratch DIR] [--json FILE]

Needs root, and Debian's archive as apt is configured for it. All packages have been fetched, and the base is there:
cogpack's as a layer of the layout that it builds into, apt's as that layer, laid into a directory. Peers, in turns:
`cogpack build`, which ends with the layers of the packages; and `apt-get install` in the chroot, then `tar` of the new
files, to `gzip -6`. For the base: `cogpack build --rebuild` of examples/hello, all of its layers; and mmdebstrap (where
it is installed) of the same packages, to `gzip -6`.
"""

import json
import os
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from measuring import COGPACK, ROOT, Figures, measure, scratch_directory
from report import Measured, Table, in_turns, options, rows

from cogpack.resolve.debs.archives.mirror import DebianMirror

_ARCHIVES = "/var/cache/apt/archives/"
INSTALL = "apt-get -qq --yes --no-install-recommends install"
LAYER = (
    "find . -xdev -cnewer ../stamp ! -type d ! -path './var/cache/apt/*' -print0 | "
    "tar --no-recursion --null -T - -cf - | gzip -6 > ../layer.tar.gz"
)


def make_project(directory: Path, packages: Sequence[str], *, recommends: bool) -> Path:
    shutil.copytree(ROOT / "examples/hello", directory)
    text = (directory / "cog.yaml").read_text()
    text = text.replace("build:\n", f"build:\n  system_packages: {json.dumps(list(packages))}\n")
    (directory / "cog.yaml").write_text(f"{text}cogpack: {{recommends: {json.dumps(recommends)}}}\n")
    return directory


def cogpack(project: Path, *arguments: str) -> Figures:
    return measure([*COGPACK, *arguments, "-q", "-C", str(project)])


def build(project: Path, base: Path) -> Figures:
    """Build into a copy of the layout `base`, which has all other layers."""
    copy = base.with_name("copy")
    shutil.copytree(base, copy)
    try:
        return cogpack(project, "build", "-o", str(copy))
    finally:
        shutil.rmtree(copy)


def install(tree: Path, packages: Sequence[str], words: str) -> Figures:
    """Install over a copy of `tree`, and pack what is new. apt's dpkg has no other root than that copy."""
    copy = tree.with_name("installed")
    subprocess.run(["cp", "-a", str(tree), str(copy)], check=True)
    script = f"chroot . env DEBIAN_FRONTEND=noninteractive {words} {' '.join(packages)} >../log 2>&1 && {LAYER}"
    tree.with_name("stamp").touch()
    try:
        return measure(["/bin/sh", "-ec", f"cd {copy} && {script}"])
    finally:
        shutil.rmtree(copy)


def laid(layout: Path, tree: Path) -> Path:
    """Lay the lowest layer of the layout's image, which is the base, into `tree`."""
    blobs = layout / "blobs/sha256"

    def read(descriptor: dict[str, str]) -> Path:
        return blobs / descriptor["digest"].partition(":")[2]

    manifest = json.loads(read(json.loads((layout / "index.json").read_text())["manifests"][0]).read_text())
    tree.mkdir()
    subprocess.run(["tar", "-xzf", str(read(manifest["layers"][0])), "-C", str(tree)], check=True)
    return tree


def prepared(tree: Path, packages: Sequence[str], words: str) -> None:
    """Have apt ask this machine's mirror, and fetch what it will install."""
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    shutil.copy("/etc/resolv.conf", tree / "etc/resolv.conf")
    null = tree / "dev/null"
    null.unlink(missing_ok=True)
    os.mknod(null, 0o20666, os.makedev(1, 3))
    null.chmod(0o666)  # whatever the umask: apt of bookworm checks signatures as a user of its own
    sources = tree / "etc/apt/sources.list.d/debian.sources"
    text = sources.read_text()
    for address, mirror in DebianMirror.choose(None, os.environ).replacements(lambda url: url).items():
        text = text.replace(f"{address}\n", f"{mirror}\n")
    sources.write_text(text)
    for each in ("apt-get -qq update", f"{words} --download-only {' '.join(packages)}"):
        subprocess.run(["chroot", str(tree), *each.split()], check=True, stdout=subprocess.DEVNULL)


class Bootstrap:
    """mmdebstrap of the packages that the base in `lock` has, from `sources`; it has fetched them before."""

    def __init__(self, lock: Path, sources: Path, scratch: Path) -> None:
        base = tomllib.loads(lock.read_text())["platforms"]["linux/amd64"]["base"]
        names = ",".join(package["name"] for package in base["packages"])
        self._debs, self._layer = scratch / "debs", scratch / "base.tar.gz"
        self._debs.mkdir()
        self._words = ["mmdebstrap", "--quiet", "--variant=essential", f"--include={names}"]
        self._from = [base["suite"], "-", str(sources)]
        kept = [f"--customize-hook=sync-out {_ARCHIVES} {self._debs}", "--skip=essential/unlink"]
        subprocess.run([*self._words, *kept, *self._from], check=True, stdout=subprocess.DEVNULL)

    def make(self) -> Figures:
        given = [f'--setup-hook=mkdir -p "$1{_ARCHIVES}"', f"--setup-hook=sync-in {self._debs} {_ARCHIVES}"]
        words = shlex.join([*self._words, *given, *self._from])
        return measure(["/bin/sh", "-ec", f"{words} | gzip -6 > {self._layer}"])


def rebuilt(project: Path, layout: Path) -> Figures:
    try:
        return cogpack(project, "build", "--rebuild", "-o", str(layout))
    finally:
        shutil.rmtree(layout)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--packages", nargs="+", default=["ffmpeg"])
    parser.add_argument("--recommends", action="store_true", help="with what they recommend")
    arguments = parser.parse_args()
    measured = Measured()
    os.environ.pop("CI", None)
    packages = arguments.packages
    words = INSTALL.replace("--no-install-recommends ", "") if arguments.recommends else INSTALL
    with scratch_directory(arguments.scratch) as scratch:
        base = scratch / "base"
        cogpack(make_project(scratch / "plain", [], recommends=False), "build", "-o", str(base))
        project = make_project(scratch / "project", packages, recommends=arguments.recommends)
        cogpack(project, "build", "-o", str(scratch / "first"))  # resolves, fetches
        shutil.rmtree(scratch / "first")
        tree = laid(base, scratch / "tree")
        prepared(tree, packages, words)
        found = in_turns(
            {
                "cogpack build": partial(build, project, base),
                "apt-get, tar, gzip": partial(install, tree, packages, words),
            },
            arguments.runs,
        )
        bases: dict[str, Callable[[], Figures]] = {
            "cogpack build": partial(rebuilt, scratch / "plain", scratch / "rebuilt")
        }
        if shutil.which("mmdebstrap"):
            sources = tree / "etc/apt/sources.list.d/debian.sources"
            bases["mmdebstrap, gzip"] = Bootstrap(scratch / "plain/cogpack.lock", sources, scratch).make
        based = in_turns(bases, arguments.runs)
    measured.report(
        [
            Table(f"A layer of {' '.join(packages)}", rows(found), "cogpack build"),
            Table("Debian's base", rows(based), "cogpack build", note="cogpack makes the layers above it, too."),
        ],
        arguments.json,
        ("apt-get", "mmdebstrap"),
    )


if __name__ == "__main__":
    main()
