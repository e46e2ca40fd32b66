"""The JSON schema of cog.yaml says what the parser takes, no less, and of one value at a time no more."""

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import pytest
import yaml

from cogpack.config.json_schema import config_keys, config_schema, schema_text
from cogpack.config.model import PackOptions
from cogpack.config.parse import parse_config
from cogpack.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
VALIDATOR = jsonschema.Draft7Validator(config_schema())


def is_taken(text: str) -> bool:
    try:
        return not parse_config(text.encode()).notes
    except InputError:
        return False


def as_json(text: str) -> object:
    """Read YAML as editors do, to whom a date is text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def is_valid(text: str) -> bool:
    return bool(VALIDATOR.is_valid(as_json(text)))


def test_it_is_a_schema_and_the_docs_have_it_as_it_is() -> None:
    jsonschema.Draft7Validator.check_schema(config_schema())
    assert (ROOT / "docs/cog.schema.json").read_text() == schema_text(), "write it: cogpack help cog.yaml --schema"


def test_every_key_of_ours_is_in_it_and_the_parser_knows_every_key_in_it() -> None:
    ours = {field.name for field in msgspec.structs.fields(PackOptions)} - {"debian"} | {"platform"}  # short for a list
    assert config_schema()["properties"]["cogpack"]["properties"].keys() == ours
    for key in config_keys():
        *outer, last = key.replace("[]", "").split(".")
        if "[]" not in key:
            text = "".join(f"{word}: {{" for word in outer) + f"{last}: null" + "}" * len(outer)
            assert is_taken(text), key


def test_the_settings_of_documents_and_of_init_are_valid() -> None:
    texts = [(ROOT / name).read_text() for name in ("README.md", "docs/settings.md")]
    documented = [re.findall(r"```yaml\n(cogpack:.*?)```", text, re.DOTALL) for text in texts]
    assert [len(found) for found in documented] == [1, 1]
    for text in (*documented[0], *documented[1], (ROOT / "cogpack/templates/project/cog.yaml").read_text()):
        VALIDATOR.validate(as_json(text))
        assert is_taken(text)


@pytest.mark.parametrize(
    "text",
    [
        *("build: {gpu: yes, python_version: 3.12}", "build: {cuda: 11.8}", "environment: [A=1, 'B= x y']"),
        *("build: {run: [a, {command: b, mounts: [{type: secret, id: x, target: /y}]}]}", "train: a/b.py:go"),
        *("cogpack: {user: 1000}", "cogpack: {user: '1000:5'}", "cogpack: {weights: {split: {'*.pt': none}}}"),
        "{model: r.example/x, weights: [{name: a, target: /src/w, source: {uri: hf://a/b}}]}",
        "{model: r.example/x, weights: [{name: a, target: /src/w, source: [{uri: ./w, exclude: ['*.md']}]}]}",
        "cogpack: {apt: [{uri: 'https://a.example', suites: [./], key: k.asc}], notes: {all: deny, clash: allow}}",
        "cogpack: {shared_layers: {from: r.example/team/layers, keys: [team.asc], trust: repository}}",
        "cogpack: {limits: {time: 1}, keep: [/var/tmp/x], extras: [a], torch_index: cu121, exclude_newer: 2026-01-01}",
    ],
)
def test_what_both_take(text: str) -> None:
    assert is_taken(text)
    assert is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        *("build: {gpu: 'true'}", "build: {run: a}", "build: []", "predict: Predictor", "environment: {A: 1}"),
        *("concurrency: {max: 0}", "environment: [A]", "cogpack: {nothing: 1}", "cogpack: {init: tini}"),
        *("cogpack: {platform: linux/s390x}", "cogpack: {user: root}", "cogpack: {limits: {memory: 1}}"),
        *("cogpack: {notes: {other: deny}}", "cogpack: {notes: {all: ignore}}", "cogpack: {keep: [var]}"),
        *("cogpack: {apt: [{uri: 'https://a.example', suites: [./]}]}", "cogpack: {weights: {split: halves}}"),
        *("cogpack: {shared_layers: {trust: all}}", "cogpack: {shared_layers: {to: r.example/x}}"),
        *("cogpack: {weights: {layer_size: 1}}", "cogpack: {torch_index: rocm}", "cogpack: {debian_mirror: a}"),
        *("build: {run: [{mounts: []}]}", "{model: r.example/x, weights: [{name: a, target: /w}]}"),
    ],
)
def test_what_neither_takes(text: str) -> None:
    assert not is_taken(text)
    assert not is_valid(text)
