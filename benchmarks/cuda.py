"""How long a first push of torch with its CUDA wheels takes, from nothing, beside its peers and its limits.

    python benchmarks/cuda.py --wheels DIR [--rate 80] [--runs 3] [--before CHECKOUT] [--docker] [--json FILE]

Needs uv, zstd and Debian's docker-registry. The wheels (torch 2.6.0, 3.1 GB) are fetched once into DIR from the index
that pip is configured for. Then all come from an index on loopback that holds each connection to --rate MB/s
(`mirror.py`), and go to a docker-registry with empty storage; each run has an empty cache, and the project's lock.

Peers, in turns: cogpack (and another checkout of it); `uv pip install`, tar and `zstd -3` on all cores, or `gzip -6`,
into one layer, and a bare PUT of it; with --docker, `docker build` and `docker push`. Limits: `fetch`, eight
connections by ranges and nothing done with the bytes; `hash, splice`, the layers made of wheels that are there, on two
threads, for nobody; `send`, these layers by four bare PUTs; and all three at once, as if none waited for another: what
these cores can do with index and registry upon them. CPU seconds are of the peer alone, not of index and registry,
which run on the same cores.
"""

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httpx
from made import base_tar, make_layout, make_wheel
from measuring import COGPACK, ROOT, Figures, MiB, clocked, in_child, measure, scratch_directory
from mirror import mirror
from registry import bare_sender
from report import Measured, Table, in_turns, options, rows
from servers import docker_registry, dockerd

from cogpack.formats import FORMATS
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import SplicedGzip
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.groups import group
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.running.server import free_port

REQUIREMENT = "torch==2.6.0"
PYTHON = "3.13"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux1_x86_64")
CONNECTIONS = 8
PART = 8 * MiB
OURS = "cogpack push"
PROGRAMS = ("docker-registry", "docker", "uv", "zstd")
ZSTD, GZIP = ("zstd", "-q", "-3", "-T0"), ("gzip", "-6")


def fetch_wheels(directory: Path) -> None:
    if list(directory.glob("torch-*.whl")):
        return
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--python-version", PYTHON]
    subprocess.run([*pip, *platforms, "-d", str(directory), REQUIREMENT, "setuptools"], check=True)


def make_project(root: Path, registry: str) -> Path:
    root.mkdir()
    (root / "cog.yaml").write_text(
        f'build:\n  python_version: "{PYTHON}"\n  python_requirements: requirements.txt\n'
        f'predict: "predict.py:Predictor"\ncogpack:\n  torch_index: pypi\n  base: {registry}/base/python:v1\n'
    )
    (root / "requirements.txt").write_text(f"{REQUIREMENT}\n")
    (root / "predict.py").write_text(
        "from cog import BasePredictor\n\n\nclass Predictor(BasePredictor):\n"
        "    def predict(self, text: str) -> str:\n        return text\n"
    )
    return root


