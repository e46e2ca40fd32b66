"""Parameters become the input properties that Cog makes of them."""

import json

import pytest
from predictors import IMPORTS, described, inputs, only, predictor, refusal, schemas

STRING = {"type": "string"}
URI = {"type": "string", "format": "uri"}
SECRET = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    ("parameter", "expected", "required"),
    [
        ('s: str = Input(description="Name")', {"description": "Name", "type": "string"}, True),
        (
            'prompt: str = Input(min_length=1, max_length=9, regex=r"^[a-z]+$")',
            {"maxLength": 9, "minLength": 1, "pattern": "^[a-z]+$", "type": "string"},
            True,
        ),
        (
            "steps: int = Input(default=5, ge=1, le=50)",
            {"default": 5, "maximum": 50, "minimum": 1, "type": "integer"},
            False,
        ),
        ("scale: float = Input(default=1.0, ge=0.5)", {"default": 1, "minimum": 0.5, "type": "number"}, False),
        (
            'mode: str = Input(choices=["a","b"], default="a")',
            {"allOf": [{"$ref": "#/components/schemas/mode"}], "default": "a"},
            False,
        ),
        ("n: int = Input(choices=[1,2])", {"allOf": [{"$ref": "#/components/schemas/n"}]}, True),
        (
            'img: Optional[Path] = Input(default=None, accept="image/*")',
            {"default": None, "nullable": True, "x-cog-accept": "image/*", **URI},
            False,
        ),
        ("key: Secret = Input(default=None)", {"default": None, "nullable": True, **SECRET}, False),
        ('tags: list[str] = Input(default=["x"])', {"type": "array", "items": STRING, "default": ["x"]}, False),
        ("files: list[Path] = None", {"type": "array", "items": URI}, True),
        (
            'u: str | float = Input(default="q")',
            {"anyOf": [STRING, {"type": "number"}], "default": "q"},
            False,
        ),
        (
            'un: str | int | None = Input(description="d")',
            {
                "anyOf": [{"type": "string", "nullable": True}, {"type": "integer", "nullable": True}],
                "nullable": True,
                "description": "d",
            },
            True,
        ),
        ("d: dict = {}", {"type": "object", "default": {}}, False),
        (
            "old: bool = Input(default=False, deprecated=True)",
            {"type": "boolean", "default": False, "deprecated": True},
            False,
        ),
    ],
)
def test_the_contract_s_vectors_come_out_as_written(parameter: str, expected: object, required: bool) -> None:
    assert only(parameter, none_default="required") == (expected, required)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("str", STRING),
        ("int", {"type": "integer"}),
        ("float", {"type": "number"}),
        ("bool", {"type": "boolean"}),
        ("Path", URI),
        ("cog.Path", URI),
        ("File", URI),
        ("Secret", SECRET),
        ("dict", OBJECT),
        ("Dict[str, int]", OBJECT),
        ("dict[str, Anything]", None),
        ("Any", OBJECT),
        ("t.Any", OBJECT),
        ("list[str]", {"type": "array", "items": STRING}),
        ("List[int]", {"type": "array", "items": {"type": "integer"}}),
        ("t.List[File]", {"type": "array", "items": URI}),
        ("list[Secret]", {"type": "array", "items": SECRET}),
        ("list[dict[str, str]]", {"type": "array", "items": OBJECT}),
        ("list[Any]", {"type": "array", "items": OBJECT}),
        ("Annotated[int, 'steps']", {"type": "integer"}),
        ("Annotated[torch.Tensor, Opaque]", OBJECT),
        ("Annotated[list[torch.Tensor], cog.Opaque]", {"type": "array", "items": OBJECT}),
        ("'int'", {"type": "integer"}),
        ("'list[\"Path\"]'", {"type": "array", "items": URI}),
        ("Union[str, List[int]]", {"anyOf": [STRING, {"type": "array", "items": {"type": "integer"}}]}),
        ("dict | list[dict]", {"anyOf": [OBJECT, {"type": "array", "items": OBJECT}]}),
        ("str | str", STRING),
        ("Point | str", {"anyOf": [OBJECT, STRING]}),
        ("Point", OBJECT),
        ("list[Point]", {"type": "array", "items": OBJECT}),
        ("Alias", {"type": "array", "items": STRING}),
    ],
)
def test_each_type_has_its_schema(annotation: str, expected: object) -> None:
    before = "import torch\nclass Point(TypedDict):\n    x: int\nAlias = List[str]\nAnything = int"
    prop, required = only(f"x: {annotation}", before)
    assert (prop, required) == (expected or OBJECT, True)


