"""The mapping `cogpack` of cog.yaml becomes `PackOptions`: all of it optional, and what it does not know is refused."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeVar, get_args

from packaging.utils import canonicalize_name, is_normalized_name

from cogpack.config.document import Value
from cogpack.config.model import (
    PLAIN_TORCH_INDEX,
    TORCH_INDEX,
    Arch,
    BuildWheels,
    DebianChoice,
    Isolation,
    NoneDefault,
    PackOptions,
    PackWeights,
    SharedLayers,
    SplitRule,
    StepLimits,
    Suite,
)
from cogpack.config.steps import filled, has_host, kept_paths
from cogpack.notes import Code
from cogpack.policy import ALL, Rules, unknown
from cogpack.reference import Reference

T = TypeVar("T")

_PACK = (
    *("base", "compression", "debian_base_from", "debian_mirror", "debian_snapshot", "dependency_groups"),
    *("constraints_from", "exclude_newer", "extras", "platform", "platforms"),
    *("apt", "build_wheels", "bytecode", "clashes", "compiler", "cuda", "cuda_toolkit", "git", "isolation", "network"),
    *("init", "keep", "limits", "none_default", "notes", "recommends", "tools", "torch_index", "user", "weights"),
    "shared_layers",
)
_PLATFORMS: Mapping[str, Arch] = {arch: arch for arch in get_args(Arch)}
_DEBIANS: Mapping[str, DebianChoice] = {
    "debian": DebianChoice(),
    "debian:slim": DebianChoice(slim=True),
    **{f"debian:{suite}": DebianChoice(suite=suite) for suite in get_args(Suite)},
    **{f"debian:{suite}-slim": DebianChoice(suite=suite, slim=True) for suite in get_args(Suite)},
}
_SPLITS: Mapping[str, SplitRule] = {
    "auto": "auto",
    "tensor": "tensor",
    "gguf": "gguf",
    "opaque": "opaque",
    "none": "none",
}
_SMALLEST_LAYER = 1024 * 1024
_COMPRESSIONS: Mapping[str, Literal["gzip", "zstd"]] = {"gzip": "gzip", "zstd": "zstd"}
_CLASHES: Mapping[str, Literal["note", "error"]] = {"note": "note", "error": "error"}
_TRUSTS: Mapping[str, Literal["keys", "repository"]] = {"keys": "keys", "repository": "repository"}
_CUDA: Mapping[str, Literal["note", "strict"]] = {"note": "note", "strict": "strict"}
_CUDA_TOOLKITS: Mapping[str, Literal["build", "image"]] = {"build": "build", "image": "image"}
_TOOLS: Mapping[str, Literal["cog", "none"] | None] = {"auto": None, "cog": "cog", "none": "none"}
_ISOLATIONS: Mapping[str, Isolation] = {rung: rung for rung in get_args(Isolation)}
_BUILD_WHEELS: Mapping[str, BuildWheels] = {word: word for word in get_args(BuildWheels)}
_NONE_DEFAULTS: Mapping[str, NoneDefault] = {"optional": "optional", "required": "required"}
_WEIGHT_COMPRESSIONS: Mapping[str, Literal["none", "zstd"]] = {"none": "none", "zstd": "zstd"}
_USER = re.compile(r"[0-9]{1,9}(?::[0-9]{1,9})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def pack_options(value: Value) -> PackOptions:
    from cogpack.config.apt import apt_archives

    fields = value.fields(_PACK, strict=True)
    default = PackOptions()
    base, debian = read_base(fields["base"]) if "base" in fields else (None, default.debian)
    return PackOptions(
        base=base,
        debian=debian,
        platforms=_platforms(fields) or default.platforms,
        compression=_choice(fields["compression"], _COMPRESSIONS) if "compression" in fields else default.compression,
        apt=apt_archives(fields["apt"]) if "apt" in fields else (),
        debian_mirror=_mirror(fields["debian_mirror"]) if "debian_mirror" in fields else None,
        debian_snapshot=_time(fields["debian_snapshot"]) if "debian_snapshot" in fields else None,
        debian_base_from=filled(fields["debian_base_from"]) if "debian_base_from" in fields else None,
        constraints_from=filled(fields["constraints_from"]) if "constraints_from" in fields else None,
        exclude_newer=_time(fields["exclude_newer"]) if "exclude_newer" in fields else None,
        extras=_package_names(fields["extras"]) if "extras" in fields else (),
        dependency_groups=_package_names(fields["dependency_groups"]) if "dependency_groups" in fields else (),
        clashes=_choice(fields["clashes"], _CLASHES) if "clashes" in fields else default.clashes,
        torch_index=_torch_index(fields["torch_index"]) if "torch_index" in fields else None,
        cuda=_choice(fields["cuda"], _CUDA) if "cuda" in fields else default.cuda,
        notes=_notes(fields["notes"]) if "notes" in fields else default.notes,
        git=fields["git"].boolean() if "git" in fields else default.git,
        network=fields["network"].boolean() if "network" in fields else default.network,
        isolation=_choice(fields["isolation"], _ISOLATIONS) if "isolation" in fields else default.isolation,
        build_wheels=_choice(fields["build_wheels"], _BUILD_WHEELS) if "build_wheels" in fields else "auto",
        cuda_toolkit=_choice(fields["cuda_toolkit"], _CUDA_TOOLKITS) if "cuda_toolkit" in fields else None,
        bytecode=fields["bytecode"].boolean() if "bytecode" in fields else default.bytecode,
        compiler=_compiler(fields["compiler"]) if "compiler" in fields else default.compiler,
        keep=kept_paths(fields["keep"]) if "keep" in fields else default.keep,
        none_default=_choice(fields["none_default"], _NONE_DEFAULTS) if "none_default" in fields else "optional",
        tools=_choice(fields["tools"], _TOOLS) if "tools" in fields else None,
        recommends=fields["recommends"].boolean() if "recommends" in fields else default.recommends,
        init=fields["init"].boolean() if "init" in fields else default.init,
        user=_user(fields["user"]) if "user" in fields else default.user,
        limits=_limits(fields["limits"]) if "limits" in fields else default.limits,
        shared_layers=shared_layers(fields["shared_layers"]) if "shared_layers" in fields else default.shared_layers,
        weights=_pack_weights(fields["weights"]) if "weights" in fields else default.weights,
    )


def _platforms(fields: Mapping[str, Value]) -> tuple[Arch, ...]:
    """Read `platform`, or `platforms` as Compose has it; nothing where neither stands there. An index lists them in
    one order, whatever is written."""
    if "platforms" not in fields:
        return (_choice(fields["platform"], _PLATFORMS),) if "platform" in fields else ()
    value = fields["platforms"]
    if "platform" in fields:
        value.fail("platform stands beside it", next_step="keep one of the two")
    found = {_choice(item, _PLATFORMS) for item in value.items()}
    if not found:
        value.expected(f"a list of {' and '.join(_PLATFORMS)}")
    return tuple(sorted(found))


def parse_reference(value: Value, text: str) -> Reference:
    return Reference.parse(text, where=value.where)


def _package_names(value: Value) -> tuple[str, ...]:
    """Read names as PyPA has them, of extras and of groups."""
    for item in value.items():
        if not is_normalized_name(canonicalize_name(item.text())):
            item.expected("a name of letters, digits, dots, hyphens and underscores")
    return tuple(dict.fromkeys(map(canonicalize_name, value.texts())))


def _torch_index(value: Value) -> str:
    text = value.text()
    if text != PLAIN_TORCH_INDEX and not TORCH_INDEX.fullmatch(text):
        value.expected(f"{PLAIN_TORCH_INDEX}, cpu, or an index of PyTorch's such as cu121")
    return text


def _compiler(value: Value) -> bool | None:
    return None if value.text() == "auto" else value.boolean()


def _user(value: Value) -> str:
    """Read UID or UID:GID: a name would be one of the base's, and Kubernetes can't tell whether it is root's."""
    text = value.text()
    if not _USER.fullmatch(text):
        value.expected('UID or UID:GID, such as 1000 or "1000:1000"')
    return text


