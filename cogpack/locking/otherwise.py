"""What cog.yaml asks for and the image has otherwise: told with the line, and with what was taken instead."""

import re
from collections.abc import Iterator

from cogpack.config import Config
from cogpack.lock import Decisions
from cogpack.notes import Code, Note
from cogpack.oci import ImageConfig, decode

_CUDA = re.compile(r"nvidia-cuda-runtime(?:-cu\d+)?")
_CUDNN = re.compile(r"nvidia-cudnn-cu\d+")
_LOCAL = re.compile(r"\+cu(\d{2,3})(\d)\Z")
_PATCH = re.compile(r"(?:\d+:)?(\d+\.\d+\.\d+)")


def notes_of(config: Config, decisions: Decisions) -> Iterator[Note]:
    """Nothing where the version that is there is the one asked for."""
    for key, name, asked, found in (
        ("build.cuda", "CUDA", config.cuda, _cuda(decisions)),
        ("build.cudnn", "cuDNN", config.cudnn, _of_wheel(decisions, _CUDNN)),
    ):
        if asked and not any(_fits(version, asked) for version in found):
            has = f"the image has {name} {' and '.join(found)} of its wheels" if found else f"no wheel brings {name}"
            text = f"{asked} is not acted upon: {has}; require wheels that are made for the version you want"
            yield Note(Code.CUDA_OF_WHEELS, f"{config.where(key)}: {text}")
    asked = config.python_version
    if asked and asked.count(".") == 2 and (patch := _python(decisions)) != asked:
        where = config.where("build.python_version")
        source = f"{decisions.base.reference}" if decisions.base else "Debian"
        has = f"{patch}, as {source} does" if patch else f"the {decisions.python} of {source}"
        minor = asked.rpartition(".")[0]
        yield Note(Code.PYTHON_PATCH, f'{where}: {asked} is asked for, the image has {has}; write "{minor}"')
    if decisions.base and config.pack.debian_mirror:
        where = config.where("cogpack.debian_mirror")
        yield Note(Code.UNUSED_SETTING, f"{where}: has no effect: with cogpack.base there are no Debian packages")


def _fits(version: str, asked: str) -> bool:
    parts, wanted = version.split("."), asked.split(".")
    return parts[: len(wanted)] == wanted[: len(parts)]


def _cuda(decisions: Decisions) -> list[str]:
    """Of the runtime's own wheels; else what the local versions of others tell, as torch 2.1.0+cu118."""
    local = (_LOCAL.search(wheel.version) for wheel in decisions.wheels)
    return _of_wheel(decisions, _CUDA) or sorted({f"{found[1]}.{found[2]}" for found in local if found})


def _of_wheel(decisions: Decisions, name: re.Pattern[str]) -> list[str]:
    return sorted({wheel.version for wheel in decisions.wheels if name.fullmatch(wheel.name)})


def _python(decisions: Decisions) -> str | None:
    """The patch release that is in the image, where the decisions tell it."""
    if decisions.debian:
        name = f"python{decisions.python}"
        versions = [package.version for package in decisions.debian.packages if package.name == name]
        found = _PATCH.match(versions[0]) if versions else None
        return found[1] if found else None
    assert decisions.base is not None
    settings = decode(decisions.base.config.encode(), ImageConfig, where=decisions.base.reference).config
    variables = dict(line.partition("=")[::2] for line in (settings.env if settings else None) or ())
    return variables.get("PYTHON_VERSION")  # of Docker's official images
