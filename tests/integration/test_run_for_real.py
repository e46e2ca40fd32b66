"""Models are run with the real `cog`, on the default base: examples/hello from its directory and as an image, in each
rung; one that downloads, yields pieces, and can be trained."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from integration.conftest import ROOT, Project
from support import plain
from support.dockerd import Docker

from cogpack.sandbox.rungs.choice import Rung, probe
from cogpack.sandbox.rungs.emulation import is_native

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


def test_hello_for_arm64_is_emulated_and_gives_what_its_twin_gives(hello: Project, tmp_path: Path) -> None:
    """From its directory and as an image: the real coglet of that architecture, under Debian's qemu."""
    if is_native("arm64"):
        pytest.skip("this machine runs programs of arm64 itself")
    if refusal := probe(tmp_path).refusal(Rung.USERNS, owners=False) or probe(tmp_path).emulation:
        pytest.skip(f"this machine refuses {refusal}")
    with (hello.root / "cog.yaml").open("a") as settings:
        settings.write("cogpack:\n  bytecode: false\n")
    other = ("--platform", "linux/arm64")
    machine = ("python", "-c", "import os; print(os.uname().machine)")
    assert hello.cogpack("exec", *other, *machine).stdout == "aarch64\n"
    assert hello.cogpack("run", *other, "-i", "text=you").stdout == hello.cogpack("run", "-i", "text=you").stdout
    layout = str(tmp_path / "layout")
    hello.cogpack("build", "--platform", "linux/amd64,linux/arm64", "-o", layout)
    for words, name in ((other, "aarch64\n"), ((), "x86_64\n")):
        assert hello.cogpack("exec", "--of", layout, *words, *machine).stdout == name
        assert hello.cogpack("run", layout, *words, "-i", "text=you").stdout == "hello you\n"


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
from cog import BaseRunner, ConcatenateIterator
class Runner(BaseRunner):
    def run(self, text: str) -> ConcatenateIterator[str]:
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


MODEL = """
import os
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path as HostPath

from cog import BaseRunner, BaseModel, ConcatenateIterator, Input, Path

WEIGHTS = HostPath.home() / ".cache/weights"


class Runner(BaseRunner):
    def setup(self, weights: Path = None) -> None:
        self.trained = HostPath(weights).read_text() if weights else ""
        if not self.trained and not WEIGHTS.exists():
            WEIGHTS.parent.mkdir(exist_ok=True)
            urllib.request.urlretrieve(os.environ["WEIGHTS_URL"], WEIGHTS)

    def run(self, count: int = Input(default=3), wait: bool = Input(default=None)) -> ConcatenateIterator[str]:
        try:
            for number in range(count):
                print("at", number)
                yield f"{number}{self.trained} "
            while wait:
                time.sleep(0.1)
        except BaseException:
            HostPath("/src/canceled").touch()
            raise


class Output(BaseModel):
    weights: Path
    steps: int


def train(images: Path, steps: int = Input(ge=1)) -> Output:
    with zipfile.ZipFile(str(images)) as archive:
        names = archive.namelist()
    program = "import cog, sys; print(sys.executable)"
    other = subprocess.run(["python", "-c", program], stdout=subprocess.PIPE, text=True)
    weights = Path("/tmp/weights.tar")
    weights.write_text(f" {names} {other.stdout.strip() == sys.executable}")
    print("with", os.environ["HF_TOKEN"])
    return Output(weights=weights, steps=steps)
"""


