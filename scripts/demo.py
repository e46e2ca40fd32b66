"""`make demo`: push the embedding model of examples/minilm to a registry on loopback, pull it, run it, ask it; and ask
it by `cogpack run`, from its directory and from the registry.

State (registry, cache, logs) is in $DEMO_DIR or .demo/. Needs no root: where a Docker daemon answers, the image is
pulled and run by it; else it is unpacked and started under chroot, in a user namespace if not root.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cogpack.decompress import decompressed
from cogpack.oci import Manifest, decode
from cogpack.reference import Reference
from cogpack.sandbox.rungs.choice import Rung, choose, probe
from cogpack.session import Session, Settings
from cogpack.untar import Untar

ROOT = Path(__file__).resolve().parents[1]
STATE = Path(os.environ.get("DEMO_DIR", ROOT / ".demo")).absolute()
EXAMPLE = ROOT / "examples" / "minilm"
TOLERANCE = 1e-5
"""What each number may differ from those of the model's own package (examples/minilm/reference.json)."""


def say(text: str) -> None:
    print(f"demo: {text}", flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A program in a session of its own, which is ended with all its children."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, **options)
    try:
        yield process
    finally:
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)


@contextlib.contextmanager
def registry() -> Iterator[str]:
    """The address of Debian's docker-registry where it is installed, else of cogpack's own."""
    storage = STATE / "registry"
    storage.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    if program := shutil.which("docker-registry"):
        settings = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(storage / "docker")}},
            "http": {"addr": address},
        }
        (STATE / "registry.yml").write_text(json.dumps(settings))
        command = [program, "serve", str(STATE / "registry.yml")]
    else:
        port = address.rpartition(":")[2]
        command = [sys.executable, "-m", "cogpack", "registry", "serve", str(storage / "cogpack"), "--port", port]
    say(f"registry on {address}: {' '.join(command[:2])}")
    with running(command, STATE / "registry.log"):
        wait_for(f"http://{address}/v2/", 20)
        yield address


