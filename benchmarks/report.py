"""What benchmarks found, with the machine that it was found on: as JSON, as tables, and as docs/benchmarks.md."""

import argparse
import datetime as dt
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
from measuring import Figures

import cogpack

_VERSIONS = {
    "docker": ("dockerd", "--version"),  # the daemon does the work, and its client may be another
    "docker-registry": ("docker-registry", "--version"),
    "skopeo": ("skopeo", "--version"),
    "crane": ("crane", "version"),
    "oras": ("oras", "version"),
    "podman": ("podman", "--version"),
    "aria2c": ("aria2c", "--version"),
    "uv": ("uv", "--version"),
    "zstd": ("zstd", "--version"),
    "apt-get": ("apt-get", "--version"),
    "mmdebstrap": ("mmdebstrap", "--version"),
}


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One peer's runs. `limit`: nobody could do with less, so it is none to win against; `more`: figures besides, as
    medians, by the titles of their columns."""

    name: str
    runs: tuple[Figures, ...]
    limit: bool = False
    more: Mapping[str, float] = {}

    @property
    def median(self) -> float:
        return statistics.median(run.seconds for run in self.runs)


class Table(msgspec.Struct, frozen=True, omit_defaults=True):
    """Peers that did the same, in turns. `ours`: the row that is cogpack's, which ratios are of; `size`: bytes that
    each moved; `note`: what a reader has to know."""

    title: str
    rows: tuple[Row, ...]
    ours: str = ""
    size: int = 0
    note: str = ""

    @property
    def lost(self) -> list[tuple[Row, float]]:
        """Peers that were faster, and what part of our time they took."""
        ours = next((row for row in self.rows if row.name == self.ours), None)
        if ours is None:
            return []
        peers = (row for row in self.rows if not row.limit and not row.name.startswith("cogpack"))
        return [(row, row.median / ours.median) for row in peers if row.median < ours.median]

    def cells(self) -> list[list[str]]:
        """The table as texts, its head first."""
        ours = next((row.median for row in self.rows if row.name == self.ours), 0.0)
        titles = [*dict.fromkeys(title for row in self.rows for title in row.more)]
        columns: list[tuple[str, Callable[[Row], str]]] = [
            ("", lambda row: row.name),
            ("seconds", lambda row: f"{row.median:.2f}"),
            ("lowest to highest", _spread),
        ]
        if ours:
            columns.append(("times ours", lambda row: f"{row.median / ours:.2f}"))
        if self.size:
            columns.append(("MB/s", lambda row: f"{self.size / row.median / 1e6:.0f}"))
        for title, index, form in (("CPU s", 2, ".2f"), ("peak MiB", 1, ".0f")):
            if any(run[index] is not None for row in self.rows for run in row.runs):
                columns.append((title, partial(_middle, index, form)))
        columns += [(title, partial(_besides, title)) for title in titles]
        return [[title for title, _ in columns], *([cell(row) for _, cell in columns] for row in self.rows)]


def _spread(row: Row) -> str:
    seconds = sorted(run.seconds for run in row.runs)
    return f"{seconds[0]:.2f}-{seconds[-1]:.2f}"


def _besides(title: str, row: Row) -> str:
    return f"{row.more[title]:g}" if title in row.more else ""


def _middle(index: int, form: str, row: Row) -> str:
    found = [value for run in row.runs if (value := run[index]) is not None]
    return f"{statistics.median(found):{form}}" if found else ""


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured. `load`: of the last minute, before and after; `programs`: the versions of the peers."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    load: tuple[float, float]
    programs: Mapping[str, str]


class Report(msgspec.Struct, frozen=True):
    """What one benchmark found. `command`: how it is made again."""

    name: str
    title: str
    command: str
    date: str
    cogpack: str
    machine: Machine
    tables: tuple[Table, ...]


class Measured:
    """Collects the runs of peers that take turns."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]

    def report(self, tables: Sequence[Table], path: Path | None, programs: Sequence[str] = ()) -> None:
        """Print the tables, and write them to `path`. `programs`: peers whose versions matter."""
        script = Path(sys.argv[0])
        document = sys.modules["__main__"].__doc__ or ""
        machine = _machine(self._load, programs)
        report = Report(
            script.stem,
            document.partition("\n")[0].rstrip("."),
            _typed(script),
            dt.datetime.now(dt.UTC).date().isoformat(),
            cogpack.__version__,
            machine,
            tuple(tables),
        )
        print(f"load {machine.load[0]:.1f} to {machine.load[1]:.1f} on {machine.cores} cores")
        for table in tables:
            print(f"\n{table.title}")
            _print(table.cells())
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def in_turns(peers: Mapping[str, Callable[[], Figures]], runs: int) -> dict[str, tuple[Figures, ...]]:
    """Let each do it once, then each again: what else the machine does meets all of them."""
    found: dict[str, list[Figures]] = {name: [] for name in peers}
    for _ in range(runs):
        for name, work in peers.items():
            found[name].append(work())
            print(f"  {name}: {found[name][-1].seconds:.2f} s", file=sys.stderr, flush=True)
    return {name: tuple(each) for name, each in found.items()}


