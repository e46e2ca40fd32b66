"""Figures of `cogpack push` on a project: wall time, bytes, requests, peak memory.

    python benchmarks/push.py PROJECT HOST/NAME [--runs 3]

Against a registry that is running already (`cogpack registry serve DIR`, docker-registry). Every case is run several
times; the table shows medians. "cold" has downloads but no facts and an empty repository; "empty machine" has the
project and its lock and nothing else.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

MEASURE = (
    "import resource, subprocess, sys\n"
    "code = subprocess.run([sys.executable, '-m', 'cogpack', *sys.argv[1:]]).returncode\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\n"
    "sys.exit(code)\n"
)


def push(project: Path, target: str, cache: Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, "push", target, "--json"],
        cwd=project,
        env=environment | {"COGPACK_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stderr)
    result = json.loads(done.stdout)
    return {
        "seconds": seconds,
        "sent": result["sent"],
        "requests": result["requests"],
        "reused": result["reused"],
        "peak": int(done.stderr.split()[-1]) * 1024,
        "digest": result["digest"],
        "layers": result["layers"],
    }


def without_results(project: Path) -> None:
    lock = project / "cogpack.lock"
    lock.write_text(lock.read_text().partition("[results]")[0])


def change_a_line(project: Path) -> None:
    with (project / "predict.py").open("a") as source:
        source.write(f"# {uuid.uuid4()}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("target", help="HOST/NAME; a new repository below it is used for each run")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        work, cache = Path(scratch) / "project", Path(scratch) / "cache"
        shutil.copytree(arguments.project, work)
        push(work, f"{arguments.target}/warm-{uuid.uuid4().hex}", cache)  # resolves, downloads
        for _ in range(arguments.runs):
            target = f"{arguments.target}/run-{uuid.uuid4().hex}"
            without_results(work)
            for forgotten in ("facts", "fingerprints"):
                shutil.rmtree(cache / forgotten, ignore_errors=True)
            rows.setdefault("cold, downloads there", []).append(push(work, target, cache))
            rows.setdefault("nothing changed", []).append(push(work, target, cache))
            change_a_line(work)
            rows.setdefault("one line changed", []).append(push(work, target, cache))
            change_a_line(work)
            with tempfile.TemporaryDirectory() as empty:
                rows.setdefault("empty machine, one line", []).append(push(work, target, Path(empty)))
    print(f"{'case':<26}{'seconds':>9}{'sent MB':>10}{'requests':>10}{'reused MB':>11}{'peak MiB':>10}")
    for case, found in rows.items():
        figures = {key: statistics.median(run[key] for run in found) for key in ("seconds", "sent", "requests")}
        figures |= {key: statistics.median(run[key] for run in found) for key in ("reused", "peak")}
        print(
            f"{case:<26}{figures['seconds']:>9.2f}{figures['sent'] / 1e6:>10.3f}{figures['requests']:>10.0f}"
            f"{figures['reused'] / 1e6:>11.1f}{figures['peak'] / 2**20:>10.0f}"
        )
    print()
    for layer in rows["cold, downloads there"][-1]["layers"]:
        print(f"{layer['info']['descriptor']['size'] / 1e6:>10.3f} MB  {layer['name']}")


if __name__ == "__main__":
    main()
