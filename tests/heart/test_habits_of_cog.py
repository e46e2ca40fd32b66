"""What a Cog user types and sets means here what it means there, or is told."""

from pathlib import Path

import pytest
from support.world import World, install_docker, noise, ok


def test_build_without_a_place_goes_into_docker_where_it_answers_and_else_into_a_layout(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.project()
    down = world.directory / "down/docker"
    down.parent.mkdir()
    down.write_text("#!/bin/sh\nexit 1\n")
    down.chmod(0o755)
    monkeypatch.setenv("PATH", str(down.parent), prepend=":")
    project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("cogpack:", "tasks: 1\ncogpack:"))
    built = ok(project.cogpack("build", "-t", "me/model:v1"))
    assert built.err.count("note: cog.yaml:5:1: ") == 1
    assert "no Docker answers: the image goes into ./model-oci, an OCI layout" in built.err
    assert (project.root / "model-oci/oci-layout").is_file()
    loaded = install_docker(world.directory, monkeypatch)
    in_docker = ok(project.cogpack("build", "-t", "me/model:v1"))
    assert in_docker.out == "docker.io/me/model:v1\n"
    assert "the image goes into the local Docker" in in_docker.err
    assert b"me/model:v1" in loaded()
    away = world.project("away")
    away.write("cog.yaml", (away.root / "cog.yaml").read_text().replace(world.registry, "127.0.0.1:9"))
    done = away.cogpack("build")
    assert (done.code, "no Docker answers" in done.err, (away.root / "cog-away-oci").exists()) == (5, False, False)


@pytest.mark.slow
def test_options_of_cog_are_taken_with_a_note(world: World) -> None:
    project = world.project()
    words = ("--separate-weights", "--use-cog-base-image=false", "--use-cuda-base-image", "auto", "--progress=plain")
    done = ok(project.cogpack("build", "-o", "../image.tar", *words))
    assert [word.partition("=")[0] in done.err for word in words] == [True, True, True, False, True]
    again = ok(project.cogpack("build", "-o", "../image.tar", "--no-cache", "--json"))
    assert [note["code"] for note in again.json["notes"]] == ["cog-option"]
    denied = project.cogpack("build", "-o", "../image.tar", "--no-cache", "--deny", "cog-option")
    assert denied.code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("image", "variables", "pushed"),
    [
        ("", {"COG_MODEL": "{registry}/me/other:v7"}, "me/other:v7"),
        ("model: {registry}/me/mine\n", {"COG_MODEL_TAG": "v3"}, "me/mine:v3"),
        ("model: {registry}/me/mine\n", {"COG_MODEL_REPO": "you/theirs", "COG_MODEL_TAG": "v3"}, "you/theirs:v3"),
        ("", {"COG_MODEL_REGISTRY": "{registry}", "COG_MODEL_REPO": "a/b", "COG_MODEL_TAG": "x"}, "a/b:x"),
        ("", {"COG_REGISTRY_HOST": "{registry}", "COG_MODEL_REPO": "a/b", "COG_MODEL_TAG": "x"}, "a/b:x"),
    ],
)
def test_variables_name_the_model_or_parts_of_it(
    world: World, image: str, variables: dict[str, str], pushed: str
) -> None:
    project = world.project(files={"w.bin": noise(1000)})
    config = project.root / "cog.yaml"
    config.write_text(image.format(registry=world.registry) + config.read_text())
    named = {name: value.format(registry=world.registry) for name, value in variables.items()}
    assert ok(project.cogpack("push", "--json", **named)).json["tags"] == [f"{world.registry}/{pushed}"]
    assert all(layer["moves"] is False for layer in ok(project.cogpack("plan", "--json", **named)).json["layers"])


def test_a_variable_of_cogs_build_that_is_not_looked_at_is_told(world: World) -> None:
    done = ok(world.project().cogpack("schema", COG_SDK_WHEEL="pypi:0.12.0", COGLET_WHEEL="dist"))
    assert "note: COG_SDK_WHEEL is not looked at: build.sdk_version" in done.err
    assert "note: COGLET_WHEEL is not looked at: build.sdk_version" in done.err


@pytest.mark.slow
def test_what_has_no_tag_gets_the_time(world: World) -> None:
    project = world.project()
    (tag,) = ok(project.cogpack("push", "--json", COG_MODEL=f"{world.registry}/me/other")).json["tags"]
    time = tag.rpartition(":")[2]
    assert (len(time), time[8], time[-1]) == (16, "T", "Z")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"COG_MODEL_REPO": "a/b:v1"}, "COG_MODEL_REPO: expected a repository alone"),
        ({"COG_MODEL_REPO": "a/b", "COG_MODEL_REGISTRY": "h/x"}, "COG_MODEL_REGISTRY: expected a host alone"),
        ({"COG_MODEL_REPO": "a/b", "COG_REGISTRY_HOST": "h/x"}, "COG_REGISTRY_HOST: expected a host"),
        ({"COG_MODEL_REPO": "a/b", "COG_MODEL_TAG": "cog-x"}, "does not begin with cog-"),
        ({"COG_MODEL_REPO": "a/b", "COG_MODEL_TAG": "-x"}, "COG_MODEL_TAG: expected a tag"),
        ({"COG_MODEL": "h.io/a:b:c"}, "COG_MODEL"),
    ],
)
def test_a_variable_that_names_nothing_is_an_error_of_it(world: World, variables: dict[str, str], told: str) -> None:
    done = world.project().cogpack("push", **variables)
    assert (done.code, told in done.err) == (2, True), done.err


@pytest.mark.slow
def test_image_of_cog_yaml_and_the_variables_are_not_for_the_same_project(world: World) -> None:
    project = world.project()
    config: Path = project.root / "cog.yaml"
    config.write_text(f"image: {world.registry}/me/mine\n{config.read_text()}")
    done = project.cogpack("push", COG_MODEL=f"{world.registry}/me/other:v1")
    assert (done.code, "stands beside COG_MODEL, which is for model" in done.err) == (2, True)
