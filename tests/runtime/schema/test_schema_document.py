"""The whole document: parts, order, bytes; predict and train together; what decorators add."""

import json
from typing import Any

import pytest
from predictors import IMPORTS, described, predictor, refusal, schemas

from cogpack.errors import InputError
from cogpack.runtime.schema import describe

TRAIN = IMPORTS + "def train(x: str, n: int = 1) -> str: ...\n"


def paths(source: bytes | str, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(described(source, **options).document)["paths"]
    return found


def test_one_text_input_and_output_give_the_bytes_that_cog_gives() -> None:
    document = described(predictor('s: str = Input(description="Name")')).document
    assert len(document) == 3098  # and a final newline in Cog's file
    assert document.startswith(
        b'{"components":{"schemas":{"Input":{"properties":{"s":{"description":"Name","title":"S","type":"string",'
        b'"x-order":0}},"required":["s"],"title":"Input","type":"object"},"Output":{"title":"Output","type":"string"},'
        b'"PredictionRequest":{"properties":{"id":'
    )
    assert document.endswith(b'"description":"Validation Error"}},"summary":"Cancel"}}}}')


def test_components_and_paths_come_in_cog_s_order() -> None:
    document = json.loads(described(predictor("x: str")).document)
    assert list(document) == ["components", "info", "openapi", "paths"]
    assert list(document["components"]["schemas"]) == [
        "Input",
        "Output",
        "PredictionRequest",
        "PredictionResponse",
        "Status",
        "HTTPValidationError",
        "ValidationError",
    ]
    assert list(document["paths"]) == ["/", "/health-check", "/predictions", "/predictions/{prediction_id}/cancel"]
    assert document["info"] == {"title": "Cog", "version": "dev"}


def test_every_reference_in_the_document_has_its_component() -> None:
    source = predictor("a: str = Input(choices=['x', 'y'])") + TRAIN.encode()
    document = json.loads(described(source, train="predict.py:train").document)
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert names <= set(document["components"]["schemas"])
    assert {"a", "Input", "TrainingInput", "TrainingResponse"} <= names


def test_train_alone_has_its_own_paths_and_components() -> None:
    document = json.loads(described(TRAIN, predict=None, train="predict.py:train").document)
    assert list(document["paths"]) == ["/", "/health-check", "/trainings", "/trainings/{training_id}/cancel"]
    assert list(document["components"]["schemas"]) == [
        "TrainingInput",
        "TrainingOutput",
        "TrainingRequest",
        "TrainingResponse",
        "Status",
        "HTTPValidationError",
        "ValidationError",
    ]
    assert document["components"]["schemas"]["TrainingOutput"]["title"] == "Output"
    post = document["paths"]["/trainings"]["post"]
    assert (post["operationId"], post["summary"]) == ("train_trainings_post", "Train")
    cancel = document["paths"]["/trainings/{training_id}/cancel"]["post"]["parameters"][0]
    assert (cancel["name"], cancel["schema"]["title"]) == ("training_id", "Training Id")


def test_train_is_added_behind_predict_and_keeps_the_order_of_its_inputs() -> None:
    found = schemas(predictor("z: str;a: str"), others={"train.py": TRAIN}, train="train.py:train")
    assert list(found)[:2] == ["Input", "Output"]
    assert list(found)[-4:] == ["TrainingInput", "TrainingOutput", "TrainingRequest", "TrainingResponse"]
    assert list(found["Input"]["properties"]) == ["z", "a"]


@pytest.mark.parametrize(("choices", "component"), [("['a', 'b']", "x"), ("['c', 'd']", "training_x")])
def test_enums_of_one_name_stay_apart_when_they_differ(choices: str, component: str) -> None:
    train = f"{IMPORTS}def train(x: str = Input(choices={choices})) -> str: ...\n"
    found = schemas(predictor("x: str = Input(choices=['a', 'b'])"), others={"train.py": train}, train="train.py:train")
    assert found["x"]["enum"] == ["a", "b"]
    assert found["TrainingInput"]["properties"]["x"]["allOf"] == [{"$ref": f"#/components/schemas/{component}"}]
    assert found[component]["enum"] == [choices[2], choices[7]]


@pytest.mark.parametrize(
    "decorator", ["streaming", "streaming()", "cog.streaming", "cog.streaming()", "s", "other\n    @streaming"]
)
def test_streaming_is_flagged_on_predictions(decorator: str) -> None:
    source = (
        IMPORTS
        + f"from cog import streaming as s\nclass Predictor:\n    @{decorator}\n    def run(self) -> Iterator[str]: ..."
    )
    assert paths(source)["/predictions"]["post"]["x-cog-streaming"] is True


def test_without_streaming_there_is_no_flag() -> None:
    assert "x-cog-streaming" not in paths(predictor("x: str", "Iterator[str]"))["/predictions"]["post"]


@pytest.mark.parametrize(
    ("decorator", "slots"),
    [
        ("concurrent", 1),
        ("concurrent()", 1),
        ("cog.concurrent(max=3)", 3),
        ("concurrent(max=SLOTS)", 8),
        ("streaming\n    @concurrent(max=2)", 2),
        ("other", None),
    ],
)
def test_concurrency_is_read_from_the_decorator(decorator: str, slots: int | None) -> None:
    source = (
        IMPORTS + f"SLOTS = 8\nclass Predictor:\n    @{decorator}\n    async def run(self) -> AsyncIterator[str]: ..."
    )
    assert described(source).concurrency == slots


@pytest.mark.parametrize(
    "source",
    [
        "class Predictor(BaseRunner):\n    def run(self, x: int) -> str: ...",
        "class Predictor:\n    async def predict(self, x: int) -> str: ...",
        "def Predictor(x: int) -> str: ...",
        "class Base:\n    def predict(self, x: int) -> str: ...\nclass Predictor(Base): pass",
        "from base import Base\nclass Predictor(Base): pass",
        "class Predictor: pass\nclass Predictor:\n    def run(self, x: int) -> str: ...",
        "import torch\nclass Predictor:\n    @torch.inference_mode()\n    def predict(self, x: int) -> str: ...",
        "class Predictor:\n    def predict(this, x: int) -> str: ...",
        "class Predictor:\n    def predict(self: 'Predictor', x: int) -> str: ...",
        "from base import Predictor",
    ],
)
def test_the_function_is_found_in_all_these_places(source: str) -> None:
    base = "class Base:\n    def predict(self, x: int) -> str: ...\nclass Predictor(Base): pass"
    assert list(schemas(IMPORTS + source, others={"base.py": base})["Input"]["properties"]) == ["x"]


def test_files_in_directories_import_from_the_root() -> None:
    files = {
        "sub/predict.py": b"from types_ import Out\ndef go(x: int) -> Out: ...",
        "types_.py": b"from cog import BaseModel\nclass Out(BaseModel):\n    x: int",
        "sub/types_.py": b"Out = 1",
    }
    found = describe(files, predict="./sub/predict.py:go", train=None, version="1", python=(3, 11))
    assert json.loads(found.document)["components"]["schemas"]["Output"]["required"] == ["x"]


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("from .x import y\n", "predict.py:1:1: a relative import"),
        ("try:\n    from . import y\nexcept ImportError: pass\n", "predict.py:2:5: a relative import"),
    ],
)
def test_relative_imports_are_noted(source: str, note: str) -> None:
    [found] = described(source + "def Predictor(x: int) -> str: ...").notes
    assert found.text.startswith(note)


