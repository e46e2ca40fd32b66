"""No file of an image hides another: two of one place, or one beneath another, are refused with both their names."""

import re

import pytest
from support.safetensors_files import made
from support.world import Project, World, noise, ok

pytestmark = pytest.mark.slow

MiB = 1024 * 1024


def managed(world: World, target: str, *names: str) -> Project:
    """A project with a managed weight of small files in a directory."""
    source = world.directory / "source"
    source.mkdir()
    for name in names:
        (source / name).write_bytes(b"weights")
    project = world.project()
    weights = f"weights:\n  - name: w\n    target: {target}\n    source: {{uri: {source}}}\n"
    config = f"model: {world.registry}/me/model\n{weights}"
    project.write("cog.yaml", (project.root / "cog.yaml").read_text() + config)
    return project


@pytest.mark.parametrize(
    ("target", "name", "file", "words"),
    [
        ("/src/w", "a.bin", "w/a.bin", "/src/w/a.bin: w/a.bin and the managed weight w/a.bin both want this place"),
        (
            "/src/w",
            "a.bin",
            "w",
            "/src/w/a.bin: the managed weight w/a.bin would lie beneath /src/w, which is no directory",
        ),
        ("/src", "a.bin", "a.bin/x", "/src/a.bin/x: a.bin/x would lie beneath /src/a.bin, which is no directory"),
        (
            "/src/predict.py",
            "a.bin",
            "x",
            "weight predict.py/a.bin would lie beneath /src/predict.py, which is no directory",
        ),
        (
            "/src/.cog",
            "openapi_schema.json",
            "x",
            "the model's schema and the managed weight .cog/openapi_schema.json both want this place",
        ),
    ],
)
def test_a_managed_weight_hides_nothing_and_is_not_hidden(
    world: World, target: str, name: str, file: str, words: str
) -> None:
    project = managed(world, target, name)
    project.write(file, b"of the project")
    done = project.cogpack("push", project.target())
    assert done.code == 2
    assert words in done.err
    assert not world.has("me/model", "v1")


def test_a_managed_weight_is_not_hidden_by_a_link(world: World) -> None:
    project = managed(world, "/src/w", "a.bin")
    project.write("elsewhere/b.bin", b"of this machine")
    (project.root / "w").symlink_to("elsewhere")
    done = project.cogpack("push", project.target())
    assert done.code == 2
    assert "/src/w/a.bin: the managed weight w/a.bin would lie beneath /src/w, which is no directory" in done.err


def test_a_part_of_a_cut_weight_does_not_take_a_files_place(world: World) -> None:
    model = made([(name, "F32", (300_000,)) for name in "abc"])
    files = {"model.safetensors": model, "config.json": '{"model_type": "x"}'}
    project = world.project(files=files, config=f"  weights:\n    layer_size: {MiB}\n")
    ok(project.cogpack("push", project.target()))
    part = next(path for path in world.files("me/model", "v1") if re.fullmatch(r"src/model-a-.*", path))
    project.write(part.removeprefix("src/"), noise(3 * MiB))
    done = project.cogpack("push", project.target("v2"))
    assert done.code == 2
    assert f"/{part}: {part.removeprefix('src/')} and model.safetensors both want this place" in done.err
