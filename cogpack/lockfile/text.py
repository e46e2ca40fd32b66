"""The text of `cogpack.lock`: TOML, one file for all platforms, sorted for readable diffs."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from cogpack import __version__, toml
from cogpack.config.model import lock_name
from cogpack.disk import open_file
from cogpack.errors import InputError
from cogpack.lockfile.model import REQUIREMENT, VERSION, Lock, Results
from cogpack.lockfile.shared import with_shared, without_shared
from cogpack.lockfile.table import DAMAGED, FILE
from cogpack.text import one_line

_HEADER = "# Made by cogpack from {config} and the files named under [inputs]. Commit it; do not edit it.\n\n"

REMOVED = "removed_addresses"
"""The key of a lock that was attached to an image, and is not all of it."""

LIMIT = 4 * 1024 * 1024
"""Bytes; one of a large model with 10,000 parts of weights has two million."""
_PARTS = 8
"""Of a dotted key; ours have four."""


def parse_lock(data: bytes, *, path: str = FILE) -> Lock:
    """What we could not have written is an `InputError`, also where only reading it would cost minutes."""
    document = read_document(data, path)
    if REMOVED in document:
        raise InputError(
            f"{path}: is of an image, and addresses are removed from it: {REMOVED} = {document[REMOVED]!r:.20}",
            next_step="take the project's own; or run cogpack lock --from-image REF, which begins with its versions",
        )
    return lock_of(document, path)


def read_document(data: bytes, path: str) -> dict[str, Any]:
    """Read the tables of a lock's text."""
    for number, line in enumerate(data.splitlines(), 1):
        if line.startswith((b"<<<<<<< ", b">>>>>>> ")):
            raise InputError(
                f"{path}:{number}: a merge has left its conflict markers",
                next_step=f"take either side (git checkout --ours {path}), run cogpack lock, and commit it",
            )
    try:
        if len(data) > LIMIT:
            raise ValueError(f"more than {LIMIT} bytes")
        document = toml.decode(data.decode(), most_parts=_PARTS)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    return document


def lock_of(document: dict[str, Any], path: str) -> Lock:
    """Make a lock of its tables."""
    if document.get("version") == 1:
        document = _pins_of_version_1(document)
    elif isinstance(version := document.get("version"), int) and VERSION < version < 10**9:
        raise _from_newer(path, f"lock version {version}", document)
    try:
        return msgspec.convert(without_shared(document), Lock)
    except InputError as error:  # of one of its tables, which knows no path
        error.message = error.message.replace(f"{FILE}: ", f"{path}: ", 1)
        raise
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        if what := _unknown_to_us(str(error)):
            raise _from_newer(path, what, document) from error
        raise _damaged(path, error) from error


def _unknown_to_us(said: str) -> str:
    """Name what no struct of ours has, by the words of msgspec: a key, a base that is of no class of `Base`, such a
    source of a wheel; "" of an error of another kind."""
    what, at, place = said.rpartition(" - at `$")
    what, place = (what, place.removesuffix("`").removeprefix(".")) if at else (said, "")
    _, unknown, key = what.partition("contains unknown field `")
    if unknown:
        whole = ".".join(filter(None, (place, key.removesuffix("`"))))
        return f"the key {whole:.200}"
    above, tag, _ = place.rpartition(".kind")
    _, invalid, kind = what.partition("Invalid value '")
    if tag and invalid and above.endswith((".base", ".source")):
        return f"a {above.rpartition('.')[2]} of the kind {kind[:-1]:.200}"
    return ""


def _damaged(path: str, error: Exception) -> InputError:
    return InputError(f"{path}: {error}", next_step=DAMAGED)


def _from_newer(path: str, what: str, document: Mapping[str, Any]) -> InputError:
    """What an older cogpack says of a lock; else it would leave out what it can't read, and push another image."""
    requires = document.get("requires")
    if not isinstance(requires, str) or not re.fullmatch(REQUIREMENT, requires):
        requires = "the cogpack that made it"
    return InputError(
        f"{path}: {what} is unknown to this cogpack, {__version__}",
        next_step=f"install {requires}; a key that was written by hand has to go",
    )


def _pins_of_version_1(document: Mapping[str, Any]) -> dict[str, Any]:
    """The lock of cogpack 0.1 in our words, for its pins alone: it is of format 1, which nobody builds."""
    platforms = document.get("platforms")
    if isinstance(platforms, dict):
        platforms = {name: _renamed(found) if isinstance(found, dict) else found for name, found in platforms.items()}
    results = document.get("results")
    if isinstance(results, dict):  # of weights it does not say to which size they were split
        results = {key: value for key, value in results.items() if key != "weights"}
    head = {"version": VERSION, "requires": "cogpack>=0.1.0", "format": 1}
    return {**document, **head, "platforms": platforms, "results": results or {}}


def _renamed(decisions: Mapping[str, Any]) -> dict[str, Any]:
    found = {"clashes": (), **decisions}
    image, debian = found.pop("base", None), found.pop("debian", None)
    if isinstance(debian, dict):
        found["base"] = {"kind": "debian", **debian}
    elif isinstance(image, dict):
        found["base"] = {"kind": "registry", **image, "inherited_directories": image.get("ground", ())}
        found["base"].pop("ground", None)
    return found


def read_lock(path: Path) -> Lock | None:
    """The lock in the file `path`; None where there is none."""
    try:
        with open_file(path) as stream:
            data = stream.read(LIMIT + 1)
    except FileNotFoundError:
        return None
    return _parsed(data, path.name)


@lru_cache(maxsize=1)
def _parsed(data: bytes, name: str) -> Lock:
    """The same text is the same lock: a push reads it at its beginning and at its end."""
    return parse_lock(data, path=name)


def encode_lock(lock: Lock, *, config: str = "cog.yaml", header: bytes | None = None, removed: int = 0) -> bytes:
    """TOML with one line per package, wheel and result: what changed is what a diff shows. `config`: the name of
    the project's; `header`: what is said in place of that; `removed`: addresses of it that are not in it any more."""
    layers = sorted(lock.results.layers, key=lambda result: (result.name, result.key))
    weights = sorted(lock.results.weights, key=lambda weight: weight.path)
    document = msgspec.to_builtins(lock)
    try:
        msgspec.convert(document, Lock)
    except (ValueError, msgspec.ValidationError) as error:
        raise InputError(
            f"{lock_name(config)} is not written, since nobody could read it: {error}",
            next_step=f"write what that comes from in {config} another way",
        ) from error
    if layers:
        document["results"] = msgspec.to_builtins(Results(tuple(layers), tuple(weights)))
    document = {REMOVED: removed, **document} if removed else document
    made = _HEADER.format(config=one_line(config)).encode()
    data = (header or made) + toml.encode(with_shared(document))
    if len(data) > LIMIT:  # nobody would read it
        raise InputError(
            f"{lock_name(config)} would have {len(data)} bytes; {LIMIT} are read at most",
            next_step="download fewer files of the hub in build.run, choose a larger cogpack.weights.layer_size, or a "
            "base with a shorter config",
        )
    return data
