"""`cogpack init --kubernetes`: a Deployment and a Service of the project's model, for a cluster that grants nothing.

The container runs as nobody special, over a root that it can't write; what it writes in goes into volumes, each at a
directory that the sources name (`runtime/written`).
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
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

_OF_THE_KERNEL = ("/dev", "/proc", "/sys")
_OF_THE_SYSTEM = (
    *("bin", "boot", "etc", "home", "lib", "lib32", "lib64", "media", "mnt"),
    *("opt", "root", "run", "sbin", "srv", "usr", "var"),
)
"""Directories of the root that an image has, and has more in than the project says."""


class Volumes(msgspec.Struct, frozen=True, kw_only=True):
    """`mounts`: name to path and why; `left`: where sources write and the image has files, or may have some, which a
    volume would hide."""

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
        "NOTES": [f"#   {_told(one.place)} writes in {one.directory}" for one in volumes.left],
        "MOUNTS": [line for name, (path, why) in volumes.mounts.items() for line in _mount(name, path, why)],
        "VOLUMES": [f"        - name: {name}\n          emptyDir: {{}}" for name in volumes.mounts],
        "CACHES": [
            f"            - name: {name}\n              value: {HOME}/.cache/{place}".rstrip("/")
            for name, place in _CACHES.items()
        ],
        "GPU": ['              nvidia.com/gpu: "1"'] if project.config.gpu else [],
    }
    if volumes.left:
        text = "# No volume is at these directories, where the image has files or may have some, which one would hide:"
        blocks["NOTES"].insert(0, text)
    user, group = _owner(project.config)
    words = {"IMAGE": image, "USER": user, "GROUP": group, "HOME": HOME, "PROBE": f"/{PROBE}", "NAME": _name(image)}
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
    yield f"              mountPath: {path if _PLAIN.fullmatch(path) else json.dumps(path)}  # {_told(why)}"


def _told(text: str) -> str:
    """Show names of others in a comment, which a line end in one would end."""
    return text if text.isprintable() else json.dumps(text)


def _volumes(project: Project) -> Volumes:
    mounts, left = dict(_ALWAYS), list[Written]()
    held = {f"{WORKING_DIRECTORY}/{file.path}" for file in project.files()}
    held |= {weight.target for weight in project.config.weights}
    for one in written_directories(_sources(project)):
        if any(is_in(one.directory, path) for path in (*_OF_THE_KERNEL, *(path for path, _ in mounts.values()))):
            continue
        if _may_have_files(one.directory, held, runs=bool(project.config.run)):
            left.append(one)
        else:
            mounts[f"written-{len(mounts) - len(_ALWAYS) + 1}"] = (one.directory, one.place)
    return Volumes(mounts=mounts, left=tuple(left))


def _may_have_files(directory: str, held: Collection[str], *, runs: bool) -> bool:
    """`held`: files of the project, and directories of weights; `runs`: commands of build.run may have written
    anywhere but in the project."""
    if any(is_in(path, directory) or is_in(directory, path) for path in held):
        return True
    if is_in(directory, WORKING_DIRECTORY):
        return directory == WORKING_DIRECTORY
    return runs or directory.split("/")[1] in _OF_THE_SYSTEM


def _sources(project: Project) -> Mapping[str, bytes]:
    paths = [file.path for file in project.files() if file.kind == "file" and file.path.endswith(".py")]
    read = {path: project.read(path) for path in paths[:_MOST_SOURCES]}
    return {path: data for path, data in read.items() if data is not None}


def _owner(config: Config) -> tuple[str, str]:
    """Tell as which UID and GID: the image's own unless those are root's."""
    user, _, group = (config.pack.user or "").partition(":")
    user = user if user.strip("0") else "1000"
    return user, group if group.strip("0") else user


def _name(image: str) -> str:
    """Make a name that a Service takes (RFC 1035, a label) of the last part of the repository's."""
    kept = "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in image.rpartition("/")[2].lower())
    name = kept.strip("-")[:50].strip("-")
    return name if name[:1].isalpha() else f"model-{name}".strip("-")
