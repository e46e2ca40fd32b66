"""`cogpack init --kubernetes`: a Deployment and a Service of the project's model, for a cluster that grants nothing.

The container runs as nobody special, over a root that it can't write; what it writes in goes into volumes, each at a
directory that the sources name (`runtime/written`).
"""

import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec

from cogpack.config import Config
from cogpack.project import Project, find_project
from cogpack.reference import Reference
from cogpack.runtime.contract import PROBE, STATE, WORKING_DIRECTORY
from cogpack.runtime.written import HOME, Written, is_in, written_directories
from cogpack.sizes import MiB

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
_MOST_COPIED = 256 * MiB
"""Bytes of a project that each start of a pod may copy."""
_COPY = """\
      initContainers:
        # A copy, so that what sources make there is not there before, as a directory that is a volume would be.
        # Its image is always the model's, or sources of one would run with packages of another.
        - name: source
          image: &image @IMAGE@:latest
          command: [cp, -R, /src/., /copied]
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: source
              mountPath: /copied"""

_PLAIN = re.compile(r"[/A-Za-z][\w./-]*", re.ASCII)
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
        "SOURCE": [_COPY] if "source" in volumes.mounts else [],
        "WEIGHTS": list(_weights(project)),
        "GPU": ['              nvidia.com/gpu: "1"'] if project.config.gpu else [],
    }
    if volumes.left:
        text = "# No volume is at these directories, where the image has files or may have some, which one would hide:"
        blocks["NOTES"].insert(0, text)
    user, group = _owner(project.config)
    words = {"IMAGE": image, "USER": user, "GROUP": group, "HOME": HOME, "PROBE": f"/{PROBE}", "NAME": _name(image)}
    words["OF_MODEL"] = "*image" if "source" in volumes.mounts else f"{image}:latest"  # named once in the file
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
    yield f"              mountPath: {_yaml(path)}  # {_told(why)}"


def _yaml(path: str) -> str:
    return path if _PLAIN.fullmatch(path) else json.dumps(path)


def _told(text: str) -> str:
    """Show names of others in a comment, which a line end in one would end."""
    return text if text.isprintable() else json.dumps(text)


def _volumes(project: Project) -> Volumes:
    mounts, left = dict(_ALWAYS), list[Written]()
    held = {f"{WORKING_DIRECTORY}/{path}" for path in project.files().all_paths()}
    held |= {weight.target for weight in project.config.weights}
    written = written_directories(_sources(project))
    of_source = [one.place for one in written if is_in(one.directory, WORKING_DIRECTORY)]
    if of_source and _is_small(project):
        mounts["source"] = (WORKING_DIRECTORY, f"its own files, and what {of_source[0]} writes")
    for one in written:
        if any(is_in(one.directory, path) for path in (*_OF_THE_KERNEL, *(path for path, _ in mounts.values()))):
            continue
        if _may_have_files(one.directory, held, runs=bool(project.config.run)):
            left.append(one)
        else:
            number = sum(name.startswith("written-") for name in mounts) + 1
            mounts[f"written-{number}"] = (one.directory, one.place)
    return Volumes(mounts=mounts, left=tuple(left))


def _is_small(project: Project) -> bool:
    """Tell whether all that the image has in its working directory may be copied when a pod starts."""
    bytes_ = sum(file.size for file in project.files())
    others = any(is_in(weight.target, WORKING_DIRECTORY) for weight in project.config.weights)
    fetched = any(WORKING_DIRECTORY in step.command for step in project.config.run)
    return bytes_ <= _MOST_COPIED and not others and not fetched


def _may_have_files(directory: str, held: Collection[str], *, runs: bool) -> bool:
    """`held`: files of the project, and directories of weights; `runs`: commands of build.run may have written
    anywhere but in the project."""
    if any(is_in(path, directory) or is_in(directory, path) for path in held):
        return True
    if is_in(directory, WORKING_DIRECTORY):
        return directory == WORKING_DIRECTORY
    return runs or directory.split("/")[1] in _OF_THE_SYSTEM


def _weights(project: Project) -> Iterator[str]:
    """Write, as comments, a mount for each directory in which there are weights and nothing else."""
    files = [file for file in project.files() if file.kind != "directory"]
    weights = {posixpath.dirname(f"{WORKING_DIRECTORY}/{file.path}") for file in files if project.is_weight(file)}
    others = [f"{WORKING_DIRECTORY}/{file.path}" for file in files if not project.is_weight(file)]
    found = {weight.target for weight in project.config.weights}
    for directory in sorted(weights):
        if any(is_in(other, directory) for other in others):
            yield f"            # {_told(directory)} has weights and other files, which a volume would hide"
            continue
        while directory.count("/") > 2 and not any(is_in(other, posixpath.dirname(directory)) for other in others):
            directory = posixpath.dirname(directory)
        found.add(directory)
    outer = [one for one in found if not any(one != other and is_in(one, other) for other in found)]
    for directory in sorted(outer) or ([] if weights else [f"{WORKING_DIRECTORY}/weights"]):
        yield "            # - name: weights"
        yield f"            #   mountPath: {_yaml(directory)}"
        yield f"            #   subPath: {_yaml(directory.lstrip('/'))}"
        yield "            #   readOnly: true"


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
