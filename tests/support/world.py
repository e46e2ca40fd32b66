"""A small world for whole commands, in this process: a registry of our own, a base image, wheels in a directory.

No network, no root, no Debian mirror, no package index. `cog`, `coglet` and `pip` are stand-ins of a few bytes, and the
base has nothing but the names that are looked at.
"""

import gzip
import hashlib
import io
import json
import random
import shutil
import signal
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from made import base_tar
from support import plain
from support.wheels import make_wheel

from cogpack.cli import run
from cogpack.registry.server import Server

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CLOSED = "http://127.0.0.1:9"
"""Nobody listens there: whoever asks for something that he should not want fails at once."""

PREDICTOR = """\
from cog import BasePredictor


class Predictor(BasePredictor):
    def predict(self, text: str) -> str:
        return text
"""


@dataclass(frozen=True)
class Done:
    """How a command ended. `out` and `err`: its standard output and error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def digest(self) -> str:
        """Of the one line `NAME@DIGEST` that a push or a build prints."""
        (line,) = self.out.splitlines()
        return line.partition("@")[2]


@dataclass
class World:
    """`registry`: HOST:PORT; `requests`: the method and path of each that it answered, as they come. `python`: what uv
    is given for this interpreter, which it starts and asks once for each cache."""

    directory: Path
    python: Path
    registry: str
    requests: list[tuple[str, str]]
    environment: Mapping[str, str]
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def wheels(self) -> Path:
        """Where the resolver looks."""
        return self.directory / "wheels"

    def project(
        self, name: str = "model", files: Mapping[str, bytes | str] = {}, *, config: str = "", requirements: str = ""
    ) -> "Project":
        """A project over our base that nobody has read yet.

        `config`: more lines of its cog.yaml, which ends within `cogpack:`; `requirements`: lines, for our `wheels`.
        """
        root = self.directory / name
        written: dict[str, bytes | str] = {
            "cog.yaml": 'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
            f'predict: "predict.py:Predictor"\ncogpack:\n  base: {self.registry}/base/python:v1\n{config}',
            "requirements.txt": f"--no-index\n{requirements}",
            "predict.py": PREDICTOR,
        }
        project = Project(self, root)
        for path, data in (written | dict(files)).items():
            project.write(path, data)
        return project

    def project_over(self, base: bytes, name: str = "model") -> "Project":
        """A project over another base, of whose files `base` is the tar."""
        push_image(self.registry, "base/programs:v1", [base])
        made = self.project(name)
        config = (made.root / "cog.yaml").read_text()
        made.write("cog.yaml", config.replace("base/python:v1", "base/programs:v1"))
        return made

    def cogpack(self, *arguments: str, directory: Path | None = None, gone: bool = False, **more: str) -> Done:
        """Run the command line with the world's environment and `more`, in `directory`, or in one that is `gone`."""
        out, err = _Stream(), _Stream()
        with pytest.MonkeyPatch.context() as patch, _signals_kept():
            patch.chdir(directory or self.directory)
            patch.setattr(sys, "executable", str(self.python))
            if gone:
                (self.directory / "gone").mkdir()
                patch.chdir(self.directory / "gone")
                (self.directory / "gone").rmdir()
            for name in _LEAKS:
                patch.delenv(name, raising=False)
            for name, value in (dict(self.environment) | more).items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                code = run(list(arguments))
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 1
        return Done(code, out.text(), err.text())

    def manifest(self, repository: str, ref: str) -> dict[str, Any]:
        """What a client gets; fails where there is none."""
        answer = plain.get(f"http://{self.registry}/v2/{repository}/manifests/{ref}", headers={"Accept": MANIFEST})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def has(self, repository: str, ref: str) -> bool:
        answer = plain.head(f"http://{self.registry}/v2/{repository}/manifests/{ref}", headers={"Accept": MANIFEST})
        return answer.status_code == 200

    def files(self, repository: str, ref: str) -> dict[str, bytes | str]:
        """All regular files and links of our layers of an image, lower layers first, as a container would see them."""
        found: dict[str, bytes | str] = {}
        for layer in self.manifest(repository, ref)["layers"]:
            blob = plain.get(f"http://{self.registry}/v2/{repository}/blobs/{layer['digest']}").content
            found |= tar_files(gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob)
        return found

    def uploads(self) -> list[str]:
        """Paths of the requests that brought a blob."""
        return [path for method, path in self.requests if method in ("PUT", "PATCH") and "/blobs/" in path]