def rows(found: Mapping[str, Sequence[Figures]], limits: Collection[str] = ()) -> tuple[Row, ...]:
    return tuple(Row(name, tuple(runs), name in limits) for name, runs in found.items())


def options(document: str | None, *, runs: int = 3) -> argparse.ArgumentParser:
    """What every benchmark takes. One that is ended (SIGTERM) ends its servers, and removes what it made."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=runs)
    parser.add_argument("--scratch", type=Path, help="where there is room")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there, too")
    return parser


def _typed(script: Path) -> str:
    """The command, without what tells of this machine."""
    words = sys.argv[1:]
    for option in ("--json", "--scratch", "--wheels"):
        if option in words:
            at = words.index(option)
            words = words[:at] + words[at + 2 :]
    return " ".join(["python", f"benchmarks/{script.name}", *words])


def _machine(load: float, programs: Sequence[str]) -> Machine:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {"python": platform.python_version()}
    for name in programs:
        if shutil.which(_VERSIONS[name][0]):
            done = subprocess.run(_VERSIONS[name], capture_output=True, text=True, check=False)
            if version := re.search(r"\b\d+\.[\w.+~-]*\w", done.stdout or done.stderr):
                found[name] = version[0]
    processor = names[0].partition(":")[2].strip() if names else platform.processor()
    cores = len(os.sched_getaffinity(0))
    return Machine(processor, cores, round(memory, 1), platform.release(), (load, os.getloadavg()[0]), found)


def _print(cells: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        figures = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join([first.ljust(widths[0]), *figures]).rstrip())


_HEAD = """# Benchmarks

`make bench` measures these anew, from an installed wheel, and writes this page; `make bench-large` adds what wants
gigabytes of wheels. Peers take turns in the same run, with the same bytes; figures are medians, with the lowest and
highest run. CPU seconds and memory are of the command alone, not of servers, which share its cores. *Times ours*: 2.00
took twice as long as cogpack. Rows in italics are measures: a part of the work alone, by the plainest program.
"""


def page(reports: Sequence[Report], plots: Collection[str] = ()) -> str:
    """docs/benchmarks.md; `plots`: what lies beside it, `benchmarks-NAME.svg` of the benchmark NAME."""
    out = [_HEAD, "## What we lose\n"]
    lost = [(report, table, row, part) for report in reports for table in report.tables for row, part in table.lost]
    out += [
        f"- {table.title}: `{row.name}` takes {part:.2f} of our time{why} ([{report.name}](#{report.name}))."
        for report, table, row, part in lost
        for why in (f": {table.note.rstrip('.')}" if table.note else "",)
    ] or ["Nothing, here and this time."]
    for report in reports:
        out += [
            f"\n## {report.name}\n\n{report.title}.\n",
            textwrap.fill(
                f"`{report.command}`, {report.date}, cogpack {report.cogpack}; {_facts(report.machine)}.",
                120,
                break_long_words=False,
                break_on_hyphens=False,
            ),
        ]
        if (plot := f"benchmarks-{report.name}.svg") in plots:
            out.append(f"\n![{report.title}]({plot})")
        for table in report.tables:
            limits = {row.name for row in table.rows if row.limit}
            head, *rows = table.cells()
            out += [f"\n### {table.title}\n"]
            out += [f"{table.note}\n"] if table.note else []
            out += ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
            for name, *cells in rows:
                shown = f"*{name}*" if name in limits else f"**{name}**" if name == table.ours else name
                out.append("| " + " | ".join([shown, *cells]) + " |")
    return "\n".join(out) + "\n"


def _facts(machine: Machine) -> str:
    programs = "".join(f", {name} {version}" for name, version in machine.programs.items())
    return (
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib:g} GiB, Linux {machine.kernel}{programs}; "
        f"load {machine.load[0]:.1f} before and {machine.load[1]:.1f} after"
    )
