"""`cogpack registry serve` as a process: its password, its end, and what a kill leaves."""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import plain
from support.validate import validate_layout
from support.wire import begin, digest_of, location, manifest_of, push_blob, put_manifest

pytestmark = pytest.mark.slow

DATA = random.Random(7).randbytes(8 << 20)
CONFIG = b'{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}'


@contextmanager
def serving(directory: Path, *options: str, stdin: str = "") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process and its `HOST:PORT`."""
    command = [sys.executable, "-m", "cogpack", "registry", "serve", str(directory), "--port", "0", *options]
    with (
        (directory.parent / "log").open("a") as log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(stdin)
            process.stdin.close()
            said = process.stdout.readline()
            assert "http://" in said, (directory.parent / "log").read_text()
            yield process, said.split("http://")[1].strip()
        finally:
            process.kill()


def test_the_password_comes_from_standard_input_and_goes_nowhere(tmp_path: Path) -> None:
    with serving(tmp_path / "r", "--user", "me", stdin="open sesame\n") as (process, address):
        assert plain.get(f"http://{address}/v2/").status_code == 401
        assert plain.get(f"http://{address}/v2/", auth=("me", "open sesame")).status_code == 200
        assert b"sesame" not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert "sesame" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_told_to_end_ends_well_and_leaves_no_open_upload(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path / "r") as (process, address):
        with plain.client(base_url=f"http://{address}/v2") as client:
            begin(client, "a")
            process.send_signal(how)
            assert process.wait(20) == 0
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["blobs", "index.json", "oci-layout"]


INTERRUPTED = """
import sys, threading
from pathlib import Path
from cogpack.registry.server import Server

begin = threading.Thread.start


def start(thread):
    begin(thread)
    raise KeyboardInterrupt


threading.Thread.start = start
try:
    with Server(Path(sys.argv[1])):
        pass
except KeyboardInterrupt:
    print("ended")
"""


def test_a_signal_while_it_begins_ends_it_too(tmp_path: Path) -> None:
    """It listens already, and who started it may end at once: it stayed, 5 times of 12."""
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "r")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "ended\n"


@pytest.mark.slow
def test_a_killed_server_keeps_what_it_confirmed_and_nothing_half(tmp_path: Path) -> None:
    with serving(tmp_path / "r") as (process, address):
        with plain.client(base_url=f"http://{address}/v2") as client:
            push_blob(client, "a", CONFIG)
            assert put_manifest(client, "a", "v1", manifest_of(CONFIG)).status_code == 201
            url = location(client, begin(client, "a"))
            host, _, port = address.partition(":")
            with socket.create_connection((host, int(port))) as connection:
                path = f"{url.raw_path.decode()}?digest={digest_of(DATA)}"
                connection.sendall(
                    f"PUT {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(DATA)}\r\n\r\n".encode()
                )
                connection.sendall(DATA[:-1])
                process.send_signal(signal.SIGKILL)
                process.wait(20)
    assert [path for path in (tmp_path / "r").iterdir() if path.name.startswith(".")]
    with serving(tmp_path / "r") as (_, address):
        with plain.client(base_url=f"http://{address}/v2") as client:
            assert client.get("/a/manifests/v1").content == manifest_of(CONFIG)
            assert client.head(f"/a/blobs/{digest_of(DATA)}").status_code == 404
            assert push_blob(client, "a", DATA) == digest_of(DATA)
        assert not [path for path in (tmp_path / "r").iterdir() if path.name.startswith(".")]
    assert validate_layout(tmp_path / "r", "a:v1").config_bytes == CONFIG
    assert all(digest_of(path.read_bytes()) == f"sha256:{path.name}" for path in _files(tmp_path / "r" / "blobs"))


def _files(directory: Path) -> list[Path]:
    return [Path(root) / name for root, _, names in os.walk(directory) for name in names]
