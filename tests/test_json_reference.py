"""docs/json.md has every field of every command's result, with its type: held against the types themselves."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from cogpack.cli.grammar import Grammar
from cogpack.cli.json_output import SCHEMA_VERSION
from cogpack.cli.parser import parser
from cogpack.commands.bench import PullBench
from cogpack.commands.build import Built
from cogpack.commands.cache import CacheCleaned, CachePlace, CacheSize
from cogpack.commands.copy import Copied
from cogpack.commands.diff import Difference
from cogpack.commands.doctor import Diagnosis
from cogpack.commands.fetch import Fetched
from cogpack.commands.init import Begun
from cogpack.commands.inspect import Inspected
from cogpack.commands.lock import LockDocument
from cogpack.commands.login import LoggedIn, LoggedOut
from cogpack.commands.plan import Planned
from cogpack.commands.pull import PulledImage
from cogpack.commands.pull_weights import Pulled
from cogpack.commands.push import Pushed
from cogpack.commands.run import Predicted
from cogpack.commands.serve import Served
from cogpack.commands.split_weights import Written
from cogpack.commands.verify import Verified
from cogpack.commands.verify_weights import Compared
from cogpack.lockfile import Lock
from cogpack.notes import Note
from cogpack.oci import Descriptor
from cogpack.registry.credentials import Explained
from cogpack.registry.probe import Probed
from cogpack.registry.profiles import Profile

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "json.md").read_text()

RESULTS: Mapping[str, type[msgspec.Struct]] = {
    "init": Begun,
    "push": Pushed,
    "plan": Planned,
    "build": Built,
    "load": Built,
    "lock": LockDocument,
    "fetch": Fetched,
    "verify": Verified,
    "run": Predicted,
    "predict": Predicted,
    "train": Predicted,
    "serve": Served,
    "inspect": Inspected,
    "doctor": Diagnosis,
    "diff": Difference,
    "copy": Copied,
    "pull": PulledImage,
    "weights ls": Planned,
    "weights split": Written,
    "weights join": Written,
    "weights verify": Compared,
    "weights pull": Pulled,
    "login": LoggedIn,
    "logout": LoggedOut,
    "auth explain": Explained,
    "registry probe": Probed,
    "bench pull": PullBench,
    "cache dir": CachePlace,
    "cache size": CacheSize,
    "cache prune": CacheCleaned,
    "cache clean": CacheCleaned,
}
"""What each command answers with `--json`."""

CLOSED = {Descriptor: "OCI descriptor", Profile: "object"}
"""Types that the document names and does not take apart."""


def rows(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Type by field, as the document writes both."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return dict(_fields(info, ""))


def _fields(info: inspect.StructType, prefix: str) -> Iterator[tuple[str, str]]:
    for field in info.fields:
        word, below, sign = _type(field.type)
        yield f"{prefix}{field.encode_name}", word
        if below is not None and not (issubclass(info.cls, Lock) and field.name in Lock.__struct_fields__):
            yield from _fields(below, f"{prefix}{field.encode_name}{sign}.")


def _type(info: Any) -> tuple[str, inspect.StructType | None, str]:
    """The word for it, the struct that it holds, and what stands behind the field's name in paths into that one."""
    match info:
        case inspect.UnionType():
            (one,) = [each for each in info.types if not isinstance(each, inspect.NoneType)]
            word, below, sign = _type(one)
            return f"{word} or null", below, sign
        case inspect.Metadata():
            return _type(info.type)
        case inspect.StrType() | inspect.LiteralType() | inspect.EnumType():
            return "text", None, ""
        case inspect.IntType():
            return "integer", None, ""
        case inspect.FloatType():
            return "number", None, ""
        case inspect.BoolType():
            return "boolean", None, ""
        case inspect.VarTupleType() | inspect.ListType():
            word, below, _ = _type(info.item_type)
            return f"list of {word}", below, "[]"
        case inspect.AnyType():
            return "value", None, ""
        case inspect.DictType():
            return "object", None, ""
        case inspect.StructType():
            closed = CLOSED.get(info.cls)
            return closed or "object", None if closed else info, ""
    raise AssertionError(info)


def documented(command: str) -> dict[str, str]:
    """The rows of the section that has the command in its heading."""
    sections = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)[1:]
    (section,) = [text for text in sections if f"`{command}`" in text.partition("\n")[0]]
    found = re.findall(r"^\| `([^`]+)` \| ([a-zA-Z ]+) \| (\S.*) \|$", section, re.MULTILINE)
    assert len({name for name, _, _ in found}) == len(found)
    return {name: word for name, word, _ in found}


def _leaves(found: Grammar, words: str = "") -> Iterator[tuple[str, Grammar]]:
    for name, below in found.commands.items():
        path = f"{words} {name}".strip()
        yield from _leaves(below, path) if below.commands else [(path, below)]


def top(command: str) -> set[str]:
    """Fields of the whole document."""
    names = {name for name in rows(RESULTS[command]) if "." not in name}
    return names | {"schema_version", "notes"}


def test_every_command_that_prints_json_is_known_here() -> None:
    printing = {words for words, found in _leaves(parser()) if "--json" in found.options()}
    assert printing == set(RESULTS)


@pytest.mark.parametrize("command", RESULTS)
def test_the_document_has_every_field_with_its_type(command: str) -> None:
    assert documented(command) == rows(RESULTS[command])


def test_the_document_has_the_fields_that_all_commands_have() -> None:
    note = rows(Note)
    assert documented("--json") == {
        "schema_version": "integer",
        "notes": "list of object",
        **{f"notes[].{name}": word for name, word in note.items()},
        "error": "object",
        "error.code": "text",
        "error.message": "text",
        "error.next": "text",
        "error.exit_code": "integer",
    }
    assert f"`schema_version` is {SCHEMA_VERSION}" in DOCUMENT


@pytest.mark.parametrize("command", RESULTS)
def test_one_thing_has_one_name(command: str) -> None:
    """Ours are in snake_case; what the OCI specs name has their spelling, whoever uses it."""
    for name in rows(RESULTS[command]):
        last = name.rpartition(".")[2]
        assert last in ("mediaType", "artifactType") or re.fullmatch("[a-z][a-z0-9_]*", last), name
        assert last not in ("media_type", "diffId", "diffID"), name
