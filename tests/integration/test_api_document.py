"""What docs/api.md says of the server of an image is what it answers: its examples are run, in their order."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import ROOT, Project

from cogpack.running.server import free_port
from cogpack.sandbox.rungs.choice import Rung, probe

pytestmark = pytest.mark.integration

TEXT = (ROOT / "docs/api.md").read_text()
MODEL = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0]
EXAMPLES = re.findall(r"^```sh\n(.*?)^```\n\n```http\n(\d+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@contextmanager
def served(project: Project, *command: str, **variables: str) -> Iterator[int]:
    """A model's server on a port of its own."""
    port = free_port()
    words = [sys.executable, "-m", "cogpack", *(word.replace("%PORT%", str(port)) for word in command)]
    with subprocess.Popen(
        words, cwd=project.root, env=project.environment | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            assert process.stdout is not None
            said = list[bytes]()
            for line in process.stdout:
                said.append(line)
                if b"Setup complete, now accepting requests" in line:
                    break
            else:
                pytest.fail(b"".join(said).decode())
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield port
        finally:
            process.terminate()
            process.wait(60)


class Hooks:
    """Hears webhooks."""

    def __init__(self) -> None:
        self.statuses: set[str] = set()
        self.both = threading.Event()
        hooks = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                hooks.statuses.add(told["status"])
                self.send_response(200)
                self.end_headers()
                if hooks.statuses == {"processing", "succeeded"}:
                    hooks.both.set()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def asked(line: str, status: str) -> tuple[str, str]:
    """Run curl as it is written; a slot that is not free yet is waited for."""
    shell = line.replace("curl ", "curl --silent --write-out '\\n%{http_code}' ", 1)
    for _ in range(200):
        done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
        body, _, code = done.stdout.rpartition("\n")
        if code != "409" or status == "409":
            break
    return code, body


def events(text: str) -> list[tuple[str, Any]]:
    found = re.findall(r"^event: (\w+)\ndata: (.*)\n", text, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def same(expected: Any, found: Any) -> bool:
    if expected == "...":
        return True
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same(expected[key], found[key]) for key in expected)
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(map(same, expected, found))
    return bool(expected == found)


def test_each_example_is_answered_as_it_is_written(locked_hello: Project, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    if all(probe(tmp_path).refusal(rung, owners=False) for rung in (Rung.ROOT, Rung.USERNS)):
        pytest.skip("this machine lets nobody make namespaces")
    project = locked_hello.fresh(tmp_path / "model", lock=True)
    (project.root / "predict.py").write_text(MODEL)
    config = (project.root / "cog.yaml").read_text()
    (project.root / "cog.yaml").write_text(
        re.sub(r"^(predict|run): .*", "run: predict.py:Runner\ntrain: predict.py:train", config, flags=re.MULTILINE)
    )
    project.cogpack("lock")
    hooks = Hooks()
    train = ["python", "-m", "cog.server.http", "--x-mode", "train", "--host", "127.0.0.1"]
    with (
        served(project, "serve", "-p", "%PORT%") as runs,
        served(project, "exec", "-e", "PORT=%PORT%", *train) as trains,
    ):
        assert len(EXAMPLES) == 12
        for line, status, body in EXAMPLES:
            port = trains if "/trainings" in line else runs
            shell = line.replace("localhost:5000", f"localhost:{port}")
            code, found = asked(shell.replace(":8000/", f":{hooks.server.server_address[1]}/"), status)
            assert code == status, f"{line}{found}"
            if body.startswith("event:"):
                expected, told = events(body), events(found + "\n")
                for name in ("start", "output", "log", "metric", "completed"):
                    pair = [[data for one, data in each if one == name] for each in (expected, told)]
                    assert same(*pair), f"{line}{found}"
            else:
                assert same(json.loads(body), json.loads(found)), f"{line}{found}"
    hooks.server.shutdown()
    hooks.server.server_close()
    assert hooks.both.wait(10), hooks.statuses
