"""Docker takes the image of its own platform from an index, and the other one where it is asked for it."""

import json
import platform
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.platforms import push_index
from support.world import Template, ok

pytestmark = pytest.mark.integration


def test_docker_pulls_its_own_platform_and_the_other_by_name(docker: Docker, tmp_path: Path) -> None:
    own, other = ("arm64", "amd64") if platform.machine() == "aarch64" else ("amd64", "arm64")
    with Template.made(tmp_path / "template").world(tmp_path / "world") as world:
        push_index(world)
        project = world.project()
        project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("python:v1", "python:v2"))
        image = project.target()
        ok(project.cogpack("push", image, "--platform", "linux/amd64,linux/arm64"))
        for words, expected in (((), own), (("--platform", f"linux/{other}"), other)):
            docker("pull", "-q", *words, image)
            (told,) = json.loads(docker("inspect", image))
            assert told["Architecture"] == expected
            docker("rmi", "--force", image)
