"""What it costs to lay weights: `cogpack build` of one large model into an OCI layout, beside cp and a hash.

    python benchmarks/weights.py [--gib 4] [--runs 3] [--scratch DIR]

As root, caches are dropped before each run, so that bytes read are bytes read from the disk; else they are what the
kernel counts of it. The model is one safetensors file in Hugging Face layout, in examples/hello, all else of which the
layout has already. Cases take turns; figures are medians. `sha256, one core` is OpenSSL's, as cogpack uses it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from pull import GiB, drop_caches, generate

ROOT = Path(__file__).resolve().parents[1]
CHILD = (
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "print(used.ru_maxrss, used.ru_inblock, used.ru_oublock)\n"
    "sys.exit(code)\n"
)
HASH = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"


def measured(command: Sequence[str], directory: Path, environment: dict[str, str]) -> dict[str, float]:
    """Seconds with the disk in step, peak memory (MiB), and blocks read and written (GB)."""
    if os.geteuid() == 0:
        drop_caches()
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *command], cwd=directory, env=environment, stdout=subprocess.PIPE, check=True
    )
    subprocess.run(["sync"], check=True)
    seconds = time.perf_counter() - started
    peak, read, written = map(int, done.stdout.split())
    return {"seconds": seconds, "peak": peak / 1024, "read": read * 512 / 1e9, "written": written * 512 / 1e9}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="where there is room for three times the weights")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        scratch = Path(name)
        project, out = scratch / "hello", scratch / "out"
        shutil.copytree(ROOT / "examples" / "hello", project)
        environment = {**os.environ, "COGPACK_CACHE_DIR": str(scratch / "cache")}
        cogpack = [sys.executable, "-m", "cogpack", "build", "-q", "-o", str(out)]
        subprocess.run(cogpack, cwd=project, env=environment, stdout=subprocess.DEVNULL, check=True)
        shutil.copytree(out, scratch / "before" / "out")
        shutil.copytree(scratch / "cache" / "facts", scratch / "before" / "facts")
        (model,) = generate(project, int(arguments.gib * GiB), 1)
        size = model.stat().st_size / 1e9
        cases = {
            "cogpack build": cogpack,
            "cogpack build again": cogpack,
            "cp": ["cp", "--reflink=never", str(model), str(scratch / "copy")],
            "sha256, one core": [sys.executable, "-c", HASH, str(model)],
        }
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
        for _ in range(arguments.runs):
            shutil.rmtree(out)
            shutil.rmtree(scratch / "cache" / "fingerprints", ignore_errors=True)
            shutil.rmtree(scratch / "cache" / "facts")
            shutil.copytree(scratch / "before" / "out", out)
            shutil.copytree(scratch / "before" / "facts", scratch / "cache" / "facts")
            for case, command in cases.items():
                rows[case].append(measured(command, project, environment))
            (scratch / "copy").unlink()
    print(f"{size:.2f} GB, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, medians of {arguments.runs}")
    print(f"{'':<22}{'seconds':>9}{'GB/s':>8}{'read GB':>9}{'written GB':>12}{'peak MiB':>10}")
    for case, runs in rows.items():
        figures = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        print(
            f"{case:<22}{figures['seconds']:>9.1f}{size / figures['seconds']:>8.2f}{figures['read']:>9.2f}"
            f"{figures['written']:>12.2f}{figures['peak']:>10.0f}"
        )


if __name__ == "__main__":
    main()
