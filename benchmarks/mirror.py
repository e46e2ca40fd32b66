"""A package index on loopback that holds each connection to a rate, as the fronts of public ones do.

    python benchmarks/mirror.py DIRECTORY [--rate 80]

Serves the wheels of DIRECTORY by PEP 691 and PEP 658, whole and by ranges, and prints its address. It is a process of
its own and sends by sendfile(2): what it costs is the kernel's copy.
"""

import argparse
import functools
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

_PIECE = 256 * 1024
_JSON = "application/vnd.pypi.simple.v1+json"


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(directory: Path) -> dict[str, tuple[str, bytes]]:
    """By file name: its sha256, remembered beside it, and its METADATA."""
    remembered = directory / "sha256.json"
    known: dict[str, str] = json.loads(remembered.read_text()) if remembered.exists() else {}
    found = {}
    for path in sorted(directory.glob("*.whl")):
        name = f"{path.name} {path.stat().st_size}"
        if name not in known:
            known[name] = digest_of(path)
        with zipfile.ZipFile(path) as wheel:
            (metadata,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
            found[path.name] = known[name], wheel.read(metadata)
    remembered.write_text(json.dumps(known))
    return found


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(
        self, directories: Sequence[Path], files: dict[str, tuple[str, bytes]], rate: float, *rest: object
    ) -> None:
        self._directories = directories
        self._files = files
        self._rate = rate
        self._due = time.monotonic()
        super().__init__(*rest)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path.rstrip("/")
        name = path.rpartition("/")[2]
        if path.startswith("/simple/"):
            listing = self._listing(name)
            self._small(json.dumps(listing).encode(), _JSON) if listing["files"] else self.send_error(404)
        elif name.removesuffix(".metadata") != name and name.removesuffix(".metadata") in self._files:
            self._small(self._files[name.removesuffix(".metadata")][1], "text/plain")
        elif name in self._files:
            self._file(next(d / name for d in self._directories if (d / name).exists()))
        else:
            self.send_error(404)

    do_HEAD = do_GET  # noqa: N815 - the base class says so

    def _listing(self, project: str) -> dict[str, object]:
        files = [
            {
                "filename": name,
                "url": f"/files/{name}",
                "hashes": {"sha256": sha256},
                "size": next((d / name).stat().st_size for d in self._directories if (d / name).exists()),
                "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
            }
            for name, (sha256, metadata) in self._files.items()
            if name.partition("-")[0].replace("_", "-").lower() == project
        ]
        versions = sorted({str(file["filename"]).split("-")[1] for file in files})
        return {"meta": {"api-version": "1.1"}, "name": project, "files": files, "versions": versions}

    def _small(self, body: bytes, media_type: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _file(self, path: Path) -> None:
        size = path.stat().st_size
        wanted = self.headers.get("Range", "")
        start, end = 0, size
        if wanted.startswith("bytes="):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = int(first) if first else size - int(last)
            end = min(size, int(last) + 1) if first and last else size
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        if self.command == "GET":
            with path.open("rb") as file:
                self._send(file.fileno(), start, end)

    def _send(self, file: int, start: int, end: int) -> None:
        self.wfile.flush()
        while start < end:
            size = os.sendfile(self.connection.fileno(), file, start, min(_PIECE, end - start))
            start += size
            self._due = max(self._due, time.monotonic() - 0.05) + size / self._rate
            time.sleep(max(0.0, self._due - time.monotonic()))


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        pass  # who reads a file's end hangs up where it has enough


@contextmanager
def mirror(directories: Sequence[Path], rate: float) -> Iterator[str]:
    """Its address, `http://127.0.0.1:PORT/simple`; `rate` in bytes a second of each connection."""
    command = [sys.executable, __file__, *map(str, directories), "--rate", str(rate / 1e6)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directories", type=Path, nargs="+")
    parser.add_argument("--rate", type=float, default=80, help="MB/s of each connection")
    arguments = parser.parse_args()
    files = {name: of for directory in arguments.directories for name, of in described(directory).items()}
    handler = functools.partial(_Handler, arguments.directories, files, arguments.rate * 1e6)
    server = _Server(("127.0.0.1", 0), handler)
    print(f"http://127.0.0.1:{server.server_port}/simple", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