@pytest.mark.parametrize(
    "annotation", ["Optional[int]", "int | None", "None | int", "Union[int, None]", "t.Optional[int]", "'int | None'"]
)
def test_all_spellings_of_optional_are_nullable_and_not_required(annotation: str) -> None:
    assert only(f"x: {annotation}") == ({"type": "integer", "nullable": True}, False)
    assert only(f"x: {annotation} = None") == ({"type": "integer", "nullable": True, "default": None}, False)
    assert only(f"x: {annotation} = 3") == ({"type": "integer", "nullable": True, "default": 3}, False)


@pytest.mark.parametrize(
    ("parameter", "expected", "required"),
    [
        ("x: int = None", {"type": "integer", "nullable": True, "default": None}, False),
        ("x: int = Input(default=None)", {"type": "integer", "nullable": True, "default": None}, False),
        (
            "x: list[str] = Input(default=None)",
            {"type": "array", "items": {"type": "string"}, "nullable": True, "default": None},
            False,
        ),
        ("x: int = Input(...)", {"type": "integer"}, True),
        ("x: int = Input(description=None)", {"type": "integer"}, True),
        ("x: Optional[list[int]]", {"type": "array", "items": {"type": "integer"}, "nullable": True}, False),
        (
            "x: list[Point] | None = None",
            {"type": "array", "items": OBJECT, "nullable": True, "default": None},
            False,
        ),
        (
            "x: int | str | None = None",
            {
                "anyOf": [{"type": "integer", "nullable": True}, {"type": "string", "nullable": True}],
                "nullable": True,
                "default": None,
            },
            False,
        ),
        ('x: str = Input("hello")', {"type": "string", "default": "hello"}, False),
        ('x: Path = Path("a.png")', {"type": "string", "format": "uri", "default": "a.png"}, False),
        ("x: Annotated[Optional[torch.Tensor], Opaque]", {"type": "object", "nullable": True}, False),
        (
            "x: Annotated[torch.Tensor, Opaque] | None = None",
            {"type": "object", "nullable": True, "default": None},
            False,
        ),
        ("x: str = cog.Input(default='a')", {"type": "string", "default": "a"}, False),
    ],
)
def test_defaults_decide_what_is_required(parameter: str, expected: object, required: bool) -> None:
    assert only(parameter, "import torch\nclass Point(TypedDict):\n    x: int") == (expected, required)


@pytest.mark.parametrize(
    ("name", "title"), [("top_k", "Top K"), ("aB_cD__e", "AB CD  E"), ("_x", " X"), ("__", "  "), ("prompt", "Prompt")]
)
def test_titles_keep_empty_parts_and_inner_case(name: str, title: str) -> None:
    assert inputs(f"{name}: str")["properties"][name]["title"] == title


def test_inputs_keep_the_order_of_the_signature() -> None:
    found = inputs("zeta: str;mid: float;alpha: int = 1;*;late: bool")
    assert list(found["properties"]) == ["zeta", "mid", "alpha", "late"]
    assert [prop["x-order"] for prop in found["properties"].values()] == [0, 1, 2, 3]
    assert found["required"] == ["zeta", "mid", "late"]


def test_without_required_inputs_the_key_is_left_out() -> None:
    assert "required" not in inputs("x: int = 1")
    assert inputs("") == {"title": "Input", "type": "object", "properties": {}}


def test_untyped_variadic_parameters_are_no_inputs() -> None:
    assert list(inputs("x: int;*args;**kwargs")["properties"]) == ["x"]


def test_choices_become_a_component_named_like_the_parameter() -> None:
    found = schemas(
        predictor('Kind: Optional[str] = Input(choices=["b", "a"], default=None, description="d", deprecated=True)')
    )
    assert found["Kind"] == {"title": "Kind", "type": "string", "description": "An enumeration.", "enum": ["b", "a"]}
    assert found["Input"]["properties"]["Kind"] == {
        "allOf": [{"$ref": "#/components/schemas/Kind"}],
        "default": None,
        "deprecated": True,
        "description": "d",
        "nullable": True,
        "x-order": 0,
    }
    assert list(found)[:4] == ["Input", "Output", "Kind", "PredictionRequest"]


