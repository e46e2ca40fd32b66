"""What Cog's integration tests and fixtures have as inputs and outputs is described as Cog describes it, one by one.

By the name of the test (integration-tests/tests/NAME.txtar, at Cog 0.22) or the fixture (tools/test-harness): the
signature that it has, its inputs without title and order, the required ones, the output. With `none_default: required`,
which is Cog's document.
"""

from typing import Any, NamedTuple

import pytest
from predictors import described, predictor, refusal, schemas

from cogpack.runtime.schema.annotations import title

Piece = dict[str, Any]
S: Piece = {"type": "string"}
I: Piece = {"type": "integer"}  # noqa: E741 - the letters are those of the table
F: Piece = {"type": "number"}
B: Piece = {"type": "boolean"}
O: Piece = {"type": "object"}  # noqa: E741
U: Piece = {"type": "string", "format": "uri"}
SECRET: Piece = {"type": "string", "format": "password", "writeOnly": True, "x-cog-secret": True}
NONE: Piece = {"default": None, "nullable": True}


def of(item: Piece) -> Piece:
    return {"type": "array", "items": item}


def chosen(name: str) -> Piece:
    return {"allOf": [{"$ref": f"#/components/schemas/{name}"}]}


def model(**fields: Piece) -> Piece:
    """An object whose fields are required unless they are nullable."""
    needed = [name for name, field in fields.items() if not field.get("nullable")]
    return {
        "type": "object",
        "properties": {name: {"title": title(name), **field} for name, field in fields.items()},
        **({"required": needed} if needed else {}),
    }


class Row(NamedTuple):
    parameters: str
    inputs: dict[str, Piece]
    required: str
    """The names, separated by spaces."""
    returns: str = "str"
    output: Piece = S
    before: str = ""


