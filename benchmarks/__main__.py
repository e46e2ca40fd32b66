"""All benchmarks, one after the other, and the page of what they found.

    python benchmarks [--large] [--quick] [--only NAME...] [--results DIR] [--page FILE]

`make bench` runs it from an installed wheel. --large: also those that want gigabytes of wheels. --quick: small sizes
and one run, to see that each works; what it finds goes to .bench/quick, and not to benchmarks/results and
docs/benchmarks.md. One whose programs are missing says so and is left out.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import msgspec
from measuring import HERE, ROOT
from plots import plots
from report import Report, page

BENCHMARKS = {
    "push": (["--docker"], ["--docker", "--runs", "1"]),
    "registry": (["--runs", "3"], ["--mib", "64", "--runs", "1"]),
    "pull": (["--files", "3"], ["--gib", "0.1", "--files", "2", "--runs", "1"]),
    "weights": (["--gib", "2"], ["--gib", "0.1", "--runs", "1"]),
    "packages": ([], ["--packages", "jq", "--runs", "1"]),
    "steps": (["--runs", "1"], ["--runs", "1", "--rungs", "root"]),
    "growth": ([], ["--files", "100,1000", "--wheels", "1,10", "--gigabytes", "1"]),
}
"""By name: what it is called with, and what for --quick."""
LARGE = {
    "pull": (
        ["--gib", "4", "--newer", ".tools/docker"],
        ["--gib", "0.1", "--runs", "1", "--newer", ".tools/docker"],
    ),
    "others": (["--files", "3"], ["--gib", "0.1", "--files", "2", "--runs", "1"]),
    "steps": ([], BENCHMARKS["steps"][1]),
    "growth": (["--runs", "3"], BENCHMARKS["growth"][1]),
    "cuda": (["--docker"], ["--runs", "1", "--only", "cogpack push"]),
    "unpack": (["--newer", ".tools/docker"], ["--name", "triton", "--runs", "1"]),
}


def written(results: Path, target: Path) -> dict[Path, str]:
    """The page `target` of all that is in `results`, and the plots beside it, by their paths."""
    found = [results / f"{name}.json" for name in BENCHMARKS | LARGE]
    reports = [msgspec.json.decode(path.read_bytes(), type=Report) for path in found if path.exists()]
    drawn = plots(reports)
    return {target: page(reports, drawn)} | {target.parent / name: text for name, text in drawn.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[*BENCHMARKS, *LARGE], metavar="NAME")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--wheels", type=Path, default=ROOT / ".bench/wheels", help="where those of --large are kept")
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    quick = ROOT / ".bench/quick"
    results = (arguments.results or (quick if arguments.quick else HERE / "results")).absolute()
    target: Path = arguments.page or (quick / "benchmarks.md" if arguments.quick else ROOT / "docs/benchmarks.md")
    every = BENCHMARKS | LARGE if arguments.large else LARGE | BENCHMARKS
    failed = []
    for name in arguments.only or (every if arguments.large else BENCHMARKS):
        result = results / f"{name}.json"
        command = [sys.executable, str(HERE / f"{name}.py"), *every[name][arguments.quick], "--json", str(result)]
        command += ["--scratch", str(arguments.scratch.absolute())] if arguments.scratch else []
        if name in ("cuda", "unpack"):
            arguments.wheels.mkdir(parents=True, exist_ok=True)
            command += ["--wheels", str(arguments.wheels.absolute())]
        print(f"\n{name}", flush=True)
        if subprocess.run(command, check=False, cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"}).returncode:
            failed.append(name)
    for path, text in written(results, target).items():
        path.write_text(text)
    print(f"\n{target}")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
