"""A source is a program of others: what it finds of this machine while it is built, rung by rung (docs/sources.md)."""

import json
import os
import socket
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.guests import EVERY_RUNG, found, need
from support.private_guests import runner
from support.python_tree import PYTHON, PythonSource
from support.sources import make_sdist, source_files

from cogpack.config import StepLimits
from cogpack.layers.wheels import VenvSource
from cogpack.planning.building.archive import BuildSystem
from cogpack.planning.building.guest import Guests
from cogpack.planning.building.job import Done, Job
from cogpack.planning.private_guest import Way
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.trees.lay import Recipe, lay
from cogpack.sandbox.trees.store import StoredTree
from cogpack.sandbox.watch import LimitError

pytestmark = pytest.mark.slow

MINOR = PYTHON.name.removeprefix("python")
SYSTEM = BuildSystem(requires=(), backend="backend", backend_path=(".",))
LIVES_ON = f"98{os.getpid()}"
"""Seconds that a daemon sleeps, by which it is known: another run of these tests has one, too."""

POISON = """
import json, socket, subprocess

def agent():
    socket.socket(socket.AF_UNIX).connect({agent!r})
    return "spoken to"

ATTEMPTS = {{
    "variables": lambda: sorted(os.environ),
    "credentials": lambda: open({credentials!r}).read(),
    "above": lambda: open("../" * 40 + {credentials!r}).read(),
    "processes": lambda: open("/proc/{process}/environ").read(),
    "network": lambda: socket.create_connection(("127.0.0.1", {port}), 5),
    "agent": agent,
    "before": lambda: open("/opt/venv/lib/python/site-packages/sitecustomize.py").read(),
}}

def build_wheel(directory, *_):
    report = {{}}
    for name, attempt in ATTEMPTS.items():
        try:
            report[name] = repr(attempt())
        except Exception:
            report[name] = None
    open("/opt/venv/lib/python/site-packages/sitecustomize.py", "w").write("poison")
    os.makedirs({outside!r}, exist_ok=True)
    open({outside!r} + "/written", "w").write("poison")
    daemon = "trap '' HUP TERM; exec {python} -c 'import time; time.sleep({lives_on})'"
    subprocess.Popen(["/bin/sh", "-c", daemon], start_new_session=True)
    print("x" * 100_000, "\\x1b[2J")
    FILES["report.json"] = json.dumps(report).encode()
    return make(directory)
"""


@pytest.fixture(scope="module")
def lowers(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, StoredTree]:
    return {}


@pytest.fixture
def guests(rung: Rung, lowers: dict[bool, StoredTree], tmp_path: Path, request: pytest.FixtureRequest) -> Guests:
    need(rung, tmp_path)
    owned = not rung.one_user
    if owned not in lowers:
        place = request.getfixturevalue("tmp_path_factory").mktemp("lower") / "lower"
        tree = lay(place, [Recipe(PythonSource())], owned=owned, readable=True)
        lowers[owned] = StoredTree(tree.root, dict(tree.laid), owned)
    limits = StepLimits(time=getattr(request, "param", 60))
    venv = Recipe(VenvSource(python=MINOR, interpreter=str(PYTHON)))
    way = Way(rung, emulated=False, overlays=rung in found(tmp_path).overlays)
    return Guests(runner(tmp_path, limits), way, lowers[owned], venv)


def job(place: Path, files: Mapping[str, bytes]) -> Job:
    place.mkdir()
    return Job(
        title="demo 1.0",
        archive=make_sdist(place / "a.gz", files),
        subdirectory="",
        system=SYSTEM,
        wheels=(),
        installed=(),
        known=(),
        python=MINOR,
        python_headers="",
        place=place,
    )


def report(done: Done) -> dict[str, object]:
    assert done.wheel is not None, done.said
    with zipfile.ZipFile(done.wheel) as archive:
        read: dict[str, object] = json.loads(archive.read("report.json"))
    return read


def left(word: str) -> list[Path]:
    running = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_text():
                running.append(path)
        except OSError:
            continue
    return running


@EVERY_RUNG
def test_a_poisoned_source_finds_nothing_and_leaves_nothing(rung: Rung, guests: Guests, tmp_path: Path) -> None:
    credentials, outside = tmp_path / "credentials", tmp_path / "outside"
    credentials.write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "agent"))
        agent.listen()
        poison = POISON.format(
            agent=str(tmp_path / "agent"),
            credentials=str(credentials),
            outside=str(outside),
            process=os.getpid(),
            port=server.getsockname()[1],
            python=PYTHON,
            lives_on=LIVES_ON,
        )
        files = source_files(poison)
        done = guests.run(job(tmp_path / "first", files))
    found_there = report(done)
    assert {name for name, value in found_there.items() if value} == {"variables"}, rung
    assert "secret" not in str(found_there)
    assert not outside.exists()
    assert not [path for path in (tmp_path / "first").iterdir() if path.is_dir()], "its tree is gone"
    assert not left(LIVES_ON)
    again = report(guests.run(job(tmp_path / "second", files)))
    assert again["before"] is None  # what the first one wrote


@pytest.mark.parametrize("rung", [Rung.USERNS])
@pytest.mark.parametrize("guests", [1], indirect=True)
def test_a_build_that_never_ends_is_stopped(rung: Rung, guests: Guests, tmp_path: Path) -> None:
    endless = "import time\ndef build_wheel(*_):\n    time.sleep(987652)\n"
    with pytest.raises(LimitError) as told:
        guests.run(job(tmp_path / "job", source_files(endless)))
    assert told.value.limit == "seconds", rung
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["a.gz"]
