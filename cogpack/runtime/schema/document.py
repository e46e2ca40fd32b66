"""Inputs and output go into an OpenAPI 3.0 document, as Cog's tools and coglet expect it."""

from collections.abc import Mapping, Sequence

import msgspec

from cogpack.runtime.schema.annotations import Ordered, Piece
from cogpack.runtime.schema.source import Place

_JSON = "application/json"
_EXACT = 2**53


class Handler(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Describes one function. `enums` are components of their own, by parameter; `places` tell where those stand."""

    properties: Mapping[str, Piece]
    required: Sequence[str]
    enums: Mapping[str, Piece]
    places: Mapping[str, Place]
    output: Piece
    streaming: bool = False


class _Verb(msgspec.Struct, frozen=True):
    """Has the words in which prediction and training differ."""

    noun: str
    verb: str
    input: str
    output: str


_PREDICT = _Verb("prediction", "predict", "Input", "Output")
_TRAIN = _Verb("training", "train", "TrainingInput", "TrainingOutput")


def encode_document(*, predict: Handler | None, train: Handler | None, version: str) -> bytes:
    """Write compact JSON: inputs, fields, components and paths in the order of their making, all other keys sorted."""
    schemas = Ordered()
    paths = Ordered()
    paths["/"] = {"get": _get("Root", "root__get")}
    paths["/health-check"] = {"get": _get("Healthcheck", "healthcheck_health_check_get")}
    after = Ordered()
    for handler, words in ((predict, _PREDICT), (train, _TRAIN)):
        if handler is None:
            continue
        own = _components(handler, words, taken=schemas)
        if not schemas:
            schemas |= own | _common()
        else:
            after |= own
        paths |= _paths(handler, words)
    schemas |= after
    document = {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": version},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    return msgspec.json.encode(_canonical(document))


def _components(handler: Handler, words: _Verb, *, taken: Mapping[str, object]) -> Ordered:
    """Give Input, Output, enums, request and response. An enum whose name another one has gets a name of its own."""
    request, response = f"{words.noun.capitalize()}Request", f"{words.noun.capitalize()}Response"
    reserved = {kind + part for kind in ("Prediction", "Training") for part in ("Request", "Response")}
    reserved |= {*_common(), "Input", "Output", "TrainingInput", "TrainingOutput"}
    renamed: dict[str, str] = {}
    for parameter, enum in handler.enums.items():
        if parameter in reserved:
            raise handler.places[parameter].error(
                "with choices, can't have this name, which another part of the schema has", next_step="rename it"
            )
        name = parameter
        while taken.get(name, enum) != enum or (name != parameter and name in handler.enums):
            name = f"training_{name}"
        renamed[parameter] = name
    properties = Ordered()
    for name, piece in handler.properties.items():
        reference = renamed.get(name)
        properties[name] = piece | {"allOf": [_ref(reference)]} if reference else piece
    inputs: Piece = {"title": words.input, "type": "object", "properties": properties}
    if handler.required:
        inputs["required"] = list(handler.required)
    found = Ordered({words.input: inputs, words.output: handler.output})
    for parameter, enum in handler.enums.items():
        found.setdefault(renamed[parameter], enum)
    found[request] = {
        "title": request,
        "type": "object",
        "properties": {"id": _text("Id"), "input": _ref(words.input)},
    }
    found[response] = {
        "title": response,
        "type": "object",
        "properties": {
            "completed_at": _time("Completed At"),
            "created_at": _time("Created At"),
            "error": _text("Error"),
            "id": _text("Id"),
            "input": _ref(words.input),
            "logs": _text("Logs"),
            "metrics": {"title": "Metrics", "type": "object"},
            "output": _ref(words.output),
            "started_at": _time("Started At"),
            "status": _text("Status"),
            "version": _text("Version"),
        },
    }
    return found


def _common() -> Ordered:
    return Ordered(
        Status={
            "title": "Status",
            "type": "string",
            "description": "An enumeration.",
            "enum": ["starting", "processing", "succeeded", "canceled", "failed"],
        },
        HTTPValidationError={
            "title": "HTTPValidationError",
            "type": "object",
            "properties": {"detail": {"title": "Detail", "type": "array", "items": _ref("ValidationError")}},
        },
        ValidationError={
            "title": "ValidationError",
            "type": "object",
            "properties": {
                "loc": {
                    "title": "Location",
                    "type": "array",
                    "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                },
                "msg": _text("Message"),
                "type": _text("Error Type"),
            },
            "required": ["loc", "msg", "type"],
        },
    )


def _paths(handler: Handler, words: _Verb) -> Ordered:
    noun, verb = words.noun, words.verb
    capital = noun.capitalize()
    run: Piece = {
        "summary": verb.capitalize(),
        "description": f"Run a single {noun} on the model",
        "operationId": f"{verb}_{noun}s_post",
        "requestBody": {"content": {_JSON: {"schema": _ref(f"{capital}Request")}}},
        "responses": _responses(_ref(f"{capital}Response")),
    }
    if handler.streaming:
        run["x-cog-streaming"] = True
    cancel: Piece = {
        "summary": "Cancel",
        "operationId": f"cancel_{noun}s__{noun}_id__cancel_post",
        "parameters": [
            {
                "name": f"{noun}_id",
                "in": "path",
                "required": True,
                "schema": _text(f"{capital} Id"),
            }
        ],
        "responses": _responses({}),
    }
    return Ordered({f"/{noun}s": {"post": run}, f"/{noun}s/{{{noun}_id}}/cancel": {"post": cancel}})


def _get(summary: str, operation: str) -> Piece:
    responses = {"200": _responses({})["200"]}
    return {"summary": summary, "operationId": operation, "responses": responses}


def _responses(schema: Piece) -> Piece:
    return {
        "200": {"description": "Successful Response", "content": {_JSON: {"schema": schema}}},
        "422": {"description": "Validation Error", "content": {_JSON: {"schema": _ref("HTTPValidationError")}}},
    }


def _ref(component: str) -> Piece:
    return {"$ref": f"#/components/schemas/{component}"}


def _text(title: str) -> Piece:
    return {"title": title, "type": "string"}


def _time(title: str) -> Piece:
    return {"title": title, "type": "string", "format": "date-time"}


def _canonical(value: object) -> object:
    """Sort keys but where their order was chosen; write floats that are whole numbers as such."""
    match value:
        case dict():
            keys = value if isinstance(value, Ordered) else sorted(value)
            return {key: _canonical(value[key]) for key in keys}
        case list():
            return [_canonical(item) for item in value]
        case float() if value.is_integer() and abs(value) < _EXACT:
            return int(value)
    return value
