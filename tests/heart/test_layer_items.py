"""What layers hold is told of a plan, and of an image by the lock that is attached to it."""

from typing import Any

import pytest
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.images.attached import Attachment, put_attachments
from cogpack.images.registry import RegistryImages
from cogpack.lockfile import LOCK_TYPE
from cogpack.opening import open_image
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow


@pytest.fixture
def project(world: World) -> Project:
    for name in ("small", "tiny"):
        make_wheel(world.wheels, name, files={f"{name}.py": b"ONE = 1\n"})
    return world.project(requirements="small\ntiny\n", files={"model/w.pt": noise(2_000_000)})


def items(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {layer["name"]: layer["items"] for layer in found["layers"]}


def test_a_plan_tells_what_each_layer_holds(project: Project) -> None:
    found = items(ok(project.cogpack("plan", "--json")).json)
    (wheels,) = [its for name, its in found.items() if name.startswith("wheels: ")]
    assert {"small", "tiny"} < {item["name"] for item in wheels}
    assert all(item["kind"] == "wheel" and item["version"] and item["size"] for item in wheels)
    (weights,) = [its for name, its in found.items() if name.startswith("weights: ")]
    assert weights == [{"kind": "file", "name": "/src/model/w.pt", "version": "", "size": 2_000_000}]
    assert found["project"] == [], "--files lists those"


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_an_image_tells_it_by_its_attached_lock_wherever_one_stands(
    world: World, project: Project, compression: str
) -> None:
    project.write("cog.yaml", (project.root / "cog.yaml").read_text() + f"  compression: {compression}\n")
    planned = items(ok(project.cogpack("plan", "--json")).json)
    ok(project.cogpack("push", project.target()))
    elsewhere = world.project("elsewhere")
    found = items(ok(elsewhere.cogpack("inspect", project.target(), "--json")).json)
    told = {name: its for name, its in found.items() if its}
    assert told == {name: its for name, its in planned.items() if its and name.startswith("wheels: ")}


def test_without_a_lock_nothing_is_told_and_one_that_is_none_is_a_note(world: World, project: Project) -> None:
    ok(project.cogpack("push", project.target(), "--no-attach"))
    elsewhere = world.project("elsewhere")
    found = ok(elsewhere.cogpack("inspect", project.target(), "--json")).json
    assert not any(items(found).values())
    assert any(items(ok(project.cogpack("inspect", project.target(), "--json")).json).values()), "by the project's own"
    attach(world, project.target(), b"whatever")
    found = ok(elsewhere.cogpack("inspect", project.target(), "--json")).json
    assert not any(items(found).values())
    (note,) = [note["text"] for note in found["notes"] if note["code"] == "lock-unread"]
    assert note.endswith("what layers hold is told without it")
    told = ok(elsewhere.cogpack("inspect", project.target())).err
    assert "what layers hold" not in told, "who does not ask for it has no lock read"


def attach(world: World, target: str, data: bytes) -> None:
    """Attach what says to be a lock, as anybody may who may push."""
    with Session(Settings(environment=world.environment, cache=world.directory / "cache of others")) as session:
        image = open_image(session, target)
        assert isinstance(image.images, RegistryImages)
        one = Attachment(kind=LOCK_TYPE, title="cogpack.lock", data=data)
        subject = image.root.descriptor
        put_attachments(image.images, [one], subject, there=(), cancellation=session.cancellation)


def test_a_plan_tells_which_layers_the_image_of_the_tag_has(project: Project) -> None:
    first = ok(project.cogpack("plan", project.target(), "--json")).json
    assert {layer["tagged"] for layer in first["layers"]} == {None}, "the tag names nothing"
    ok(project.cogpack("push", project.target()))
    project.write("more.py", "ONE = 1\n")
    again = ok(project.cogpack("plan", project.target(), "--json")).json
    assert [layer["name"] for layer in again["layers"] if not layer["tagged"]] == ["project"]
    assert {layer["tagged"] for layer in again["layers"]} == {True, False}
