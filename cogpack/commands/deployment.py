"""`cogpack init --kubernetes`: a Deployment and a Service of the project's model, for a cluster that grants nothing.

The container runs as nobody special, over a root that it can't write; what it writes in goes into volumes, each at a
directory that the sources name (`runtime/written`).
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from cogpack.config import Config
from cogpack.project import Project, find_project
from cogpack.reference import Reference
from cogpack.runtime.contract import PROBE, STATE, WORKING_DIRECTORY
from cogpack.runtime.written import HOME, Written, is_in, written_directories

NAME = "deployment.yaml"
EXAMPLE = "registry.example.com/me/model"
"""What an image is called that nobody has named."""

_ALWAYS = {
    "tmp": ("/tmp", "coglet's outputs, and what Python takes for scratch"),
    "home": (HOME, "HOME: what models download (HF_HOME, TORCH_HOME, ...)"),
    "joined": (f"/{STATE}/joined", "files that the image has in parts"),
}
_CACHES = {"HF_HOME": "huggingface", "TORCH_HOME": "torch", "TRITON_CACHE_DIR": "triton", "XDG_CACHE_HOME": ""}
_MOST_SOURCES = 500
_PLAIN = re.compile(r"/[\w./-]*", re.ASCII)
"""A path that YAML needs no quotes for."""


class Volumes(msgspec.Struct, frozen=True, kw_only=True):
    """`mounts`: name to path and why; `left`: where sources write and no volume can be, since the image has files
    there."""

    mounts: Mapping[str, tuple[str, str]]
    left: tuple[Written, ...]


def deployment(directory: Path, image: str | None) -> str:
    """Write the two documents for the project in `directory`; `image`: HOST/NAME, None for that of its cog.yaml."""
    project = find_project(directory)
    if image is None:
        image = Reference.parse(project.config.image).name if project.config.image else EXAMPLE
    volumes = _volumes(project)
    template = (Path(__file__).parent.parent / "templates" / "deployment" / f"{NAME}.template").read_text("utf-8")
    blocks = {
        "NOTES": [f"#   {one.place} writes in {one.directory}, where the image has files" for one in volumes.left],
        "MOUNTS": [line for name, (path, why) in volumes.mounts.items() for line in _mount(name, path, why)],
        "VOLUMES": [f"        - name: {name}\n          emptyDir: {{}}" for name in volumes.mounts],
        "CACHES": [
            f"            - name: {name}\n              value: {HOME}/.cache/{place}".rstrip("/")
            for name, place in _CACHES.items()
        ],
        "GPU": ['              nvidia.com/gpu: "1"'] if project.config.gpu else [],
    }
    if volumes.left:
        blocks["NOTES"].insert(0, "# Read-only, and so not to be written, are:")
    words = {"IMAGE": image, "USER": _user(project.config), "HOME": HOME, "PROBE": f"/{PROBE}", "NAME": _name(image)}
    lines = []
    for line in template.splitlines():
        word = line.strip().strip("@")
        if line.strip() == f"@{word}@" and word in blocks:
            lines += blocks[word]
        else:
            lines.append(line)
    text = "\n".join(lines) + "\n"
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def _mount(name: str, path: str, why: str) -> Iterator[str]:
    yield f"            - name: {name}"
    yield f"              mountPath: {path if _PLAIN.fullmatch(path) else json.dumps(path)}  # {why}"


def _volumes(project: Project) -> Volumes:
    mounts, left = dict(_ALWAYS), list[Written]()
    held = {f"{WORKING_DIRECTORY}/{file.path}" for file in project.files()}
    for one in written_directories(_sources(project)):
        if any(is_in(one.directory, path) for path, _ in mounts.values()):
            continue
        if one.directory == WORKING_DIRECTORY or any(is_in(path, one.directory) for path in held):
            left.append(one)
        else:
            mounts[f"written-{len(mounts) - len(_ALWAYS) + 1}"] = (one.directory, one.place)
    return Volumes(mounts=mounts, left=tuple(left))


def _sources(project: Project) -> Mapping[str, bytes]:
    paths = [file.path for file in project.files() if file.kind == "file" and file.path.endswith(".py")]
    read = {path: project.read(path) for path in paths[:_MOST_SOURCES]}
    return {path: data for path, data in read.items() if data is not None}


def _user(config: Config) -> str:
    """Tell as which UID: the image's own unless that is root."""
    user = (config.pack.user or "").partition(":")[0]
    return user if user.strip("0") else "1000"


def _name(image: str) -> str:
    """Make a name (RFC 1123, a label) of the last part of the repository's."""
    kept = "".join(mark if mark.isalnum() else "-" for mark in image.rpartition("/")[2].lower())
    return kept.strip("-")[:50].strip("-") or "model"