def child(arguments: Sequence[str], *, cwd: Path | None = None, **environment: str) -> Figures:
    """Run it without the settings of this machine."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "UV_", "COGPACK_"))}
    return measure(arguments, cwd=cwd, environment=own | environment)


# What a peer does: each runs in a process of its own.


def fetch(index: str, names: Sequence[str]) -> None:
    """By ranges, over bare sockets."""
    host, port = urlsplit(index).hostname, urlsplit(index).port
    sizes = {name: int(httpx.head(f"http://{host}:{port}/files/{name}").headers["Content-Length"]) for name in names}
    parts = iter([(n, start, min(start + PART, size)) for n, size in sizes.items() for start in range(0, size, PART)])
    lock = threading.Lock()

    def read(_: int) -> None:
        buffer = bytearray(MiB)
        with (
            socket.create_connection((host, port)) as line,
            cast("io.BufferedReader", line.makefile("rb", buffering=MiB)) as answers,
        ):
            while True:
                with lock:
                    name, start, end = next(parts, ("", 0, 0))
                if not name:
                    return
                line.sendall(
                    f"GET /files/{name} HTTP/1.1\r\nHost: x\r\nRange: bytes={start}-{end - 1}\r\n\r\n".encode()
                )
                assert answers.readline().split()[1] == b"206"
                while answers.readline() != b"\r\n":
                    pass
                left = end - start
                while left:
                    left -= answers.readinto(memoryview(buffer)[: min(MiB, left)])

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(read, range(CONNECTIONS)))


def splice(wheels: Path, target: Path | None = None) -> None:
    """The layers of the wheels, largest first; written to `target` by their digests, if there is one."""
    paths = {path.name: path for path in wheels.glob("*.whl")}
    groups = group([(name, path.stat().st_size) for name, path in paths.items()], FORMATS[max(FORMATS)].large_wheel)

    def make(names: Sequence[str]) -> None:
        files = [WheelFile(name, name, partial(LocalFile.of, paths[name])) for name in names]
        layer = BuiltLayer(WheelsSource(files), SplicedGzip())
        with open(target / names[0] if target else os.devnull, "wb") as out:
            info = layer.copy_to(lambda body: out.writelines(body) if target else [None for _ in body])
        if target:
            (target / names[0]).rename(target / info.descriptor.digest.removeprefix("sha256:"))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(make, sorted(groups, key=lambda names: -sum(paths[name].stat().st_size for name in names))))


def install_and_send(index: str, registry: str, compress: Sequence[str], scratch: Path) -> None:
    tree, layer = scratch / "tree", scratch / "layer"
    uv = ["uv", "pip", "install", "-q", "--target", str(tree), "--python-version", PYTHON, REQUIREMENT]
    uv += ["--python-platform", "x86_64-manylinux_2_28", "--default-index", index]
    subprocess.run(uv, check=True, env={**os.environ, "UV_CACHE_DIR": str(scratch / "uv")})
    with layer.open("wb") as out:
        tar = subprocess.Popen(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(compress, stdin=tar.stdout, stdout=out, check=True)
        assert tar.wait() == 0
    digest = subprocess.run(["sha256sum", str(layer)], check=True, capture_output=True, text=True).stdout.split()[0]
    bare_sender([layer.rename(scratch / digest)], registry)


def build_with_docker(index: str, registry: str, base: str, scratch: Path) -> None:
    (scratch / "Dockerfile").write_text(
        f"FROM {base}\nRUN pip install -q --no-cache-dir --trusted-host 127.0.0.1 -i {index} {REQUIREMENT}\n"
    )
    name = f"{registry}/docker/torch:v1"
    build = ["docker", "build", "-q", "--no-cache", "--network", "host", "-t", name, str(scratch)]
    for command in (build, ["docker", "push", "-q", name]):
        subprocess.run(command, check=True, env={**os.environ, "DOCKER_BUILDKIT": "0"})


class Bench:
    """Runs each peer with an empty cache, against a registry with nothing but the base."""

    def __init__(self, arguments: argparse.Namespace, scratch: Path, index: str) -> None:
        self.arguments = arguments
        self.scratch = scratch
        self.index = index
        self.wheels: Path = arguments.wheels
        self.blobs = scratch / "blobs"
        self.base = scratch / "base"
        self.projects: dict[Path, Path] = {}
        self.locks: dict[Path, bytes] = {}
        self.port = free_port()  # the same for each registry: the address of the base is in the lock
        make_layout(self.base, [base_tar()])

    @contextmanager
    def registry(self) -> Iterator[str]:
        """One with our base and nothing else, at the same address each time."""
        storage = self.scratch / "registry"
        shutil.rmtree(storage, ignore_errors=True)
        with docker_registry(storage, port=self.port) as registry:
            measure([*COGPACK, "copy", "-q", str(self.base), f"{registry}/base/python:v1"])
            yield registry
        shutil.rmtree(storage)

    def run(self, work: Callable[[str, Path], Figures]) -> Figures:
        with self.registry() as registry, scratch_directory(self.scratch) as empty:
            os.sync()
            return work(registry, empty)

    def cogpack(self, checkout: Path, registry: str, cache: Path) -> Figures:
        project = self.projects[checkout]
        (project / "cogpack.lock").write_bytes(self.locks[checkout])
        return self.command(checkout, project, cache, "push", f"{registry}/me/torch:v1")

    def command(self, checkout: Path, project: Path, cache: Path, *arguments: str) -> Figures:
        cached = {"COGPACK_CACHE_DIR": str(cache), "UV_DEFAULT_INDEX": self.index}
        other = {"PYTHONPATH": str(checkout)} if checkout != ROOT else {}
        return child([*COGPACK, *arguments, "-q"], cwd=project, **cached, **other)

    def lock(self, checkout: Path) -> None:
        with self.registry() as registry, scratch_directory(self.scratch) as cache:
            project = make_project(self.scratch / f"project{len(self.projects)}", registry)
            self.command(checkout, project, cache, "lock")
            self.projects[checkout] = project
            self.locks[checkout] = (project / "cogpack.lock").read_bytes()


def at_once(*calls: Callable[[], Figures]) -> Figures:
    with ThreadPoolExecutor(len(calls)) as pool:
        done: list[Figures] = []
        whole = clocked(lambda: done.extend(pool.map(lambda call: call(), calls)))
    return whole._replace(peak=max(one.peak or 0 for one in done), cpu=sum(one.cpu or 0 for one in done))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--wheels", type=Path, required=True, help="where the wheels are kept")
    parser.add_argument("--rate", type=float, default=80, help="MB/s of each connection to the index")
    parser.add_argument("--before", type=Path, help="another checkout of cogpack", metavar="CHECKOUT")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="of the table, these rows")
    parser.add_argument("--docker", action="store_true", help="also with docker build and docker push (as root)")
    arguments = parser.parse_args()
    measured = Measured()
    arguments.wheels = arguments.wheels.absolute()
    fetch_wheels(arguments.wheels)
    size = sum(path.stat().st_size for path in arguments.wheels.glob("*.whl"))
    with scratch_directory(arguments.scratch) as scratch, ExitStack() as opened:
        for small, version in (("cog", "0.23.1"), ("coglet", "0.23.1"), ("pip", "26.0")):  # every image has these
            make_wheel(scratch / "small", small, version)
        index = opened.enter_context(mirror([arguments.wheels, scratch / "small"], arguments.rate * 1e6))
        base = ""
        if arguments.docker:
            docker = opened.enter_context(dockerd(scratch / "docker", bridge=False))
            archive = scratch / "base.tar"
            measure([*COGPACK, "build", "-q", "-o", str(archive), "-C", str(ROOT / "examples/hello")])
            base = docker("load", "-q", "-i", str(archive)).split()[-1]
            os.environ["DOCKER_HOST"] = docker.host
        bench = Bench(arguments, scratch, index)
        for checkout in filter(None, (ROOT, arguments.before)):
            bench.lock(checkout)
        bench.blobs.mkdir()
        if not arguments.only or {"send", "all three at once"} & {*arguments.only}:
            splice(arguments.wheels, bench.blobs)
        names = [path.name for path in arguments.wheels.glob("*.whl")]
        blobs = sorted(bench.blobs.iterdir(), key=lambda path: -path.stat().st_size)

        def fetching() -> Figures:
            return in_child("cuda", "fetch", index, names)

        def splicing() -> Figures:
            return in_child("cuda", "splice", arguments.wheels)

        def sending(registry: str) -> Figures:
            return in_child("cuda", "bare_sender", blobs, registry)

        def installing(compress: Sequence[str], registry: str, empty: Path) -> Figures:
            return in_child("cuda", "install_and_send", index, registry, compress, empty)

        def building(registry: str, empty: Path) -> Figures:
            figures = in_child("cuda", "build_with_docker", index, registry, base, empty)
            docker("rmi", "-f", f"{registry}/docker/torch:v1")  # there is no room for those of all runs
            return figures

        limits: dict[str, Callable[[str, Path], Figures]] = {
            "fetch": lambda *_: fetching(),
            "hash, splice": lambda *_: splicing(),
            "send": lambda registry, _: sending(registry),
            "all three at once": lambda registry, _: at_once(fetching, splicing, partial(sending, registry)),
        }
        peers: dict[str, Callable[[str, Path], Figures]] = {
            OURS: lambda registry, empty: bench.cogpack(ROOT, registry, empty),
            "before": lambda registry, empty: bench.cogpack(arguments.before, registry, empty),
            "uv, tar, zstd -3, PUT": lambda registry, empty: installing(ZSTD, registry, empty),
            "uv, tar, gzip -6, PUT": lambda registry, empty: installing(GZIP, registry, empty),
            "docker build, push": building,
            **limits,
        }
        unwanted = {"before": not arguments.before, "docker build, push": not arguments.docker}
        found = in_turns(
            {
                peer: partial(bench.run, work)
                for peer, work in peers.items()
                if not unwanted.get(peer) and peer in (arguments.only or peers)
            },
            arguments.runs,
        )
    title = f"A first push of torch with its CUDA wheels, {size / 1e9:.2f} GB, {arguments.rate:g} MB/s a connection"
    measured.report([Table(title, rows(found, limits), OURS, size)], arguments.json, PROGRAMS)


if __name__ == "__main__":
    main()
