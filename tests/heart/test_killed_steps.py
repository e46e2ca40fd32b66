"""cogpack is killed at any moment of a step: no process, no mount and no half layer is left, and the next run works."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.disks import mounts_below
from support.programs_base import PROGRAMS, programs_base
from support.world import World, ok, push_image

from cogpack.sandbox.rungs.choice import probe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("COGPACK_KILLS", "6"))

WATCHER = """
import ctypes, os, random, signal, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: whoever is left falls to us
chance = random.Random(5)
for turn in range(int(sys.argv[1])):
    process = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for line in process.stderr:
        if b"isolated by" in line:
            break
    else:
        sys.exit("it ended by itself")
    time.sleep(chance.uniform(0, 1.0))
    os.kill(process.pid, (signal.SIGKILL, signal.SIGTERM)[turn % 2])
    process.stderr.close()
    assert process.wait() in (-signal.SIGKILL, 143), process.returncode
    signal.alarm(20)  # which ends us where somebody is left
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        signal.alarm(0)
"""

# Longer than the second in which they are killed: what has ended is kept, and rightly so.
STEPS = [
    "mkdir /opt/made; i=0; while [ $i -lt 100 ]; do echo $i > /opt/made/$i; i=$((i+1)); done",
    "for i in $(seq 60); do (sleep 1000 &); chown 33:4 /opt/made/$i; done; mv /opt/made /opt/there; sleep 1.2",
    "rm -r /usr/sbin; chmod 4755 /opt/there/1; sleep 0.2",
]


@pytest.mark.parametrize("rung", ["root", "userns", "chroot", "proot"])
def test_a_kill_at_any_moment_of_a_step_leaves_nothing(
    world: World, tmp_path_factory: pytest.TempPathFactory, rung: str
) -> None:
    refusal = {str(name): why for name, why in probe(world.directory).refusals.items()}.get(rung)
    if refusal is not None:
        pytest.skip(f"this machine refuses {rung}: {refusal}")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **world.environment}
    if rung == "proot":
        if (found := shutil.which("proot")) is None:
            pytest.skip("no proot here (apt-get install proot)")
        environment["COGPACK_PROOT"] = found
    base = programs_base(tmp_path_factory.mktemp("programs"), (*PROGRAMS, "seq", "sleep"))
    push_image(world.registry, "base/programs:v1", [base])
    project = world.project()
    project.write(
        "cog.yaml",
        'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
        f"  run: {json.dumps(STEPS)}\n"
        f'predict: "predict.py:Predictor"\ncogpack:\n  base: {world.registry}/base/programs:v1\n',
    )
    ok(project.cogpack("lock"))
    command = [sys.executable, "-m", "cogpack", "build", "-o", "../out", "--isolation", rung]
    watcher = [sys.executable, "-c", WATCHER, str(-(-KILLS // 3)), *command]
    done = subprocess.run(
        watcher, cwd=project.root, env=environment, capture_output=True, text=True, timeout=60 * KILLS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not mounts_below(world.directory)
    cache = world.directory / "cache"
    assert not [path for path in (cache / "steps").iterdir() if path.suffix != ".lock" and path.name[0] != "."]
    build = ("build", "--isolation", rung)
    again = ok(project.cogpack(*build, "-o", "../out", **environment))
    assert not [path.name for path in (cache / "trees").iterdir() if path.name[0] == "."]
    fresh = ok(project.cogpack(*build, "-o", "../fresh", "--cache-dir", "../other", **environment))
    assert again.digest == fresh.digest