@pytest.mark.parametrize(
    "choices",
    [
        "['a', 'b']",
        "('a', 'b')",
        "NAMES",
        "list(NAMES)",
        "list(MODELS.keys())",
        "list(MODELS)",
        "MODELS.keys()",
        "MODELS",
        "[*NAMES]",
        "['a'] + ['b']",
        "[FIRST, 'b']",
        "sorted(['b', 'a'])",
        "[  # with a comment\n 'a', 'b']",
        "list(FILES.values())",
        "lists.NAMES",
    ],
)
def test_choices_are_found_in_all_these_forms(choices: str) -> None:
    before = """
import lists
NAMES = ("a", "b")
FIRST: str = "a"
MODELS = {"a": object(), "b": print}
FILES = {1: "a", 2: "b"} if False else {"x": "a", "y": "b"}
""".replace('{1: "a", 2: "b"} if False else ', "")
    found = schemas(
        predictor(f"x: str = Input(choices={choices})", before=before), others={"lists.py": 'NAMES = ["a", "b"]'}
    )
    assert found["x"]["enum"] == ["a", "b"]


def test_no_choices_are_no_enum() -> None:
    assert only("x: str = Input(choices=[])") == (STRING, True)


def test_choices_of_a_list_limit_its_items() -> None:
    # coglet compares a list with an enum of strings, and refuses every list.
    assert only("x: list[str] = Input(choices=['a', 'b'], default=['a'])") == (
        {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "default": ["a"]},
        False,
    )


@pytest.mark.parametrize(
    ("default", "before"),
    [
        ("Presets.PROMPT", "class Presets:\n    PROMPT = Input(default='p', description='d', ge=1)"),
        ("PROMPT", "PROMPT = Input(default='p', description='d', ge=1)"),
        (
            "Presets.prompt(default='p')",
            "class Presets:\n    @staticmethod\n    def prompt(default): return Input(default, description='d', ge=1)",
        ),
        (
            "Presets.prompt('p')",
            (
                "class Presets:\n    @staticmethod\n    def prompt(default='z', *, low=1):"
                " return Input(default, description='d', ge=low)"
            ),
        ),
        ("prompt(description='d', ge=1)", "def prompt(**more):\n    return Input(default='p', **more)"),
        ("Input(**OPTIONS)", "OPTIONS = {'default': 'p', 'description': 'd', 'ge': 1}"),
        ("I(default='p', description='d', ge=1)", "from cog import Input as I"),
    ],
)
def test_input_calls_are_found_where_they_are_kept(default: str, before: str) -> None:
    assert only(f"x: str = {default}", before)[0] == {
        "type": "string",
        "default": "p",
        "description": "d",
        "minimum": 1,
    }


def test_star_imports_give_what_their_modules_have() -> None:
    source = """
from typing import *
from dataclasses import *
from enum import *
from cog import *
class Kind(Enum):
    A = "a"
@dataclass
class Out:
    a: int
T = TypeVar("T")
class Base(BaseRunner, Generic[T]):
    def run(self, x: Literal["a"], y: str = Input(choices=[k.value for k in Kind]), z: ClassVar = 1) -> Out: ...
class Predictor(Base[int]): ...
"""
    found = schemas(source.replace(", z: ClassVar = 1", ""))
    assert found["Output"]["properties"] == {"a": {"title": "A", "type": "integer"}}
    assert found["x"]["enum"] == found["y"]["enum"] == ["a"]
    assert "ClassVar" in refusal(source)


def test_names_in_the_class_body_come_before_those_of_the_module() -> None:
    source = """
from cog import Input
LIMIT = 1
class Predictor:
    LIMIT = 2
    def predict(self, x: int = Input(default=LIMIT)) -> int: ...
"""
    assert schemas(source)["Input"]["properties"]["x"]["default"] == 2


def test_limits_may_be_constants() -> None:
    assert only("x: int = Input(ge=LOW, le=2**10 - 1)", "LOW = -5")[0] == {
        "type": "integer",
        "minimum": -5,
        "maximum": 1023,
    }


