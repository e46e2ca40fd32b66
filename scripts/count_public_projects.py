"""Tries Cog projects as they are, and counts how far each comes: locks, builds, imports, setup.

    python scripts/count_public_projects.py try DIR > tried.tsv     # each directory in DIR that has a cog.yaml
    python scripts/count_public_projects.py count scripts/public_projects.tsv

`try` copies a project, and runs `cogpack lock --run`, `build` and `exec` there, with the environment that it has: so
`COGPACK_URL_MAP` may lead to servers of one's own. `--to locks` stops there. What stopped a project is given in the
words of the error (`said`); what that means is for people to say, in the column `cause`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

STAGES = ("locks", "builds", "imports", "setup", "ready")
"""What a project comes to, each with all before it; setup: to its first download or call of the GPU; ready: its setup
ends, as it does where the model's server is READY."""

_SETUP = """
import importlib, sys, traceback
module = importlib.import_module(sys.argv[1])
print("IMPORTED", flush=True)
found = getattr(module, sys.argv[2])
try:
    found = found() if isinstance(found, type) else found
    getattr(found, "setup", lambda: None)()
    print("SET UP", flush=True)
except BaseException:
    traceback.print_exc()
"""
_FIRST_CALLS = ("huggingface.co", "HTTPSConnection", "ConnectionError", "pget", "CUDA", "NVIDIA", "cuda", "nvidia")
"""Words of a setup that ends where it downloads, or wants a GPU."""


class Tried(NamedTuple):
    """Is a project: how far it was `tried`, what it `reached` of that, and what it ended with."""

    project: str
    python: str
    tried: str
    reached: str
    cause: str
    said: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    acts = parser.add_subparsers(dest="act", required=True)
    trying = acts.add_parser("try")
    trying.add_argument("directory", type=Path)
    trying.add_argument("--to", choices=STAGES, default=STAGES[-1])
    acts.add_parser("count").add_argument("file", type=Path)
    chosen = parser.parse_args()
    if chosen.act == "count":
        print(counted(read(chosen.file)))
        return
    print("\t".join(Tried._fields))
    for path in sorted(chosen.directory.glob("*/cog.yaml")):
        print("\t".join(attempt(path.parent, chosen.to)), flush=True)


def read(path: Path) -> list[Tried]:
    lines = path.read_text().splitlines()
    return [Tried(*line.split("\t")) for line in lines[1:] if line]


def counted(projects: Sequence[Tried]) -> str:
    """Give a table: of the projects that were tried so far, how many came there; then what stopped the others."""
    lines = ["| | tried | come there |", "|---|---|---|"]
    for stage in STAGES:
        tried = [one for one in projects if _at(one.tried) >= _at(stage)]
        lines.append(f"| {stage} | {len(tried)} | {sum(_at(one.reached) >= _at(stage) for one in tried)} |")
    lines += ["", "| what stopped the others | projects |", "|---|---|"]
    causes = Counter(one.cause for one in projects if one.cause)
    lines += [f"| {cause} | {number} |" for cause, number in sorted(causes.items(), key=lambda one: (-one[1], one[0]))]
    return "\n".join(lines)


def _at(stage: str) -> int:
    return STAGES.index(stage) if stage in STAGES else -1


def attempt(project: Path, to: str) -> Tried:
    config = yaml.safe_load((project / "cog.yaml").read_bytes())
    python = str((config.get("build") or {}).get("python_version", ""))
    reached, said = "", ""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(project, Path(scratch, "project"), symlinks=True))
        for stage, words in _commands(config, Path(scratch, "out")):
            if _at(stage) > _at(to):
                break
            done = subprocess.run(
                [sys.executable, "-m", "cogpack", *words],
                cwd=copy,
                env={**os.environ, "NO_COLOR": "1"},
                capture_output=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            text = (done.stdout + done.stderr).decode(errors="replace")
            if stage == "imports":
                reached = _reached(text) or reached
                said = "" if reached == to else _last(text)
            elif done.returncode:
                said = next((line for line in text.splitlines() if line.startswith("error: ")), _last(text))
                break
            else:
                reached = stage
    return Tried(project.name, python, to, reached, "", said.replace("\t", " ")[:300])


def _commands(config: dict[str, object], out: Path) -> Iterator[tuple[str, list[str]]]:
    yield "locks", ["lock", "--run"]
    yield "builds", ["build", "-o", str(out)]
    shutil.rmtree(out, ignore_errors=True)
    module, _, name = str(config.get("predict") or config.get("run") or config.get("train")).partition(":")
    yield "imports", ["exec", "python", "-c", _SETUP, module.removesuffix(".py").replace("/", "."), name]


def _reached(text: str) -> str:
    if "IMPORTED" not in text:
        return ""
    if "SET UP" in text:
        return "ready"
    return "setup" if any(word in _last(text) for word in _FIRST_CALLS) else "imports"


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


if __name__ == "__main__":
    main()
