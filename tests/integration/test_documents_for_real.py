"""What documents say to type works as it stands: cogpack installed from the package index, Debian's Python, Docker."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from integration.conftest import ROOT, Project
from support.dockerd import Docker
from support.typist import program, typed

from cogpack.registry.server import Server
from cogpack.resolve.wheels.compile import uv_program

pytestmark = pytest.mark.integration

MODEL = """
from cog import BaseModel, BaseRunner, Input, Path


class Runner(BaseRunner):
    def setup(self, weights: str = None) -> None:
        self.weights = open(weights).read() if weights else "nothing"

    def run(self, prompt: str, image: Path = Input(default=None)) -> str:
        return f"{prompt}, trained on {self.weights}" + (f", beside {image.read_text()}" if image else "")


class Trained(BaseModel):
    weights: Path


def train(images: Path) -> Trained:
    Path("/tmp/weights").write_text(images.read_text())
    return Trained(weights=Path("/tmp/weights"))
"""


def path_with(*directories: Path) -> str:
    return ":".join([*map(str, directories), "/usr/local/bin", "/usr/bin", "/bin"])


def test_cogpack_is_installed_as_the_page_says(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "cogpack", clone / "cogpack", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    home = tmp_path / "home"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    given = {"HOME": str(home), "PATH": path_with(tmp_path / "venv/bin", Path(uv_program()).parent)}
    said = typed(ROOT / "docs/install.md", clone, given)
    assert "cogpack 0." in said
    for installed in (tmp_path / "venv/bin/cogpack", home / ".local/bin/cogpack"):
        version = subprocess.run([installed, "version"], capture_output=True, text=True, check=True)
        assert version.stdout in said


@pytest.mark.parametrize("page", ["tutorial", "registry-server"])
def test_a_page_with_lines_for_docker_works_with_docker(
    page: str, hello: Project, docker: Docker, tmp_path: Path
) -> None:
    directory = tmp_path / "empty" if page == "tutorial" else hello.root
    directory.mkdir(exist_ok=True)
    given = {
        "COGPACK_CACHE_DIR": hello.environment["COGPACK_CACHE_DIR"],
        "HOME": str(tmp_path),
        "PATH": path_with(program(tmp_path / "bin")),
        "DOCKER_HOST": docker.host,
        "REGISTRY_PASSWORD": "not-a-secret-of-anybody",
    }
    said = typed(ROOT / f"docs/{page}.md", directory, given)
    assert ('"output":"good day, you"' if page == "tutorial" else "Login Succeeded") in said


def test_a_model_is_run_trained_and_served_as_the_page_says(hello: Project, tmp_path: Path) -> None:
    files = {"predict.py": MODEL, "torch.py": "__version__ = 'of torch'", "frog.png": "a picture", "x.zip": "pictures"}
    for name, text in files.items():
        (hello.root / name).write_text(text)
    hello.configure("train: predict.py:train")
    with Server(tmp_path / "registry") as server:
        hello.cogpack("push", f"{server.address}/me/model:v1")
        page = tmp_path / "run.md"
        page.write_text((ROOT / "docs/run.md").read_text().replace("registry.example.com", server.address))
        given = {
            "COGPACK_CACHE_DIR": hello.environment["COGPACK_CACHE_DIR"],
            "HOME": str(tmp_path),
            "PATH": path_with(program(tmp_path / "bin")),
            "HF_TOKEN": "hf_of-nobody-at-all",
        }
        said = typed(page, hello.root, given, left_out=["cogpack run --gpus"])
    assert (hello.root / "lora.tar").read_text() == "pictures"
    told = ["a frog, trained on nothing, beside a picture", "of torch", "coglet", "a frog, trained on pictures"]
    assert [one for one in told if f"\n{one}" not in said] == []
