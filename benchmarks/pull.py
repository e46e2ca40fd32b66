"""How fast a plain `docker pull` brings weights, by how they lie in layers; one table and one plot.

    python benchmarks/pull.py [--gib 4] [--files 1] [--rate 40] [--runs 3] [--plot pull.svg]

Needs root and Debian's docker.io, docker-registry and aria2. Weights are generated (bfloat16, normally distributed, so
that they compress as real ones do), pushed to a docker-registry on loopback and pulled by a Docker daemon with an empty
data root and dropped caches, through a front that limits each connection to --rate MB/s, as object stores do. Peers in
the same run: the same weights in one gzip layer (what `docker build` makes), in one plain layer, in one layer a file,
and the same blobs fetched by aria2c with 16 connections. Layouts take turns; figures are medians (lowest to highest).

The limits printed beside them: `3 streams`, bytes / (3 x rate), what Docker's default of three downloads allows; and
`unpack`, the plain layers pulled once with no limit, which shows how fast this machine writes them.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import httpx  # noqa: E402
from support.dockerd import dockerd  # noqa: E402
from support.registry import docker_registry  # noqa: E402

from cogpack.formats import FORMATS  # noqa: E402
from cogpack.images.assemble import NamedLayer, Run, assemble  # noqa: E402
from cogpack.layers.built import BuiltLayer  # noqa: E402
from cogpack.layers.compression import Gzip, Uncompressed  # noqa: E402
from cogpack.layers.content import LocalFile  # noqa: E402
from cogpack.layers.files import FilesSource, Placed  # noqa: E402
from cogpack.layers.fingerprints import Fingerprints  # noqa: E402
from cogpack.layers.known import Outgoing  # noqa: E402
from cogpack.layers.weights import Weight, arrange, layer_size  # noqa: E402
from cogpack.oci import OCI_MANIFEST, Platform  # noqa: E402
from cogpack.reference import Reference  # noqa: E402
from cogpack.session import Session, Settings  # noqa: E402
from cogpack.sinks.registry import RegistrySink  # noqa: E402

MiB, GiB = 1 << 20, 1 << 30
GZIP, PLAIN, PER_FILE, OURS = "one gzip layer", "one plain layer", "one layer a file", "cogpack"
CONNECTIONS = 16


class Front:
    """Passes connections on to `upstream`; what comes back is limited on each to `rate` bytes a second, and counted."""

    def __init__(self, upstream: str, rate: float | None) -> None:
        self._upstream = upstream.rpartition(":")[0], int(upstream.rpartition(":")[2])
        self._rate = rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._upstream)
            for source, target, rate in ((client, server, None), (server, client, self._rate)):
                threading.Thread(target=self._pump, args=(source, target, rate), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, rate: float | None) -> None:
        reading, writing = os.pipe()
        due = time.monotonic()
        try:
            while size := os.splice(source.fileno(), writing, 64 * 1024):
                left = size
                while left:
                    left -= os.splice(reading, target.fileno(), left)
                if source is not target and rate:
                    self.bytes += size
                    due = max(due, time.monotonic() - 0.05) + size / rate
                    time.sleep(max(0.0, due - time.monotonic()))
        except OSError:
            pass
        finally:
            os.close(reading)
            os.close(writing)
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def generate(folder: Path, size: int, files: int) -> list[Path]:
    """Decoders in Hugging Face layout, `size` bytes in all."""
    import numpy as np

    rng = np.random.default_rng(1)
    rows = rng.standard_normal((2048, 8192), dtype=np.float32) * rng.uniform(0.01, 0.1, (2048, 1)).astype("f4")
    chunk = (rows.view(np.uint32) >> 16).astype(np.uint16).tobytes()  # bfloat16, 32 MiB
    paths = []
    for number in range(files):
        place = folder / f"component{number}"
        place.mkdir(parents=True)
        (place / "config.json").write_text('{"model_type": "llama"}')
        header: dict[str, Any] = {}
        count = max(2, size // files // len(chunk))
        names = [f"model.layers.{index // 4}.mlp.{index % 4}.weight" for index in range(count - 2)]
        for index, name in enumerate(["model.embed_tokens.weight", *names, "lm_head.weight"]):
            span = [index * len(chunk), (index + 1) * len(chunk)]
            header[name] = {"dtype": "BF16", "shape": [2048, 8192], "data_offsets": span}
        text = json.dumps(header).encode()
        path = place / "model.safetensors"
        with path.open("wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text)
            for index in range(count):
                cut = (number * count + index) * 4099 % len(chunk)  # each tensor other bytes
                stream.write(chunk[cut:])
                stream.write(chunk[:cut])
        paths.append(path)
    return paths


def layouts(paths: Sequence[Path], prints: Fingerprints) -> dict[str, list[BuiltLayer]]:
    files = [LocalFile.of(path) for path in paths]
    places = [f"src/{path.parent.name}/{path.name}" for path in paths]
    placed = [Placed(place, prints.when_read(file)) for place, file in zip(places, files, strict=True)]
    cut = [Weight(place, place, file, file.size, "tensor") for place, file in zip(places, files, strict=True)]
    found = {
        GZIP: [BuiltLayer(FilesSource("all", placed), Gzip())],
        PLAIN: [BuiltLayer(FilesSource("all", placed), Uncompressed())],
        PER_FILE: [BuiltLayer(FilesSource(item.path, [item]), Uncompressed()) for item in placed],
        OURS: [
            BuiltLayer(layer.source, Uncompressed())
            for layer in arrange(
                cut, layer_size(sum(file.size for file in files), FORMATS[max(FORMATS)]), prints.when_read, b""
            ).layers
        ],
    }
    if len(paths) == 1:
        del found[PER_FILE]  # the same bytes as one plain layer
    return found


def push(session: Session, layers: Sequence[BuiltLayer], target: str) -> None:
    reference = Reference.parse(target)
    sink = RegistrySink(session.images(reference, push=True), session.blob_origins)
    parts = [
        NamedLayer(layer.name, str(index), sink.add_layer(Outgoing(layer), lambda _: None))
        for index, layer in enumerate(layers)
    ]
    run = Run(environment=(), path="/", command=("/none",), working_directory="/", ports=(), labels={})
    image = assemble(parts, run, platform=Platform(architecture="amd64", os="linux"))
    sink.commit(sink.put(image), ["v1"])


def drop_caches() -> None:
    subprocess.run(["sync"], check=True)
    Path("/proc/sys/vm/drop_caches").write_text("3")


def pull(scratch: Path, image: str) -> float:
    """Seconds of `docker pull` into an empty data root."""
    drop_caches()
    with dockerd(scratch / "docker", bridge=False) as docker:
        started = time.perf_counter()
        docker.run("pull", "-q", image, seconds=3600)
        return time.perf_counter() - started


def aria2(scratch: Path, image: str) -> float:
    """Seconds of aria2c for the blobs of `image`, all its connections at the largest ones first."""
    host, _, rest = image.partition("/")
    name, _, tag = rest.partition(":")
    manifest = httpx.get(f"http://{host}/v2/{name}/manifests/{tag}", headers={"Accept": OCI_MANIFEST}).json()
    target = scratch / "aria2"
    listing = "".join(
        f"http://{host}/v2/{name}/blobs/{layer['digest']}\n out={index}\n"
        for index, layer in enumerate(manifest["layers"])
    )
    drop_caches()
    command = ["aria2c", "-q", "-i-", "-d", str(target), "--file-allocation=none", "--auto-file-renaming=false"]
    command += [f"-x{CONNECTIONS}", f"-s{CONNECTIONS}", f"-j{CONNECTIONS // 2}", "-k4M"]
    started = time.perf_counter()
    subprocess.run(command, input=listing.encode(), check=True)
    seconds = time.perf_counter() - started
    shutil.rmtree(target)
    return seconds


@contextmanager
def scratch_directory(chosen: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=chosen) as name:
        yield Path(name)


def plot(rows: dict[str, list[float]], limit: float, path: Path, title: str) -> None:
    """Bars of medians with their range, and a line at the limit."""
    longest = max(max(seconds) for seconds in rows.values())
    scale, height = 560 / longest, 34 * len(rows) + 60
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{height}" font-family="sans-serif">',
        f'<rect width="860" height="{height}" fill="white"/><text x="10" y="20" font-weight="bold">{title}</text>',
    ]
    for index, (name, seconds) in enumerate(rows.items()):
        top, middle = 34 * index + 36, statistics.median(seconds)
        colour = "#2a7" if name == OURS else "#89a"
        out.append(f'<text x="10" y="{top + 16}">{name}</text>')
        out.append(f'<rect x="180" y="{top}" width="{middle * scale:.1f}" height="22" fill="{colour}"/>')
        left, right = (180 + value * scale for value in (min(seconds), max(seconds)))
        out.append(f'<path d="M{left:.1f} {top + 11}H{right:.1f}" stroke="black"/>')
        out.append(f'<text x="{right + 8:.1f}" y="{top + 16}">{middle:.1f} s</text>')
    x = 180 + limit * scale
    out.append(f'<path d="M{x:.1f} 30V{height - 20}" stroke="#c33" stroke-dasharray="4 3"/>')
    out.append(f'<text x="{x + 4:.1f}" y="{height - 8}" fill="#c33">limit {limit:.1f} s</text></svg>')
    path.write_text("\n".join(out))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--rate", type=float, default=40, help="MB/s of each connection")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--plot", type=Path, default=Path("pull.svg"))
    parser.add_argument("--scratch", type=Path, help="where there is room for six times the weights")
    arguments = parser.parse_args()
    with scratch_directory(arguments.scratch) as scratch:
        paths = generate(scratch / "model", int(arguments.gib * GiB), arguments.files)
        size = sum(path.stat().st_size for path in paths)
        prints = Fingerprints(scratch / "fingerprints")
        with docker_registry(scratch / "registry") as registry:
            images: dict[str, str] = {}
            with Session(Settings(cache=scratch / "cache", environment=os.environ)) as session:
                found = layouts(paths, prints)
                for number, (name, layers) in enumerate(found.items()):
                    push(session, layers, f"{registry}/weights/layout{number}:v1")
                    images[name] = f"weights/layout{number}:v1"
            open_front, front = Front(registry, None), Front(registry, arguments.rate * 1e6)
            unpack = min(pull(scratch, f"{open_front.address}/{images[PLAIN]}") for _ in range(2))
            rows: dict[str, list[float]] = {name: [] for name in [*images, f"aria2c -x{CONNECTIONS}"]}
            wire: dict[str, int] = {}
            for _ in range(arguments.runs):
                for name, image in images.items():
                    before = front.bytes
                    rows[name].append(pull(scratch, f"{front.address}/{image}"))
                    wire[name] = front.bytes - before
                before = front.bytes
                rows[f"aria2c -x{CONNECTIONS}"].append(aria2(scratch, f"{front.address}/{images[OURS]}"))
                wire[f"aria2c -x{CONNECTIONS}"] = front.bytes - before
            counts = {name: len(layers) for name, layers in found.items()}
    streams = size / (3 * arguments.rate * 1e6)
    limit = max(streams, unpack)
    print(f"{size / 1e9:.2f} GB in {len(paths)} file(s), {arguments.rate:g} MB/s a connection, {arguments.runs} runs,")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")
    print(f"Limits: 3 streams {streams:.1f} s, unpack {unpack:.1f} s")
    print(f"{'layout':<18}{'layers':>7}{'wire GB':>9}{'seconds':>9}{'range':>14}{'/ limit':>9}{'speed-up':>10}")
    slowest = statistics.median(rows[GZIP])
    for name, seconds in rows.items():
        middle = statistics.median(seconds)
        print(
            f"{name:<18}{counts.get(name, counts[OURS]):>7}{wire[name] / 1e9:>9.2f}{middle:>9.1f}"
            f"{f'{min(seconds):.1f}-{max(seconds):.1f}':>14}{middle / limit:>9.2f}{slowest / middle:>9.1f}x"
        )
    plot(rows, limit, arguments.plot, f"docker pull of {size / 1e9:.1f} GB, {arguments.rate:g} MB/s a connection")
    print(f"plot: {arguments.plot}")


if __name__ == "__main__":
    main()