def test_future_annotations_change_nothing() -> None:
    source = b"from __future__ import annotations\n" + predictor("x: Path;y: Optional[int] = None")
    assert schemas(source)["Input"] == schemas(predictor("x: Path;y: Optional[int] = None"))["Input"]


def test_a_default_that_the_type_does_not_have_makes_an_input_optional_unless_cogs_bytes_are_asked_for() -> None:
    source = predictor(
        "a: int = Input(default=None, ge=0);b: str = Input(default=None, choices=['x']);c: int | str = None"
    )
    found = described(source)
    told = json.loads(found.document)["components"]["schemas"]["Input"]
    assert "required" not in told
    assert [(prop["nullable"], prop["default"]) for prop in told["properties"].values()] == [(True, None)] * 3
    assert {note.code for note in found.notes} == {"none-default"}
    assert all("may be left out" in note.text for note in found.notes)
    as_cog = described(source, none_default="required")
    told = json.loads(as_cog.document)["components"]["schemas"]["Input"]
    assert told["required"] == ["a", "b", "c"]
    assert not [prop for prop in told["properties"].values() if "nullable" in prop or "default" in prop]
    assert all("is required" in note.text for note in as_cog.notes)


@pytest.mark.parametrize(
    ("parameter", "why"),
    [
        ("x: int = compute()", "its default compute() is not known without running the code: compute() is not called"),
        ("x: int = Input(default=compute())", "default=compute() is not known without running the code"),
        ("x: str = Input(default=os.environ['A'])", "default=os.environ['A'] is not known without running the code"),
        ("x: int = CHANGED", "its default CHANGED is not known without running the code: CHANGED is changed"),
        (
            "x: int = Input(default=TWICE, ge=0)",
            "default=TWICE is not known without running the code: TWICE",
        ),
        ("x: int = getattr(os, 'x', 1)", "getattr(os, 'x', 1) is not called"),
        (
            "x: str = Input(default=there.NAME, choices=['a'])",
            "default=there.NAME is not known without",
        ),
    ],
)
def test_an_input_whose_default_only_the_model_knows_may_be_left_out(parameter: str, why: str) -> None:
    before = (
        "import os\nimport there\nCHANGED = 1\nfor CHANGED in (2, 3): ...\ndef compute(): return 1\n"
        "try:\n    TWICE = 1\nexcept OSError:\n    TWICE = 2"
    )
    found = described(predictor(f"y: str;{parameter}", before=before))
    told = json.loads(found.document)["components"]["schemas"]["Input"]
    assert told["required"] == ["y"]
    assert not {"default", "nullable"} & told["properties"]["x"].keys()
    ((code, text),) = [(note.code, note.text) for note in found.notes]
    assert code == "no-default"
    assert f"parameter 'x': {why}" in text or why in text


@pytest.mark.parametrize("limit", ["ge=there.LEAST", "le=compute()", "max_length=there.MOST", "regex=there.FORM"])
def test_a_limit_that_only_the_model_knows_is_left_out_as_cog_does_and_told(limit: str) -> None:
    kind = "int" if limit[1] == "e" and limit[0] in "gl" else "str"
    before = "import there\ndef compute(): return 1"
    found = described(predictor(f"x: {kind} = Input({limit}, description='d')", before=before))
    told = json.loads(found.document)["components"]["schemas"]["Input"]["properties"]["x"]
    assert not {"minimum", "maximum", "minLength", "maxLength", "pattern"} & told.keys()
    ((code, text),) = [(note.code, note.text) for note in found.notes]
    assert code == "no-limit"
    assert f"parameter 'x': {limit} is not known without running the code: " in text


A_OR_B = {"type": "string", "enum": ["a", "b"]}
ONE_OR_TWO = {"type": "integer", "enum": [1, -2]}


