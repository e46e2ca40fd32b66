"""The Deployment that `init --kubernetes` writes is one that a model can live in: podman stands in for a kubelet.

It plays the pod: users, capabilities, the read-only root, volumes, variables, and the init container before the other.
It knows no `medium`, `sizeLimit` and `fsGroup` (4.3), and runs the liveness probe alone.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from integration.conftest import Project
from support import plain
from support.disks import mounts_below
from support.hub import hub

from cogpack.running.server import free_port
from cogpack.runtime.contract import PROBE

pytestmark = pytest.mark.integration

MODEL = """
import getpass, os
from pathlib import Path as HostPath

from cog import BaseRunner, Path
from huggingface_hub import snapshot_download


class Runner(BaseRunner):
    def setup(self):
        downloaded = HostPath(snapshot_download("owner/name"))
        assert downloaded.is_relative_to(os.environ["HF_HOME"])
        for name in ("TORCH_HOME", "TRITON_CACHE_DIR"):
            os.makedirs(os.environ[name])
        if not os.path.exists("model-cache"):
            os.makedirs("model-cache")
            HostPath("model-cache/x").touch()
        HostPath("/dev/shm/x").touch()
        HostPath.home().joinpath(".config").mkdir()
        self.loaded = (downloaded / "model.bin").read_text() + " ".join(os.listdir("model-cache"))

    def run(self) -> dict:
        refused = []
        for name in ("/x", "/opt/venv/x", "/etc/x"):
            try:
                HostPath(name).touch()
            except OSError as error:
                refused.append(error.strerror)
        status = HostPath("/proc/self/status").read_text().split()
        return {
            "loaded": self.loaded, "user": getpass.getuser(), "uid": os.getuid(), "refused": refused,
            "capabilities": status[status.index("CapEff:") + 1], "privileges": status[status.index("NoNewPrivs:") + 1],
        }
"""


class Podman:
    """Plays documents with a store of its own."""

    def __init__(self, directory: Path, run_root: str) -> None:
        # Without more files and processes than we may have ourselves, which it would ask for.
        settings = directory / "containers.conf"
        settings.write_text('[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n')
        self.environment = os.environ | {"CONTAINERS_CONF": str(settings)}
        self.words = [
            *("podman", "--root", str(directory / "root"), "--runroot", run_root, "--tmpdir", f"{run_root}/tmp"),
            *("--cgroup-manager", "cgroupfs", "--events-backend", "file"),
        ]

    def __call__(self, *arguments: str, ok: bool = True) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [*self.words, *arguments], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0 or not ok, f"{arguments}: {done.stderr}"
        return done


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Podman]:
    missing = [name for name in ("podman", "catatonit", "runc") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"pods are played by root's podman; not here: {' '.join(missing) or 'root'}")
    with tempfile.TemporaryDirectory() as short:  # podman wants a run root of at most 50 characters
        found = Podman(tmp_path, short)
        try:
            yield found
        finally:
            found("pod", "rm", "--all", "--force", "--time", "0", ok=False)
            for row in reversed(mounts_below(tmp_path)):  # which podman 4.3 leaves there at times, and pytest removes
                subprocess.run(["umount", "--lazy", row.split()[4]], check=True)


def test_a_model_that_downloads_lives_over_a_root_that_nobody_writes(
    locked_hello: Project, podman: Podman, tmp_path: Path
) -> None:
    model = locked_hello.fresh(tmp_path / "model", lock=True)
    (model.root / "predict.py").write_text(MODEL)
    (model.root / "requirements.txt").write_text("huggingface_hub>=1\n")
    config = (model.root / "cog.yaml").read_text()
    (model.root / "cog.yaml").write_text(
        config.replace("build:\n", "build:\n  python_requirements: requirements.txt\n")
    )
    model.cogpack("init", "-q", "--kubernetes", "-t", "localhost/me/model")
    model.cogpack("build", "-o", str(tmp_path / "image.tar"), "-t", "localhost/me/model:latest")
    podman("load", "-q", "-i", str(tmp_path / "image.tar"))
    port = free_port()
    deployment, _ = yaml.safe_load_all((model.root / "deployment.yaml").read_text())
    pod = deployment["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["initContainers"]] == ["source"]
    # So that it is kept: podman 4.3 does not always see in time that it has ended, and then can't remove it.
    deployment["metadata"]["annotations"] = {"io.podman.annotations.init.container.type": "always"}
    del pod["containers"][0]["ports"]  # on this machine's network, so that no bridge of podman's stays behind
    pod["containers"][0]["env"].append({"name": "PORT", "value": str(port)})
    with hub({"model.bin": b"weights"}) as found:
        pod["containers"][0]["env"].append({"name": "HF_ENDPOINT", "value": found.endpoint})
        (tmp_path / "played.yaml").write_text(yaml.safe_dump(deployment))
        podman("play", "kube", "--network", "host", str(tmp_path / "played.yaml"))

        def probe(question: str) -> int:
            return podman("exec", "model-pod-0-model", "python", "-I", f"/{PROBE}", question, ok=False).returncode

        end = time.monotonic() + 60
        while probe("started") != 0:
            assert time.monotonic() < end, podman("logs", "model-pod-0-model").stderr
            time.sleep(0.1)
        assert (probe("ready"), probe("alive")) == (0, 0)
        answer = plain.post(f"http://127.0.0.1:{port}/predictions", json={"input": {}}).json()
    assert found.served == {"model.bin": len(b"weights")}
    assert answer["output"] == {
        "loaded": "weightsx",
        "user": "model",
        "uid": 1000,
        "refused": ["Read-only file system"] * 3,
        "capabilities": "0" * 16,
        "privileges": "1",
    }