def wait_for(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                sys.exit(f"demo: {url} gave no answer in {seconds:.0f} s; see the logs in {STATE}")
            time.sleep(0.1)
        else:
            return


def push(address: str) -> str:
    say("fetching the model's weights (91 MB, checked by sha256)")
    subprocess.run([sys.executable, str(EXAMPLE / "fetch_weights.py")], check=True)
    project = STATE / "minilm"  # a copy: the lock that is made stays out of the checkout
    shutil.copytree(EXAMPLE, project, dirs_exist_ok=True)
    say("cogpack push")
    return cogpack("push", f"{address}/demo/minilm:v1").strip()


def cogpack(*arguments: str) -> str:
    """The stdout of cogpack in the copy of the example."""
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment.setdefault("COGPACK_CACHE_DIR", str(STATE / "cache"))
    command = [sys.executable, "-m", "cogpack", *arguments]
    done = subprocess.run(command, cwd=STATE / "minilm", env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def run(text: str, *what: str) -> list[float]:
    say(f"cogpack run {' '.join(what)}")
    # In a default container no rung hides the caller's files, and cogpack wants to be told so: this image is our own.
    trusted = ["--isolation", rung.value] if what and not (rung := chosen_rung()).hides else []
    embedding: list[float] = json.loads(cogpack("run", *trusted, *what, "-i", f"text={text}"))
    return embedding


def chosen_rung() -> Rung:
    return choose("auto", probe(STATE), owners=False)


def docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


@contextlib.contextmanager
def in_docker(image: str) -> Iterator[str]:
    say("docker pull, docker run")
    subprocess.run(["docker", "pull", "--quiet", image], check=True)
    port = free_port()
    command = ["docker", "run", "--detach", "--publish", f"127.0.0.1:{port}:5000", image]
    container = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run(["docker", "rm", "--force", container], stdout=subprocess.DEVNULL, check=False)


@contextlib.contextmanager
def in_chroot(image: str) -> Iterator[str]:
    say("no Docker daemon answers: pulling and unpacking the image here")
    tree = STATE / "rootfs"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    config = pull(image, tree)["config"]
    environment = dict(variable.split("=", 1) for variable in config["Env"])
    port = free_port()
    environment["PORT"] = str(port)
    script = 'cd "$1" && shift && exec "$@"'
    inside = [program("chroot"), str(tree), "/bin/sh", "-c", script, "sh", config["WorkingDir"], *config["Cmd"]]
    if os.geteuid() != 0:
        inside = [program("unshare"), "--user", "--map-root-user", *inside]
    log = STATE / "model.log"
    with running(inside, log, env=environment) as process:
        time.sleep(0.3)
        if process.poll() is not None:
            sys.exit(f"demo: the model did not start; user namespaces may be refused here:\n{log.read_text()}")
        yield f"http://127.0.0.1:{port}"
    shutil.rmtree(tree, ignore_errors=True)


def program(name: str) -> str:
    """Find a program of this machine: the image's own PATH is not for it."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    return found or sys.exit(f"demo: {name} is not installed and no Docker daemon answers: the image can't be run here")


def pull(image: str, tree: Path) -> dict[str, Any]:
    """Unpack an image's layers, which are verified on the way; the image config."""
    reference = Reference.parse(image)
    with Session(Settings(cache=STATE / "cache", environment=os.environ)) as session:
        repository = session.repository(reference)
        assert reference.digest is not None
        found = repository.manifest(reference.digest)
        assert found is not None
        manifest = decode(found.data, Manifest, where=image)
        for layer in manifest.layers:
            with repository.blob(layer) as blocks:
                unpack(Untar(decompressed(blocks), where=layer.digest), tree)
        config: dict[str, Any] = json.loads(repository.blob_bytes(manifest.config, limit=1 << 23))
        return config


def unpack(layer: Untar, tree: Path) -> None:
    """cogpack's own layers: no whiteouts, parents first, links never followed on the way."""
    for member in layer:
        path = tree / member.path
        if member.kind == "directory":
            path.mkdir(exist_ok=True)
            path.chmod(member.mode | 0o700)
        elif member.kind == "symlink":
            path.symlink_to(member.link)
        elif member.kind == "hardlink":
            path.hardlink_to(tree / member.link)
        else:
            with path.open("xb") as out:
                for block in layer.content():
                    out.write(block)
            path.chmod(member.mode)


def ready(address: str) -> None:
    wait_for(f"{address}/health-check", 60)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{address}/health-check", timeout=10) as answer:
            health = json.load(answer)
        if health["status"] == "READY":
            return
        if health["status"] != "STARTING":
            sys.exit(f"demo: the model is {health['status']}:\n{health.get('setup', {}).get('logs', '')}")
        time.sleep(0.2)
    sys.exit("demo: the model was not ready after two minutes")


def embed(address: str, text: str) -> list[float]:
    body = json.dumps({"input": {"text": text}}).encode()
    request = urllib.request.Request(f"{address}/predictions", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        prediction = json.load(answer)
    if prediction["status"] != "succeeded":
        sys.exit(f"demo: the prediction {prediction['status']}: {prediction.get('error')}")
    output: list[float] = prediction["output"]
    return output


def main() -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    reference = next(item for item in json.loads((EXAMPLE / "reference.json").read_text()) if "embedding" in item)
    with registry() as address:
        image = push(address)
        with (in_docker if docker_answers() else in_chroot)(image) as model:
            ready(model)
            embedding = embed(model, reference["text"])
        found = [embedding, run(reference["text"]), run(reference["text"], image)]
    pairs = [pair for one in found for pair in zip(one, reference["embedding"], strict=True)]
    if (worst := max(abs(found - expected) for found, expected in pairs)) > TOLERANCE:
        sys.exit(f"demo: an embedding differs from the reference by {worst}")
    say(f'embedding of "{reference["text"]}", computed in the container:')
    say(f"  {', '.join(f'{number:.5f}' for number in embedding[:6])}, ... ({len(embedding)} numbers)")
    say(f"  equal to the original model's within {TOLERANCE:g} (worst difference {worst:.1g})")
    say(f"image digest: {image.partition('@')[2]}")


if __name__ == "__main__":
    main()
