"""The wheels of a lock are written in the forms that pip and uv read."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from cogpack import toml
from cogpack.lockfile import (
    BuildSource,
    Decisions,
    GitSource,
    IndexSource,
    LockedWheel,
    ProjectSource,
    UrlSource,
)
from cogpack.oci import Platform
from cogpack.requirements.environment import MACHINES
from cogpack.requirements.model import LocalPath
from cogpack.resolve.wheels.torch import TorchIndex


def pylock(decisions: Decisions, platform: str, address: Callable[[LockedWheel | IndexSource, str], str]) -> bytes:
    """Write a lock as PEP 751 has it. `address`: gives where a wheel, or the source of one of this name, is; bare."""
    minor = decisions.python.minor
    machine = MACHINES[Platform.parse(platform).architecture]
    built = _sources(decisions)
    packages = (
        {
            "name": wheel.name,
            "version": wheel.version,
            **_files(wheel, built.get(wheel.filename), address),
        }
        for wheel in sorted(decisions.wheels, key=lambda wheel: wheel.name)
    )
    document = {
        "lock-version": "1.0",
        "environments": [
            f"python_version == '{minor}' and sys_platform == 'linux' and platform_machine == '{machine}'"
        ],
        "requires-python": f"=={minor}.*",
        "created-by": "cogpack",
    }
    return toml.encode(document) + toml.encode_array("packages", packages)


def requirements_file(decisions: Decisions, platform: str) -> bytes:
    """Write a requirements file with hashes, for an index that its reader names."""
    head = f"# The wheels of cogpack.lock, for {platform} and Python {decisions.python.minor}."
    lines = [head]
    if torch := TorchIndex.named(decisions.torch_index):
        lines.append(f"--extra-index-url {torch.address}")
    built = _sources(decisions)
    for wheel in sorted(decisions.wheels, key=lambda wheel: wheel.name):
        lines += _lines(wheel, built.get(wheel.filename))
    return ("\n".join(lines) + "\n").encode()


def _sources(decisions: Decisions) -> dict[str, BuildSource]:
    return {build.wheel: build.source for build in decisions.builds}


def _files(
    wheel: LockedWheel, source: BuildSource | None, address: Callable[[LockedWheel | IndexSource, str], str]
) -> Mapping[str, Any]:
    match source:
        case GitSource():
            vcs = {"type": "git", "url": source.url, "commit-id": source.commit, "subdirectory": source.subdirectory}
            return {"vcs": vcs}
        case UrlSource():
            hashes = {"sha256": source.sha256}
            archive = {"url": source.url, "size": source.size, "hashes": hashes, "subdirectory": source.subdirectory}
            return {"archive": archive}
        case IndexSource():
            url, hashes = address(source, wheel.name), {"sha256": source.sha256}
            return {"sdist": {"name": source.filename, "url": url, "size": source.size, "hashes": hashes}}
        case ProjectSource() if _is_archive(source):
            return {"archive": {"path": source.path, "hashes": {"sha256": source.digest.removeprefix("sha256:")}}}
        case ProjectSource(editable=True):
            return {"directory": {"path": source.path, "editable": True}}
        case ProjectSource():
            return {"directory": {"path": source.path}}
    hashes = {"sha256": wheel.sha256}
    if wheel.path is not None:
        return {"archive": {"path": wheel.path, "size": wheel.size, "hashes": hashes}}
    if wheel.url is not None:
        return {"archive": {"url": wheel.url, "size": wheel.size, "hashes": hashes}}
    url = address(wheel, wheel.name)
    return {"wheels": [{"name": wheel.filename, "url": url, "size": wheel.size, "hashes": hashes}]}


def _lines(wheel: LockedWheel, source: BuildSource | None) -> Iterator[str]:
    name, digest = wheel.name, wheel.sha256
    match source:
        case GitSource():
            if source.editable:
                yield f"# {name} is editable in the image, which uv takes of no repository:"
            yield f"{name} @ git+{source.url}@{source.commit}{_below(source)}"
        case UrlSource():
            yield f"{name} @ {source.url}{_below(source)} --hash=sha256:{source.sha256}"
        case IndexSource():
            yield f"{name}=={wheel.version} --hash=sha256:{source.sha256}"
        case ProjectSource() if _is_archive(source):
            yield f"{_of_project(source.path)} --hash={source.digest}"
        case ProjectSource():
            yield f"{'-e ' if source.editable else ''}{_of_project(source.path)}"
        case _ if wheel.path is not None:
            yield f"{_of_project(wheel.path)} --hash=sha256:{digest}"
        case _ if wheel.url is not None:
            yield f"{name} @ {wheel.url} --hash=sha256:{digest}"
        case _:
            yield f"{name}=={wheel.version} --hash=sha256:{digest}"


def _is_archive(source: ProjectSource) -> bool:
    return LocalPath(path=source.path).is_archive


def _below(source: GitSource | UrlSource) -> str:
    return f"#subdirectory={quote(source.subdirectory)}" if source.subdirectory else ""


def _of_project(path: str) -> str:
    """Write a path as pip and uv read it: bare ones are taken as they are, with a percent sign, to the first `#`."""
    return f"./{path}" if quote(path) == path else f"file:./{quote(path)}"
