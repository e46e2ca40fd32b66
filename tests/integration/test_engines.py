"""It's just Docker: the engines of today and of years ago pull and run what cogpack pushed."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from integration.conftest import ROOT, Project
from support.dockerd import Docker, dockerd
from support.registry import docker_registry

pytestmark = pytest.mark.integration

MINILM = ROOT / "examples" / "minilm"


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (Debian has it; `make test` as root installs it)")


def run(*arguments: str, **options: object) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{arguments}: {done.stderr}{done.stdout}"
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, locked_hello: Project) -> Iterator[str]:
    """The name under which a real registry holds examples/hello."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        project = locked_hello.fresh(tmp_path_factory.mktemp("engines") / "hello", lock=True)
        project.cogpack("push", f"{address}/engines/hello:v1")
        yield f"{address}/engines/hello:v1"


@contextlib.contextmanager
def serving(docker: Docker, image: str, *options: str) -> Iterator[tuple[str, str]]:
    """(container id, address) of a running model, its port published as users do it."""
    port = free_port()
    container = docker("run", "-d", "-p", f"127.0.0.1:{port}:5000", *options, image)
    try:
        yield container, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "-f", container)


def ready(address: str) -> None:
    deadline = time.monotonic() + 60
    status = "no answer"
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            health = httpx.get(f"{address}/health-check").json()
            status = health["status"]
            if status == "READY":
                return
            assert status == "STARTING", health
        time.sleep(0.1)
    raise AssertionError(f"not ready after a minute: {status}")


def predict(address: str, **inputs: object) -> httpx.Response:
    for _ in range(20):
        answer = httpx.post(f"{address}/predictions", json={"input": inputs}, timeout=30)
        if answer.status_code != 409:  # the slot of the call before is still being freed
            return answer
        time.sleep(0.05)
    return answer


def test_docker_pulls_and_serves_the_model(docker: Docker, image: str) -> None:
    docker("pull", image)
    with serving(docker, image) as (container, address):
        ready(address)
        answer = predict(address, text="world").json()
        assert answer["status"] == "succeeded", answer
        assert "world" in answer["output"]
        assert predict(address, text=7).status_code == 422
        shown = docker("exec", container, "python", "-c", "import sys; print(sys.prefix)")
        assert shown.strip() == "/opt/venv"


def test_docker_computes_a_real_embedding(docker: Docker, tmp_path: Path, clean_environment: Mapping[str, str]) -> None:
    """examples/minilm with its real weights: pushed, pulled, run; the numbers are those of the model's own package."""
    if not (MINILM / "model" / "model.safetensors").is_file():
        pytest.skip("examples/minilm/fetch_weights.py was not run")
    shutil.copytree(MINILM, tmp_path / "minilm", ignore=shutil.ignore_patterns("cogpack.lock"))
    project = Project(tmp_path / "minilm", dict(clean_environment))
    with docker_registry(tmp_path / "registry") as address:
        image = project.cogpack("push", f"{address}/engines/minilm:v1").stdout.strip()
        docker("pull", image)
    with serving(docker, image) as (_, address):
        ready(address)
        for case in json.loads((MINILM / "reference.json").read_text()):
            expected = case.get("embedding", case.get("first"))
            answer = predict(address, text=case["text"]).json()
            assert answer["status"] == "succeeded", answer
            assert len(answer["output"]) == 384
            assert answer["output"][: len(expected)] == pytest.approx(expected, abs=1e-5)
        assert predict(address, text="x", normalize="perhaps").status_code == 422


def test_docker_serves_it_to_any_user_with_a_read_only_root(docker: Docker, image: str) -> None:
    docker("pull", image)
    with serving(docker, image, "--user", "65534:65534", "--read-only", "--tmpfs", "/tmp") as (_, address):
        ready(address)
        assert predict(address, text="nobody").json()["status"] == "succeeded"


def test_docker_shows_cogs_labels_and_the_schema(docker: Docker, image: str) -> None:
    docker("pull", image)
    (found,) = json.loads(docker("image", "inspect", image))
    labels = found["Config"]["Labels"]
    assert {"run.cog.version", "run.cog.config", "run.cog.openapi_schema", "run.cog.pip_freeze"} <= labels.keys()
    packed = docker("run", "--rm", "--network", "none", image, "cat", "/src/.cog/openapi_schema.json")
    assert json.loads(packed) == json.loads(labels["run.cog.openapi_schema"])