@pytest.fixture(scope="module")
def locked_model(locked_hello: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A model that downloads in its setup, yields pieces, and can be trained."""
    hello = locked_hello.fresh(tmp_path_factory.mktemp("model") / "model", lock=True)
    (hello.root / "predict.py").write_text(MODEL)
    with (hello.root / "cog.yaml").open("a") as file:
        file.write("train: predict.py:train\n")
    hello.cogpack("lock")
    return hello


@pytest.fixture
def model(locked_model: Project, tmp_path: Path) -> Project:
    return locked_model.fresh(tmp_path / "model", lock=True)


class Counted(SimpleHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        super().do_GET()


def test_what_a_model_downloads_in_its_setup_is_fetched_once(model: Project, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/weights").write_bytes(b"w" * 99_999)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Counted, directory=str(tmp_path / "served"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for _ in range(2):
            done = model.cogpack("run", "-e", f"WEIGHTS_URL=http://127.0.0.1:{server.server_address[1]}/weights")
            assert (done.stdout, Counted.asked) == ("0 1 2 \n", 1)
            assert "at 0\nat 1\nat 2\n" in done.stderr
        server.shutdown()


def test_pieces_come_while_the_model_runs_and_ctrl_c_cancels_it(model: Project) -> None:
    (model.root / "weights").touch()
    command = [sys.executable, "-m", "cogpack", "run", "-i", "wait=true", "-e", "WEIGHTS_URL=file:///src/weights"]
    with subprocess.Popen(command, cwd=model.root, env=model.environment, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.read(6) == b"0 1 2 "
        assert not (model.root / "canceled").exists()
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    assert (model.root / "canceled").exists()


TRAINED = "0 ['a.png'] True \n"
TOKEN = "hf_ATokenOfWhoeverTrains"


def train(model: Project, *options: str) -> "subprocess.CompletedProcess[str]":
    """A round trip: what was trained is a file here, and is what the model then starts with."""
    with zipfile.ZipFile(model.root / "x.zip", "w") as archive:
        archive.writestr("a.png", "png")
    given = ["-i", "images=@x.zip", "-i", "steps=3", "-e", f"HF_TOKEN={TOKEN}", "-o", "w.tar"]
    done = model.cogpack("train", "-vv", *options, *given)
    assert json.loads(done.stdout) == {"weights": "w.tar", "steps": 3}
    assert "with ***\n" in done.stderr
    assert "w.tar: in the project, so that the next image has it" in done.stderr
    assert model.cogpack("run", *options, "-i", "count=1", "-e", "COG_WEIGHTS=w.tar").stdout == TRAINED
    return done


TRACED = """
from cog import BaseRunner
from opentelemetry import trace


class Runner(BaseRunner):
    def run(self) -> str:
        with trace.get_tracer("model").start_as_current_span("of the model"):
            return format(trace.get_current_span().get_span_context().trace_id, "x")
"""


class Collector(SimpleHTTPRequestHandler):
    got = b""

    def do_POST(self) -> None:
        type(self).got += self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()


def test_a_model_with_traces_goes_on_with_the_trace_of_who_asks(hello: Project) -> None:
    """OTLP over HTTP, and the `traceparent` of W3C's Trace Context."""
    (hello.root / "predict.py").write_text(TRACED)
    with (hello.root / "cog.yaml").open("a") as file:
        file.write("observability: {traces: {enabled: true}}\n")
    hello.cogpack("lock")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever).start()
        to = f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{collector.server_port}"
        with subprocess.Popen(
            [sys.executable, "-m", "cogpack", "serve", "-p", "0", "-e", to],
            cwd=hello.root, env=hello.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as serving:  # fmt: skip
            try:
                assert serving.stdout is not None
                url = serving.stdout.readline().removeprefix("serving on ").strip()
                headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
                with plain.client() as client:
                    answer = client.post(f"{url}/predictions", json={"input": {}}, headers=headers)
                assert answer.json()["output"] == trace
                end = time.monotonic() + 60
                while not all(name in Collector.got for name in (b"POST /predictions", b"of the model")):
                    assert time.monotonic() < end, Collector.got
                    time.sleep(0.2)
            finally:
                serving.terminate()
                collector.shutdown()
    assert bytes.fromhex(trace) in Collector.got


def test_what_a_model_was_trained_to_is_what_it_starts_with(model: Project) -> None:
    assert "expected 1 or more" in model.cogpack("train", "-i", "steps=0", ok=False).stderr
    said = train(model)
    assert TOKEN not in said.stderr
    assert TOKEN not in (model.root / "cogpack.lock").read_text()


def test_an_engine_runs_the_same_with_the_same_flags(model: Project, docker: Docker) -> None:
    """Images of a project and of a layout come by `docker load`, mounts, variables and ports by its flags."""
    model.environment |= docker.environment
    options = ["--runtime", "docker", "--shm-size", "32m", "-e", "WEIGHTS_URL=file:///src/predict.py"]
    before = sorted(model.root.rglob("*"))
    assert model.cogpack("run", *options).stdout == "0 1 2 \n"
    train(model, *options)
    script = "echo $PWD; df -B1 --output=size /dev/shm | tail -1; cat; exit 7"
    done = subprocess.run(
        [sys.executable, "-m", "cogpack", "exec", *options, "sh", "-c", script],
        cwd=model.root, env=model.environment, capture_output=True, text=True, input="said", check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (7, ["/src", str(32 << 20), "said"]), done.stderr
    model.cogpack("build", "-o", str(model.root.parent / "layout"))
    for name in ("x.zip", "w.tar"):
        (model.root / name).unlink()
    assert sorted(model.root.rglob("*")) == before
    done = model.cogpack("run", str(model.root.parent / "layout"), *options, "-i", "count=1")
    assert done.stdout == "0 \n"
    keys = ("predict", "run", "train")
    config = (model.root / "cog.yaml").read_text().splitlines(keepends=True)
    (model.root / "cog.yaml").write_text("".join(line for line in config if line.partition(":")[0] not in keys))
    assert model.cogpack("exec", *options, "python", "-c", "print(7)").stdout == "7\n"  # before there is a model
    assert docker("ps", "-aq", "--filter", "name=cogpack-") == ""
