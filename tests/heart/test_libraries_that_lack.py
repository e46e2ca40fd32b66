"""Libraries that modules of wheels are linked with, and the image lacks, are told when asked for, and by a push."""

import pytest
from support.elf import library
from support.wheels import make_wheel
from support.world import World, ok, push_base


def test_lock_reads_no_wheel_for_libraries_unless_it_is_asked_and_a_push_tells_them_before_its_manifest(
    world: World,
) -> None:
    files = {"cv2/cv2.abi3.so": library(None, needed=["libGL.so.1", "libc.so.6"])}
    make_wheel(world.wheels, "opencv-python", files=files, tag="cp37-abi3-manylinux_2_28_x86_64")
    project = world.project(requirements="opencv-python\n")
    lacks = (
        "opencv-python 1.0: cv2/cv2.abi3.so is linked with libGL.so.1, which nothing in the image has: "
        "add system_packages: [libgl1] under build"
    )
    assert lacks not in ok(project.cogpack("lock")).err
    before = (project.root / "cogpack.lock").read_bytes()
    told = ok(project.cogpack("lock", "--check-libraries", "--json"))
    assert [note["text"] for note in told.json["notes"] if note["code"] == "missing-library"] == [lacks]
    assert (project.root / "cogpack.lock").read_bytes() == before
    failed = project.cogpack("push", project.target(), "--deny", "missing-library")
    assert (failed.code, lacks in failed.err) == (2, True)
    assert not world.has("me/model", "v1")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/usr/local/nvidia/lib:/usr/local/cuda/lib64", 0),
        ("/usr/local/nvidia:/usr/local/cuda-12.4/lib64:/usr/local/cuda", 0),
        ("/usr/local/nvidia/lib:/opt/gl/lib", 2),
        ("/usr/local/cuda-own-libs/lib", 2),
    ],
)
def test_where_a_base_has_the_linker_look_elsewhere_nothing_is_said_to_lack(world: World, path: str, code: int) -> None:
    push_base(world.registry, environment=(f"LD_LIBRARY_PATH={path}",))
    files = {"cv2/cv2.abi3.so": library(None, needed=["libGL.so.1"])}
    make_wheel(world.wheels, "opencv-python", files=files, tag="cp37-abi3-manylinux_2_28_x86_64")
    project = world.project(requirements="opencv-python\n")
    done = project.cogpack("lock", "--check-libraries")
    assert (done.code, "is linked with libGL.so.1" in done.err) == (code, code == 0)
    assert ("LD_LIBRARY_PATH of the base" in done.err) is (code == 2)
