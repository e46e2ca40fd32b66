"""Any CI container will do: no root, no capability, Docker's default seccomp profile."""

import os
import shutil
from pathlib import Path

import pytest
from integration.conftest import ROOT, Project
from support.dockerd import Docker
from support.registry import docker_registry

from cogpack.resolve.debs.archives.mirror import DebianMirror

pytestmark = pytest.mark.integration

_SETTINGS = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX")


def test_a_default_container_builds_as_nobody_then_without_any_network(
    docker: Docker, locked_hello: Project, tmp_path: Path
) -> None:
    with docker_registry(tmp_path / "registry") as address:
        project = locked_hello.fresh(tmp_path / "hello", lock=True)
        project.cogpack("push", f"{address}/ci/python:v1")
        docker("pull", f"{address}/ci/python:v1")
        # The image is a Python with pip: as good a CI container as any.
        image = f"{address}/ci/python:v1"
        shared = tmp_path / "shared"
        checkout = shared / "checkout"
        ignored = shutil.ignore_patterns(".*", "model", "__pycache__")
        shutil.copytree(ROOT, checkout, ignore=ignored)
        shutil.copytree(project.root, shared / "hello")
        for path in [shared, *shared.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)
        options = ["--rm", "--user", "65534:65534", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        options += ["-v", f"{shared}:/shared", "-w", "/shared/hello", "-e", "HOME=/shared/home"]
        options += ["-e", "PYTHONPATH=/shared/lib", "-e", "COGPACK_CACHE_DIR=/shared/cache"]
        options += [word for name in _SETTINGS if name in os.environ for word in ("-e", name)]
        mirror = DebianMirror.choose(None, os.environ)  # the one that this machine can reach
        options += ["-e", f"COGPACK_DEBIAN_MIRROR={mirror.main},{mirror.security}"]
        if bundle := os.environ.get("SSL_CERT_FILE"):
            options += ["-v", f"{Path(bundle).resolve()}:/shared-ca.pem:ro"]
            options += ["-e", "SSL_CERT_FILE=/shared-ca.pem", "-e", "PIP_CERT=/shared-ca.pem"]
        pip = ["pip", "install", "-q", "--no-cache-dir", "--target", "/shared/lib", "/shared/checkout"]
        docker("run", "--network", "host", *options, image, *pip)
        build = ["python", "-m", "cogpack", "build", "--rebuild", "-o"]
        first = docker("run", "--network", "host", *options, image, *build, "/shared/with")
        second = docker("run", "--network", "none", *options, image, *build, "/shared/without")
        assert first.partition("@")[2] == second.partition("@")[2] == _digest(project)


def _digest(project: Project) -> str:
    done = project.cogpack("build", "-o", str(project.root.parent / "here"))
    return done.stdout.strip().partition("@")[2]
