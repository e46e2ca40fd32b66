"""Return annotations become the Output schema that Cog makes of them."""

import pytest
from predictors import described, output, predictor

OBJECT = {"type": "object"}
STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("str", STRING),
        ("int", {"type": "integer"}),
        ("Path", {"type": "string", "format": "uri"}),
        ("Secret", {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}),
        ("dict", OBJECT),
        ("Any", OBJECT),
        ("dict[str, Any]", {"type": "object", "additionalProperties": OBJECT}),
        (
            "Dict[str, list[int]]",
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
        ),
        ("list", {"type": "array", "items": OBJECT}),
        ("list[list[str]]", {"type": "array", "items": {"type": "array", "items": STRING}}),
        ("Iterator[str]", {"type": "array", "items": STRING, "x-cog-array-type": "iterator"}),
        (
            "AsyncIterator[Path]",
            {"type": "array", "items": {"type": "string", "format": "uri"}, "x-cog-array-type": "iterator"},
        ),
        ("abc.Iterator[str]", {"type": "array", "items": STRING, "x-cog-array-type": "iterator"}),
        (
            "ConcatenateIterator[str]",
            {"type": "array", "items": STRING, "x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"},
        ),
        (
            "AsyncConcatenateIterator[str]",
            {"type": "array", "items": STRING, "x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"},
        ),
        ("Annotated[numpy.ndarray, Opaque]", OBJECT),
        ("Annotated[list[numpy.ndarray], Opaque]", {"type": "array", "items": OBJECT}),
        ("'str'", STRING),
    ],
)
def test_each_type_has_its_schema(annotation: str, expected: object) -> None:
    assert output(annotation, "import numpy\nfrom collections import abc") == expected


MODEL = """
import pydantic
from dataclasses import dataclass, field
from pydantic import Field
from typing import ClassVar

class Inner(BaseModel):
    score: float

class Output(BaseModel):
    file_name: Path
    text: Optional[str]
    inner: Inner
    many: list[Inner] = []
    count: int = 3
    made: int = Field(default=3)
    _kept: str
    seen: ClassVar[int] = 0
    plain = 1
    opaque: Annotated[Foo, Opaque]

    def method(self) -> None: ...

class Again(Output):
    extra: str

class Node(pydantic.BaseModel):
    value: int
    next: "Node"

class Base(TypedDict):
    a: int

class Row(Base, total=False):
    b: str
    c: Required[str]
    d: Optional[str]
    e: Required[int | None]

class Strict(TypedDict):
    a: NotRequired[int]
    b: Annotated[Optional[int], "n"]

@dataclass
class Data:
    x: int
    y: str = "a"
    z: list = field(default_factory=list)
"""
INNER = {"type": "object", "properties": {"score": {"title": "Score", "type": "number"}}, "required": ["score"]}


def test_models_are_written_out_with_their_fields_in_order() -> None:
    found = output("Output", MODEL)
    assert list(found["properties"]) == ["file_name", "text", "inner", "many", "count", "made", "_kept", "opaque"]
    assert found["properties"] == {
        "file_name": {"title": "File Name", "type": "string", "format": "uri"},
        "text": {"title": "Text", "type": "string", "nullable": True},
        "inner": {"title": "Inner", **INNER},
        "many": {"title": "Many", "type": "array", "items": INNER},
        "count": {"title": "Count", "type": "integer"},
        "made": {"title": "Made", "type": "integer"},
        "_kept": {"title": " Kept", "type": "string"},
        "opaque": {"title": "Opaque", "type": "object"},
    }
    assert found["required"] == ["file_name", "inner", "made", "_kept", "opaque"]


def test_models_inherit_fields() -> None:
    assert list(output("Again", MODEL)["properties"])[-2:] == ["opaque", "extra"]


def test_a_model_inside_itself_is_any_object() -> None:
    assert output("Node", MODEL)["properties"]["next"] == {"title": "Next", "type": "object"}


def test_typed_dicts_say_which_keys_are_required() -> None:
    assert output("Row", MODEL)["required"] == ["a", "c", "e"]
    assert output("Strict", MODEL)["required"] == ["b"]
    assert output("list[Strict]", MODEL)["items"]["type"] == "object"


def test_dataclasses_are_models() -> None:
    found = output("Data", MODEL)
    assert (list(found["properties"]), found["required"]) == (["x", "y", "z"], ["x", "z"])


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("from output_types import Out", "output_types.py"),
        ("from output_types import Out as O\nOut = O", "output_types.py"),
        ("from lib.models import Out", "lib/models.py"),
        ("import lib.models\nOut = lib.models.Out", "lib/models.py"),
        ("from lib import models\nOut = models.Out", "lib/models.py"),
        ("from lib import Out", "lib/__init__.py"),
        ("from output_types import *", "output_types.py"),
        ("try:\n    from output_types import Out\nexcept ImportError:\n    from other import Out", "output_types.py"),
        ("from .output_types import Out", "output_types.py"),
    ],
)
def test_models_are_found_in_other_files_of_the_project(line: str, path: str) -> None:
    model = "from cog import BaseModel\nclass Out(BaseModel):\n    x: int\n"
    assert output("Out", line, others={path: model})["required"] == ["x"]


def test_a_field_named_like_its_type_does_not_hide_it() -> None:
    model = "class Day(BaseModel):\n    n: int\nclass Out(BaseModel):\n    Day: Optional[Day] = None\n    other: Day"
    assert output("Out", model)["properties"]["other"]["properties"] == {"n": {"title": "N", "type": "integer"}}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a: list[str] = []", "field 'a' of M: its default [] can be changed"),
        ("a: int = 1\n    b: str", "field 'b' of M: has no default, and stands behind 'a', which has one"),
        ("a: int\n    b: dict = {'k': 1}", "field 'b' of M: its default {'k': 1} can be changed"),
        ("a: int\n    b: str = 'x'\n    c: Optional[str] = None", None),
        ("a: int = field(default=1)\n    b: str", None),
    ],
)
def test_a_model_that_python_refuses_at_import_is_noted(body: str, said: str | None) -> None:
    """With cog 0.23.1 such a model ends in SETUP_FAILED: ValueError, mutable default <class 'list'> for field a."""
    for head in ("class M(BaseModel)", "@dataclass\nclass M"):
        notes = described(predictor(returns="M", before=f"{DATACLASSES}{head}:\n    {body}\n")).notes
        assert [note.code for note in notes] == (["broken-model"] if said else [])
        assert said is None or said in notes[0].text
    for other in ("class M(BaseModel, kw_only=True)", "import pydantic\nclass M(pydantic.BaseModel)"):
        if "[]" not in body:
            assert not described(predictor(returns="M", before=f"{DATACLASSES}{other}:\n    {body}\n")).notes


DATACLASSES = "from dataclasses import dataclass, field\n"


def test_a_model_behind_another_s_defaults_is_noted() -> None:
    before = "class A(BaseModel):\n    a: int = 1\nclass M(A):\n    b: str\n"
    (note,) = described(predictor(returns="M", before=before)).notes
    assert "field 'b' of M: has no default, and stands behind 'a'" in note.text


@pytest.mark.parametrize("head", ["@dataclass\nclass Out:", "class Out(BaseModel):"])
def test_what_stands_behind_kw_only_may_have_a_default_or_not(head: str) -> None:
    before = f"from dataclasses import KW_ONLY, dataclass\n{head}\n    a: int = 1\n    _: KW_ONLY\n    b: str\n"
    found = described(predictor(returns="Out", before=before))
    assert not found.notes
    assert list(output("Out", before)["properties"]) == ["a", "b"]
