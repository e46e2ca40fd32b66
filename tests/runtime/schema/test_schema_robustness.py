"""Whatever the source is: a document that is sound, the same each time, or an InputError."""

import contextlib
import json
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st
from predictors import EXAMPLES, IMPORTS, described

from cogpack.errors import InputError

NAMES = st.sampled_from(
    [
        "x",
        "y",
        "self",
        "Input",
        "Output",
        "Path",
        "str",
        "int",
        "float",
        "bool",
        "list",
        "dict",
        "List",
        "Optional",
        "Union",
        "Any",
        "Annotated",
        "Opaque",
        "Iterator",
        "BaseModel",
        "TypedDict",
        "Predictor",
        "predict",
        "run",
        "train",
        "None",
        "Model",
        "Choices",
        "cog",
        "typing",
        "unknown",
        "ConcatenateIterator",
        "Literal",
    ]
)
ATOMS = NAMES | st.sampled_from(
    ["1", "-1", "0.5", "'a'", "''", "True", "...", "{}", "[]", "()", "'int'", "'x y'", "b'a'"]
)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=3)
    keywords = st.sampled_from(
        ["default", "ge", "le", "min_length", "max_length", "regex", "choices", "description", "accept", "deprecated"]
    )
    return st.one_of(
        st.tuples(NAMES, several).map(lambda p: f"{p[0]}[{', '.join(p[1])}]"),
        st.tuples(inner, st.sampled_from(["|", "+", "-", "*", "**", "//", "%", "<<"]), inner).map(" ".join),
        st.tuples(NAMES, several).map(lambda p: f"{p[0]}({', '.join(p[1])})"),
        st.dictionaries(keywords, inner, max_size=4).map(
            lambda given: f"Input({', '.join(f'{key}={value}' for key, value in given.items())})"
        ),
        several.map(lambda items: f"[{', '.join(items)}]"),
        several.map(lambda items: f"{{{', '.join(f'{item}: {item}' for item in items)}}}"),
        st.tuples(inner, NAMES).map(".".join),
        inner.map(lambda item: f"*{item}"),
        inner.map(repr),
    )


EXPRESSIONS = st.recursive(ATOMS, _nested, max_leaves=8)
TYPES = st.sampled_from(
    [
        "str",
        "int",
        "float",
        "bool",
        "Path",
        "Secret",
        "dict",
        "Any",
        "list[str]",
        "list[int]",
        "Optional[int]",
        "Optional[Path]",
        "int|None",
        "list[dict]",
        "Literal['a',1,None]",
        "list[Literal['a']]",
        "int|str",
        "Model",
        "Iterator[str]",
        "Annotated[x,Opaque]",
    ]
)
DEFAULTS = st.sampled_from(
    [
        "None",
        "1",
        "0.5",
        "'a'",
        "['a']",
        "{}",
        "True",
        "Input()",
        "Input(ge=1,le=3)",
        "Input(default='a',choices=['a','b'])",
        "Input(default=2,choices=[1,2])",
        "Input(description='d',default=None)",
        "Input('a',max_length=1,regex='^a')",
    ]
)
PARAMETERS = st.tuples(st.sampled_from("abcd"), TYPES, st.none() | DEFAULTS).map(
    lambda p: f"{p[0]}: {p[1]}" + (f" = {p[2]}" if p[2] else "")
) | st.tuples(NAMES, st.none() | EXPRESSIONS, st.none() | EXPRESSIONS).map(
    lambda p: p[0] + (f": {p[1]}" if p[1] else "") + (f" = {p[2]}" if p[2] else "")
)


@st.composite
def sources(draw: st.DrawFn) -> str:
    lines = [IMPORTS]
    for name, expression in draw(st.lists(st.tuples(NAMES, EXPRESSIONS), max_size=3)):
        lines.append(f"{name} = {expression}")
    if draw(st.booleans()):
        base, fields = draw(st.tuples(st.just("BaseModel") | EXPRESSIONS, st.lists(PARAMETERS, min_size=1, max_size=3)))
        lines.append(f"class Model({base}):")
        lines += [f"    {field}" for field in fields]
    decorator = draw(st.sampled_from(["", "@streaming", "@concurrent(max=2)", "@concurrent(max=x)"]))
    parameters = draw(st.lists(PARAMETERS, max_size=3, unique_by=lambda text: text.split(":")[0].split(" ")[0]))
    parameters.sort(key=lambda text: " = " in text)
    method = draw(st.sampled_from(["def predict", "async def run", "def train"]))
    lines += ["class Predictor:", f"    {decorator}", f"    {method}(self, {', '.join(parameters)})"]
    lines[-1] += f" -> {draw(TYPES | EXPRESSIONS)}: ..."
    return "\n".join(lines)


def check(document: bytes) -> None:
    """Every reference exists, and every default fits its own property as coglet reads it."""
    parsed: dict[str, Any] = json.loads(document)
    components = parsed["components"]["schemas"]
    for name, prop in components["Input"]["properties"].items():
        schema = {**prop, "components": {"schemas": components}}
        jsonschema.Draft202012Validator.check_schema(schema)
        if prop.get("default") is not None and not set(prop) & {"pattern", "minLength"}:
            jsonschema.Draft202012Validator(schema).validate(prop["default"])
        assert name not in components["Input"].get("required", []) or "default" not in prop


@settings(max_examples=EXAMPLES)
@given(sources())
def test_a_source_gives_a_sound_document_or_an_input_error(source: str) -> None:
    try:
        first = described(source)
    except InputError:
        return
    check(first.document)
    assert described(source) == first


@settings(max_examples=EXAMPLES)
@given(st.text() | st.binary())
def test_no_bytes_at_all_surprise(source: str | bytes) -> None:
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    with contextlib.suppress(InputError):
        check(described(data + b"\ndef Predictor(x: int) -> str: ...").document)
