"""Our choice of Debian packages is compared with apt's: `python scripts/compare_with_apt.py [--trials 50]`.

Both are asked for the same random sets of the system packages that public Cog projects name
(`public_system_packages.txt`), over the same indexes, on a machine that has the packages of cogpack's base alone. What
differs is printed. apt-get only says what it would fetch. It needs Debian's keyring and a mirror; no root.
"""

import argparse
import gzip
import hashlib
import random
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec

from cogpack.config import PYTHONS
from cogpack.errors import CogpackError
from cogpack.resolve.debs.archives.index import open_index, parse_index
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.bases import BASE_PACKAGES
from cogpack.resolve.debs.solving.solver import solve
from cogpack.resolve.debs.solving.universe import DebCandidate, Universe
from cogpack.seal import Seal

NAMES = Path(__file__).with_name("public_system_packages.txt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ARCH = "amd64"

_FILE = re.compile(r"'[^']*' ([a-z0-9.+-]+)_(\S+)_[a-z0-9]+\.deb \d+ ")


class Answer(msgspec.Struct, frozen=True):
    """Holds the versions to install, by name; or why there are none."""

    versions: dict[str, str]
    fault: str = ""


class Apt:
    """Is the machine's apt, over a root of its own: one suite's indexes, and a dpkg database we write."""

    def __init__(self, root: Path, suite: str) -> None:
        self._root = root / suite
        self.suites = (suite, f"{suite}-updates", f"{suite}-security")
        self._status = self._root / "var/lib/dpkg/status"
        for directory in (
            "etc/apt/preferences.d",
            "var/lib/apt/lists/partial",
            "var/lib/dpkg",
            "var/cache/apt/archives/partial",
        ):
            (self._root / directory).mkdir(parents=True, exist_ok=True)
        mirror = DebianMirror.choose(None, {})
        signed = f"[arch={ARCH} signed-by={KEYRING}]"
        lines = (
            f"deb {signed} {mirror.main} {suite} main",
            f"deb {signed} {mirror.main} {suite}-updates main",
            f"deb {signed} {mirror.security} {suite}-security main",
        )
        (self._root / "etc/apt/sources.list").write_text("".join(f"{line}\n" for line in lines))
        settings = {
            "Dir": str(self._root),
            "Dir::Etc::parts": "/dev/null",
            "Dir::State::status": str(self._status),
            "APT::Architecture": ARCH,
            "APT::Architectures": ARCH,
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::GzipIndexes": "false",
            "Debug::NoLocking": "true",
            "Dir::Bin::dpkg": "/bin/false",  # whatever happens: this machine keeps the packages it has
        }
        self._settings = self._root / "apt.conf"
        self._settings.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))

    def update(self) -> None:
        self._status.write_text("")
        self._run("update", check=True)

    def indexes(self) -> list[Path]:
        """Give the indexes that were fetched: of the suite, of its updates, of its security archive."""
        lists = self._root / "var/lib/apt/lists"
        return [next(lists.glob(f"*_dists_{name}_main_binary-{ARCH}_Packages")) for name in self.suites]

    def have(self, base: Sequence[DebCandidate]) -> None:
        """Write a dpkg database that has these packages."""
        wanted = {(found.name, found.package.version) for found in base}
        with self._status.open("w") as status:
            for index in self.indexes():
                for stanza in index.read_text().split("\n\n"):
                    fields = dict(line.split(": ", 1) for line in stanza.splitlines() if re.match(r"\S+: ", line))
                    key = (fields.get("Package", ""), fields.get("Version", ""))
                    if key in wanted:
                        wanted.remove(key)
                        status.write(f"{stanza.strip()}\nStatus: install ok installed\n\n")
        self._run("check", check=True)

    def install(self, requests: Sequence[str], *, recommends: bool) -> Answer:
        # It chooses as --simulate does, which then spends several times as long on the order of installation.
        done = self._run("--print-uris", f"-oAPT::Install-Recommends={int(recommends)}", "install", *requests)
        if done.returncode:
            return Answer({}, done.stdout[done.stdout.find("The following packages have") :] + done.stderr)
        return Answer({name: unquote(version) for name, version in _FILE.findall(done.stdout)})

    def _run(self, *arguments: str, check: bool = False) -> "subprocess.CompletedProcess[str]":
        environment = {"APT_CONFIG": str(self._settings), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
        command = ["apt-get", "--quiet=2", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=check, env=environment)


def universe(apt: Apt, cache: Path) -> Universe:
    """Read the very indexes that apt has."""
    found = []
    seal = Seal()
    for path in apt.indexes():
        text = path.read_bytes()
        sha256 = hashlib.sha256(text).hexdigest()
        index = open_index(cache, sha256, seal) or parse_index(
            gzip.compress(text, 1), url=path.name, size=len(text), directory=cache, sha256=sha256, seal=seal
        )
        found.append(index)
    return Universe(found, apt.suites)


def names(universe: Universe, file: Path) -> list[str]:
    """Give the names of `file` that the suite has, or what took their place."""
    found: dict[str, None] = {}
    for line in file.read_text().splitlines():
        name = line.partition("#")[0].strip()
        for request in universe.successors(name) or [name]:
            if name and universe.candidates(request):
                found[request] = None
    return list(found)


def ours(universe: Universe, requests: Sequence[str], base: Sequence[DebCandidate], *, recommends: bool) -> Answer:
    try:
        found = solve(universe, requests, base=base, recommends=recommends)
    except CogpackError as error:
        return Answer({}, error.message)
    return Answer({one.name: one.package.version for one in found.packages})


def told(requests: Sequence[str], ours: Answer, apt: Answer) -> str:
    """Say how the two differ; nothing where they don't."""
    if ours.fault or apt.fault:
        if ours.fault and apt.fault:
            return ""
        return f"{' '.join(requests)}\n  ours: {ours.fault or 'found'}\n  apt:  {apt.fault or 'found'}"
    if ours.versions == apt.versions:
        return ""
    more, less = ours.versions.keys() - apt.versions.keys(), apt.versions.keys() - ours.versions.keys()
    other = {name for name in ours.versions.keys() & apt.versions.keys() if ours.versions[name] != apt.versions[name]}
    return (
        f"{' '.join(requests)}\n  only ours: {' '.join(sorted(more)) or '-'}\n"
        f"  only apt's: {' '.join(sorted(less)) or '-'}\n  other versions: {' '.join(sorted(other)) or '-'}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50, help="sets for each suite, with and without Recommends")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--suite", action="append", choices=sorted(PYTHONS), help="default: each")
    parser.add_argument("--recommends", choices=("both", "yes", "no"), default="both")
    parser.add_argument("--root", type=Path, default=Path("/tmp/cogpack-apt"), help="where indexes are kept")
    parser.add_argument("--names", type=Path, default=NAMES, help="a file with a name a line")
    parser.add_argument("--keep", action="store_true", help="use the indexes that are there")
    parser.add_argument("packages", nargs="*", help="one set of your own instead of random ones")
    given = parser.parse_args()
    differing = 0
    for suite in given.suite or sorted(PYTHONS):
        apt = Apt(given.root, suite)
        if not given.keep:
            apt.update()
        packages = universe(apt, given.root / "parsed")
        base = solve(packages, [*BASE_PACKAGES, *packages.essential()]).packages
        apt.have(base)
        words = names(packages, given.names)
        for recommends in {"both": (False, True), "yes": (True,), "no": (False,)}[given.recommends]:
            chance = random.Random(given.seed)
            sets = [chance.sample(words, chance.randint(2, 6)) for _ in range(given.trials)]
            sets = [given.packages] if given.packages else sets
            times = {"ours": 0.0, "apt": 0.0}
            wrong = 0
            for number, requests in enumerate(sets):
                start = time.perf_counter()
                mine = ours(packages, requests, base, recommends=recommends)
                middle = time.perf_counter()
                theirs = apt.install(requests, recommends=recommends)
                times["ours"] += middle - start
                times["apt"] += time.perf_counter() - middle
                if text := told(requests, mine, theirs):
                    wrong += 1
                    print(f"{suite} {number}{' recommends' if recommends else ''}: {text}", flush=True)
            kind = "with" if recommends else "without"
            spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in times.items())
            print(f"{suite}, {kind} Recommends: {len(sets)} sets of {len(words)} names, {wrong} differ; {spent}")
            differing += wrong
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
