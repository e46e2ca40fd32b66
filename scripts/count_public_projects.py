"""Tries Cog projects as they are, and counts how far each comes: locks, builds, imports, setup.

    python scripts/count_public_projects.py try DIR > tried.tsv     # each directory in DIR that has a cog.yaml
    python scripts/count_public_projects.py count scripts/public_projects.tsv

`try` copies a project, and runs `cogpack lock --run`, `build` and `exec` there, with the environment that it has: so
`COGPACK_URL_MAP` may lead to servers of one's own, and a proxy that reads along (`HTTPS_PROXY`, `COG_CA_CERT`) leads
the model there, too, which has no map; `--env NAME=VALUE` tells it more.
`--to locks` stops there; `--only` and `--but` choose; `--logs DIR` keeps what was said. A directory OWNER+NAME is told
as OWNER/NAME. Each image takes its size three times while it is tried, once in the cache: `--forget-trees` removes
that again; `--layout DIR` keeps all images in one layout, where what they share (torch) is written once. What stopped a
project is given in the words of the error (`said`); what that means is for people to say, in the column `cause`.
"""

import argparse
import os
import re
import shutil
import signal
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
import asyncio, importlib.util, inspect, os, sys
path, name = sys.argv[1:]
sys.path.insert(0, os.getcwd())
spec = importlib.util.spec_from_file_location(os.path.basename(path).removesuffix('.py'), path)
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)
print("IMPORTED", flush=True)
found = getattr(module, name)
try:
    found = found() if isinstance(found, type) else found
    setup = getattr(found, "setup", lambda: None)
    ended = setup(*[None] * (len(inspect.signature(setup).parameters) > 0))
    if inspect.isawaitable(ended):
        asyncio.run(ended)
    print("SET UP", flush=True)
except BaseException as error:
    print("SETUP ENDED BY", flush=True)
    while error is not None:
        print(f"{type(error).__name__}: {error}", flush=True)
        error = error.__cause__ or error.__context__
"""
"""Does as Cog's SDK does: the file is loaded by its path."""
_FIRST_CALLS = re.compile(
    r"huggingface|HfHub|HTTPSConnection|ConnectionError|URLError|gaierror|pget|curl|wget|gsutil|s5cmd|CUDA|NVIDIA|cuda|nvidia"
)
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
    trying.add_argument("--only", nargs="*", default=[], help="directories")
    trying.add_argument("--but", type=Path, help="none of those that are in this file, as it was printed")
    trying.add_argument("--env", action="append", default=[], help="a variable of the model, NAME=VALUE")
    trying.add_argument("--logs", type=Path, help="where all that was said is kept")
    trying.add_argument("--seconds", type=int, default=1800, help="what a command may take")
    trying.add_argument("--layout", type=Path, help="where all images are built, and stay")
    trying.add_argument("--forget-trees", action="store_true", help="remove laid images from COGPACK_CACHE_DIR")
    acts.add_parser("count").add_argument("file", type=Path)
    chosen = parser.parse_args()
    if chosen.act == "count":
        print(counted(read(chosen.file)))
        return
    done = {one.project for one in read(chosen.but)} if chosen.but else set()
    print("\t".join(Tried._fields), flush=True)
    for path in sorted(chosen.directory.glob("*/cog.yaml")):
        if _title(path.parent) not in done and (not chosen.only or path.parent.name in chosen.only):
            print("\t".join(attempt(path.parent, chosen)), flush=True)


def _title(project: Path) -> str:
    return project.name.replace("+", "/", 1)


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


def attempt(project: Path, chosen: argparse.Namespace) -> Tried:
    config = yaml.safe_load((project / "cog.yaml").read_bytes())
    python = str((config.get("build") or {}).get("python_version", ""))
    reached, said = "", ""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(project, Path(scratch, "project"), symlinks=True))
        out = chosen.layout.resolve() if chosen.layout else Path(scratch, "out")
        for stage, words in _commands(config, out, chosen.env):
            if _at(stage) > _at(chosen.to):
                break
            status, text = _run(words, copy, chosen.seconds)
            if chosen.logs:
                chosen.logs.mkdir(parents=True, exist_ok=True)
                (chosen.logs / f"{project.name}.{stage}.log").write_text(text)
            if stage == "imports":
                reached = _reached(text) or reached
                said = "" if reached == chosen.to else _ended_by(text)
            elif status:
                said = next((line for line in text.splitlines() if line.startswith("error: ")), _last(text))
                break
            else:
                reached = stage
    if chosen.forget_trees and "COGPACK_CACHE_DIR" in os.environ:
        shutil.rmtree(Path(os.environ["COGPACK_CACHE_DIR"], "trees"), ignore_errors=True)
    return Tried(_title(project), python, chosen.to, reached, "", said.replace("\t", " ")[:300])


def _run(words: Sequence[str], directory: Path, seconds: int) -> tuple[int, str]:
    """Give its exit status, and what it said; 124 where it took too long, as timeout(1) has it."""
    environment = {**os.environ, "NO_COLOR": "1"}
    with tempfile.TemporaryFile() as told:
        started = subprocess.Popen(
            [sys.executable, "-m", "cogpack", *words],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
        try:
            status, late = started.wait(seconds), ""
        except subprocess.TimeoutExpired:
            started.send_signal(signal.SIGINT)  # so that it ends what it started
            started.wait()
            status, late = 124, f"\nerror: longer than {seconds} s\n"
        told.seek(0)
        return status, told.read().decode(errors="replace") + late


def _commands(config: dict[str, object], out: Path, variables: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    yield "locks", ["lock", "--run"]
    yield "builds", ["build", "-o", str(out)]
    path, _, name = str(config.get("predict") or config.get("run") or config.get("train")).partition(":")
    more = [word for one in variables for word in ("-e", one)]
    yield "imports", ["exec", *more, "python", "-c", _SETUP, path, name]


def _reached(text: str) -> str:
    if "IMPORTED" not in text:
        return ""
    if "SET UP" in text:
        return "ready"
    return "setup" if _FIRST_CALLS.search(text.partition("SETUP ENDED BY")[2]) else "imports"


def _ended_by(text: str) -> str:
    """Give the error that setup ended with, else the last line."""
    ended = text.partition("SETUP ENDED BY\n")[2].partition("\n")[0]
    return ended or _last(text)


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


if __name__ == "__main__":
    main()
