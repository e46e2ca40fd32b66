"""Weights of which something is missing, by names, indexes and first bytes: what a loader would find too late."""

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile
from cogpack.notes import Code, Note
from cogpack.patterns import pattern

FORMATS = (".safetensors", ".gguf")
"""Suffixes of files whose beginnings are looked at."""

_SUFFIX = r"\.(?:safetensors|bin|pth?|ckpt|gguf|msgpack|h5)"
_INDEX = pattern(rf"[^/]*{_SUFFIX}\.index(?:\.[A-Za-z0-9_-]+)?\.json")
_WEIGHTS = pattern(rf".*{_SUFFIX}", re.DOTALL)
_PART = pattern(
    rf"(?P<stem>.*-)(?P<number>[0-9]{{5}})-of-(?P<count>[0-9]{{5}})(?P<rest>(?:\.[A-Za-z0-9_]+)*{_SUFFIX})"
    r"|(?P<stem2>.*\.data-)(?P<number2>[0-9]{5})-of-(?P<count2>[0-9]{5})",
    re.DOTALL,
)
"""Names of parts that tell how many there are: Hugging Face's, llama.cpp's, and TensorFlow's, which count from 0."""

_SHOWN = 3


def incomplete(paths: Collection[str], read: Callable[[str], bytes | None]) -> Iterator[Note]:
    """Find, of all `paths` of an image, indexes that name files which are not there, and parts without the others.

    `read`: the bytes of a file, None where they are not to be had.
    """
    told: set[str] = set()
    indexes = {path for path in paths if path.endswith(".json") and _INDEX.fullmatch(path.rpartition("/")[2])}
    there = set(paths) if indexes else set()  # of very many, not for nothing
    for path in sorted(indexes):
        named = _named(path, read(path) or b"")
        missing = sorted(named - there)
        # Whoever took the model in another format has the index of this one, and none of its files.
        if missing and (len(missing) < len(named) or not _has_weights(posixpath.dirname(path), paths)):
            told |= set(missing)
            yield _missing(path, "names", missing)
    groups: dict[tuple[str, str, int], dict[int, str]] = {}
    for path in paths:
        if "-of-" in path and (found := _PART.fullmatch(path)):
            stem, number, count = (found[name] or found[f"{name}2"] for name in ("stem", "number", "count"))
            groups.setdefault((stem, found["rest"] or "", int(count)), {})[int(number)] = path
    for (stem, rest, count), parts in sorted(groups.items()):
        first = 0 if 0 in parts or not rest else 1
        absent = (
            f"{stem}{number:05d}-of-{count:05d}{rest}" for number in range(first, first + count) if number not in parts
        )
        if missing := [path for path in absent if path not in told]:
            yield _missing(parts[min(parts)], "belongs to", missing)


def _named(path: str, data: bytes) -> set[str]:
    """Give the files that an index names, as paths like its own."""
    try:
        document: Any = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()
    files = document.get("weight_map") if isinstance(document, dict) else None
    names = {name for name in files.values() if isinstance(name, str)} if isinstance(files, dict) else set()
    return {posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in names}


def _has_weights(folder: str, paths: Iterable[str]) -> bool:
    return any(posixpath.dirname(path) == folder and _WEIGHTS.fullmatch(path) for path in paths)


def _missing(path: str, relation: str, missing: Sequence[str]) -> Note:
    names = ", ".join(missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    verb = "are" if len(missing) > 1 else "is"
    return Note(Code.INCOMPLETE_WEIGHTS, f"{path}: {relation} {names}{more}, which {verb} not there")


def unsound(files: Mapping[str, LocalFile]) -> Iterator[Note]:
    """Find, of files here by their names, those that begin otherwise than their suffix says, or end too early."""
    for name, file in files.items():
        if why := _fault(name, file):
            yield Note(Code.UNSOUND_WEIGHTS, f"{name}: {why}")


def _fault(name: str, file: LocalFile) -> str | None:
    from cogpack.layers.weights.gguf_end import cut_off
    from cogpack.layers.weights.pieces import read_local

    if name.endswith(".gguf"):
        with file.buffered() as stream:
            found = stream.read(4)
            if found == b"GGUF":
                stream.seek(0)
                why = cut_off(stream, file.size)
                return f"not a whole GGUF file: {why}" if why else None
        return f"not a GGUF file: {'it is empty' if not found else 'it begins otherwise'}"
    if name.endswith(".safetensors"):
        try:
            read_local("tensor", file)
        except InputError as error:
            why = error.message.removeprefix(f"{file.path}: ")
            return None if "unknown dtype" in why else why  # a newer one is no fault
    return None