def _limits(value: Value) -> StepLimits:
    fields = value.fields(("time", "idle", "size"), strict=True)
    return StepLimits(**{name: field.integer(minimum=1) for name, field in fields.items()})


def _notes(value: Value) -> Rules:
    """Read a mapping from codes, or `all`, to `deny` or `allow`."""
    found: dict[str, set[str]] = {"deny": set(), "allow": set()}
    for code, verdict in value.pairs():
        if code not in set(Code) and code != ALL:
            verdict.fail(unknown(code), next_step="see docs/notes.md for the codes that there are")
        word = _choice(verdict, {"deny": "deny", "allow": "allow"})
        if code == ALL and word == "allow":
            verdict.fail("notes are allowed one by one", next_step="name the codes")
        found[word].add(code)
    return Rules(deny=frozenset(found["deny"]), allow=frozenset(found["allow"]))


def _choice(value: Value, choices: Mapping[str, T]) -> T:
    text = value.text()
    if text not in choices:
        value.expected(" or ".join(choices))
    return choices[text]


def _time(value: Value) -> str:
    """Read a moment as RFC 3339 has it; a date is its midnight, UTC."""
    text = value.text()
    example = "a date such as 2026-01-31, or a time such as 2026-01-31T00:00:00Z"
    if _DATE.fullmatch(text):
        text += "T00:00:00Z"
    if not _TIME.fullmatch(text):
        value.expected(example)
    try:
        datetime.fromisoformat(text)
    except ValueError:
        value.expected(example)
    return text


