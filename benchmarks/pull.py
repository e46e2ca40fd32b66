"""How fast a plain `docker pull` brings weights, by how they lie in layers; one table and one plot.

    python benchmarks/pull.py [--gib 4] [--files 1] [--rate 40] [--runs 3] [--newer DIR] [--json FILE]

Needs root and Debian's docker.io, docker-registry and aria2. Weights are generated (bfloat16, normally distributed, so
that they compress as real ones do), pushed to a docker-registry on loopback and pulled by a Docker daemon with an empty
data root and dropped caches, through a front that limits each connection to --rate MB/s, as object stores do. Peers in
the same run: the same weights in one gzip layer (what `docker build` makes), in one plain layer, in one layer a file,
and the same blobs fetched by aria2c with 16 connections. --newer: where another Docker lies unpacked, which pulls them,
too. `others.py` has podman and containerd do it.

The limits printed beside them: `streams`, bytes / (3 x rate), what Docker's default of three downloads allows; and
`unpack`, what is left of a pull of the plain layer with no limit after its last byte: how fast Docker writes it here.
"""

import argparse
import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import httpx
from engines import Engine, docker
from made import generate
from measuring import Figures, GiB, clocked, drop_caches, scratch_directory
from registry import CONNECTIONS
from report import Measured, Row, Table, in_turns, options
from servers import Front, docker_registry

from cogpack.formats import FORMATS
from cogpack.images.assemble import NamedLayer, Run, assemble
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, Uncompressed
from cogpack.layers.content import LocalFile
from cogpack.layers.files import FilesSource, Placed
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.known import Outgoing
from cogpack.layers.weights.arrangement import Weight, arrange, layer_size
from cogpack.oci import OCI_MANIFEST, Platform
from cogpack.reference import Reference
from cogpack.session import Session, Settings
from cogpack.sinks.registry import RegistrySink

GZIP, PLAIN, PER_FILE, OURS = "one gzip layer", "one plain layer", "one layer a file", "cogpack"
ARIA = f"aria2c -x{CONNECTIONS}"


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


def aria2(scratch: Path, image: str) -> Figures:
    """aria2c for the blobs of `image`, all its connections at the largest ones first."""
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
    found = clocked(lambda: subprocess.run(command, input=listing.encode(), check=True))
    shutil.rmtree(target)
    return found


def main() -> None:
    parser = pull_options(__doc__)
    parser.add_argument("--newer", type=Path, metavar="DIR", help="also by the Docker that lies unpacked there")
    arguments = parser.parse_args()

    def engines(scratch: Path) -> list[Engine]:
        newer = [docker(scratch, arguments.newer.absolute())] if arguments.newer else []
        return [docker(scratch), *newer]

    measure_engines(engines, arguments)


def pull_options(document: str | None) -> argparse.ArgumentParser:
    parser = options(document)
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--rate", type=float, default=40, help="MB/s of each connection")
    return parser


def measure_engines(engines: Callable[[Path], Sequence[Engine]], arguments: argparse.Namespace) -> None:
    """Report what each of `engines` takes, which may use the directory that they are given."""
    measured = Measured()
    with scratch_directory(arguments.scratch) as scratch:
        paths = generate(scratch / "model", int(arguments.gib * GiB), arguments.files)
        size = sum(path.stat().st_size for path in paths)
        with docker_registry(scratch / "registry") as registry:
            images, counts = {}, {}
            with Session(Settings(cache=scratch / "cache", environment=os.environ)) as session:
                found = layouts(paths, Fingerprints(scratch / "fingerprints"))
                for number, (name, layers) in enumerate(found.items()):
                    images[name], counts[name] = f"weights/layout{number}:v1", len(layers)
                    push(session, layers, f"{registry}/{images[name]}")
            shutil.rmtree(scratch / "model")
            os.sync()
            tables = []
            for engine in engines(scratch):
                title = f"{engine.name} pulls {size / 1e9:.2f} GB of weights, {arguments.rate:g} MB/s a connection"
                peers = {name: partial(engine.pull, scratch) for name in images} | {ARIA: partial(aria2, scratch)}
                connections = min(engine.streams, counts[OURS])
                tables.append(compared(title, peers, connections, images, counts, registry, size, arguments))
    measured.report(tables, arguments.json, ("docker-registry", "aria2c"))


def compared(
    title: str,
    peers: Mapping[str, Callable[[str], Figures]],
    connections: int,
    images: Mapping[str, str],
    counts: Mapping[str, int],
    registry: str,
    size: int,
    arguments: argparse.Namespace,
) -> Table:
    """What each of `peers` takes for its image, of so many layers, over so many connections; aria2c takes ours."""
    open_front, front = Front(registry, None), Front(registry, arguments.rate * 1e6)
    wire: dict[str, int] = {}

    def counted(name: str, work: Callable[[str], Figures]) -> Figures:
        before = front.bytes
        figures = work(f"{front.address}/{images.get(name, images[OURS])}")
        wire[name] = front.bytes - before
        return figures

    unpack = min(unpacking(open_front, partial(peers[PLAIN], f"{open_front.address}/{images[PLAIN]}")) for _ in "12")
    runs = in_turns({name: partial(counted, name, work) for name, work in peers.items()}, arguments.runs)
    streams = size / (connections * arguments.rate * 1e6)
    limit = max(streams, unpack)
    rows = [
        Row(
            name,
            each,
            limit=name == ARIA,
            more={
                "layers": counts.get(name, counts[OURS]),
                "GB sent": round(wire[name] / 1e9, 2),
                "/ limit": round(statistics.median(run.seconds for run in each) / limit, 2),
            },
        )
        for name, each in runs.items()
    ]
    note = (
        f"In {arguments.files} file(s). Limits: the {connections} streams that it takes {streams:.1f} s, "
        f"unpacking {unpack:.1f} s. aria2c takes {CONNECTIONS} streams and unpacks nothing."
    )
    return Table(title, tuple(rows), OURS, size, note)


def unpacking(front: Front, pull: Callable[[], Figures]) -> float:
    """What is left of a pull of one layer after its last byte."""
    front.first = 0
    seconds = pull().seconds
    return seconds - (front.last - front.first)


if __name__ == "__main__":
    main()
