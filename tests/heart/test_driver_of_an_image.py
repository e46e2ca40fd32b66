"""Which driver an image wants of the machine that runs it is told by a lock, by a plan and by a label of the image."""

from support import plain
from support.wheels import make_wheel
from support.world import World, ok


def test_the_driver_follows_from_the_wheels_and_stands_in_the_lock_the_plan_and_a_label(world: World) -> None:
    make_wheel(world.wheels, "nvidia-cuda-runtime-cu12", "12.4.127")
    project = world.project(requirements="nvidia-cuda-runtime-cu12\n")
    line = "wants NVIDIA's driver 525.60.13 or a later one, for CUDA 12.4 of nvidia-cuda-runtime-cu12"
    assert line in ok(project.cogpack("lock")).err
    assert ok(project.cogpack("plan", "--json")).json["driver"] == {
        "version": "525.60.13",
        "cuda": "12.4",
        "of": "nvidia-cuda-runtime-cu12",
    }
    assert line in ok(project.cogpack("plan")).err
    ok(project.cogpack("push", project.target()))
    digest = world.manifest("me/model", "v1")["config"]["digest"]
    labels = plain.get(f"http://{world.registry}/v2/me/model/blobs/{digest}").json()["config"]["Labels"]
    assert labels["dev.cogpack.minimum_driver"] == "525.60.13"
