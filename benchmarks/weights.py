"""What it costs to lay weights: `cogpack build` of one large model into an OCI layout, beside cp and a hash.

    python benchmarks/weights.py [--gib 4] [--runs 3] [--scratch DIR] [--json FILE]

As root, caches are dropped before each run, so that bytes read are bytes read from the disk; else they are what the
kernel counts of it. The model is one safetensors file in Hugging Face layout, in examples/hello, all else of which the
layout has already. `sha256, one core` is OpenSSL's, as cogpack uses it.
"""

import os
import shutil
import statistics
import sys
from collections.abc import Sequence
from functools import partial

from made import generate
from measuring import COGPACK, ROOT, Figures, GiB, drop_caches, measure, scratch_directory
from report import Measured, Row, Table, in_turns, options

HASH = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--gib", type=float, default=4)
    arguments = parser.parse_args()
    measured = Measured()
    with scratch_directory(arguments.scratch) as scratch:
        project, out, cache, before = scratch / "hello", scratch / "out", scratch / "cache", scratch / "before"
        shutil.copytree(ROOT / "examples" / "hello", project)
        environment = {**os.environ, "COGPACK_CACHE_DIR": str(cache)}
        build = [*COGPACK, "build", "-q", "-o", str(out)]
        measure(build, cwd=project, environment=environment)
        shutil.copytree(out, before / "out")
        shutil.copytree(cache / "facts", before / "facts")
        (model,) = generate(project, int(arguments.gib * GiB), 1)
        size = model.stat().st_size

        def once(command: Sequence[str]) -> Figures:
            drop_caches()
            return measure(command, cwd=project, environment=environment, synced=True)

        def anew() -> Figures:
            shutil.rmtree(out)
            shutil.rmtree(cache / "fingerprints", ignore_errors=True)
            shutil.rmtree(cache / "facts")
            shutil.copytree(before / "out", out)
            shutil.copytree(before / "facts", cache / "facts")
            return once(build)

        def copied() -> Figures:
            (scratch / "copy").unlink(missing_ok=True)
            return once(["cp", "--reflink=never", str(model), str(scratch / "copy")])

        found = in_turns(
            {
                "cogpack build": anew,
                "cogpack build again": partial(once, build),
                "cp": copied,
                "sha256, one core": partial(once, [sys.executable, "-c", HASH, str(model)]),
            },
            arguments.runs,
        )
    rows = [
        Row(
            name,
            runs,
            limit=name in ("cp", "sha256, one core"),
            more={
                "GB read": round(statistics.median(run.read or 0 for run in runs), 2),
                "GB written": round(statistics.median(run.written or 0 for run in runs), 2),
            },
        )
        for name, runs in found.items()
    ]
    title = f"A model of {size / 1e9:.2f} GB into a layout"
    measured.report([Table(title, tuple(rows), "cogpack build", size)], arguments.json)


if __name__ == "__main__":
    main()
