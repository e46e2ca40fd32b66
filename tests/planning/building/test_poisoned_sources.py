"""A source is a program of others: what it finds of this machine while it is built, rung by rung (docs/sources.md)."""

import ast
import json
import os
import signal
import socket
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from support.guests import EVERY_RUNG, found, need
from support.private_guests import runner
from support.python_tree import PYTHON, PythonSource
from support.sources import make_sdist, source_files
from support.wheels import make_wheel

from cogpack.config import StepLimits
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.venv import VenvSource
from cogpack.planning.building.archive import BuildSystem
from cogpack.planning.building.guest import Guests, SharedWheels
from cogpack.planning.building.host import Host
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
import json, pwd, socket, subprocess

def agent(name):
    socket.socket(socket.AF_UNIX).connect(name)
    return "spoken to"

def home(name):
    for place in (os.path.expanduser("~"), pwd.getpwuid(os.getuid()).pw_dir, {home!r}, "../" * 40 + {home!r}):
        if os.path.exists(os.path.join(place, name)):
            return open(os.path.join(place, name)).read()

def linked():
    os.symlink({home!r}, "to-home")
    return open("to-home/.netrc").read()

ATTEMPTS = {{
    "variables": lambda: dict(os.environ),
    "docker": lambda: home(".docker/config.json"),
    "netrc": lambda: home(".netrc"),
    "key": lambda: home(".ssh/id_ed25519"),
    "linked": linked,
    "processes": lambda: open("/proc/{process}/environ").read(),
    "network": lambda: socket.create_connection(("127.0.0.1", {port}), 5),
    "agent": lambda: agent({agent!r}),
    "abstract": lambda: agent({abstract!r}),
    "before": lambda: open("/opt/venv/lib/python/site-packages/sitecustomize.py").read(),
}}

def build_wheel(directory, *_):
    report = {{}}
    for name, attempt in ATTEMPTS.items():
        try:
            report[name] = repr(attempt())
        except Exception:
            report[name] = None
    if {guest}:
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
    overlays = rung in found(tmp_path).overlays
    way = Way(runner(tmp_path, limits), rung, emulated=False, overlays=overlays)
    return Guests(way, lowers[owned], venv, SharedWheels(way, venv, tmp_path / "shared"))


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


@pytest.fixture
def poison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], dict[str, bytes]]]:
    """Gives the files of a source that looks for what lies in `home`, listens and is among our variables; `True`: as a
    guest. It writes into `outside`."""
    home, abstract = tmp_path / "home", f"\0{tmp_path}/agent"
    for name in (".docker/config.json", ".netrc", ".ssh/id_ed25519"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("secret")
    for name, value in (("HOME", home), ("SSH_AUTH_SOCK", tmp_path / "agent"), ("REGISTRY_TOKEN", "secret")):
        monkeypatch.setenv(name, str(value))
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for name in (str(tmp_path / "agent"), abstract):
            agent = stack.enter_context(socket.socket(socket.AF_UNIX))
            agent.bind(name)
            agent.listen()
        yield lambda guest: source_files(
            POISON.format(
                agent=str(tmp_path / "agent"),
                abstract=abstract,
                home=str(home),
                outside=str(tmp_path / "outside"),
                process=os.getpid(),
                port=server.getsockname()[1],
                python=PYTHON,
                lives_on=LIVES_ON,
                guest=guest,
            )
        )


@EVERY_RUNG
def test_a_poisoned_source_finds_nothing_and_leaves_nothing(
    rung: Rung, guests: Guests, poison: Callable[[bool], dict[str, bytes]], tmp_path: Path
) -> None:
    done = guests.run(job(tmp_path / "first", poison(True)))
    found_there = report(done)
    assert {name for name, value in found_there.items() if value} == {"variables"}, rung
    assert "secret" not in str(found_there)
    assert "SSH_AUTH_SOCK" not in str(found_there["variables"])
    assert not any("\x1b" in line or len(line) > 10_000 for line in done.said)
    assert not (tmp_path / "outside").exists()
    assert not [path for path in (tmp_path / "first").iterdir() if path.is_dir()], "its tree is gone"
    assert not left(LIVES_ON)
    again = report(guests.run(job(tmp_path / "second", poison(True))))
    assert again["before"] is None  # what the first one wrote


BESIDE = """
import beside, json, own
FILES["report.json"] = json.dumps({"beside": vars(beside).get("POISON"), "own": own.X}).encode()


def build_wheel(directory, settings=None, metadata=None):
    with open(beside.__file__, "a") as stream:
        stream.write("POISON = 1\\n")
    return make(directory)
"""


@EVERY_RUNG
def test_the_images_wheels_are_laid_once_and_no_source_sees_what_another_made_of_them(
    rung: Rung, guests: Guests, tmp_path: Path
) -> None:
    wheels = []
    for name in ("beside", "own"):
        path = make_wheel(tmp_path, name, files={f"{name}.py": b"X = 1\n"})
        wheels.append(WheelFile(path.name, name[0] * 64, lambda path=path: LocalFile.of(path)))
    for name in ("first", "second"):
        one = job(tmp_path / name, source_files(BESIDE))
        one = msgspec.structs.replace(one, wheels=tuple(wheels), beside=(wheels[0],), installed=("beside", "own"))
        assert report(guests.run(one)) == {"beside": None, "own": 1}, rung
    shared = tmp_path / "shared"
    if rung in found(tmp_path).overlays:
        assert [path.name for path in shared.iterdir()] == ["0"]
    else:
        assert not shared.exists()


def test_by_this_machines_python_it_finds_all_but_variables_as_the_docs_say(
    poison: Callable[[bool], dict[str, bytes]], tmp_path: Path
) -> None:
    """So each of these attempts would find something if a rung let it."""
    host = Host(runner(tmp_path, StepLimits(time=60)), PYTHON, MINOR)
    done = host.run(job(tmp_path / "job", poison(False)))
    for path in left(LIVES_ON):
        os.kill(int(path.parent.name), signal.SIGKILL)
    found_there = report(done)
    assert {name for name, value in found_there.items() if not value} == {"before"}
    assert not {"SSH_AUTH_SOCK", "REGISTRY_TOKEN"}.intersection(ast.literal_eval(str(found_there["variables"])))
    assert not any("\x1b" in line or len(line) > 10_000 for line in done.said)
    assert (tmp_path / "outside/written").read_text() == "poison"


ENDLESS = f"""
import signal, subprocess, time
def build_wheel(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen(["{PYTHON}", "-c", "import time; time.sleep({LIVES_ON}1)"], start_new_session=True)
    while True:
        time.sleep({LIVES_ON}2)
"""


@EVERY_RUNG
@pytest.mark.parametrize("guests", [2], indirect=True)
def test_a_build_that_never_ends_is_stopped_with_all_that_it_began(rung: Rung, guests: Guests, tmp_path: Path) -> None:
    with pytest.raises(LimitError) as told:
        guests.run(job(tmp_path / "job", source_files(ENDLESS)))
    assert told.value.limit == "seconds", rung
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["a.gz"]
    assert not left(LIVES_ON)
