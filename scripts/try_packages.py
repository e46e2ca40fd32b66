"""The system packages that public Cog projects name are locked, laid and used: a table of what came of each.

    python scripts/try_packages.py [--suite trixie] [--scratch DIR] [--together] [ffmpeg git ...]

Needs root, Debian's docker.io, and a mirror. Each name of `public_system_packages.txt` is a project of its own, with
what it recommends, over the suite's base: `cogpack push` to a registry of ours, `docker run` of what
`package_trials.toml` has for it. In each image dpkg, apt and ldconfig must find nothing to change. What is compiled
against is so in one image of all such names with g++, which is tried by `--together`. Each cell of what was tried is
written anew into docs/packages-tried.md.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from measuring import scratch_directory  # noqa: E402
from support.dockerd import Docker, dockerd  # noqa: E402

from cogpack.config import PYTHONS  # noqa: E402
from cogpack.lockfile.base_kinds import DebianBase  # noqa: E402
from cogpack.lockfile.text import read_lock  # noqa: E402
from cogpack.registry.server import Server  # noqa: E402
from cogpack.text import size_text  # noqa: E402

TABLE = ROOT / "docs/packages-tried.md"
NAMES = Path(__file__).with_name("public_system_packages.txt")
TRIALS = Path(__file__).with_name("package_trials.toml")
COMPILERS = ("g++", "pkg-config")
KEPT = 5
"""So many images Docker has at a time: some of their layers are those of the next."""

# What ldconfig of glibc 2.36 calls ELF, not libc6, is found as well: the linker of 32 bits, which needs no C library.
_WHOLE = """
list() { ldconfig -p | grep '=>' | sed 's/(ELF/(libc6/'; }
list > /tmp/before; ldconfig; list > /tmp/after
diff /tmp/before /tmp/after; test -z "$(dpkg --audit)"; apt-get check -qq"""
_LOAD = (
    "import ctypes, ctypes.util, sys; [ctypes.CDLL(ctypes.util.find_library(name) or name) for name in sys.argv[1:]]"
)
_COMPILE = "cd /tmp && printf 'int main() { return 0; }' | g++ -x c++ - -Wl,--no-as-needed"
_TRIED = "tried by"


class Trials(msgspec.Struct, frozen=True):
    """Is `package_trials.toml`: by name a command, libraries, options of a compiler, or the suites that lack it."""

    runs: dict[str, str]
    loads: dict[str, str]
    compiles: dict[str, str]
    refused: dict[str, list[str]]

    def command(self, name: str) -> str:
        if name in self.compiles:
            return f"{_COMPILE} {self.compiles[name]} && ./a.out"
        return f'python -c "{_LOAD}" {self.loads[name]}' if name in self.loads else self.runs.get(name, "false")

    def told(self, name: str) -> str:
        """Say in the table what is done."""
        if name in self.compiles:
            words = [word for word in self.compiles[name].split() if re.match(r"-l|\w", word) and "pkg" not in word]
            return f"compiling with {' '.join(words)}".replace(")", "")
        if name in self.loads:
            return f"loading {', '.join(f'lib{library}' for library in self.loads[name].split())}"
        return "a command" if name in self.runs else "-"


class Made(msgspec.Struct, frozen=True):
    """Is an image, how many packages the lock brought and their size, and what was wrong, if anything."""

    image: str
    brought: str
    fault: str


class Workshop(msgspec.Struct, frozen=True):
    """Makes images of one suite and runs commands in them."""

    docker: Docker
    registry: str
    scratch: Path
    suite: str

    def image(self, *names: str) -> str:
        """Name the image: one repository has all of them, so that a layer is made once."""
        tag = re.sub(r"[^\w.-]", "-", "-".join([self.suite, *names]))
        return f"{self.registry}/tried:{tag}"

    def made(self, packages: Sequence[str]) -> Made:
        """Lock a project of these packages, push it, and have Docker pull it."""
        project = self.scratch / "-".join([self.suite, *packages[:1]])
        project.mkdir()
        image = self.image(*packages[:1])
        config = {
            "build": {"system_packages": list(packages)},
            "run": "predict.py:Runner",
            "cogpack": {"base": f"debian:{self.suite}"},
        }
        (project / "cog.yaml").write_text(json.dumps(config))
        (project / "predict.py").write_bytes((ROOT / "examples/hello/predict.py").read_bytes())
        words = [sys.executable, "-m", "cogpack", "push", image]
        done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
        lock = read_lock(project / "cogpack.lock")
        if lock is None:
            return Made(image, "", f"does not lock: {done.stderr}")
        (decisions,) = lock.platforms.values()
        assert isinstance(decisions.base, DebianBase)
        over = decisions.base.system_packages
        brought = f"{len(over.packages)}, {size_text(sum(deb.size for deb in over.packages))}"
        if over.dpkg:
            brought += f"; dpkg: {len(over.dpkg)}"
        if done.returncode:
            return Made(image, brought, f"no image: {done.stderr}")
        pulled = self.docker.run("pull", "-q", image, ok=False, seconds=3600)
        return Made(image, brought, pulled.stderr if pulled.returncode else "")

    def fault(self, image: str, command: str) -> str:
        """Run it in the image: what was wrong."""
        words = ("run", "--rm", "--network=none", "--entrypoint=sh", image, "-euc", command)
        done = self.docker.run(*words, ok=False, seconds=300)
        return "" if done.returncode == 0 else f"{done.stdout}{done.stderr}"


def alone(shop: Workshop, name: str, trials: Trials) -> tuple[str, str]:
    """Try one name in an image of its own: its cell in the table, and what was wrong."""
    made = shop.made([name])
    if shop.suite in trials.refused.get(name, ()):
        return ("is not refused", "it is not refused") if made.brought else ("refused", "")
    if made.fault:
        return "FAILS", made.fault
    command = "" if name in trials.compiles else f"; {trials.command(name).strip()}"
    fault = shop.fault(made.image, f"{_WHOLE}{command}")
    return f"{made.brought}{'; FAILS' if fault else ''}", fault


def together(shop: Workshop, names: Sequence[str], trials: Trials) -> dict[str, str]:
    """Compile with each of the names in one image of all: what was wrong, by name."""
    made = shop.made([*COMPILERS, *names])
    if made.fault:
        return dict.fromkeys(names, made.fault)
    faults = {name: shop.fault(made.image, trials.command(name)) for name in names}
    shop.docker("rmi", made.image)
    return faults


class Table:
    """Is the table of the page: a row a name, a cell a suite."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before, _, rest = path.read_text().partition("| name |")
        lines = f"| name |{rest}".splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
        self._after = "".join(f"{line}\n" for line in lines[len(rows) :])
        self._suites = rows[0][1:-1]
        self._cells = {row[0].strip("`"): dict(zip(self._suites, row[1:], strict=False)) for row in rows[2:]}

    def put(self, name: str, suite: str, cell: str) -> None:
        self._cells.setdefault(name, {})[suite] = cell

    def write(self, names: Sequence[str], trials: Trials) -> None:
        heads = ["name", *self._suites, _TRIED]
        rows = [heads, ["---"] * len(heads)]
        for name in names:
            cells = self._cells.get(name, {})
            rows.append([f"`{name}`", *(cells.get(suite, "") for suite in self._suites), trials.told(name)])
        text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
        self._path.write_text(self._before + text + self._after)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", action="append", choices=sorted(PYTHONS), help="default: each")
    parser.add_argument("--together", action="store_true", help="compile with those that are compiled with")
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("packages", nargs="*", help="default: all names")
    given = parser.parse_args()
    names = [name for line in NAMES.read_text().splitlines() if (name := line.partition("#")[0].strip())]
    trials = msgspec.convert(tomllib.loads(TRIALS.read_text()), Trials)
    chosen = given.packages or names
    failed = 0
    with (
        scratch_directory(given.scratch) as scratch,
        dockerd(scratch / "docker") as docker,
        Server(scratch / "registry") as registry,
    ):
        for suite in given.suite or sorted(PYTHONS):
            shop = Workshop(docker, registry.address, scratch, suite)
            if given.together:
                faults = together(shop, [name for name in chosen if name in trials.compiles], trials)
                for name, fault in faults.items():
                    print(f"{suite} {name}, compiled with: {fault.strip()[-2000:] or 'works'}", flush=True)
                    failed += bool(fault)
                continue
            shop.made([])  # whose layers Docker keeps for the others
            for number, name in enumerate(chosen):
                cell, fault = alone(shop, name, trials)
                if number >= KEPT:
                    docker.run("rmi", shop.image(chosen[number - KEPT]), ok=False)
                table = Table(TABLE)
                table.put(name, suite, cell)
                table.write(names, trials)
                print(f"{suite} {name}: {cell} {fault.strip()[-2000:]}", flush=True)
                failed += bool(fault)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
