"""Looks whether the libraries of CUDA that wheels bring are found in an image, as `ldconfig` and `ldd` see them.

    python scripts/check_cuda_libraries.py [NAME ...] [--scratch DIR]    # of STACKS; all, one after the other

For each, a project that requires it is locked, and in its image (`cogpack exec`, which takes no GPU) three things are
asked: does `ldconfig -p` say the same before and after a real `ldconfig`; which of the libraries that shared objects of
the wheels are linked with does `ldd` not find; and what does `ctypes.util.find_library` find. Some gigabytes each come
from the package index; they are removed before the next. Prints a row of a table for each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

STACKS: Mapping[str, tuple[str, ...]] = {
    "onnxruntime-gpu": ("onnxruntime-gpu==1.22.0",),
    "ctranslate2": ("faster-whisper==1.1.1", "ctranslate2==4.6.0"),
    "cupy": ("cupy-cuda12x==13.4.1",),
    "jax": ("jax[cuda12]==0.6.0",),
    "torch": ("torch==2.6.0",),
    "tensorflow": ("tensorflow[and-cuda]==2.19.0",),
}
_LIBRARIES = ("cudart", "cublas", "cublasLt", "cudnn", "cufft", "curand", "cusolver", "cusparse", "nccl", "nvrtc")
_CONFIG = """\
build:
  gpu: true
  python_version: "3.11"
  python_requirements: requirements.txt
predict: "predict.py:Predictor"
"""
_PREDICTOR = """\
from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, text: str) -> str:
        return text
"""
_INSIDE = """\
import ctypes.util, json, os, subprocess, sys

def listed():
    text = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    return sorted(line.strip() for line in text.splitlines()[1:] if " => " in line)

site = "/opt/venv/lib/python/site-packages"
before = listed()
found = [name for name in sys.argv[1].split(",") if ctypes.util.find_library(name)]
subprocess.run(["/sbin/ldconfig"], check=True)
after = listed()
missing, number = {}, 0
for directory, _, names in os.walk(site):
    for name in names:
        if not (name.endswith(".so") or ".so." in name):
            continue
        number += 1
        path = os.path.join(directory, name)
        for line in subprocess.run(["ldd", path], capture_output=True, text=True).stdout.splitlines():
            if "not found" in line:
                missing.setdefault(line.split()[0], []).append(path[len(site) + 1 :])
print("RESULT " + json.dumps({
    "same": before == after, "differ": sorted({*before} ^ {*after})[:6], "entries": len(before),
    "of_wheels": sum(site in line for line in before), "found": found, "objects": number, "missing": missing,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--scratch", type=Path, default=None, help="a directory with room for 15 GB")
    chosen = parser.parse_args()
    print("| wheels | shared objects | `ldconfig -p` before and after | of wheels | found by name | `ldd` misses |")
    print("|---|---|---|---|---|---|")
    for name in chosen.names or STACKS:
        with tempfile.TemporaryDirectory(dir=chosen.scratch, prefix=f"{name}-") as scratch:
            print(row(STACKS[name], Path(scratch)), flush=True)


def row(requirements: tuple[str, ...], scratch: Path) -> str:
    """Ask for one, and write it as a line of the table."""
    project = scratch / "project"
    project.mkdir()
    (project / "cog.yaml").write_text(_CONFIG)
    (project / "predict.py").write_text(_PREDICTOR)
    (project / "requirements.txt").write_text("\n".join(requirements) + "\n")
    environment = {**os.environ, "COGPACK_CACHE_DIR": str(scratch / "cache"), "NO_COLOR": "1"}
    run(project, environment, "lock")
    said = run(project, environment, "exec", "/opt/venv/bin/python", "-c", _INSIDE, ",".join(_LIBRARIES))
    answers = [line for line in said.splitlines() if line.startswith("RESULT ")]
    if not answers:
        raise SystemExit(f"{requirements}: nothing was said in the image:\n{said[-2000:]}")
    answer = json.loads(answers[0].removeprefix("RESULT "))
    missing = "; ".join(f"{soname} ({', '.join(by[:2])})" for soname, by in sorted(answer["missing"].items()))
    same = "the same" if answer["same"] else f"differ: {', '.join(answer['differ'])}"
    cells = (" ".join(requirements), answer["objects"], f"{same}, {answer['entries']}", answer["of_wheels"])
    return f"| {' | '.join(map(str, cells))} | {' '.join(answer['found'])} | {missing or 'none'} |"


def run(project: Path, environment: Mapping[str, str], *words: str) -> str:
    command = [sys.executable, "-m", "cogpack", *words]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"cogpack {words[0]} in {project}: {done.stderr[-2000:]}")
    return done.stdout + done.stderr


if __name__ == "__main__":
    main()
