"""One cache for all end-to-end tests, so that packages and wheels are downloaded once a run."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.browser import Browser, find_browser
from support.world import push_base

from cogpack.registry.server import Server

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass
class Project:
    """A copy of an example, and a cogpack that runs in it."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    pack: Mapping[str, object] = field(default_factory=dict)
    """What cog.yaml has under `cogpack`."""

    def configure(self, text: str = "", **pack: object) -> None:
        """Add `text` to cog.yaml, and `pack` to what is there under `cogpack`; forget the lock."""
        config = self.root / "cog.yaml"
        kept = [line for line in config.read_text().splitlines() if not line.startswith("cogpack: ")]
        self.pack = {**self.pack, **pack}
        config.write_text("\n".join([*kept, text, f"cogpack: {json.dumps(self.pack)}\n"]))
        (self.root / "cogpack.lock").unlink(missing_ok=True)

    def cogpack(self, *arguments: str, ok: bool = True, **more: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "cogpack", *arguments],
            cwd=self.root,
            env=self.environment | more,
            capture_output=True,
            text=True,
            check=False,
        )
        if ok:
            assert done.returncode == 0, done.stderr
        return done

    def fresh(self, target: Path, *, lock: bool) -> "Project":
        """The same project as a fresh checkout elsewhere would have it."""
        shutil.copytree(self.root, target, ignore=None if lock else shutil.ignore_patterns("cogpack.lock"))
        return Project(target, dict(self.environment), self.pack)


def lowest_layer(layout: Path) -> bytes:
    """The Debian base that an image in a layout stands on."""

    def blob(digest: str) -> bytes:
        return (layout / "blobs" / digest.replace(":", "/")).read_bytes()

    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    return gzip.decompress(blob(manifest["layers"][0]["digest"]))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("no browser here (chromium-headless-shell, chromium) to open a page in")
    with Browser(tmp_path_factory.mktemp("browser"), program) as started:
        yield started


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def clean_environment(shared_cache: Path) -> Mapping[str, str]:
    """The caller's environment without what would change cogpack's ways."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "SOURCE_DATE_EPOCH", "NO_COLOR")}
    return kept | {"COGPACK_CACHE_DIR": str(shared_cache), "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def locked_hello(tmp_path_factory: pytest.TempPathFactory, clean_environment: Mapping[str, str]) -> Project:
    """examples/hello, resolved and built once: its lock and the cache are warm. Copy it, don't change it."""
    root = tmp_path_factory.mktemp("hello") / "hello"
    shutil.copytree(ROOT / "examples" / "hello", root, ignore=shutil.ignore_patterns("cogpack.lock"))
    project = Project(root, dict(clean_environment))
    project.cogpack("build", "-o", str(root.parent / "layout"))
    return project


@pytest.fixture
def hello(locked_hello: Project, tmp_path: Path) -> Project:
    return locked_hello.fresh(tmp_path / "hello", lock=True)


@pytest.fixture(scope="session")
def locked_small(tmp_path_factory: pytest.TempPathFactory, clean_environment: Mapping[str, str]) -> Iterator[Project]:
    """The same over a base of some bytes, which no container can start: the Debian packages of a layer that nobody has
    yet take five seconds."""
    directory = tmp_path_factory.mktemp("small")
    with Server(directory / "registry") as server:
        push_base(server.address)
        root = shutil.copytree(ROOT / "examples" / "hello", directory / "hello")
        project = Project(root, dict(clean_environment))
        project.configure(base=f"{server.address}/base/python:v1")
        project.cogpack("build", "-o", str(directory / "layout"))
        yield project


@pytest.fixture
def small(locked_small: Project, tmp_path: Path) -> Project:
    return locked_small.fresh(tmp_path / "hello", lock=True)
