"""Short ways to describe a predictor given by its signature."""

import json
import os
import re
from typing import Any

import pytest

from cogpack.config import NoneDefault
from cogpack.errors import InputError
from cogpack.runtime.schema import Described, describe

EXAMPLES = int(os.environ.get("COGPACK_EXAMPLES", "100"))
"""Of a property; 10,000 at night."""
IMPORTS = """\
import typing as t
from typing import Annotated, Any, AsyncIterator, Dict, Iterator, List, Literal, Optional, Tuple, TypedDict, Union
from typing_extensions import NotRequired, Required
import cog
from cog import AsyncConcatenateIterator, BaseModel, BasePredictor, BaseRunner, ConcatenateIterator
from cog import File, Input, Opaque, Path, Secret, concurrent, streaming
"""
FIRST_LINE = IMPORTS.count("\n") + 1
"""Of what `signature` or `source` is given as `before`."""


def predictor(parameters: str = "", returns: str = "str", before: str = "") -> bytes:
    """predict.py with one method, each parameter on a line of its own."""
    lines = "".join(f"        {line},\n" for line in parameters.split(";") if line)
    head = f"{IMPORTS}{before}\nclass Predictor(BasePredictor):\n    def predict(\n        self,\n"
    return f"{head}{lines}    ) -> {returns}:\n        ...\n".encode()


def described(
    source: bytes | str,
    others: dict[str, str] | None = None,
    python: tuple[int, int] = (3, 11),
    none_default: NoneDefault = "optional",
    **references: str | None,
) -> Described:
    files = {"predict.py": source.encode() if isinstance(source, str) else source}
    files |= {path: text.encode() for path, text in (others or {}).items()}
    predict = references.get("predict", "predict.py:Predictor")
    train = references.get("train")
    return describe(files, predict=predict, train=train, version="dev", python=python, none_default=none_default)


def schemas(source: bytes | str, **options: Any) -> dict[str, Any]:
    """The component schemas."""
    found: dict[str, Any] = json.loads(described(source, **options).document)["components"]["schemas"]
    return found


def inputs(parameters: str, before: str = "", **options: Any) -> dict[str, Any]:
    """The Input component for parameters separated by semicolons."""
    found: dict[str, Any] = schemas(predictor(parameters, before=before), **options)["Input"]
    return found


def only(parameters: str, before: str = "", **options: Any) -> tuple[dict[str, Any], bool]:
    """The property of a single parameter without title and order, and whether it is required."""
    found = inputs(parameters, before, **options)
    [(name, prop)] = found["properties"].items()
    assert prop.pop("x-order") == 0
    if "allOf" not in prop:
        assert prop.pop("title").replace(" ", "").lower() == name.replace("_", "")
    return prop, name in found.get("required", [])


def output(returns: str, before: str = "", **options: Any) -> dict[str, Any]:
    """The Output component without its title."""
    found: dict[str, Any] = schemas(predictor(returns=returns, before=before), **options)["Output"]
    assert found.pop("title") == "Output"
    return found


def refusal(source: bytes | str, **options: Any) -> str:
    """The message of the InputError that a source gives, without the column, which `test_schema_carets` looks at."""
    with pytest.raises(InputError) as caught:
        described(source, **options)
    assert caught.value.next_step
    return without_column(caught.value.message)


def without_column(message: str) -> str:
    return re.sub(r"\A(\S+\.py:[0-9]+):[0-9]+: ", r"\1: ", message)
