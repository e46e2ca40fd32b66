"""Where an image has otherwise what cog.yaml asks for, a note says so: the line, and what was taken instead."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cogpack.config import Config
from cogpack.errors import InputError, together
from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase, RegistryBase
from cogpack.notes import Code, Note
from cogpack.oci import Platform
from cogpack.patterns import pattern

if TYPE_CHECKING:
    from cogpack.resolve.debs.names.elsewhere import NvidiaLibrary


_CUDA = pattern(r"nvidia-cuda-runtime(?:-cu\d+)?")
_CUDNN = pattern(r"nvidia-cudnn-cu\d+")
_CUDNN_ASKED = pattern(r"(?:lib|nvidia-)?cudnn(\d+)")
_NUMBERS = pattern(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,9}")
_LOCAL = pattern(r"\+cu(\d{2,3})(\d)\Z")


def notes_of(config: Config, decisions: Decisions) -> Iterator[Note]:
    """Give the notes: none where the version that is there is the one asked for."""
    for text in _cuda_texts(config, decisions):
        yield Note(Code.CUDA_OF_WHEELS, text)
    yield from _of_python(config, decisions)
    for place, name, wanted in _left_to_wheels(config, decisions):
        if by := [wheel for wheel in decisions.wheels if wanted.is_by(wheel.name, wheel.version)]:
            text = f"{name} is left out: {wanted.title} is brought by {by[0].name} {by[0].version}"
            if (asked := _CUDNN_ASKED.match(name)) and by[0].name != "torch" and not _fits(by[0].version, asked[1]):
                text += f", where the package has cuDNN {asked[1]}"
            yield Note(Code.PACKAGE_OF_WHEELS, f"{place}: {text}")
    base = decisions.base
    if decisions.interpreter and isinstance(base, DebianBase) and base.python != config.python_minor:
        from cogpack.resolve.debs.names.elsewhere import of_interpreter

        for index, name in enumerate(config.system_packages):
            if of_interpreter(name, config.python_minor):
                text = f"{name} is left out: CPython {decisions.interpreter.version} comes with what is in it"
                yield Note(Code.PACKAGE_OF_WHEELS, f"{config.where(f'build.system_packages[{index}]')}: {text}")
    for name in ("extras", "dependency_groups"):
        if getattr(config.pack, name):
            from cogpack.requirements.files import has_sets

            if has_sets(config.python_requirements or ""):
                continue
            text = "has no effect: build.python_requirements names no pyproject.toml, pylock.toml or uv.lock"
            yield Note(Code.UNUSED_SETTING, f"{config.where(f'cogpack.{name}')}: {text}")
    pack = config.pack
    if pack.compiler and isinstance(decisions.base, RegistryBase) and not decisions.base.has:
        text = "has no effect: the packages of cogpack.base are not of Debian's kind"
        yield Note(Code.UNUSED_SETTING, f"{config.where('cogpack.compiler')}: {text}")
    unused: dict[str, object] = {}
    if not config.system_packages and pack.tools != "cog":
        unused = {"debian_mirror": pack.debian_mirror and not pack.apt, "recommends": not pack.recommends}
        unused["debian_snapshot"] = pack.debian_snapshot and not pack.apt
    for name in (name for name, written in unused.items() if pack.base and written):
        text = f"{config.where(f'cogpack.{name}')}: has no effect: the packages of cogpack.base are its own"
        yield Note(Code.UNUSED_SETTING, text)


def check_cuda(config: Config, decisions: Decisions) -> None:
    """Refuse another CUDA or cuDNN than the one asked for, where cog.yaml wants that."""
    if config.pack.cuda == "strict" and (texts := list(_cuda_texts(config, decisions))):
        advice = "pin torch in a version that has builds for it, correct the key, or write cogpack: {cuda: note}"
        raise together([InputError(text, next_step=advice) for text in texts])


def _cuda_texts(config: Config, decisions: Decisions) -> Iterator[str]:
    cudnn = cudnn_of(decisions)
    found = {"build.cuda": ("CUDA", config.cuda, cuda_of(decisions)), "build.cudnn": ("cuDNN", config.cudnn, cudnn)}
    if not cudnn and any(_LOCAL.search(wheel.version) for wheel in decisions.wheels):
        del found["build.cudnn"]  # such a build may hold it, and does not say in which version
    for key, (name, asked, versions) in found.items():
        if asked and not any(_fits(version, asked) for _, version in versions):
            taken = " and ".join(f"{version} ({wheel})" for wheel, version in versions)
            has = f"what was taken is {name} {taken}" if taken else f"no wheel brings {name}"
            advice = _torch_for(asked, config, decisions, versions) if name == "CUDA" else ""
            yield f"{config.where(key)}: {asked} is asked for, and {has}{advice}"


def _torch_for(asked: str, config: Config, decisions: Decisions, versions: list[tuple[str, str]]) -> str:
    """Tell which torch this Python can have for the CUDA that is asked for, where that of the lock is for a newer."""
    from cogpack.resolve.wheels.torch import newest_for

    wanted, *others = (numbers_of(version)[:2] for version in (asked, *(one for _, one in versions)))
    newer = all(version > wanted for version in others)
    if not (versions and newer and any(wheel.name == "torch" for wheel in decisions.wheels)):
        return ""
    found = newest_for(asked, decisions.python.minor, Platform.parse(config.pack.platform).architecture)
    return f"; torch=={found[0]} is the newest with a build for {found[1]}" if found else ""


def check_left_to_wheels(config: Config, decisions: Decisions) -> None:
    """Refuse packages that Debian has not, where no wheel brings what is in them."""
    lacking = [
        InputError(
            f"{place}: Debian has no package {name!r}, and no wheel brings {wanted.title}",
            next_step=f"require {wanted.wheel}-cu{_generation(name)}, or what requires it, as torch does",
        )
        for place, name, wanted in _left_to_wheels(config, decisions)
        if not any(wanted.is_by(wheel.name, wheel.version) for wheel in decisions.wheels)
    ]
    if lacking:
        raise together(lacking)


def _left_to_wheels(config: Config, decisions: Decisions) -> "Iterator[tuple[str, str, NvidiaLibrary]]":
    """Give place and name of each package that wheels stand for, and no archive has."""
    base = decisions.base
    installed = {deb.name for deb in base.installed} | {one.name for one in base.system_packages.present}
    for index, name in enumerate(config.system_packages):
        from cogpack.resolve.debs.names.elsewhere import of_wheels
        from cogpack.resolve.debs.solving.request import parse_request

        if (wanted := of_wheels(name)) and parse_request(name).name not in installed:
            yield config.where(f"build.system_packages[{index}]"), name, wanted


def _generation(name: str) -> str:
    """Read the CUDA that a package is of: "12" for `libcublas-12-1` and `cudnn9-cuda-12`, which is also the usual
    one."""
    found = re.search(r"(?:cuda-|-)(1[1-9])(?:-|$)", name)
    return found[1] if found else "12"


def _of_python(config: Config, decisions: Decisions) -> Iterator[Note]:
    """Tell of a base's own Python that is not the one asked for."""
    asked, own, laid = config.python_version, decisions.base.own_python, decisions.interpreter
    if asked is None or own is None:
        return
    where, title = config.where("build.python_version"), decisions.base.title
    has = own.release or own.minor
    if not f"{asked}.".startswith(f"{own.minor}."):
        if laid is not None and config.pack.base:
            text = f'{title} has Python {has}, and {laid.version} is laid over it; write "{own.minor}" to do without'
            yield Note(Code.PYTHON_LAID, f"{where}: {text}")
    elif laid is not None:
        text = f'{title} has {has}, and {laid.version} is laid over it; write "{own.minor}" if any patch level will do'
        yield Note(Code.PYTHON_PATCH, f"{where}: {text}")
    elif asked != own.minor and own.release is None:
        text = f'{asked} is asked for, the image has the {own.minor} of {title}; write "{own.minor}"'
        yield Note(Code.PYTHON_PATCH, f"{where}: {text}")


def _fits(version: str, asked: str) -> bool:
    parts, wanted = version.split("."), asked.split(".")
    return parts[: len(wanted)] == wanted[: len(parts)]


def cuda_of(decisions: Decisions) -> list[tuple[str, str]]:
    """Give wheels and the versions of CUDA that they bring: the runtime's own; else what others' local versions tell,
    as torch 2.1.0+cu118."""
    local = ((wheel.name, _LOCAL.search(wheel.version)) for wheel in decisions.wheels)
    told = {f"{found[1]}.{found[2]}": name for name, found in local if found}
    return _of_wheel(decisions, _CUDA) or sorted((name, version) for version, name in told.items())


def cudnn_of(decisions: Decisions) -> list[tuple[str, str]]:
    """Give wheels of cuDNN, and their versions."""
    return _of_wheel(decisions, _CUDNN)


def numbers_of(version: str) -> tuple[int, ...]:
    """Read what a version begins with; () where that is no number, as in what a base says."""
    found = _NUMBERS.match(version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _of_wheel(decisions: Decisions, name: re.Pattern[str]) -> list[tuple[str, str]]:
    return sorted({(wheel.name, wheel.version) for wheel in decisions.wheels if name.fullmatch(wheel.name)})
