"""What the registry engine costs beside its peers: one GiB of fresh layers to a docker-registry on loopback and back.

    python benchmarks/registry.py [--mib 1024] [--layers 8] [--rate 40] [--runs 5]

Needs Debian's docker-registry, skopeo and aria2. Every push goes to a registry with empty storage, every pull into an
empty directory; peers take turns, figures are medians (lowest to highest), ratios are of medians. `socket` is as little
as can be done: four threads that read, hash, and write to a socket. The limited pulls fetch one blob through a front
that holds each connection to --rate MB/s, as object stores do.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from pull import CONNECTIONS, Front, MiB
from support.registry import docker_registry

BLOCK = MiB
CHILD = (
    "import resource, subprocess, sys\n"
    "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "print(used.ru_maxrss, used.ru_utime + used.ru_stime)\n"
    "sys.exit(code)\n"
)


def make_layout(root: Path, count: int, size: int) -> list[Path]:
    """An OCI layout with one image of `count` plain layers of `size` random bytes each (tars in name only)."""
    blobs = root / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def add(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    layers = [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **add(os.urandom(size))} for _ in range(count)]
    diff_ids = [layer["digest"] for layer in layers]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **add(json.dumps(config).encode())},
        "layers": layers,
    }
    entry = {"mediaType": manifest["mediaType"], **add(json.dumps(manifest).encode())}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return [blobs / str(layer["digest"])[7:] for layer in layers]


def bare_sender(paths: Sequence[Path], registry: str) -> None:
    """POST, then a PUT whose body is hashed on its way: nothing else."""
    host, _, port = registry.rpartition(":")

    def send(path: Path) -> None:
        with socket.create_connection((host, int(port))) as line, path.open("rb", buffering=0) as file:
            answers = line.makefile("rb")
            head = f"HTTP/1.1\r\nHost: {registry}\r\nContent-Length:"
            line.sendall(f"POST /v2/bare/blobs/uploads/ {head} 0\r\n\r\n".encode())
            location = ""
            while (header := answers.readline().decode().strip()) != "":
                if header.lower().startswith("location:"):
                    location = header.partition(":")[2].strip().partition(registry)[2]
            size = path.stat().st_size
            put = f"PUT {location}&digest=sha256:{path.name} {head} {size}\r\n\r\n"
            line.sendall(put.encode())
            digest = hashlib.sha256()
            while block := file.read(BLOCK):
                digest.update(block)
                line.sendall(block)
            assert answers.readline().split()[1] == b"201"
            assert digest.hexdigest() == path.name

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, paths))


@contextlib.contextmanager
def fresh(scratch: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        yield Path(name)


def command(*arguments: str) -> Callable[[], tuple[float, float]]:
    """Run it: peak memory in MiB, and CPU seconds."""

    def run() -> tuple[float, float]:
        done = subprocess.run([sys.executable, "-c", CHILD, *arguments], capture_output=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(arguments)}: {done.stderr.decode()[-2000:]}")
        peak, cpu = done.stdout.split()
        return int(peak) / 1024, float(cpu)

    return run


def timed(work: Callable[[], tuple[float, float]]) -> tuple[float, float, float]:
    started = time.perf_counter()
    peak, cpu = work()
    return time.perf_counter() - started, peak, cpu


def show(title: str, rows: dict[str, list[tuple[float, float, float]]], size: int, ours: str) -> None:
    print(f"\n{title}")
    print(f"{'':<22}{'seconds':>9}{'range':>14}{'MB/s':>8}{'ours is':>10}{'peak MiB':>10}{'CPU s':>8}")
    best = statistics.median(row[0] for row in rows[ours])
    for name, runs in rows.items():
        seconds = sorted(run[0] for run in runs)
        middle = statistics.median(seconds)
        peak, cpu = (statistics.median(run[index] for run in runs) for index in (1, 2))
        spread = f"{seconds[0]:.2f}-{seconds[-1]:.2f}"
        print(
            f"{name:<22}{middle:>9.2f}{spread:>14}{size / middle / 1e6:>8.0f}{middle / best:>9.2f}x"
            f"{peak:>10.0f}{cpu:>8.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--rate", type=float, default=40, help="MB/s of each connection of the limited pulls")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scratch", type=Path, help="where there is room for four times the bytes")
    arguments = parser.parse_args()
    size = arguments.mib * MiB
    cogpack = [sys.executable, "-m", "cogpack"]
    jobs = ["-j", str(arguments.jobs), "-q"]
    skopeo = ["skopeo", "--insecure-policy", "copy", "-q"]
    pushes: dict[str, list[tuple[float, float, float]]] = {"cogpack copy": [], "skopeo copy": [], "socket": []}
    pulls: dict[str, list[tuple[float, float, float]]] = {"cogpack pull": [], "skopeo copy": []}
    limited: dict[str, list[tuple[float, float, float]]] = {"cogpack pull": [], f"aria2c -x{CONNECTIONS}": []}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        scratch = Path(name)
        layout = scratch / "layout"
        paths = make_layout(layout, arguments.layers, size // arguments.layers)
        (single,) = make_layout(scratch / "single", 1, size)

        def bare(registry: str) -> Callable[[], tuple[float, float]]:
            script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from pathlib import Path\n"
            script += f"from registry import bare_sender; bare_sender([Path(p) for p in sys.argv[1:]], {registry!r})"
            return command(sys.executable, "-c", script, *map(str, paths))

        for _ in range(arguments.runs):
            for peer in pushes:
                with fresh(scratch) as storage, docker_registry(storage) as registry:
                    work = {
                        "cogpack copy": command(*cogpack, "copy", *jobs, str(layout), f"{registry}/image:v1"),
                        "skopeo copy": command(
                            *skopeo, "--dest-tls-verify=false", f"oci:{layout}:v1", f"docker://{registry}/image:v1"
                        ),
                        "socket": bare(registry),
                    }[peer]
                    pushes[peer].append(timed(work))
        with docker_registry(scratch / "storage") as registry:
            front = Front(registry, arguments.rate * 1e6)
            command(*cogpack, "copy", *jobs, str(layout), f"{registry}/image:v1")()
            command(*cogpack, "copy", *jobs, str(scratch / "single"), f"{registry}/single:v1")()
            for _ in range(arguments.runs):
                for peer in pulls:
                    with fresh(scratch) as target:
                        work = {
                            "cogpack pull": command(
                                *cogpack, "pull", *jobs, f"{registry}/image:v1", "-o", str(target / "out")
                            ),
                            "skopeo copy": command(
                                *skopeo, "--src-tls-verify=false", f"docker://{registry}/image:v1", f"oci:{target}/out"
                            ),
                        }[peer]
                        pulls[peer].append(timed(work))
                for peer in limited:
                    with fresh(scratch) as target:
                        url = f"http://{front.address}/v2/single/blobs/sha256:{single.name}"
                        aria2 = ["aria2c", "-q", f"-x{CONNECTIONS}", f"-s{CONNECTIONS}", "-k4M", "-d", str(target), url]
                        work = {
                            "cogpack pull": command(
                                *cogpack, "pull", "-q", f"{front.address}/single:v1", "-o", str(target / "out")
                            ),
                        }.get(peer) or command(*aria2, "--file-allocation=none")
                        limited[peer].append(timed(work))
    shutil.rmtree(scratch, ignore_errors=True)
    print(f"{size / 1e9:.2f} GB in {arguments.layers} layers, {arguments.runs} runs, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}")
    show("push, from an OCI layout to a registry", pushes, size, "cogpack copy")
    show("pull, from a registry into an OCI layout", pulls, size, "cogpack pull")
    show(f"pull of one blob, {arguments.rate:g} MB/s a connection", limited, size, "cogpack pull")


if __name__ == "__main__":
    main()