def test_pip_in_the_container_installs_a_package_from_the_index(docker: Docker, image: str) -> None:
    """On the host's network, whose certificates and index it takes: the tests' daemon routes no bridge outwards."""
    docker("pull", image)
    options = ["--network", "host", "-v", "/etc/ssl/certs:/etc/ssl/certs:ro"]
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        if name in os.environ:
            options += ["-e", name]
    container = docker("run", "-d", *options, image, "sleep", "300")
    try:
        docker("exec", container, "pip", "install", "iniconfig==2.0.0")
        docker("exec", container, "python", "-c", "import iniconfig")
    finally:
        docker("rm", "-f", container)


def test_apt_and_dpkg_in_the_container_find_their_database_sound(docker: Docker, image: str) -> None:
    docker("pull", image)
    shell = ["run", "--rm", "--network", "none", image]
    assert docker(*shell, "dpkg", "--audit") == ""
    docker(*shell, "apt-get", "check")
    assert docker(*shell, "perl", "-e", "print 6*7") == "42"  # a file with two names


def test_docker_load_takes_the_archive(docker: Docker, locked_hello: Project, tmp_path: Path) -> None:
    project = locked_hello.fresh(tmp_path / "hello", lock=True)
    project.cogpack("build", "-o", str(tmp_path / "image.tar"), "-t", "loaded/hello:v1")
    assert "loaded/hello:v1" in docker("load", "-i", str(tmp_path / "image.tar"))
    with serving(docker, "loaded/hello:v1") as (_, address):
        ready(address)


def test_cogpack_load_streams_into_docker(docker: Docker, locked_hello: Project, tmp_path: Path) -> None:
    project = locked_hello.fresh(tmp_path / "hello", lock=True)
    project.cogpack("load", "-t", "streamed/hello:v1", DOCKER_HOST=docker.host)
    docker("image", "inspect", "streamed/hello:v1")


def test_containerd_pulls_and_unpacks_it(docker: Docker, image: str) -> None:
    needs("ctr")
    address = str(next(Path(docker.host.removeprefix("unix://")).parent.rglob("containerd.sock")))
    ctr = ["ctr", "-a", address, "-n", "cogpack", "images"]
    run(*ctr, "pull", "--plain-http", image)
    assert "complete" in run(*ctr, "check", f"name=={image}")


def test_podman_pulls_it(image: str, tmp_path: Path) -> None:
    needs("podman")
    with tempfile.TemporaryDirectory() as short:  # podman wants a run root of at most 50 characters
        store = ["--root", str(tmp_path / "root"), "--runroot", short, "--storage-driver", "vfs"]
        run("podman", *store, "pull", "-q", "--tls-verify=false", image)
        assert "python" in run("podman", *store, "image", "inspect", image)


def test_skopeo_inspects_and_copies_it_and_umoci_unpacks_it(image: str, tmp_path: Path) -> None:
    needs("skopeo")
    found = json.loads(run("skopeo", "inspect", "--tls-verify=false", f"docker://{image}"))
    assert found["Labels"]["run.cog.openapi_schema"]
    run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{image}", f"oci:{tmp_path}/layout:v1")
    needs("umoci")
    rootless = [] if os.geteuid() == 0 else ["--rootless"]
    run("umoci", "unpack", *rootless, "--image", f"{tmp_path}/layout:v1", str(tmp_path / "bundle"))
    assert (tmp_path / "bundle/rootfs/src/predict.py").is_file()
    assert (tmp_path / "bundle/rootfs/tmp").stat().st_mode & 0o7777 == 0o1777


def test_a_pull_is_measured_by_docker_itself_and_leaves_nothing_in_it(
    docker: Docker, image: str, monkeypatch: pytest.MonkeyPatch, on_disk: Path
) -> None:
    from cogpack.cli import run as cogpack

    page = on_disk / "page.html"
    monkeypatch.setenv("COGPACK_CACHE_DIR", str(on_disk / "cache"))
    bridge = Path("/sys/class/net/docker0")
    assert docker("network", "ls", "--filter", "name=bridge", "--quiet")
    assert bridge.exists()
    with dockerd(on_disk / "docker", bridge=False) as own:  # that of other tests may have some of the layers
        for name, value in own.environment.items():
            monkeypatch.setenv(name, value)
        assert (
            cogpack(["bench", "pull", image, "--engine", "docker", "--budget", "1GB", "--html", str(page), "-q"]) == 0
        )
        assert own("images", "-aq") == ""
    assert bridge.exists()  # a daemon without one removes any that has its name
    assert "docker, measured" in page.read_text()
