"""How a push grows with a project: very many small files, and weights of gigabytes.

    python benchmarks/growth.py [PROJECT] [--files 1000,10000,100000] [--gigabytes 1,2,4,8] [--runs 1]

Needs Debian's docker-registry. PROJECT, examples/hello if it is not named, gets files of 100 to 900 bytes each, or
weights that nobody can compress, and is pushed: to an empty repository, with nothing changed, and with one line more.
Where the growth is linear, seconds a file or a gigabyte are the same from row to row, and memory stays what it is.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from measuring import ROOT, Figures, scratch_directory
from push import FIRST, LINE, NOTHING, Ours, change_a_line
from report import Measured, Row, Table, options
from servers import docker_registry

MB = 10**6


def add_files(project: Path, count: int) -> None:
    chance = random.Random(1)
    for number in range(count):
        directory = project / "data" / f"{number // 10_000:02d}" / f"{number // 100:05d}"
        if number % 100 == 0:
            directory.mkdir(parents=True)
        (directory / f"sample_{number:06d}.txt").write_bytes(chance.randbytes(chance.randrange(50, 450)).hex().encode())


def add_weights(project: Path, gigabytes: int) -> None:
    """One file a gigabyte: blocks of one seed, each with its number, so that no two are equal."""
    block = random.Random(2).randbytes(MB - 8)
    for number in range(gigabytes):
        with (project / f"weights_{number}.bin").open("wb") as file:
            for part in range(1000):
                file.write((number * 1000 + part).to_bytes(8, "big") + block)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    parser = options(__doc__, runs=1)
    parser.add_argument("project", type=Path, nargs="?", default=ROOT / "examples/hello")
    parser.add_argument("--files", type=numbers, default=[1000, 10_000, 100_000])
    parser.add_argument("--gigabytes", type=numbers, default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    measured = Measured()
    found: dict[tuple[str, str], dict[str, list[Figures]]] = {}
    kinds: list[tuple[str, list[int], Callable[[Path, int], None]]] = [
        ("files", arguments.files, add_files),
        ("GB of weights", arguments.gigabytes, add_weights),
    ]
    with scratch_directory(arguments.scratch) as scratch:
        for what, sizes, add in kinds:
            for size in sizes * arguments.runs:
                with scratch_directory(scratch) as place, docker_registry(place / "registry") as registry:
                    project = place / "ours" / "project"
                    shutil.copytree(arguments.project, project)
                    target = f"{registry}/growth/run"
                    ours = Ours(project, scratch / "cache")
                    ours.push("warm", f"{registry}/growth/warm")  # resolves, downloads
                    ours.forget()
                    add(project, size)
                    for case in (FIRST, NOTHING, LINE):
                        if case == LINE:
                            change_a_line(project)
                        figures = ours.push(case, target)
                        found.setdefault((what, case), {}).setdefault(f"{size:,} {what}", []).append(figures)
    tables = [
        Table(f"A push that grows: {case}, {what}", tuple(Row(name, tuple(runs)) for name, runs in rows.items()))
        for (what, case), rows in found.items()
    ]
    measured.report(tables, arguments.json, ("docker-registry",))


if __name__ == "__main__":
    main()
