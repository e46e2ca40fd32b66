"""How long Docker unpacks the layer of a wheel, by how that is compressed.

    python benchmarks/unpack.py --wheels DIR [--name torch] [--newer DIR] [--runs 3] [--json FILE]

Needs root and Debian's docker.io and docker-registry. The wheel is the largest in DIR whose name begins with --name
(`cuda.py` fetches some). Its layer is made by cogpack, spliced of the wheel's own deflate streams and as zstd, and by
Docker, of the same tar (`docker import`, `docker push`). Each is pulled into an empty data root with nothing that holds
it up; what counts is what is left after its last byte. --newer: where another Docker lies unpacked, which unpacks them,
too; Docker 20.10 reads no zstd.
"""

import os
import subprocess
from functools import partial
from pathlib import Path

import httpx
from engines import Engine, docker
from measuring import Figures, scratch_directory
from pull import push, unpacking
from report import Measured, Row, Table, in_turns, options
from servers import Front, docker_registry, dockerd

from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import SplicedGzip, Uncompressed, Zstd
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.oci import OCI_MANIFEST
from cogpack.session import Session, Settings

SPLICED, ZSTD, THEIRS = "cogpack, spliced gzip", "cogpack, zstd", "Docker's own gzip"
DOCKERS = "application/vnd.docker.distribution.manifest.v2+json"


def stored(registry: str, name: str) -> int:
    """Bytes of the layers of an image."""
    manifest = httpx.get(
        f"http://{registry}/v2/{name}/manifests/v1", headers={"Accept": f"{OCI_MANIFEST}, {DOCKERS}"}
    ).json()
    return sum(layer["size"] for layer in manifest["layers"])


def push_by_docker(scratch: Path, layer: BuiltLayer, target: str) -> int:
    """Have Docker compress the layer's tar; the bytes of that."""
    tar = scratch / "layer.tar"
    with tar.open("wb") as out:
        layer.copy_to(lambda body: out.writelines(body))
    with dockerd(scratch / "docker", bridge=False) as daemon:
        for arguments in (("import", str(tar), target), ("push", "-q", target)):
            subprocess.run(["docker", *arguments], env=daemon.environment, check=True, stdout=subprocess.DEVNULL)
    size = tar.stat().st_size
    tar.unlink()
    return size


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--wheels", type=Path, required=True)
    parser.add_argument("--name", default="torch")
    parser.add_argument("--newer", type=Path, metavar="DIR", help="also by the Docker that lies unpacked there")
    arguments = parser.parse_args()
    measured = Measured()
    wheel = max(arguments.wheels.glob(f"{arguments.name}-*.whl"), key=lambda path: path.stat().st_size)
    source = WheelsSource([WheelFile(wheel.name, wheel.name, partial(LocalFile.of, wheel))])
    tables = []
    with scratch_directory(arguments.scratch) as scratch, docker_registry(scratch / "registry") as registry:
        images = {SPLICED: "wheels/spliced", THEIRS: "wheels/docker", ZSTD: "wheels/zstd"}
        with Session(Settings(cache=scratch / "cache", environment=os.environ)) as session:
            push(session, [BuiltLayer(source, SplicedGzip())], f"{registry}/{images[SPLICED]}:v1")
            push(session, [BuiltLayer(source, Zstd())], f"{registry}/{images[ZSTD]}:v1")
        size = push_by_docker(scratch, BuiltLayer(source, Uncompressed()), f"{registry}/{images[THEIRS]}:v1")
        front = Front(registry, None)
        for programs in (None, *([arguments.newer.absolute()] if arguments.newer else ())):
            engine = docker(scratch, programs)

            def unpack(image: str, engine: Engine = engine) -> Figures:
                return Figures(unpacking(front, partial(engine.pull, scratch, f"{front.address}/{image}:v1")))

            reads = {name: image for name, image in images.items() if name != ZSTD or " 20." not in engine.name}
            found = in_turns({name: partial(unpack, image) for name, image in reads.items()}, arguments.runs)
            rows = [
                Row(name, runs, more={"MB stored": round(stored(registry, images[name]) / 1e6)})
                for name, runs in found.items()
            ]
            title = f"{engine.name} unpacks {wheel.name.split('-cp')[0]}, {size / 1e9:.2f} GB"
            tables.append(Table(title, tuple(rows), SPLICED, size))
    measured.report(tables, arguments.json, ("docker-registry",))


if __name__ == "__main__":
    main()