def test_files_that_hide_modules_are_noted() -> None:
    others = {"types.py": "", "requests/__init__.py": "", "harmless.py": "", "sub/json.py": ""}
    notes = described(predictor("x: int"), others=others).notes
    assert [note.text.split(":")[0] for note in notes] == ["requests/__init__.py", "types.py"]


def test_patterns_that_only_coglet_knows_are_noted() -> None:
    [note] = described(predictor(r"a: str = Input(regex=r'^[a-z]+$');b: str = Input(regex=r'^(?!no)')")).notes
    assert note.text.startswith("predict.py:")
    assert "parameter 'b'" in note.text


def test_limits_without_effect_are_noted() -> None:
    notes = described(predictor("a: str = Input(ge=1);b: list[int] = Input(le=2);c: int = Input(ge=1)")).notes
    assert ["'a'" in notes[0].text, "'b'" in notes[1].text, len(notes)] == [True, True, 2]


def test_a_trainer_that_coglet_will_not_start_is_noted() -> None:
    source = "class Trainer:\n    def train(self, x: int) -> str: ..."
    [note] = described(source, predict=None, train="predict.py:Trainer").notes
    assert note.text.startswith("predict.py:1:1: class Trainer")


def test_text_outside_ascii_stays_as_it_is() -> None:
    document = described(predictor('x: str = Input(default="<é & 漢>")')).document
    assert '"default":"<é & 漢>"'.encode() in document


def test_no_reference_at_all_is_refused() -> None:
    assert refusal("", predict=None) == "cog.yaml names neither run nor train"


@pytest.mark.parametrize(
    "after",
    [
        "    predict = wrap(predict)",
        "    if FAST:\n        predict = torch.inference_mode()(predict)",
        "    predict = wrap(wrap(predict, 1), again=True)",
        "    def other(self, *args): ...\n    if FAST:\n        wrapper = other\n        predict = wrapper",
    ],
)
def test_a_method_that_its_class_wraps_is_still_the_method(after: str) -> None:
    head = "import torch\nFAST = True\ndef wrap(f, *a, **k): return f\n"
    found = described(f"{head}class Predictor:\n    def predict(self, x: int) -> str: ...\n{after}\n")
    assert json.loads(found.document)["components"]["schemas"]["Input"]["required"] == ["x"]
    assert [note.code for note in found.notes] == ["wrapped-method"]


def test_a_method_by_another_name_is_that_method_and_what_is_unclear_is_none() -> None:
    renamed = "class Predictor:\n    def generate(self, x: int) -> str: ...\n    predict = generate\n"
    assert b'"x"' in described(renamed).document
    either = "if A:\n        def predict(self) -> str: ...\n    else:\n        def predict(self, x: int) -> str: ..."
    for body in ("predict = make()", "predict = predict", either):
        with pytest.raises(InputError, match="has no run or predict method"):
            described(f"class Predictor:\n    {body}\n")


def test_names_of_a_class_that_stand_for_each_other_are_not_followed_for_ever() -> None:
    body = "    predict = other\n    other = predict\n" * 40
    with pytest.raises(InputError, match="too large to be described"):
        described(f"class Predictor:\n{body}")