@pytest.mark.parametrize(
    ("parameter", "expected", "choices", "required"),
    [
        ("x: Literal['a', 'b']", {}, A_OR_B, True),
        ("x: Literal['a', 'b'] = 'b'", {"default": "b"}, A_OR_B, False),
        (
            "x: Literal['a', 'b'] = Input(default='a', description='d')",
            {"default": "a", "description": "d"},
            A_OR_B,
            False,
        ),
        ("x: Literal['a', 'b'] = Input(choices=['b'])", {}, {"type": "string", "enum": ["b"]}, True),
        ("x: Literal[1, -2] = 1", {"default": 1}, ONE_OR_TWO, False),
        ("x: Literal[True]", {}, {"type": "boolean", "enum": [True]}, True),
        ("x: t.Literal['a', 'b', 'a']", {}, A_OR_B, True),
        ("x: Word", {}, A_OR_B, True),
        ("x: Literal[Word, 'c']", {}, {"type": "string", "enum": ["a", "b", "c"]}, True),
        ("x: Word | Literal['c']", {}, {"type": "string", "enum": ["a", "b", "c"]}, True),
        ("x: Literal['a', 'b', None] = None", {"default": None, "nullable": True}, A_OR_B, False),
        ("x: Optional[Word]", {"nullable": True}, A_OR_B, False),
    ],
)
def test_a_literal_is_its_choices(
    parameter: str, expected: dict[str, object], choices: dict[str, object], required: bool
) -> None:
    before = "Word = Literal['a', 'b']"
    property_ = {"allOf": [{"$ref": "#/components/schemas/x"}], **expected}
    assert only(parameter, before) == (property_, required)
    found = schemas(predictor(parameter, before=before))["x"]
    assert found == {"title": "x", "description": "An enumeration.", **choices}


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("x: list[Literal['a', 'b']]", {"type": "array", "items": A_OR_B}),
        ("x: int | Literal['a', 'b']", {"anyOf": [{"type": "integer"}, A_OR_B]}),
        ("x: Literal['a', 1, 'b', -2]", {"anyOf": [A_OR_B, ONE_OR_TWO]}),
        ("x: str | Literal['a']", STRING),
        ("x: Literal['a'] | str", STRING),
    ],
)
def test_a_literal_stands_wherever_its_kind_may_stand(parameter: str, expected: dict[str, object]) -> None:
    assert only(parameter) == (expected, True)


def test_cog_is_said_to_refuse_a_literal() -> None:
    found = described(predictor("x: Literal['a']; y: list[Literal['a']]; z: str")).notes
    assert [note.text.partition(": ")[2] for note in found] == [
        "parameter 'x': Literal['a'] is known to coglet, but cog build refuses it",
        "parameter 'y': list[Literal['a']] is known to coglet, but cog build refuses it",
    ]


NEWER = """
import cog
type Word = Literal["a", "b"]
D = {"k": "v"}
class Predictor[T](BasePredictor):
    def run(self, x: Word, y: str = Input(description=f"{D["k"]} and {", ".join(["q", "r"])}")) -> str:
        return f"{D["k"]}"
"""
OLDER = (
    NEWER.replace("type Word", "Word")
    .replace("[T]", "")
    .replace('{D["k"]}', "v")
    .replace('{", ".join(["q", "r"])}', "q, r")
)


def test_newer_syntax_than_the_running_python_s_is_described() -> None:
    newer, older = (described(IMPORTS + text, python=(3, 12)) for text in (NEWER, OLDER))
    assert newer.document == older.document
    assert b"v and q, r" in newer.document


WHY = "is not known without running the code: a t-string is no text"


def test_a_t_string_is_neither_a_description_nor_a_default_that_is_known() -> None:
    found = described(predictor("x: str = Input(description=t'a {cog}', default=t'b')"), python=(3, 14))
    assert [note.text.partition(": ")[2] for note in found.notes] == [
        f"parameter 'x': description=t'a {{cog}}' {WHY}; it is left out",
        f"parameter 'x': default=t'b' {WHY}; the schema has none, and the input may be left out",
    ]


def test_an_input_in_annotated_is_an_error() -> None:
    """coglet gives the parameter nothing of it: no default, no limit."""
    for written in ("Input(ge=1)", "cog.Input(default=3)"):
        said = refusal(predictor(f"x: Annotated[int, 'm', {written}] = 1"))
        assert said.endswith("parameter 'x': Input in Annotated is read neither by coglet nor by Cog")
    assert only("x: Annotated[int, 'm', print(1)] = 1") == ({"type": "integer", "default": 1}, False)