def _mirror(value: Value) -> str:
    text = filled(value)
    if not re.fullmatch(r"https?://[^\s/@]+(?:/\S*)?", text) or not has_host(text):
        value.expected("the http or https address of a Debian mirror, without a password")
    return text.rstrip("/")


def _pack_weights(value: Value) -> PackWeights:
    fields = value.fields(("include", "exclude", "min_size", "split", "layer_size", "compression"), strict=True)
    for name in ("include", "exclude"):
        for item in fields[name].items() if name in fields else ():
            if not item.text() or item.text().startswith("!"):
                item.expected(
                    "a file pattern such as models/**/*.bin", next_step="write what is left out under exclude"
                )
    return PackWeights(
        include=fields["include"].texts() if "include" in fields else (),
        exclude=fields["exclude"].texts() if "exclude" in fields else (),
        min_size=fields["min_size"].integer(minimum=0) if "min_size" in fields else None,
        split=_split(fields["split"]) if "split" in fields else (),
        layer_size=fields["layer_size"].integer(minimum=_SMALLEST_LAYER) if "layer_size" in fields else None,
        compression=_choice(fields["compression"], _WEIGHT_COMPRESSIONS) if "compression" in fields else "none",
    )


def _split(value: Value) -> tuple[tuple[str, SplitRule], ...]:
    """Read one rule for all, or a mapping from glob to rule."""
    if not value.is_mapping:
        return (("**", _choice(value, _SPLITS)),)
    return tuple((glob, _choice(rule, _SPLITS)) for glob, rule in value.pairs())


def read_base(value: Value) -> tuple[str | None, DebianChoice]:
    """Read what names Debian's packages, which have no reference, else a reference."""
    text = filled(value)
    if text in _DEBIANS:
        return None, _DEBIANS[text]
    if text.startswith("debian:") and "@" not in text:
        ours = ", ".join(_DEBIANS)
        step = f"write one of these for Debian's packages, or docker.io/library/{text} for the image of Docker Hub"
        value.expected(f"one of {ours}", next_step=step)
    Reference.parse(text, where=value.where)
    return text, DebianChoice()


def shared_layers(value: Value) -> SharedLayers:
    fields = value.fields(("from", "publish", "keys", "trust"), strict=True)
    keys = tuple(filled(item) for item in fields["keys"].items()) if "keys" in fields else ()
    return SharedLayers(
        source=_repository(fields["from"]) if "from" in fields else None,
        publish=_repository(fields["publish"]) if "publish" in fields else None,
        keys=keys,
        trust=_choice(fields["trust"], _TRUSTS) if "trust" in fields else "keys",
    )


def _repository(value: Value) -> str:
    text = filled(value)
    reference = Reference.parse(text, where=value.where)
    if reference.tag or reference.digest or reference.name.startswith("docker.io/library/"):
        value.expected("a repository alone, as in HOST/NAME")
    return reference.name
