"""Inputs that users write as `NAME=VALUE` become those of a request, held to the model's schema before anything runs.

What is checked is what coglet checks: the limits of the schema (JSON Schema validation), but for `format`. A file is
written `NAME=@PATH`, and sent as a data URL.
"""

import base64
import difflib
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from cogpack.errors import InputError, together
from cogpack.runtime.labelled_schema import Signature, mapping, mappings

_FILE_LIMIT = 72 * 1024 * 1024
"""Bytes of all files: as base64 they are a third more, and coglet takes 100 MiB in all."""
REQUEST_LIMIT = 100 * 1024 * 1024
"""Characters of inputs as JSON."""
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_NOUNS = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a JSON object",
    "array": "a list: a JSON array, or the input several times",
}


class _WrongError(Exception):
    """Raised where a value is not what is expected. Its text: "expected X, found Y"."""


def read_inputs(
    signature: Signature, given: Sequence[str], typed: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Read `NAME=VALUE` each, and `typed` ones, of a JSON object; an `InputError` of all that is wrong: unknown names,
    values that don't fit, and what is missing."""
    written: dict[str, list[str]] = {}
    faults: list[InputError] = []
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not _is_unicode(name):
            faults.append(InputError(f"input {one!r:.200}: expected NAME=VALUE", next_step="write -i NAME=VALUE"))
        elif signature.inputs and name not in signature.inputs:
            faults.append(_unknown(name, signature))
        else:
            written.setdefault(name, []).append(value)
    faults += [_unknown(name, signature) for name in typed if signature.inputs and name not in signature.inputs]
    read = [(name, partial(_read, values=values)) for name, values in written.items()]
    read += [(name, partial(_typed, value=value)) for name, value in typed.items() if name not in written]
    found = {}
    for name, reader in read:
        try:
            found[name] = reader(signature.inputs.get(name, {}))
        except _WrongError as wrong:
            faults.append(
                InputError(f"input {name}: {wrong}", next_step=f"write -i {name}={_example(signature, name)}")
            )
    faults += [
        InputError(f"input {name} is missing", next_step=f"add -i {name}={_example(signature, name)}")
        for name in signature.inputs
        if name in signature.required and name not in written and name not in typed
    ]
    if (size := sum(map(_data_size, found.values()))) > _FILE_LIMIT:
        faults.append(
            InputError(
                f"the files of all inputs have {size} bytes, more than the {_FILE_LIMIT} that a request can have",
                next_step="name some by addresses (https:) that the model can reach",
            )
        )
    if faults:
        raise together(faults)
    return found


def inputs_of_json(text: bytes, where: str) -> dict[str, Any]:
    """Read an object of inputs; `where`: what an error calls it."""
    if len(text) > REQUEST_LIMIT:
        raise InputError(
            f"{where}: more than the {REQUEST_LIMIT} bytes that a request can have",
            next_step="name files in it as @FILE, or by addresses (https:) that the model can reach",
        )
    try:
        found = msgspec.json.decode(text.decode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        said = "is not UTF-8" if isinstance(error, UnicodeError) else error
        raise InputError(f"{where}: {said}", next_step='write an object: {"NAME": VALUE}') from None
    if not isinstance(found, dict):
        raise InputError(f"{where}: expected an object, found {text.decode()!r:.80}", next_step='write {"NAME": VALUE}')
    return found


def _typed(spec: Mapping[str, Any], value: Any) -> Any:
    """Read a value of JSON, which has its type; only files are written as elsewhere. Whether null will do, the server
    knows."""
    if value is None:
        return None
    if members := mappings(spec, "anyOf"):
        return _any_of(members, value, _typed)
    if isinstance(value, str) and spec.get("format") == "uri":
        return _file(value)
    if isinstance(value, list) and spec.get("type") == "array":
        return [_item(mapping(spec, "items"), item, number) for number, item in enumerate(value, 1)]
    if isinstance(value, float) and value.is_integer() and spec.get("type") == "integer":
        value = int(value)  # JSON Schema knows no difference, and Python does
    _check_kind(spec, value)
    return value


def _item(spec: Mapping[str, Any], value: Any, number: int) -> Any:
    try:
        return _typed(spec, value)
    except _WrongError as wrong:
        raise _WrongError(f"item {number}: {wrong}") from None


def _unknown(name: str, signature: Signature) -> InputError:
    near = difflib.get_close_matches(name, signature.inputs, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return InputError(
        f"input {name:.100}: the model has no such input{meant}",
        next_step=f"choose one of {', '.join(signature.inputs)}",
    )


def _example(signature: Signature, name: str) -> str:
    spec = signature.inputs.get(name, {})
    choices = spec.get("enum")
    if isinstance(choices, list) and choices:
        return str(choices[0])
    return "@FILE" if spec.get("format") == "uri" else "VALUE"


def _read(spec: Mapping[str, Any], values: Sequence[str]) -> Any:
    if spec.get("type") == "array":
        if len(values) == 1 and values[0].lstrip().startswith("["):
            return _typed(spec, _json(values[0], list, "array"))
        return [_read(mapping(spec, "items"), [value]) for value in values]
    if len(values) > 1:
        raise _WrongError("expected one value, found several")
    found = _value(spec, values[0])
    _check(spec, found)
    return found


def _value(spec: Mapping[str, Any], text: str) -> Any:
    if members := mappings(spec, "anyOf"):
        last = sorted(members, key=lambda member: member.get("type") == "string")  # text fits all
        return _any_of(last, text, lambda member, text: _read(member, [text]))
    if spec.get("format") == "uri":
        return _file(text)
    match spec.get("type"):
        case "integer":
            return _number(text, int, "integer")
        case "number":
            return _number(text, float, "number")
        case "boolean":
            return _boolean(text)
        case "object":
            return _json(text, dict, "object")
    return text


def _any_of(members: Sequence[Mapping[str, Any]], value: Any, read: Callable[[Mapping[str, Any], Any], Any]) -> Any:
    """Take the first that fits."""
    for member in members:
        try:
            return read(member, value)
        except _WrongError:
            continue
    nouns = ", ".join(_NOUNS.get(str(member.get("type")), "something else") for member in members)
    raise _WrongError(f"expected one of {nouns}, found {value!r:.80}")


def _number(text: str, kind: type[int] | type[float], noun: str) -> int | float:
    try:
        if isfinite(found := kind(text)):  # JSON has no others
            return found
    except (ValueError, OverflowError):
        pass
    raise _WrongError(f"expected {_NOUNS[noun]}, found {text!r:.80}")


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise _WrongError(f"expected {_NOUNS['boolean']}, found {text!r:.80}")


def _json(text: str, kind: type, noun: str) -> Any:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise _WrongError(f"expected {_NOUNS[noun]}, found {text!r:.80}")
    return found


def _file(text: str) -> str:
    if text.startswith(("http://", "https://", "data:")):
        return text
    if not text.startswith("@"):
        raise _WrongError(f"expected @FILE, or a URL, found {text!r:.80}")
    path = Path(text[1:])
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_LIMIT + 1)  # a pipe, or a device, has no size
    except OSError as error:
        raise _WrongError(f"{path}: {error.strerror}") from error
    if len(data) > _FILE_LIMIT:
        raise _WrongError(f"{path} has more than the {_FILE_LIMIT} bytes that a request can have")
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _data_size(value: Any) -> int:
    """Count the bytes of files in a value, as base64 that is sent for them counts."""
    if isinstance(value, list):
        return sum(map(_data_size, value))
    if not isinstance(value, str) or not value.startswith("data:"):
        return 0
    return (len(value) - value.find(",") - 1) * 3 // 4


def _check_kind(spec: Mapping[str, Any], value: Any) -> None:
    kinds: Mapping[str, tuple[type, ...]] = {
        "string": (str,),
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "object": (dict,),
        "array": (list,),
    }
    kind = str(spec.get("type"))
    if kind in kinds and (not isinstance(value, kinds[kind]) or (isinstance(value, bool) and kind != "boolean")):
        raise _WrongError(f"expected {_NOUNS[kind]}, found {value!r:.80}")
    _check(spec, value)


def _check(spec: Mapping[str, Any], value: Any) -> None:
    """Hold a value of the right type to the limits of the schema."""
    from cogpack.runtime.schema.checks import differs

    choices = spec.get("enum")
    if isinstance(choices, list) and value not in choices:
        raise _WrongError(f"expected one of {', '.join(map(str, choices))}, found {value!r:.80}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        _within(value, spec, "minimum", "maximum", f"found {value!r:.80}")
    if isinstance(value, str) and not _is_unicode(value):
        raise _WrongError(f"expected text in UTF-8, found {value!r:.80}")
    if isinstance(value, str) and spec.get("format") != "uri":
        _within(len(value), spec, "minLength", "maxLength", f"found {len(value)} characters", " characters")
        pattern = spec.get("pattern")
        if isinstance(pattern, str) and differs(pattern, value):
            raise _WrongError(f"expected text that matches {pattern:.100}, found {value!r:.80}")


def _is_unicode(text: str) -> bool:
    """Tell it from bytes of a command line that are no UTF-8, which Python gives as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _within(value: float, spec: Mapping[str, Any], least: str, most: str, found: str, unit: str = "") -> None:
    low, high = spec.get(least), spec.get(most)
    if isinstance(low, int | float) and value < low:
        raise _WrongError(f"expected {low}{unit} or more, {found}")
    if isinstance(high, int | float) and value > high:
        raise _WrongError(f"expected {high}{unit} or less, {found}")
