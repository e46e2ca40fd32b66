"""The lines that public projects have under `build.run` stay what they are: known, and as what, or sandboxed.

`public_shapes.json` holds the shapes of the run lines of 206 public configurations, the longest shortened, all names
replaced by ours, with how many lines had each; those with 0 are asked for and were not seen. Of the lines in their
order 358 of 476 are read as known, and 158 configurations as a whole. A change of what is known shows here.
"""

import json
from pathlib import Path

import pytest

from cogpack.config import RunStep
from cogpack.run_lines import KnownStep, ReadStep, Surroundings, classify

SHAPES = json.loads((Path(__file__).parent / "public_shapes.json").read_text(encoding="utf-8"))


def named(decision: ReadStep) -> str:
    if isinstance(decision, KnownStep):
        return "+".join(type(effect).__name__ for effect in decision.effects) or "nothing"
    return type(decision).__name__.removesuffix("Step").lower()


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape["steps"][-1][:60])
def test_a_public_line_is_what_it_was(shape: dict[str, list[str]]) -> None:
    steps = [RunStep(command=command) for command in shape["steps"]]
    assert [named(each) for each in classify(steps, Surroundings(python="3.11"))] == shape["are"]


def test_most_public_lines_need_no_sandbox_of_their_own() -> None:
    known = sum(shape["seen"] for shape in SHAPES if shape["are"][-1] not in ("sandboxed", "impossible"))
    assert known > 0.7 * sum(shape["seen"] for shape in SHAPES)
