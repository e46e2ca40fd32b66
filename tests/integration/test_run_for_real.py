"""examples/hello is run with the real `cog`, on the default base: from its directory and as an image, in each rung."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from integration.conftest import ROOT, Project
from support import plain

from cogpack.sandbox.probe import Rung, probe

pytestmark = pytest.mark.integration


def _need(rung: str, directory: Path) -> None:
    if (refusal := probe(directory).refusal(Rung(rung), owners=False)) is not None:
        pytest.skip(f"this machine refuses {rung}: {refusal}")


@pytest.mark.parametrize("rung", ["root", "userns", "chroot"])
def test_hello_says_hello_in_each_rung(hello: Project, tmp_path: Path, rung: str) -> None:
    _need(rung, tmp_path)
    before = sorted(hello.root.rglob("*"))
    done = hello.cogpack("run", "--isolation", rung, "-i", "text=world")
    assert done.stdout == "hello world\n"
    assert sorted(hello.root.rglob("*")) == before


def test_hello_is_run_as_an_image_without_its_project(hello: Project, tmp_path: Path) -> None:
    if all(probe(tmp_path).refusal(rung, owners=False) for rung in (Rung.ROOT, Rung.USERNS)):
        pytest.skip("this machine lets nobody make namespaces")
    hello.cogpack("build", "-o", str(tmp_path / "layout"))
    (hello.root / "predict.py").unlink()
    assert hello.cogpack("run", str(tmp_path / "layout"), "-i", "text=you").stdout == "hello you\n"
    done = hello.cogpack("exec", "--of", str(tmp_path / "layout"), "python", "-c", "import cog; print(cog.__file__)")
    assert done.stdout.startswith("/opt/venv/lib/python3.13/")


def test_hello_says_hello_to_another_user(hello: Project, tmp_path: Path) -> None:
    """uid 1000, who may do nothing but make a user namespace."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root may become another user, by setpriv")
    python = shutil.which("python3.11", path="/usr/local/bin:/usr/bin")
    if python is None or sys.version_info[:2] != (3, 11):
        pytest.skip("no Python 3.11 here that everybody may start, for packages of this one")
    place = tmp_path / "place"
    project = hello.fresh(place / "hello", lock=True)
    for path in (place, *place.rglob("*")):
        os.chown(path, 1000, 1000)
    for path in (tmp_path, *tmp_path.parents):
        if not path.stat().st_mode & 0o001:  # pytest's own
            path.chmod(path.stat().st_mode | 0o011)
    packages = [path for path in sys.path if path.endswith("site-packages")]
    environment = project.environment | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), *packages]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(place),
        "COGPACK_CACHE_DIR": str(place / "cache"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    become = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
    done = subprocess.run(
        [*become, python, "-m", "cogpack", "run", "-i", "text=world"],
        cwd=project.root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "hello world\n"), done.stderr


def test_the_playground_follows_the_real_server_while_it_works(hello: Project, tmp_path: Path) -> None:
    """`support/fake_coglet.py` stands for it elsewhere."""
    if all(probe(tmp_path).refusal(rung, owners=False) for rung in (Rung.ROOT, Rung.USERNS)):
        pytest.skip("this machine lets nobody make namespaces")
    (hello.root / "predict.py").write_text("""
import os, time
from cog import BasePredictor, ConcatenateIterator
class Predictor(BasePredictor):
    def predict(self, text: str) -> ConcatenateIterator[str]:
        print("asked")
        yield text
        while not os.path.exists("go"):
            time.sleep(0.02)
        yield "end"
""")
    command = [sys.executable, "-m", "cogpack", "serve", "-p", "0", "--playground"]
    with subprocess.Popen(
        command, cwd=hello.root, env=hello.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            assert serving.stdout.readline().startswith("serving on ")
            url = serving.stdout.readline().removeprefix("playground on ").strip()
            told = []
            with plain.client(timeout=60).stream(
                "PUT",
                f"{url}/predictions/one",
                json={"input": {"text": "begin"}},
                headers={"Accept": "text/event-stream"},
            ) as answer:
                for line in answer.iter_lines():
                    told.append(line)
                    if line.startswith("data: ") and json.loads(line[6:]).get("chunk") == "begin":
                        (hello.root / "go").touch()
            assert "event: log" in told
            assert told[-3] == "event: completed"
            assert json.loads(told[-2].removeprefix("data: "))["output"] == ["begin", "end"]
        finally:
            serving.terminate()
        assert serving.wait(60) == 0
