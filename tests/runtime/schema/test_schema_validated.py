"""Whatever a signature has, its document is OpenAPI 3.0 to a validator that others wrote."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predictors import EXAMPLES, IMPORTS, described

validator = pytest.importorskip(
    "openapi_spec_validator", reason="needs openapi-spec-validator, which reads OpenAPI without us"
)

BEFORE = """\
class Inner(BaseModel):
    name: str
    size: Optional[int] = None
class Model(BaseModel):
    inner: Inner
    many: list[Inner]
    more: dict[str, float] = {}
class Told(TypedDict, total=False):
    a: Required[str]
    b: Optional[Path]
"""
INPUTS = {
    "str": ["'a'", "Input(default='a')", "Input(regex='^a+$')", "Input(min_length=1, max_length=9)", "None"],
    "int": ["1", "Input(ge=0, le=9)", "Input(default=3, choices=[1, 2, 3])", "Input(default=None)", "2**40"],
    "float": ["0.5", "1e-7", "Input(default=1.0, ge=0.5)", "Input(le=1e30)", "-0.0"],
    "bool": ["True", "Input(default=False, deprecated=True)"],
    "Path": ["Input(accept='image/*')", "None", "Input(default=None)"],
    "Secret": ["None", "Input(description='<&>\\u2028')"],
    "File": ["Input(description='d')"],
    "dict": ["{}", "{'a': [1, None, {'b': 1.5}]}"],
    "Any": ["None", "{'a': [1]}"],
    "Told": ["None"],
    "list[str]": ["['a']", "Input(choices=['a', 'b'], default=['b'])", "[]"],
    "list[Path]": ["None"],
    "Optional[int]": ["None", "Input(ge=1)", "Input(choices=[1, 2])", "7"],
    "Optional[list[Told]]": ["None"],
    "Literal['a', 'b']": ["'a'", "Input(default='b')", "Input(choices=['a'])"],
    "Optional[Literal[1, -2]]": ["None", "1", "Input(description='d')"],
    "list[Literal['a', 'b']]": ["['a']", "None"],
    "int | Literal['auto', True] | None": ["None", "'auto'", "3"],
    "str | float": ["Input(default='q')", "1.5"],
    "Union[int, list[float], None]": ["None", "Input(description='d')", "[1.5]"],
    "Annotated[Image, Opaque]": ["None"],
    "'Optional[Annotated[list[Image], Opaque]]'": ["None"],
}
OUTPUTS = [
    *(
        "str",
        "Path",
        "Any",
        "Model",
        "Told",
        "list[Model]",
        "dict[str, list[int]]",
        "Secret",
        "list",
        "Literal['a', 'b']",
    ),
    *("Iterator[Path]", "ConcatenateIterator[str]", "AsyncIterator[Model]", "Annotated[Image, Opaque]"),
]
NAMES = ["text", "top_k", "_x", "aB_cD__e", "Model", "größe", "type", "id", "items", "properties"]


@st.composite
def signatures(draw: st.DrawFn, name: str) -> str:
    found = []
    for parameter in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=len(NAMES))):
        kind = draw(st.sampled_from(list(INPUTS)))
        default = draw(st.none() | st.sampled_from(INPUTS[kind]))
        found.append(f"{parameter}: {kind}" + (f" = {default}" if default else ""))
    output = draw(st.sampled_from(OUTPUTS))
    return (
        f"@streaming\ndef {name}(*, {', '.join(found)}) -> {output}: ..."
        if "Iterator" in output and found
        else (f"def {name}({'*, ' if found else ''}{', '.join(found)}) -> {output}: ...")
    )


@settings(max_examples=EXAMPLES)
@given(signatures("go"), st.none() | signatures("train"))
def test_any_signature_gives_a_document_of_openapi_3_0(predict: str, train: str | None) -> None:
    source = f"{IMPORTS}from PIL import Image\n{BEFORE}\n{predict}\n{train or ''}\n"
    found = described(source, predict="predict.py:go", train="predict.py:train" if train else None)
    validator.OpenAPIV30SpecValidator(json.loads(found.document)).validate()
