"""A ready OpenAPI document may stand for the one that the source would give, where that can't be read by itself."""

from pathlib import Path
from typing import Any

import msgspec

from cogpack.disk import open_regular
from cogpack.documents import check
from cogpack.errors import InputError
from cogpack.runtime.contract import LABEL_LIMIT
from cogpack.runtime.labelled_schema import mapping

VARIABLE = "COG_OPENAPI_SCHEMA"
_INPUTS = ("Input", "TrainingInput")


def read_given(path: Path, *, where: str) -> bytes:
    """Read the document that an image is to have, and give it compact. `where`: the option or variable that names it.

    An `InputError` for what is no OpenAPI document of a model: its inputs are `components.schemas.Input`.
    """
    try:
        with open_regular(path) as stream:
            data = stream.read(LABEL_LIMIT + 1)
    except OSError as error:
        raise _wrong(where, path, error.strerror or str(error)) from error
    if len(data) > LABEL_LIMIT:
        raise _wrong(where, path, f"more than {LABEL_LIMIT} bytes")
    try:
        found = check(data, dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise _wrong(where, path, f"no JSON document: {error}") from error
    if not isinstance(found, dict) or not str(found.get("openapi", "")).startswith("3."):
        raise _wrong(where, path, "no OpenAPI document of version 3: its key openapi does not say so")
    schemas = mapping(mapping(found, "components"), "schemas")
    if not any(isinstance(schemas.get(name), dict) for name in _INPUTS):
        raise _wrong(where, path, f"no model: neither {' nor '.join(_INPUTS)} is in its components.schemas")
    return msgspec.json.encode(found)


def _wrong(where: str, path: Path, why: str) -> InputError:
    return InputError(f"{where}: {path}: {why}", next_step="name a file as `cogpack schema > FILE` writes it")
