"""How a push grows with a project: very many small files, wheels, and weights of gigabytes.

    python benchmarks/growth.py [PROJECT] [--files 1000,10000,100000] [--wheels 1,10,60] [--gigabytes 1,2,4,8]
                                [--runs 1]

Needs Debian's docker-registry. PROJECT, examples/hello if it is not named, gets files of 100 to 900 bytes each, or
wheels of 4 MB that were fetched before, or weights that nobody can compress, and is pushed: to an empty repository,
with nothing changed, and with one line more; with files also to an empty repository of a registry that has the base,
which this machine made before, as the second model of anybody is. Where the growth is linear, seconds a file, a wheel
or a gigabyte are the same from row to row, and memory stays what it is.
"""

import random
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from made import make_wheel
from measuring import ROOT, Figures, scratch_directory
from mirror import mirror
from push import FIRST, LINE, NOTHING, Ours, change_a_line
from report import Measured, Row, Table, options
from servers import docker_registry

MB = 10**6
BASE_THERE = "first, base there"
SETTLED = 2.5
"""Seconds after which a file is no longer as young as what is remembered of it, and need not be read again."""


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


def add_wheels(project: Path, count: int, directory: Path) -> None:
    """Half of each is text that deflates, half is not."""
    chance = random.Random(3)
    lines = []
    for number in range(count):
        name = f"part{number:02d}"
        text = chance.randbytes(MB).hex().encode()
        files = {f"{name}/data_{at}.py": text[at * 50_000 : (at + 1) * 50_000] for at in range(40)}
        make_wheel(directory, name, files=files | {f"{name}/lib.so": chance.randbytes(2 * MB)})
        lines.append(f"{name}==1.0\n")
    (project / "requirements.txt").write_text("".join(lines))
    settings = (project / "cog.yaml").read_text()
    (project / "cog.yaml").write_text(settings.replace("build:\n", "build:\n  python_requirements: requirements.txt\n"))


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    parser = options(__doc__, runs=1)
    parser.add_argument("project", type=Path, nargs="?", default=ROOT / "examples/hello")
    parser.add_argument("--files", type=numbers, default=[1000, 10_000, 100_000])
    parser.add_argument("--wheels", type=numbers, default=[1, 10, 60])
    parser.add_argument("--gigabytes", type=numbers, default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    measured = Measured()
    found: dict[tuple[str, str], dict[str, list[Figures]]] = {}
    kinds: list[tuple[str, list[int], Callable[[Path, int], None]]] = [
        ("files", arguments.files, add_files),
        ("wheels", arguments.wheels, lambda project, count: add_wheels(project, count, project.parent / "wheels")),
        ("GB of weights", arguments.gigabytes, add_weights),
    ]
    with scratch_directory(arguments.scratch) as scratch:
        for what, sizes, add in kinds:
            for size in sizes * arguments.runs:
                with scratch_directory(scratch) as place, ExitStack() as opened:
                    registry = opened.enter_context(docker_registry(place / "registry"))
                    project = place / "ours" / "project"
                    shutil.copytree(arguments.project, project)
                    target = f"{registry}/growth/run"
                    ours = Ours(project, scratch / "cache")
                    if what == "wheels":
                        add(project, size)
                        index = opened.enter_context(mirror([project.parent / "wheels"], 10**10))
                        with (project / "requirements.txt").open("a") as lines:
                            lines.write(f"--extra-index-url {index}\n")
                    ours.push("warm", f"{registry}/growth/warm")  # resolves, downloads
                    if what != "wheels":
                        add(project, size)
                    ours.forget()
                    time.sleep(SETTLED)
                    for case in (FIRST, NOTHING, LINE, *((BASE_THERE,) if what == "files" else ())):
                        if case == BASE_THERE:
                            target = f"{registry}/growth/second"
                            ours.forget_files()
                        if case in (LINE, BASE_THERE):  # else the registry would have its layer, too
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
