"""`inspect`: what a model takes and gives, from a registry and from a layout."""

import json
from typing import Any

import pytest
from support.world import World, ok

from cogpack.runtime.labelled_schema import Signature, followed, read_signature

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


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"components": []}', '{"components": {"schemas": {"Input": {"properties": []}}}}']
)
def test_a_schema_that_is_none_tells_nothing(text: str) -> None:
    assert read_signature(text) == Signature()


@pytest.mark.parametrize("spec", [{"allOf": 1}, {"allOf": [1, {"$ref": 2}]}, {"$ref": "#/components/schemas/none"}])
def test_a_reference_that_is_none_is_left(spec: dict[str, Any]) -> None:
    assert followed({"none": []}, spec) == spec
