"""How fast a plain `docker pull` brings weights, by how they lie in layers; one table and one plot.

    python benchmarks/pull.py [--gib 4] [--files 1] [--rate 40] [--runs 3] [--json FILE]

Needs root and Debian's docker.io, docker-registry and aria2. Weights are generated (bfloat16, normally distributed, so
that they compress as real ones do), pushed to a docker-registry on loopback and pulled by a Docker daemon with an empty
data root and dropped caches, through a front that limits each connection to --rate MB/s, as object stores do. Peers in
the same run: the same weights in one gzip layer (what `docker build` makes), in one plain layer, in one layer a file,
and the same blobs fetched by aria2c with 16 connections.

The limits printed beside them: `3 streams`, bytes / (3 x rate), what Docker's default of three downloads allows; and
`unpack`, the plain layers pulled once with no limit, which shows how fast this machine writes them.
"""

import os
import shutil
import statistics
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import httpx
from made import generate
from measuring import Figures, GiB, clocked, drop_caches, scratch_directory
from registry import CONNECTIONS
from report import Measured, Row, Table, in_turns, options
from servers import Front, docker_registry, dockerd

from cogpack.formats import FORMATS
from cogpack.images.assemble import NamedLayer, Run, assemble
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, Uncompressed
from cogpack.layers.content import LocalFile
from cogpack.layers.files import FilesSource, Placed
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.known import Outgoing
from cogpack.layers.weights import Weight, arrange, layer_size
from cogpack.oci import OCI_MANIFEST, Platform
from cogpack.reference import Reference
from cogpack.session import Session, Settings
from cogpack.sinks.registry import RegistrySink

GZIP, PLAIN, PER_FILE, OURS = "one gzip layer", "one plain layer", "one layer a file", "cogpack"


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


def pull(scratch: Path, image: str) -> Figures:
    """`docker pull` into an empty data root."""
    drop_caches()
    with dockerd(scratch / "docker", bridge=False) as docker:
        return clocked(lambda: docker.run("pull", "-q", image, seconds=3600))


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
    parser = options(__doc__)
    parser.add_argument("--gib", type=float, default=1)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--rate", type=float, default=40, help="MB/s of each connection")
    arguments = parser.parse_args()
    measured = Measured()
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
            wire: dict[str, int] = {}

            def counted(name: str, work: Callable[[Path, str], Figures], image: str) -> Figures:
                before = front.bytes
                figures = work(scratch, f"{front.address}/{image}")
                wire[name] = front.bytes - before
                return figures

            unpack = min(pull(scratch, f"{open_front.address}/{images[PLAIN]}").seconds for _ in range(2))
            peers = {name: partial(counted, name, pull, image) for name, image in images.items()}
            other = f"aria2c -x{CONNECTIONS}"
            peers[other] = partial(counted, other, aria2, images[OURS])
            runs = in_turns(peers, arguments.runs)
    counts = {name: len(layers) for name, layers in found.items()}
    streams = size / (3 * arguments.rate * 1e6)
    limit = max(streams, unpack)
    rows = [
        Row(
            name,
            each,
            limit=name == other,
            more={
                "layers": counts.get(name, counts[OURS]),
                "GB sent": round(wire[name] / 1e9, 2),
                "/ limit": round(statistics.median(run.seconds for run in each) / limit, 2),
            },
        )
        for name, each in runs.items()
    ]
    title = f"docker pull of {size / 1e9:.2f} GB of weights, {arguments.rate:g} MB/s a connection"
    note = (
        f"In {len(paths)} file(s). Limits: the three streams that Docker takes {streams:.1f} s, unpacking "
        f"{unpack:.1f} s. aria2c takes {CONNECTIONS} streams and unpacks nothing."
    )
    measured.report(
        [Table(title, tuple(rows), OURS, size, note)], arguments.json, ("docker", "docker-registry", "aria2c")
    )


if __name__ == "__main__":
    main()
