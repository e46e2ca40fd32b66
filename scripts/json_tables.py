"""The tables of docs/json.md: fields and types come from the types of results, what each means stays as it is written.

`write_reference.py` writes them. A field that is new has no meaning yet, which tests/test_json_reference.py refuses.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from cogpack.commands.bench import PullBench
from cogpack.commands.bench_push import PushBench
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
    "bench push": PushBench,
    "cache dir": CachePlace,
    "cache size": CacheSize,
    "cache prune": CacheCleaned,
    "cache clean": CacheCleaned,
}
"""What each command answers with `--json`."""

CLOSED = {Descriptor: "OCI descriptor", Profile: "object"}
"""Types that the document names and does not take apart."""
COMMON = "--json"
"""What the section is called that tells of the fields of all documents."""

_ERROR = {"error": "object", "error.code": "text", "error.message": "text", "error.next": "text"}
_ROW = re.compile(r"^\| `([^`]+)` \| ([a-zA-Z ]+) \| (.*) \|$", re.MULTILINE)
_TABLE = re.compile(r"^\| field \| type \| meaning \|\n\|---\|---\|---\|\n(?:\|.*\n)*", re.MULTILINE)
_SECTION = re.compile(r"^## .*\n(?:(?!## ).*\n)*", re.MULTILINE)


def json_page(page: str) -> str:
    """Write the tables of the page anew."""
    return _SECTION.sub(lambda section: _written(section[0]), page)


def meanings(page: str, command: str) -> dict[str, str]:
    """Give what the page says of each field of a command's document."""
    sections = (section[0] for section in _SECTION.finditer(page))
    return _meanings(next(text for text in sections if f"`{command}`" in text.partition("\n")[0]))


def _meanings(section: str) -> dict[str, str]:
    return {name: meaning for name, _, meaning in _ROW.findall(section)}


def _written(section: str) -> str:
    commands = re.findall("`([^`]+)`", section.partition("\n")[0])
    if not commands or commands[0] not in (COMMON, *RESULTS):
        return section
    known = _meanings(section)
    found = _common() if commands[0] == COMMON else rows(RESULTS[commands[0]])
    lines = [f"| `{name}` | {word} | {known.get(name, '')} |" for name, word in found.items()]
    table = "\n".join(["| field | type | meaning |", "|---|---|---|", *lines, ""])
    return _TABLE.sub(lambda _: table, section, count=1)


def _common() -> dict[str, str]:
    notes = {f"notes[].{name}": word for name, word in rows(Note).items()}
    return {"schema_version": "integer", "notes": "list of object", **notes, **_ERROR, "error.exit_code": "integer"}


def rows(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Type by field, as the document writes both."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return dict(_fields(info, ""))


def top_fields(command: str) -> set[str]:
    """Give the fields of a command's whole document."""
    return {"schema_version", "notes"} | {name for name in rows(RESULTS[command]) if "." not in name}


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
