"""GPUs of this machine are found for a container: by its CDI files, else beside libcuda.

A CDI file (Container Device Interface, cncf-tags/container-device-interface, SPEC.md) lists device nodes, files to
mount and variables, as `nvidia-ctk cdi generate` writes it. Its hooks are programs, and none is run here: what NVIDIA's
`create-symlinks` and `update-ldcache` would do is done by links, and by `LD_LIBRARY_PATH`.
"""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from cogpack.errors import InputError
from cogpack.sandbox.guest import Bind
from cogpack.sandbox.standins import RUNTIME, Link
from cogpack.trace import TRACE

CDI_DIRECTORIES = ("etc/cdi", "var/run/cdi")
"""In rising order of their word (SPEC.md)."""
_LIBRARIES = f"/{RUNTIME}/gpu"
"""The driver's libraries, by the names that programs load them by, and nothing else."""
_DRIVER = re.compile(r"lib(?:cuda|cudadebugger|nvcuvid|nvoptix|nvidia-[\w-]+|dxcore|d3d12\w*)\.so(?:\.[0-9.]+)?")
_FOLDERS = (
    *("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/lib/wsl/lib", "usr/lib"),
    *("usr/local/nvidia/lib64", "run/opengl-driver/lib"),
)
_NODES = ("nvidia[0-9]*", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps/*", "dxg")
_ONE = re.compile(r"nvidia([0-9]+)")


class Gpus(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a container has of this machine's GPUs."""

    found: str
    binds: tuple[Bind, ...]
    links: tuple[Link, ...]
    environment: Mapping[str, str]

    def with_image(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Add the image's variables. What it names as LD_LIBRARY_PATH is looked in first, as with an engine, where the
        driver's libraries are in the cache of ldconfig."""
        places = (each.get("LD_LIBRARY_PATH", "").strip(":") for each in (environment, self.environment))
        return {**environment, **self.environment, "LD_LIBRARY_PATH": ":".join(filter(None, places))}


class _Edits(msgspec.Struct, frozen=True):
    """What containers are given (SPEC.md, `containerEdits`)."""

    env: tuple[str, ...] = ()
    nodes: tuple[tuple[str, str], ...] = ()
    """Path here, and in the container."""
    mounts: tuple[tuple[str, str], ...] = ()
    hooks: tuple[tuple[str, ...], ...] = ()


class _Specification(msgspec.Struct, frozen=True):
    path: Path
    common: _Edits
    devices: Mapping[str, _Edits]


def find_gpus(wanted: str, root: Path = Path("/")) -> Gpus | None:
    """Find what `wanted` names: `all`, a number of them, or `device=` and their names, as for docker's `--gpus`. None
    where this machine has none. `root`: of this machine."""
    for specification in _specifications(root):
        return _by_cdi(specification, wanted, root)
    return _by_libcuda(wanted, root)


def _chosen(wanted: str, names: Sequence[str], where: str) -> list[str]:
    """Choose of `names`, where one may be `all`; those that are numbers are counted."""
    counted = sorted((name for name in names if name.isdecimal()), key=int)
    single = [name for name in names if name != "all"]
    if wanted == "all":
        return ["all"] if "all" in names else single
    if wanted.isdecimal():
        if int(wanted) > len(counted):
            raise InputError(
                f"--gpus {wanted}: {where} has {len(counted)}", next_step=f"ask for {len(counted)}, or all"
            )
        return counted[: int(wanted)]
    chosen = wanted.strip("\"'").removeprefix("device=").split(",")
    if unknown := [name for name in chosen if name not in names]:
        raise InputError(
            f"--gpus {wanted}: {where} has no {', '.join(unknown)}; it has {', '.join(names)}",
            next_step="choose among these",
        )
    return chosen


def _specifications(root: Path) -> Iterator[_Specification]:
    """Read the CDI files of GPUs, the one that counts first."""
    for directory in reversed(CDI_DIRECTORIES):
        place = root / directory
        for path in sorted((*place.glob("*.json"), *place.glob("*.yaml"), *place.glob("*.yml"))):
            if (found := _read(path)) is not None:
                yield found


def _read(path: Path) -> _Specification | None:
    try:
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError, ValueError) as error:
        TRACE.decided(f"{path}: not read as a CDI file: {error}")
        return None
    if not isinstance(document, dict) or not str(document.get("kind", "")).endswith("/gpu"):
        return None
    devices = {
        str(device.get("name")): _edits(device.get("containerEdits"))
        for device in _list(document, "devices")
        if isinstance(device, dict)
    }
    return _Specification(path, _edits(document.get("containerEdits")), devices)


def _edits(value: Any) -> _Edits:
    nodes = [node for node in _list(value, "deviceNodes") if isinstance(node, dict)]
    mounts = [mount for mount in _list(value, "mounts") if isinstance(mount, dict)]
    hooks = [hook for hook in _list(value, "hooks") if isinstance(hook, dict)]
    return _Edits(
        env=tuple(map(str, _list(value, "env"))),
        nodes=tuple((str(node.get("hostPath") or node.get("path")), str(node.get("path"))) for node in nodes),
        mounts=tuple((str(mount.get("hostPath")), str(mount.get("containerPath"))) for mount in mounts),
        hooks=tuple(tuple(map(str, _list(hook, "args"))) for hook in hooks),
    )


def _list(value: Any, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _by_cdi(specification: _Specification, wanted: str, root: Path) -> Gpus:
    names = _chosen(wanted, list(specification.devices), str(specification.path))
    edits = [specification.common, *(specification.devices[name] for name in names)]
    binds: dict[str, Bind] = {}
    links: dict[str, Link] = {}
    for one in edits:
        for here, there in one.nodes:
            if not _under(root, here).is_char_device():
                raise InputError(
                    f"{specification.path}: names {here}, which is no device here",
                    next_step="write it anew, by nvidia-ctk cdi generate",
                )
            binds[there] = Bind(_under(root, here), there, writable=True)
        for here, there in one.mounts:
            source = _under(root, here)
            if not source.exists():  # a daemon's socket, say, that is not running
                TRACE.decided(f"{specification.path}: {here} is not there, and not mounted")
                continue
            binds[there] = Bind(source, there)
            if ".so" in source.name:
                for name in _names(source):
                    links[name] = Link(f"{_LIBRARIES}/{name}".lstrip("/"), there)
        for arguments in one.hooks:
            for target, place in _symlinks(arguments):
                links[place] = Link(place.strip("/"), target)
    environment = dict(pair.partition("=")[::2] for one in edits for pair in one.env)
    return Gpus(
        found=f"{', '.join(names)} of {specification.path}",
        binds=tuple(binds.values()),
        links=tuple(links.values()),
        environment=environment | {"LD_LIBRARY_PATH": _LIBRARIES},
    )


def _names(library: Path) -> Iterator[str]:
    """Give the names that this machine's own ldconfig has for a library, its own among them."""
    real = library.resolve()
    yield library.name
    for path in library.parent.glob(f"{library.name.partition('.so')[0]}.so*"):
        if path.is_symlink() and path.resolve() == real:
            yield path.name


def _symlinks(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Read what NVIDIA's hook `create-symlinks` makes: targets and places of links."""
    if "create-symlinks" not in arguments:
        TRACE.decided(f"CDI: not run: {' '.join(arguments)}")
        return
    words = iter(arguments)
    for word in words:
        text = next(words, "") if word == "--link" else word.removeprefix("--link=") if word[:7] == "--link=" else ""
        target, _, place = text.partition("::")
        if place.startswith("/"):
            yield target, place


def _under(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _by_libcuda(wanted: str, root: Path) -> Gpus | None:
    """Take the device nodes that there are, and the driver's libraries out of the folder with libcuda."""
    folder = next((place for place in (root / path for path in _FOLDERS) if (place / "libcuda.so.1").exists()), None)
    nodes = [path for pattern in _NODES for path in sorted((root / "dev").glob(pattern)) if path.is_char_device()]
    if folder is None or not nodes:
        return None
    numbers = [found[1] for path in nodes if (found := _ONE.fullmatch(path.name))]
    names = _chosen(wanted, numbers, "this machine") if wanted != "all" else numbers
    taken = [path for path in nodes if not (found := _ONE.fullmatch(path.name)) or found[1] in names]
    binds = [Bind(path, f"/{path.relative_to(root)}", writable=True) for path in taken]
    libraries = [path for path in sorted(folder.iterdir()) if _DRIVER.fullmatch(path.name) and path.is_file()]
    binds += [Bind(path.resolve(), f"{_LIBRARIES}/{path.name}") for path in libraries]
    if program := shutil.which("nvidia-smi", path=os.pathsep.join(map(str, _programs(root)))):
        binds.append(Bind(Path(program).resolve(), "/usr/bin/nvidia-smi"))
    return Gpus(
        found=f"{', '.join(names) or 'all'}, with the driver of {folder}",
        binds=tuple(binds),
        links=(),
        environment={"LD_LIBRARY_PATH": _LIBRARIES},
    )


def _programs(root: Path) -> Iterable[Path]:
    return [
        root / place for place in ("usr/bin", "usr/local/nvidia/bin", "usr/lib/wsl/lib", "run/current-system/sw/bin")
    ]
