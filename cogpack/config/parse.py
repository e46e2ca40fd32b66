"""`cog.yaml` becomes a `Config`: the keys that Cog reads, with its rules, and our own under `cogpack`.

Cog ignores keys that it does not know; here they are warned of, but refused under `cogpack`, where nothing else could
have meant them.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeVar, get_args

from packaging.version import Version

from cogpack.config.document import Value, YamlDocument
from cogpack.config.model import Arch, Config, Isolation, NoneDefault, PackOptions, PackWeights, SplitRule, StepLimits
from cogpack.config.steps import filled, kept_paths, run_steps
from cogpack.config.weights import managed_weights
from cogpack.notes import Code
from cogpack.policy import ALL, Rules, unknown
from cogpack.reference import Reference

T = TypeVar("T")

_TOP = ("build", "run", "predict", "train", "image", "model", "concurrency", "environment", "weights", "observability")
_BUILD = (
    *("gpu", "python_version", "python_requirements", "python_packages", "system_packages"),
    *("run", "pre_install", "cuda", "cudnn", "sdk_version"),
)
_PACK = (
    *("base", "platform", "compression", "debian_base_from", "debian_mirror", "debian_snapshot", "exclude_newer"),
    *("clashes", "git", "isolation", "network"),
    *("init", "keep", "limits", "none_default", "notes", "recommends", "tools", "user", "weights"),
)

_PLATFORMS: Mapping[str, Arch] = {arch: arch for arch in get_args(Arch)}
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
_TOOLS: Mapping[str, Literal["cog"]] = {"cog": "cog"}
_ISOLATIONS: Mapping[str, Isolation] = {rung: rung for rung in get_args(Isolation)}
_NONE_DEFAULTS: Mapping[str, NoneDefault] = {"optional": "optional", "required": "required"}
_WEIGHT_COMPRESSIONS: Mapping[str, Literal["none", "zstd"]] = {"none": "none", "zstd": "zstd"}

_PYTHON = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?", re.ASCII)
_CUDNN = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,4}){0,3}", re.ASCII)
_TARGET = re.compile(r"(?P<file>[^:\0]+\.py):(?P<name>[^\W\d]\w*)")
_DEBIAN = re.compile(r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?(?:(?:>?=|/)[A-Za-z0-9.+:~_*?-]+)?", re.ASCII)
_USER = re.compile(r"[0-9]{1,9}(?::[0-9]{1,9})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_OLDEST_SDK = Version("0.16.0")

_DENIED = frozenset({"PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONUNBUFFERED", "LIBRARY_PATH"})
_DENIED |= {"HF_ENDPOINT", "HF_HUB_ENABLE_HF_TRANSFER"}
_DENIED_PREFIXES = ("R8_", "REPLICATE_", "CUDA_", "NVIDIA_", "NV_", "PGET_", "KUBERNETES_")


def parse_config(text: bytes, *, path: str = "cog.yaml") -> Config:
    """Read `cog.yaml`; anything wrong in it is an `InputError` that names `path`, the line and the key."""
    document = YamlDocument(text, path=path)
    root = document.root
    if root is None:
        return Config()
    top = root.fields((*_TOP, "cogpack"))
    build = top["build"].fields(_BUILD) if "build" in top else {}
    if "python_requirements" in build and "python_packages" in build:
        build["python_packages"].fail(
            "stands beside python_requirements", next_step="move the packages into the requirements file"
        )
    image = _image(top)
    python = _python(build["python_version"]) if "python_version" in build else None
    return Config(
        predict=_predict(top),
        train=_target(top["train"]) if "train" in top else None,
        image=image,
        gpu=build["gpu"].boolean() if "gpu" in build else False,
        cuda=_cuda(build["cuda"]) if "cuda" in build else None,
        cudnn=_cudnn(build["cudnn"]) if "cudnn" in build else None,
        python_version=python,
        python_requirements=filled(build["python_requirements"]) if "python_requirements" in build else None,
        python_packages=_python_packages(build["python_packages"]) if "python_packages" in build else (),
        system_packages=_system_packages(build["system_packages"]) if "system_packages" in build else (),
        run=run_steps(build),
        sdk_version=_sdk(build["sdk_version"]) if "sdk_version" in build else None,
        concurrency=_concurrency(top["concurrency"], python) if "concurrency" in top else None,
        environment=_environment(top["environment"]) if "environment" in top else (),
        weights=managed_weights(top["weights"], model="model" in top) if "weights" in top else (),
        traces=_traces(top["observability"]) if "observability" in top else False,
        pack=_pack(top["cogpack"]) if "cogpack" in top else PackOptions(),
        notes=tuple(document.notes),
        places=document.places,
    )


def _predict(top: Mapping[str, Value]) -> str | None:
    if "run" in top and "predict" in top:
        top["predict"].fail("stands beside run, its new name", next_step="keep one of the two")
    value = top.get("run") or top.get("predict")
    return _target(value) if value else None


def _target(value: Value) -> str:
    text = value.text()
    match = _TARGET.fullmatch(text)
    if not match or text.count(".py:") != 1:
        value.expected("FILE.py:NAME", next_step="name the file and the class, as in predict.py:Predictor")
    file = match["file"]
    if file.startswith("/") or "\\" in file or ".." in file.split("/"):
        value.fail(f"{text:.80} is outside the project", next_step="name a file of the project, relative to cog.yaml")
    return text


def _image(top: Mapping[str, Value]) -> str | None:
    if "image" in top and "model" in top:
        top["model"].fail("stands beside image", next_step="keep one of the two")
    value = top.get("image") or top.get("model")
    if value is None:
        return None
    text = filled(value)
    reference = _reference(value, text)
    if "model" in top and (reference.tag or reference.digest):
        value.fail(f"{text:.120} has a tag or digest", next_step="name the repository alone; give the tag when pushing")
    return text


def _reference(value: Value, text: str) -> Reference:
    return Reference.parse(text, where=f"{value.document.path}:{value.line}: {value.key}")


def _python(value: Value) -> str:
    text = value.text()
    match = _PYTHON.fullmatch(text)
    if not match:
        value.expected('MAJOR.MINOR or MAJOR.MINOR.PATCH such as "3.13"')
    if (int(match[1]), int(match[2])) < (3, 10):
        advice = 'write "3.10" in quotes' if text == "3.1" else 'write a newer version, such as "3.13"'
        value.expected('Python 3.10 or newer, such as "3.13"', next_step=advice)
    return text


def _cuda(value: Value) -> str:
    text = value.text()
    match = _PYTHON.fullmatch(text)
    if not match or int(match[1]) < 11:
        value.expected('a CUDA version of at least 11, such as "12.8"')
    return text


def _cudnn(value: Value) -> str:
    text = value.text()
    if not _CUDNN.fullmatch(text):
        value.expected('a cuDNN version such as "9"')
    return text


def _sdk(value: Value) -> str:
    text = value.text()
    if text == "prerelease":
        return text
    try:
        version = Version(text)
    except ValueError:  # no version, or one of more digits than Python reads
        value.expected('a version of the cog package such as "0.23.1", or prerelease')
    if version < _OLDEST_SDK:
        value.expected(f"{_OLDEST_SDK} or newer", next_step="use a newer SDK, or leave the key out")
    return text


def _python_packages(value: Value) -> tuple[str, ...]:
    value.note(Code.DEPRECATED_KEY, "deprecated by Cog; python_requirements names a file instead")
    for item in value.items():
        filled(item)
    return value.texts()


def _system_packages(value: Value) -> tuple[str, ...]:
    items = value.items(columns=True)
    for item in items:
        if not _DEBIAN.fullmatch(item.text()):
            item.expected("the name of a Debian package, perhaps with =VERSION, >=VERSION or /SUITE")
    return tuple(item.text() for item in items)


def _concurrency(value: Value, python: str | None) -> int | None:
    fields = value.fields(("max",))
    if "max" not in fields:
        return None
    slots = fields["max"].integer(minimum=1)
    if slots > 1 and python is not None and tuple(map(int, python.split(".")[:2])) < (3, 11):
        fields["max"].fail(
            f"{slots} predictions at once need Python 3.11 or newer, found {python}",
            next_step='write python_version: "3.11" or newer',
        )
    return slots


def _environment(value: Value) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for item in value.items():
        name, equals, content = item.verbatim().partition("=")
        if not equals or not name or name != name.strip() or any(mark.isspace() for mark in name):
            item.expected("NAME=VALUE")
        if name in found:
            item.fail(f"{name:.80} is set twice", next_step="keep one of the two")
        if name in _DENIED or name.startswith(_DENIED_PREFIXES):
            item.fail(
                f"{name:.80} is set by the runtime and can't be set here",
                next_step="leave it out; set it in the predictor if it must differ",
            )
        found[name] = content
    return tuple(found.items())


def _traces(value: Value) -> bool:
    fields = value.fields(("traces",))
    traces = fields["traces"].fields(("enabled",)) if "traces" in fields else {}
    return traces["enabled"].boolean() if "enabled" in traces else False


def _pack(value: Value) -> PackOptions:
    fields = value.fields(_PACK, strict=True)
    default = PackOptions()
    if "base" in fields:
        _reference(fields["base"], filled(fields["base"]))
    return PackOptions(
        base=fields["base"].text() if "base" in fields else None,
        platform=_choice(fields["platform"], _PLATFORMS) if "platform" in fields else default.platform,
        compression=_choice(fields["compression"], _COMPRESSIONS) if "compression" in fields else default.compression,
        debian_mirror=_mirror(fields["debian_mirror"]) if "debian_mirror" in fields else None,
        debian_snapshot=_time(fields["debian_snapshot"]) if "debian_snapshot" in fields else None,
        debian_base_from=filled(fields["debian_base_from"]) if "debian_base_from" in fields else None,
        exclude_newer=_time(fields["exclude_newer"]) if "exclude_newer" in fields else None,
        clashes=_choice(fields["clashes"], _CLASHES) if "clashes" in fields else default.clashes,
        notes=_notes(fields["notes"]) if "notes" in fields else default.notes,
        git=fields["git"].boolean() if "git" in fields else default.git,
        network=fields["network"].boolean() if "network" in fields else default.network,
        isolation=_choice(fields["isolation"], _ISOLATIONS) if "isolation" in fields else default.isolation,
        keep=kept_paths(fields["keep"]) if "keep" in fields else default.keep,
        none_default=_choice(fields["none_default"], _NONE_DEFAULTS) if "none_default" in fields else "optional",
        tools=_choice(fields["tools"], _TOOLS) if "tools" in fields else None,
        recommends=fields["recommends"].boolean() if "recommends" in fields else default.recommends,
        init=fields["init"].boolean() if "init" in fields else default.init,
        user=_user(fields["user"]) if "user" in fields else default.user,
        limits=_limits(fields["limits"]) if "limits" in fields else default.limits,
        weights=_pack_weights(fields["weights"]) if "weights" in fields else default.weights,
    )


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
    if not re.fullmatch(r"https?://[^\s/@]+(?:/\S*)?", text):
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
