"""A project may lie in a directory with a colon: what it says of paths is cut nowhere."""

import pytest
from support.guests import need, proot
from support.wheels import make_wheel
from support.world import Project, World, ok

from cogpack.sandbox.rungs.choice import Rung


def twin(world: World, name: str) -> Project:
    project = world.project(
        name,
        files={"own/needed.txt": "one\n", "weights/a.bin": bytes(100), "constraints.txt": ""},
        requirements="--find-links own/wheels\n-c constraints.txt\n-r own/needed.txt\none\n",
    )
    make_wheel(project.root / "own/wheels", "one", "1.0")
    return project


def test_the_image_is_the_same_as_from_any_other_directory(world: World) -> None:
    digests = {
        ok(twin(world, name).cogpack("push", f"{world.registry}/me/model:v1")).digest for name in ("plain", "a:b/c:d")
    }
    assert len(digests) == 1
    project = Project(world, world.directory / "a:b" / "c:d")
    ok(project.cogpack("build", "-o", "../o:ut"))
    assert (project.root / "../o:ut/index.json").is_file()
    ok(project.cogpack("verify", f"{world.registry}/me/model:v1"))


@pytest.mark.slow
@pytest.mark.parametrize("rung", [Rung.ROOT, Rung.PROOT])
def test_a_command_sees_it_in_every_rung(world: World, programs: bytes, rung: Rung) -> None:
    need(rung, world.directory)
    project = world.project_over(programs, "a:b/c:d")
    found = proot()
    more = {"COGPACK_PROOT": found.command[0]} if found and len(found.command) == 1 else {}
    done = ok(project.cogpack("exec", "--isolation", rung, "sh", "-c", "cat predict.py; echo x > /src/kept", **more))
    assert "class Predictor" in done.out
    assert (project.root / "kept").read_text() == "x\n"
