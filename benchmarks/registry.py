"""What the registry engine costs beside its peers: one GiB of fresh layers to a docker-registry on loopback and back.

    python benchmarks/registry.py [--mib 1024] [--layers 8] [--rate 40] [--runs 5] [--json FILE]

Needs Debian's docker-registry, skopeo and aria2; crane and oras take part where they are installed. Every push goes to
a registry with empty storage, every pull into an empty directory. `socket` is as little as can be done: four threads
that read, hash, and write to a socket. The limited pulls fetch one blob through a front that holds each connection to
--rate MB/s, as object stores do.
"""

import hashlib
import os
import shutil
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from made import random_layout
from measuring import COGPACK, Figures, MiB, in_child, measure, scratch_directory
from report import Measured, Table, in_turns, options, rows
from servers import Front, docker_registry

CONNECTIONS = 16
PUSHED = "An OCI layout to a registry. crane and oras do not look whether a file is what its name says."
PULLED = "From a registry into an OCI layout. cogpack ends when the disk has it all, the others before."


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
            while block := file.read(MiB):
                digest.update(block)
                line.sendall(block)
            assert answers.readline().split()[1] == b"201"
            assert digest.hexdigest() == path.name

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, paths))


def push(scratch: Path, work: Callable[[str], Figures]) -> Figures:
    """Send to a registry with nothing in it."""
    with scratch_directory(scratch) as storage, docker_registry(storage) as registry:
        return work(registry)


def pull(scratch: Path, command: Callable[[Path], Sequence[str]], *, synced: bool = False) -> Figures:
    """Fetch into an empty directory; `synced`: until the disk has it."""
    with scratch_directory(scratch) as target:
        os.sync()  # what others wrote is not waited for
        return measure(command(target), synced=synced)


def main() -> None:
    parser = options(__doc__, runs=5)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--rate", type=float, default=40, help="MB/s of each connection of the limited pulls")
    parser.add_argument("--jobs", type=int, default=4)
    arguments = parser.parse_args()
    measured = Measured()
    size = arguments.mib * MiB
    jobs = ("-j", str(arguments.jobs), "-q")
    skopeo = ("skopeo", "--insecure-policy", "copy", "-q")
    with scratch_directory(arguments.scratch) as scratch:
        layout = scratch / "layout"
        paths = random_layout(layout, arguments.layers, size // arguments.layers)
        (single,) = random_layout(scratch / "single", 1, size)

        def sent(*command: str) -> Callable[[], Figures]:
            def work(registry: str) -> Figures:
                return measure([word.replace("TARGET", f"{registry}/image:v1") for word in command])

            return partial(push, scratch, work)

        pushes = {
            "cogpack copy": sent(*COGPACK, "copy", *jobs, str(layout), "TARGET"),
            "skopeo copy": sent(*skopeo, "--dest-tls-verify=false", f"oci:{layout}:v1", "docker://TARGET"),
        }
        if shutil.which("crane"):
            pushes["crane push"] = sent("crane", "push", "--insecure", str(layout), "TARGET")
        if shutil.which("oras"):
            pushes["oras cp"] = sent(
                "oras", "cp", "--to-plain-http", "--concurrency", "4", "--from-oci-layout", f"{layout}:v1", "TARGET"
            )
        pushes["socket"] = partial(push, scratch, lambda registry: in_child("registry", "bare_sender", paths, registry))
        sends = in_turns(pushes, arguments.runs)
        with docker_registry(scratch / "storage") as registry:
            front = Front(registry, arguments.rate * 1e6)
            image, one = f"{registry}/image:v1", f"{front.address}/single:v1"
            measure([*COGPACK, "copy", *jobs, str(layout), image])
            measure([*COGPACK, "copy", *jobs, str(scratch / "single"), f"{registry}/single:v1"])

            def fetched(*command: str, synced: bool = False) -> Callable[[], Figures]:
                def words(target: Path) -> list[str]:
                    return [word.replace("TARGET", str(target)) for word in command]

                return partial(pull, scratch, words, synced=synced)

            pulls = {
                "cogpack pull": fetched(*COGPACK, "pull", *jobs, image, "-o", "TARGET/out"),
                "skopeo copy": fetched(*skopeo, "--src-tls-verify=false", f"docker://{image}", "oci:TARGET/out"),
            }
            if shutil.which("crane"):
                crane = ("crane", "pull", "--insecure", "--format=oci", image, "TARGET/out")
                pulls["crane pull"] = fetched(*crane)
                pulls["crane pull, sync"] = fetched(*crane, synced=True)
            if shutil.which("oras"):
                pulls["oras cp"] = fetched(
                    "oras", "cp", "--from-plain-http", "--concurrency", "4", image, "--to-oci-layout", "TARGET/out:v1"
                )
            fetches = in_turns(pulls, arguments.runs)
            url = f"http://{front.address}/v2/single/blobs/sha256:{single.name}"
            aria2 = ("aria2c", "-q", f"-x{CONNECTIONS}", f"-s{CONNECTIONS}", "-k4M", "--file-allocation=none")
            limited = in_turns(
                {
                    "cogpack pull": fetched(*COGPACK, "pull", "-q", one, "-o", "TARGET/out"),
                    f"aria2c -x{CONNECTIONS}": fetched(*aria2, "-d", "TARGET", url),
                },
                arguments.runs,
            )
    gigabytes = f"{size / 1e9:.2f} GB in {arguments.layers} layers"
    tables = [
        Table(f"Push of {gigabytes}", rows(sends, ["socket"]), "cogpack copy", size, PUSHED),
        Table(f"Pull of {gigabytes}", rows(fetches), "cogpack pull", size, PULLED),
        Table(
            f"Pull of one blob, {arguments.rate:g} MB/s a connection",
            rows(limited),
            "cogpack pull",
            size,
            "aria2c neither hashes what it fetches nor waits for the disk.",
        ),
    ]
    measured.report(tables, arguments.json, ("docker-registry", "skopeo", "crane", "oras", "aria2c"))


if __name__ == "__main__":
    main()