MANY = Row(
    "no_default: str; default_without_input: str = 'default'; input_with_default: int = Input(default=10);"
    "path: Path = Input(description='Some path'); image: Path = Input(description='Some path');"
    "choices: str = Input(choices=['foo', 'bar']); int_choices: int = Input(description='hello', choices=[3, 4, 5])",
    {
        "no_default": S,
        "default_without_input": {**S, "default": "default"},
        "input_with_default": {**I, "default": 10},
        "path": {**U, "description": "Some path"},
        "image": {**U, "description": "Some path"},
        "choices": chosen("choices"),
        "int_choices": {**chosen("int_choices"), "description": "hello"},
    },
    "no_default path image choices int_choices",
)
ONE_TEXT = Row("s: str", {"s": S}, "s")
ROWS = {
    "static_schema_gen": Row(
        "text: str; image: Path; count: int = Input(default=5, ge=1, le=100);"
        "mode: str = Input(default='fast', choices=['fast', 'balanced', 'quality'])",
        {
            "text": S,
            "image": U,
            "count": {**I, "default": 5, "minimum": 1, "maximum": 100},
            "mode": {**chosen("mode"), "default": "fast"},
        },
        "text image",
    ),
    "build_openapi_schema_complex": Row(
        "prompt: str = Input(default='hello'); temperature: float = Input(ge=0, le=2, default=0.7);"
        "style: str = Input(choices=['fast', 'quality'], default='fast'); api_key: Secret = Input(description='k');"
        "image: Optional[Path] = Input(default=None)",
        {
            "prompt": {**S, "default": "hello"},
            "temperature": {**F, "default": 0.7, "minimum": 0, "maximum": 2},
            "style": {**chosen("style"), "default": "fast"},
            "api_key": {**SECRET, "description": "k"},
            "image": {**U, **NONE},
        },
        "api_key",
        "Out",
        model(text=S, score=F),
        "class Out(BaseModel):\n    text: str\n    score: float",
    ),
    "many_inputs": MANY,
    "predict_many_inputs_image": MANY,
    "static_schema_opaque": Row(
        "payload: Annotated[External, Opaque]; items: Annotated[List[External], Opaque]",
        {"payload": O, "items": of(O)},
        "payload items",
        "Out",
        model(result=O, results=of(O)),
        "from third_party import External\nclass Out(BaseModel):\n    result: Annotated[External, Opaque]\n"
        "    results: Annotated[List[External], Opaque]",
    ),
    "static_schema_secret_optional": Row(
        "prompt: str = Input(description='p'); api_key: Secret = Input(default=None); needed: Secret = Input();"
        "seed: int = Input(default=None)",
        {"prompt": {**S, "description": "p"}, "api_key": {**SECRET, **NONE}, "needed": SECRET, "seed": I},
        "prompt needed seed",
    ),
    "optional_input_no_default": Row("value: Optional[str]", {"value": {**S, "nullable": True}}, ""),
    "optional_path_input": Row("test_image: Path | None = Input(default=None)", {"test_image": {**U, **NONE}}, ""),
    "pep604_file_or_none_input": Row("file: File | None = Input(default=None)", {"file": {**U, **NONE}}, ""),
    "pep604_list_file_or_none_input": Row(
        "files: list[File] | None = Input(default=None)", {"files": {**of(U), **NONE}}, ""
    ),
    "pep604_list_path_or_none_input": Row(
        "paths: list[Path] | None = Input(default=None)", {"paths": {**of(U), **NONE}}, ""
    ),
    "pep604_path_or_none_input": Row("path: Path | None = Input(default=None)", {"path": {**U, **NONE}}, ""),
    "pep604_string_url_not_coerced": Row("url: str | None = Input(default=None)", {"url": {**S, **NONE}}, ""),
    "union_type": Row("text: str | None = Input(default=None)", {"text": {**S, **NONE}}, ""),
    "union_input_cli": Row(
        "value: str | float; flipped: float | str",
        {"value": {"anyOf": [S, F]}, "flipped": {"anyOf": [F, S]}},
        "value flipped",
    ),
    "union_input_http": Row(
        "value: str | float | None = Input(default=None)",
        {"value": {"anyOf": [{**S, "nullable": True}, {**F, "nullable": True}], **NONE}},
        "",
    ),
    "union_input_list_http": Row("nums: list[int] | list[float]", {"nums": {"anyOf": [of(I), of(F)]}}, "nums"),
    "typeddict_input": Row(
        "data: Payload; items: list[Payload] | None = None",
        {"data": O, "items": {**of(O), **NONE}},
        "data",
        before="class Payload(TypedDict):\n    name: str\n    count: int",
    ),
    "typeddict_output": Row(
        "",
        {},
        "",
        "Out",
        {**model(name=S, count=I), "required": ["name"]},
        "class Out(TypedDict):\n    name: str\n    count: NotRequired[int]",
    ),
    "typing_dict_input": Row(
        "data: Dict[str, Any]; items: List[Dict[str, Any]]", {"data": O, "items": of(O)}, "data items"
    ),
    "dict_input": Row("data: dict", {"data": O}, "data"),
    "list_dict_input": Row("messages: list[dict]", {"messages": of(O)}, "messages"),
    "dict_output": Row("name: str", {"name": S}, "name", "dict", O),
    "multi_file_schema": Row(
        "prompt: str",
        {"prompt": S},
        "prompt",
        "Output",
        model(text=S, score=F, tags=of(S)),
        "from output_types import Output",
    ),
    "complex_output": Row(
        "msg: str",
        {"msg": S},
        "msg",
        "Out",
        model(success=B, error={**S, "nullable": True}, segmented_image={**U, "nullable": True}),
        "class Out(BaseModel):\n    success: bool\n    error: Optional[str]\n    segmented_image: Optional[Path]",
    ),
    "nested_output_types": Row(
        "name: str",
        {"name": S},
        "name",
        "Out",
        model(name=S, count=I, score=F, passed=B, tags=of(S), note={**S, "nullable": True}),
        "class Out(BaseModel):\n    name: str\n    count: int\n    score: float\n    passed: bool\n"
        "    tags: List[str]\n    note: Optional[str]",
    ),
    "pydantic2_output": Row(
        "name: str; score: float = 0.5",
        {"name": S, "score": {**F, "default": 0.5}},
        "name",
        "Result",
        model(name=S, score=F, tags=of(S)),
        "from pydantic import BaseModel as PydanticBaseModel\nclass Result(PydanticBaseModel):\n    name: str\n"
        "    score: float\n    tags: List[str]",
    ),
    "accept_mime_type": Row(
        "prompt: str = Input(default='test'); image: Path = Input(accept='image/*');"
        "audio: Optional[Path] = Input(accept='audio/wav,audio/mp3', default=None)",
        {
            "prompt": {**S, "default": "test"},
            "image": {**U, "x-cog-accept": "image/*"},
            "audio": {**U, **NONE, "x-cog-accept": "audio/wav,audio/mp3"},
        },
        "image",
    ),
    "int_none_output": Row("", {}, "", "int", I),
    "string_none_output": Row("", {}, "", "str", S),
    "coglet_list_path_single_element": Row("count: int = 1", {"count": {**I, "default": 1}}, "", "List[Path]", of(U)),
    "coglet_single_path_output": Row("", {}, "", "Path", U),
    "concatenate_iterator_output": Row(
        "prompt: str",
        {"prompt": S},
        "prompt",
        "ConcatenateIterator[str]",
        {**of(S), "x-cog-array-type": "iterator", "x-cog-array-display": "concatenate"},
    ),
    "iterator_string_output": Row(
        "count: int", {"count": I}, "count", "Iterator[str]", {**of(S), "x-cog-array-type": "iterator"}
    ),
    "async_generator_precollect": Row("", {}, "", "AsyncIterator[str]", {**of(S), "x-cog-array-type": "iterator"}),
    "string_input_url_not_coerced": Row("url: str", {"url": S}, "url"),
    "string_input_url_list_not_coerced": Row("urls: List[str]", {"urls": of(S)}, "urls"),
    "emit_metric_deprecated": Row("", {}, "", before="from cog import emit_metric"),
    "experimental_feature_warning": ONE_TEXT._replace(before="from cog import ExperimentalFeatureWarning"),
    "string_predictor": ONE_TEXT,
    "setup_subprocess_simple": ONE_TEXT,
    "healthcheck": ONE_TEXT,
    "fixture scalar-types": Row(
        "text: str = Input(); count: int = Input(default=5); temperature: float = Input(default=0.7);"
        "flag: bool = Input(default=True)",
        {"text": S, "count": {**I, "default": 5}, "temperature": {**F, "default": 0.7}, "flag": {**B, "default": True}},
        "text",
    ),
    "fixture list-types": Row(
        "tags: list[str] = Input(); numbers: List[int] = Input(); paths: list[Path] = Input();"
        "files: list[File] = Input()",
        {"tags": of(S), "numbers": of(I), "paths": of(U), "files": of(U)},
        "tags numbers paths files",
    ),
    "fixture optional-types": Row(
        "opt_str: str | None = Input(default=None); opt_int: int | None = Input(default=None);"
        "opt_float: float | None = Input(default=None); opt_bool: bool | None = Input(default=None);"
        "opt_path: Optional[Path] = Input(default=None); opt_file: Optional[File] = Input(default=None)",
        {
            f"opt_{name}": {**piece, **NONE}
            for name, piece in {"str": S, "int": I, "float": F, "bool": B, "path": U, "file": U}.items()
        },
        "",
    ),
    "fixture optional-list-types": Row(
        "opt_tags: list[str] | None = Input(default=None); opt_files: list[File] | None = Input(default=None);"
        "opt_ints: Optional[List[int]] = Input(default=None)",
        {"opt_tags": {**of(S), **NONE}, "opt_files": {**of(U), **NONE}, "opt_ints": {**of(I), **NONE}},
        "",
    ),
    "fixture file-path-types": Row(
        "image: Path = Input(); document: File = Input(); mask: Path | None = Input(default=None)",
        {"image": U, "document": U, "mask": {**U, **NONE}},
        "image document",
    ),
    "fixture constraints-and-choices": Row(
        "temperature: float = Input(ge=0.0, le=2.0, default=0.7); style: int = Input(choices=[1, 2, 3], default=1)",
        {
            "temperature": {**F, "default": 0.7, "minimum": 0, "maximum": 2},
            "style": {**chosen("style"), "default": 1},
        },
        "",
    ),
    "fixture complex-output": Row(
        "prompt: str = Input()",
        {"prompt": S},
        "prompt",
        "Out",
        model(text=S, score=F, tags=of(S)),
        "class Out(BaseModel):\n    text: str\n    score: float\n    tags: list[str]",
    ),
}
OTHERS = {
    "output_types.py": "from pydantic import BaseModel\nclass Output(BaseModel):\n    text: str\n    score: float\n"
    "    tags: list[str]\n",
    "third_party.py": "class External: ...\n",
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_model_of_cogs_tests_is_described_as_cog_does(row: Row) -> None:
    source = predictor(row.parameters, row.returns, row.before)
    found = schemas(source, others=OTHERS, none_default="required")
    expected = {
        name: {"x-order": order, **({} if "allOf" in piece else {"title": title(name)}), **piece}
        for order, (name, piece) in enumerate(row.inputs.items())
    }
    assert found["Input"].get("properties", {}) == expected
    assert list(found["Input"].get("properties", {})) == list(expected)
    assert " ".join(found["Input"].get("required", [])) == row.required
    assert found["Output"] == {"title": "Output", **row.output}


RUNNER = "class Predictor(BaseRunner):\n    def run(self, s: str) -> str: ...\n"
SHAPES = {
    "run_new_runner": RUNNER,
    "run_legacy_predictor": "class Predictor(BasePredictor):\n    def predict(self, s: str) -> str: ...\n",
    "predict_legacy_predictor": "class Predictor(BasePredictor):\n    def predict(self, s: str) -> str: ...\n",
    "run_legacy_async_predictor": "class Predictor(BasePredictor):\n    async def predict(self, s: str) -> str: ...\n",
    "non_base_predictor_class": "class Predictor:\n    def predict(self, s: str) -> str: ...\n",
    "non_base_predictor_function": "def Predictor(s: str) -> str: ...\n",
    "function_predictor": "def Predictor(s: str = Input()) -> str: ...\n",
    "future_annotations": "class Predictor(BasePredictor):\n    def predict(self, s: 'str') -> 'str': ...\n",
    "subdirectory_predictor": f"from mylib import concat\n{RUNNER}",
}


@pytest.mark.parametrize("source", SHAPES.values(), ids=SHAPES)
def test_a_model_is_the_same_in_each_shape_that_cogs_tests_have(source: str) -> None:
    head = "from cog import BasePredictor, BaseRunner, Input\n"
    path = "my-subdir/predict.py" if "mylib" in source else "predict.py"
    found = schemas("", others={path: head + source, "mylib.py": "def concat(): ..."}, predict=f"{path}:Predictor")
    assert found["Input"]["properties"] == {"s": {"title": "S", "type": "string", "x-order": 0}}
    assert found["Input"]["required"] == ["s"]


STREAM = "from typing import Iterator\nfrom cog import streaming\n{}def Predictor(count: int) -> Iterator[str]: ...\n"


@pytest.mark.parametrize(
    ("test", "decorator"), [("sse_streaming_output", "@streaming\n"), ("sse_requires_streaming_opt_in", "")]
)
def test_events_are_streamed_where_the_model_asks_for_that(test: str, decorator: str) -> None:
    found = described(STREAM.format(decorator))
    assert (b'"x-cog-streaming":true' in found.document) is bool(decorator)


TRAINERS = {
    "train_basic": (
        """
from cog import BaseModel, Path
class TrainingOutput(BaseModel):
    weights: Path
def train(n: int) -> TrainingOutput: ...
""",
        "train.py:train",
        {"n": {**I, "title": "N", "x-order": 0}},
        model(weights=U),
    ),
    "training_setup": (
        """
from cog import BasePredictor
class Trainer(BasePredictor):
    def setup(self) -> None: ...
    def train(self, s: str) -> str: ...
    def predict(self, s: str) -> str: ...
""",
        "train.py:Trainer",
        {"s": {**S, "title": "S", "x-order": 0}},
        S,
    ),
}


@pytest.mark.parametrize(("source", "reference", "inputs", "output"), TRAINERS.values(), ids=TRAINERS)
def test_a_trainer_stands_beside_the_predictor(source: str, reference: str, inputs: Piece, output: Piece) -> None:
    head = "from cog import BaseRunner\n"
    found = schemas(head + RUNNER, others={"train.py": source}, train=reference)
    assert found["TrainingInput"]["properties"] == inputs
    assert found["TrainingOutput"] == {"title": "Output", **output}


REFUSED = {
    "accept_mime_type_error": ("name: str = Input(accept='text/plain')", "accept is for Path inputs only"),
    "invalid_int_validation": ("num: int = Input(default=1, ge=2, le=10)", "its default 1 is less than ge=2"),
}


@pytest.mark.parametrize(("parameter", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cogs_tests_refuse_is_refused(parameter: str, message: str) -> None:
    assert message in refusal(predictor(parameter))


def test_a_model_of_a_package_is_described_though_cog_can_t() -> None:
    """static_schema_unresolvable_fails: coglet imports what lies in `mypackage/__init__.py`, so it is no error here."""
    package = {"mypackage/__init__.py": "from cog import BaseModel\nclass Output(BaseModel):\n    text: str\n"}
    found = schemas(predictor("prompt: str", "Output", "from mypackage import Output"), others=package)
    assert found["Output"] == {"title": "Output", **model(text=S)}