@dataclass(frozen=True)
class Project:
    world: World
    root: Path

    def write(self, path: str, data: bytes | str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        return file

    def cogpack(self, *arguments: str, **more: str) -> Done:
        """Run in the project; what comes out must be said by the caller: `ok(project.cogpack(...))`."""
        return self.world.cogpack(*arguments, directory=self.root, gone=False, **more)

    def target(self, tag: str = "v1") -> str:
        return f"{self.world.registry}/me/{self.root.name}:{tag}"


class _Stream(io.TextIOWrapper):
    """A standard stream that goes nowhere else; pytest's own last for one test, a world may last for many."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", newline="", write_through=True)

    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """A command heeds signals to the end of its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ok(done: Done) -> Done:
    assert done.code == 0, done.err
    return done


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def tar_files(data: bytes) -> dict[str, bytes | str]:
    """Contents of regular files, targets of links, by path."""
    found: dict[str, bytes | str] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            if member.isfile():
                content = archive.extractfile(member)
                assert content is not None
                found[member.name] = content.read()
            elif member.islnk():
                found[member.name] = found[member.linkname]
            elif member.issym():
                found[member.name] = member.linkname
    return found


_LEAKS = (
    *("CI", "SOURCE_DATE_EPOCH", "XDG_CACHE_HOME", "GITHUB_ACTIONS", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "PIP_FIND_LINKS"),
    *("COGPACK_REGISTRY_MIRROR", "COGPACK_URL_MAP", "COGPACK_CONFIG", "COGPACK_LOG"),
    *("DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "GITLAB_CI"),
)
"""What the environment of the tests may have and would change the ways of a command."""


@dataclass(frozen=True)
class Template:
    """What all worlds begin with, made once and copied: a registry's files with `base/python:v1`, and the wheels.

    Beside them lies a stand-in for this interpreter that remembers what uv wants to know of it: four fifths of the time
    that uv takes to make a small lock. To all else it is this interpreter.
    """

    directory: Path

    @classmethod
    def made(cls, directory: Path) -> "Template":
        for name, version in (("cog", "0.23.1"), ("coglet", "0.23.1"), ("pip", "26.0")):
            make_wheel(directory / "wheels", name, version)
        with Server(directory / "registry") as server:
            push_base(server.address)
        python, answer = directory / "python", directory / "answer"
        python.write_text(
            f'#!/bin/sh\ncase "$*" in *cogpack.sandbox*) exec {sys.executable} "$@" ;; esac\n'
            f'[ -e {answer} ] || {{ {sys.executable} "$@" > {answer}.$$ && mv {answer}.$$ {answer}; }}\n'
            f"cat {answer}\n"
        )
        python.chmod(0o755)
        return cls(directory)

    @contextmanager
    def world(self, directory: Path) -> Iterator[World]:
        requests: list[tuple[str, str]] = []

        def heard(method: str, path: str, received: int, sent: int) -> None:
            requests.append((method, path))

        for name in ("registry", "wheels"):
            shutil.copytree(self.directory / name, directory / name)
        home = directory / "home"
        home.mkdir()
        with Server(directory / "registry", on_request=heard) as server:
            environment = {
                "HOME": str(home),
                "COGPACK_CACHE_DIR": str(directory / "cache"),
                "COGPACK_DEBIAN_MIRROR": CLOSED,
                "UV_DEFAULT_INDEX": CLOSED,
                "UV_HTTP_RETRIES": "0",
                "UV_FIND_LINKS": str(directory / "wheels"),
                "NO_COLOR": "1",
            }
            yield World(directory, self.directory / "python", server.address, requests, environment)


def push_base(registry: str, *, environment: Sequence[str] = (), files: Mapping[str, bytes] = {}, **more: str) -> None:
    """`base/python:v1`: names and directories of a Python image, and the line in which glibc tells its version.

    `more`: fields of its config.
    """
    push_image(registry, "base/python:v1", [base_tar(files)], environment=environment, **more)


@lru_cache(maxsize=4)
def _gzipped(data: bytes) -> bytes:
    """A base with programs is pushed by many tests, and it is nobody's to be small."""
    return gzip.compress(data, 1 if len(data) > 1_000_000 else 9, mtime=0)


def push_image(registry: str, name: str, tars: Sequence[bytes], *, environment: Sequence[str] = (), **more: str) -> str:
    """An image of plain tars, its layers compressed, pushed without any code of ours; its digest.

    `more`: fields of its config.
    """
    repository, _, tag = name.rpartition(":")
    with plain.client(base_url=f"http://{registry}/v2/{repository}/") as client:

        def send(data: bytes, media_type: str) -> dict[str, Any]:
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            location = client.base_url.join(client.post("blobs/uploads/").headers["Location"])
            answer = client.put(location.copy_merge_params({"digest": digest}), content=data)
            assert answer.status_code == 201, answer.text
            return {"mediaType": media_type, "digest": digest, "size": len(data)}

        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *environment]},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(data).hexdigest() for data in tars]},
            **more,
        }
        layer = "application/vnd.oci.image.layer.v1.tar+gzip"
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": send(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [send(_gzipped(data), layer) for data in tars],
        }
        body = json.dumps(manifest).encode()
        answer = client.put(f"manifests/{tag}", content=body, headers={"Content-Type": MANIFEST})
        assert answer.status_code == 201, answer.text
    return "sha256:" + hashlib.sha256(body).hexdigest()


def install_docker(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], bytes]:
    """A `docker` on PATH that answers `version` and keeps what `load` reads; returns what that was."""
    kept = directory / "loaded.tar"
    program = directory / "bin" / "docker"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\ncase "$1" in\nversion) echo 28.0 ;;\nload) cat > {kept} ;;\n*) exit 1 ;;\nesac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return kept.read_bytes
