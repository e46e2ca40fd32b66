"""`cog.yaml` becomes a `Config`: the keys that Cog reads, with its rules, and our own under `cogpack`.

Cog ignores keys that it does not know; here they are warned of, but refused under `cogpack`, where nothing else could
have meant them.
"""

import re
from collections.abc import Mapping

from packaging.version import Version

from cogpack.config.document import Value, YamlDocument
from cogpack.config.model import Config, ManagedWeight, PackOptions
from cogpack.config.steps import filled, run_steps
from cogpack.notes import Code
from cogpack.patterns import pattern

_TOP = ("build", "run", "predict", "train", "image", "model", "concurrency", "environment", "weights", "observability")
_BUILD = (
    *("gpu", "python_version", "python_requirements", "python_packages", "system_packages"),
    *("run", "pre_install", "cuda", "cudnn", "sdk_version"),
)

_PYTHON = pattern(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.([0-9]{1,3}))?", re.ASCII)
_CUDNN = pattern(r"[0-9]{1,3}(?:\.[0-9]{1,4}){0,3}", re.ASCII)
_TARGET = pattern(r"(?P<file>[^:\0]+\.py):(?P<name>[^\W\d]\w*)")
_DEBIAN = pattern(r"[a-z0-9][a-z0-9+.-]*(?::[a-z0-9-]+)?(?:(?:>?=|/)[A-Za-z0-9.+:~_*?-]+)?", re.ASCII)
_OLDEST_SDK = Version("0.16.0")
_TRACING_SDK = Version("0.23.0")

_ARCHITECTURE = r"(?:[0-9]{1,2}\.[0-9][af]?(?:\+PTX)?|[A-Z][A-Za-z]*(?:\+[A-Z][A-Za-z]*)*)"
_ARCHITECTURES = pattern(rf"(?=.{{0,200}}\Z)(?:{_ARCHITECTURE}(?:[; ]{_ARCHITECTURE})*)?")
"""As torch's cpp_extension splits and knows them; of none, the usual ones are taken."""

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
    pack = _pack(top)
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
        environment=_environment(top["environment"], compiles=pack.cuda_toolkit is not None)
        if "environment" in top
        else (),
        weights=_managed_weights(top),
        traces=_traces(top["observability"], build.get("sdk_version")) if "observability" in top else False,
        pack=pack,
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


def _pack(top: Mapping[str, Value]) -> PackOptions:
    if "cogpack" not in top:
        return PackOptions()
    from cogpack.config.pack import pack_options

    return pack_options(top["cogpack"])


def _managed_weights(top: Mapping[str, Value]) -> tuple[ManagedWeight, ...]:
    if "weights" not in top:
        return ()
    from cogpack.config.weights import managed_weights

    return managed_weights(top["weights"], beside=top)


def _image(top: Mapping[str, Value]) -> str | None:
    if "image" in top and "model" in top:
        top["model"].fail("stands beside image", next_step="keep one of the two")
    value = top.get("image") or top.get("model")
    if value is None:
        return None
    from cogpack.config.pack import parse_reference

    text = filled(value)
    reference = parse_reference(value, text)
    if "model" in top and (reference.tag or reference.digest):
        value.fail(f"{text:.120} has a tag or digest", next_step="name the repository alone; give the tag when pushing")
    return text


def _python(value: Value) -> str:
    text = value.text()
    match = _PYTHON.fullmatch(text)
    if not match:
        value.expected('MAJOR.MINOR or MAJOR.MINOR.PATCH such as "3.13"')
    if (int(match[1]), int(match[2])) < (3, 10):
        advice = 'write "3.10" in quotes' if text == "3.1" else 'write "3.10", the nearest to it, or a newer one'
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
    items = value.items()
    for item in items:
        if not _DEBIAN.fullmatch(item.text()):
            item.expected("the name of a Debian package, perhaps with =VERSION, >=VERSION or /SUITE")
    return tuple(item.text() for item in items)


def _concurrency(value: Value, python: str | None) -> int | None:
    fields = value.fields(("max",), meant="max")
    if "max" not in fields:
        return None
    fields["max"].note(Code.DEPRECATED_KEY, "deprecated by Cog; @cog.concurrent(max=N) on run says the same")
    slots = fields["max"].integer(minimum=1)
    if slots > 1 and python is not None and tuple(map(int, python.split(".")[:2])) < (3, 11):
        fields["max"].fail(
            f"{slots} predictions at once need Python 3.11 or newer, found {python}",
            next_step='write python_version: "3.11" or newer',
        )
    return slots


def _environment(value: Value, *, compiles: bool) -> tuple[tuple[str, str], ...]:
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
        if compiles and name == "TORCH_CUDA_ARCH_LIST" and not _ARCHITECTURES.fullmatch(content):
            item.fail(
                f"{name}: torch reads no architectures of GPUs in {content!r:.80}",
                next_step="separate them by semicolons or spaces, as in 8.0;9.0+PTX",
            )
        found[name] = content
    return tuple(found.items())


def _traces(value: Value, sdk: Value | None) -> bool:
    fields = value.fields(("traces",))
    traces = fields["traces"].fields(("enabled",), meant="enabled") if "traces" in fields else {}
    wanted = traces["enabled"].boolean() if "enabled" in traces else False
    if wanted and sdk is not None and (asked := _sdk(sdk)) != "prerelease" and Version(asked) < _TRACING_SDK:
        sdk.fail(
            f"observability.traces needs {_TRACING_SDK} or newer, found {asked}",
            next_step="use a newer SDK, or leave traces out",
        )
    return wanted
