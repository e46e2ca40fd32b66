"""The `weights` list of `cog.yaml` is read: Cog's managed weights."""

import posixpath
import re
from collections.abc import Container
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from cogpack.config.document import Value
from cogpack.config.model import ManagedWeight, WeightSource
from cogpack.symlinks import PATH_MAX

_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", re.ASCII)


def managed_weights(value: Value, *, beside: Container[str]) -> tuple[ManagedWeight, ...]:
    """Read them all: names and targets are unique, no target lies in another; `beside`: the keys of the same
    mapping, of which `model` must be one."""
    if "model" not in beside:
        step = "rename image: to model:, without a tag" if "image" in beside else "write model: HOST/NAME"
        value.fail("needs model, the repository that the weights belong to", next_step=step)
    found: dict[str, ManagedWeight] = {}
    targets: dict[PurePosixPath, ManagedWeight] = {}
    above: dict[PurePosixPath, ManagedWeight] = {}
    for item in value.items():
        weight = _weight(item)
        if weight.name in found:
            item.fail(f"name {weight.name} stands twice", next_step="give each weight a name of its own")
        target = PurePosixPath(weight.target)
        parents = target.parents
        other = next((targets[path] for path in (target, *parents) if path in targets), above.get(target))
        if other:
            item.fail(
                f"target {weight.target:.120} overlaps {other.target:.120} of {other.name}",
                next_step="give each weight a directory of its own",
            )
        found[weight.name] = targets[target] = weight
        above.update(dict.fromkeys(parents, weight))
    return tuple(found.values())


def _weight(value: Value) -> ManagedWeight:
    fields = value.fields(("name", "target", "source"))
    for key in ("name", "target", "source"):
        if key not in fields:
            value.fail(f"{key} is missing", next_step=f"add {key}:")
    name = fields["name"].text()
    if not _NAME.fullmatch(name):
        fields["name"].expected("lowercase letters and digits, joined by '.', '_' or '-'")
    target = fields["target"].text()
    clean = posixpath.normpath(target)
    if not target.startswith("/") or clean.strip("/") == "" or len(target) > PATH_MAX:
        fields["target"].expected("an absolute path of the image such as /src/weights")
    source = fields["source"]
    sources = tuple(_source(item) for item in (source.items() if source.is_list else [source]))
    if not sources:
        source.expected("at least one source")
    return ManagedWeight(name=name, target="/" + clean.strip("/"), sources=sources)


def _source(value: Value) -> WeightSource:
    fields = value.fields(("uri", "include", "exclude"))
    if "uri" not in fields:
        value.fail("uri is missing", next_step="add uri:, for example hf://OWNER/NAME")
    uri = fields["uri"].text()
    scheme, found, rest = uri.partition("://")
    if not uri or (found and (scheme not in ("hf", "s3", "gs", "https", "file") or not rest or not _is_address(uri))):
        fields["uri"].expected("hf://, s3://, gs://, https://, file:// or a path")
    return WeightSource(uri=uri, include=_globs(fields.get("include")), exclude=_globs(fields.get("exclude")))


def _is_address(uri: str) -> bool:
    """Tell whether it can be taken apart (RFC 3986), and a path in it can be one."""
    try:
        return "\0" not in unquote(urlsplit(uri).path)
    except ValueError:
        return False


def _globs(value: Value | None) -> tuple[str, ...]:
    if value is not None and not value.items():
        value.expected("at least one file pattern")
    for item in value.items() if value else ():
        text = item.text()
        if not text or text.startswith("!") or "\\" in text:
            item.expected("a file pattern with forward slashes and no !")
    return value.texts() if value else ()
