"""`make demo` where no Docker daemon answers, over a project of a few bytes, its container and model stand-ins."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from support.world import World

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo.py"

MODEL = """\
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

tree, shell, dash_c, script, name, directory, *command = sys.argv[1:]
there = {path.relative_to(tree).as_posix() for path in Path(tree).rglob("*")}
Path(os.environ["SEEN"]).write_text(json.dumps([sorted(there), shell, dash_c, directory, command]))
source = (Path(tree) / directory.strip("/") / "predict.py").read_text()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer({"status": "READY"})

    def do_POST(self):
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]["text"]
        self.answer({"status": "succeeded", "output": [float(len(text)), float(len(source))]})

    def answer(self, document):
        body = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
"""What stands in for chroot: the model, which answers with what it finds in the unpacked image."""


def loaded(state: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DEMO_DIR", str(state))
    spec = importlib.util.spec_from_file_location("demo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(demo)
    return demo


@pytest.mark.slow
def test_the_demo_pushes_pulls_unpacks_and_asks_a_model_without_docker(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    example = world.project("minilm", {"fetch_weights.py": "", "w.pt": "weights"}, config="  weights: {min_size: 0}\n")
    source = (example.root / "predict.py").read_text()
    example.write("reference.json", json.dumps([{"text": "hello", "embedding": [5.0, float(len(source))]}]))
    programs, seen = tmp_path / "programs", tmp_path / "seen.json"
    programs.mkdir()
    (programs / "model.py").write_text(MODEL)
    for name, line in (
        ("chroot", f'SEEN={seen} exec {sys.executable} {programs}/model.py "$@"'),
        ("unshare", 'shift 2; exec "$@"'),  # --user --map-root-user
    ):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    monkeypatch.delenv("CI", raising=False)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(programs))
    demo = loaded(tmp_path / "demo", monkeypatch)
    monkeypatch.setattr(demo, "EXAMPLE", example.root)
    asked: list[tuple[str, ...]] = []

    def run(text: str, *what: str) -> list[float]:
        """Stands in for cogpack run, for which the base has no program."""
        asked.append(what)
        return [float(len(text)), float(len(source))]

    monkeypatch.setattr(demo, "run", run)
    demo.main()
    out = capsys.readouterr().out
    assert "no Docker daemon answers" in out
    assert "equal to the original model's" in out
    assert "image digest: sha256:" in out
    assert [len(what) for what in asked] == [0, 1]
    assert "@sha256:" in asked[1][0]
    there, *words, directory, command = json.loads(seen.read_text())
    assert {"src/w.pt", "src/predict.py", "usr/bin/python3"} <= set(there)
    assert (words, directory) == (["/bin/sh", "-c"], "/src")
    assert command
    assert not (tmp_path / "demo" / "rootfs").exists()
