"""Images are made of a depot where there is no network at all: in a network namespace with nothing in it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from integration.conftest import Project

pytestmark = pytest.mark.integration

_WAYS = (("unshare", "--net"), ("unshare", "--map-root-user", "--net"))


@pytest.fixture
def alone() -> Sequence[str]:
    """What a command is started with to reach nothing."""
    for way in _WAYS:
        if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            return way
    pytest.skip("this machine allows no network namespace")


def test_a_project_over_debian_is_the_same_image_in_an_empty_network_namespace(
    locked_hello: Project, tmp_path: Path, alone: Sequence[str]
) -> None:
    project = locked_hello.fresh(tmp_path / "hello", lock=True)
    project.cogpack("fetch", "-o", "../depot")
    named = ("-t", "me/hello:v1")
    before = project.cogpack("build", "-o", str(locked_hello.root.parent / "layout"), *named).stdout
    done = subprocess.run(
        [*alone, sys.executable, "-m", "cogpack", "build", "--offline", "../depot", "-o", "../image", *named],
        cwd=project.root,
        env=project.environment | {"COGPACK_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == before
