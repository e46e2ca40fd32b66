"""A lock does not outlive what its splits of managed weights were decided by."""

from collections.abc import Iterator

import pytest
from support.hub import Hub, hub
from support.safetensors_files import made
from support.world import Project, World, ok

pytestmark = pytest.mark.slow

MODEL = made([(name, "F32", (300_000,)) for name in "abc"])
SETTINGS = "  weights:\n    layer_size: 1048576\n"


@pytest.fixture
def found() -> Iterator[Hub]:
    with hub({"model.safetensors": MODEL, "config.json": b'{"model_type": "x"}'}) as server:
        yield server


@pytest.fixture
def project(world: World, found: Hub) -> Project:
    """A project with a lock, which splits a weight of the hub along its tensors."""
    project = world.project(config=SETTINGS)
    source = "weights:\n  - name: w\n    target: /src/weights\n    source: {uri: 'hf://owner/name'}\n"
    project.write("cog.yaml", f"{(project.root / 'cog.yaml').read_text()}model: {world.registry}/me/model\n{source}")
    ok(project.cogpack("lock", HF_ENDPOINT=found.endpoint))
    assert 'rule = "tensor"' in (project.root / "cogpack.lock").read_text()
    ok(project.cogpack("lock", "--check"))
    return project


@pytest.mark.parametrize("asked", ["split: none", "split: opaque", "layer_size: 2097152", "compression: zstd"])
def test_other_settings_for_weights_make_a_lock_stale(project: Project, found: Hub, asked: str) -> None:
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("layer_size: 1048576", asked))
    done = project.cogpack("lock", "--check")
    assert done.code == 3
    assert "cogpack.lock was made from another cog.yaml" in done.err
    assert project.cogpack("plan", "--locked", HF_ENDPOINT=found.endpoint).code == 3
    before = (project.root / "cogpack.lock").read_text().partition("[results]")[0]
    done = ok(project.cogpack("push", project.target(), HF_ENDPOINT=found.endpoint))
    assert "unchanged: " not in done.err
    assert (project.root / "cogpack.lock").read_text().partition("[results]")[0] != before
    ok(project.cogpack("lock", "--check"))


def test_settings_that_no_pin_hangs_on_leave_a_lock_as_it_is(project: Project) -> None:
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace(SETTINGS, f"{SETTINGS}    exclude: [docs/**]\n    min_size: 5\n"))
    ok(project.cogpack("lock", "--check"))


def test_code_that_reads_the_whole_file_makes_a_lock_stale(project: Project, found: Hub) -> None:
    project.write("load.py", "load_file('weights/model.safetensors')\n")
    done = project.cogpack("plan", "--locked")
    assert done.code == 3
    assert "cogpack.lock was made from another use of weights/model.safetensors" in done.err
    done = ok(project.cogpack("push", project.target(), HF_ENDPOINT=found.endpoint))
    assert "cogpack.lock is stale (use of weights/model.safetensors changed): resolving" in done.err
    assert project.world.files("me/model", "v1")["src/weights/model.safetensors"] == MODEL
    ok(project.cogpack("lock", "--check"))


def test_a_config_that_is_no_config_is_read_of_no_directory_and_of_no_hub(world: World, found: Hub) -> None:
    """What is as large as a weight is no small file: of a directory, all of it was in memory."""
    config = b'{"model_type": "x"}' + b" " * 16 * 1024 * 1024
    found.files["config.json"] = config
    (world.directory / "local").mkdir()
    for name, data in found.files.items():
        (world.directory / "local" / name).write_bytes(data)
    for uri in ("hf://owner/name", str(world.directory / "local")):
        project = world.project(f"of-{uri[:2].strip('/')}", config=SETTINGS)
        source = f"weights:\n  - name: w\n    target: /src/weights\n    source: {{uri: '{uri}'}}\n"
        text = f"{(project.root / 'cog.yaml').read_text()}model: {world.registry}/me/model\n{source}"
        project.write("cog.yaml", text)
        listed = ok(project.cogpack("weights", "ls", HF_ENDPOINT=found.endpoint)).out
        (line,) = (line for line in listed.splitlines() if "weights/model.safetensors (" in line)
        assert "none" in line
