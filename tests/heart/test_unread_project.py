"""Each verb and each sink, on a project whose files no run has read yet: a fresh checkout, any CI."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from support import gguf_files, safetensors_files
from support.world import Project, World, install_docker, noise, ok, tar_files

WEIGHT = noise(2_000_000)
FILES = {"model/w.pt": WEIGHT, "model/labels.json": "{}", "notes.txt": "read me"}
ON_IMAGE = {"src/model/w.pt": WEIGHT, "src/model/labels.json": b"{}", "src/notes.txt": b"read me"}


def holds(files: dict[str, bytes | str]) -> bool:
    return ON_IMAGE.items() <= files.items()


def layout_files(directory: Path) -> dict[str, bytes | str]:
    """What the one image of a layout holds, read without any code of ours."""

    def blob(digest: str) -> bytes:
        return (directory / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

    (entry,) = json.loads((directory / "index.json").read_text())["manifests"]
    found: dict[str, bytes | str] = {}
    for layer in json.loads(blob(entry["digest"]))["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as archive:
            names = [member.name for member in archive if member.isfile()]
            found |= {name: archive.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    return found


def archive_files(data: bytes) -> dict[str, bytes | str]:
    """What the image of a docker archive holds."""
    members = tar_files(data)
    (image,) = json.loads(members["manifest.json"])
    found: dict[str, bytes | str] = {}
    for name in image["Layers"]:
        layer = members[name]
        assert isinstance(layer, bytes)
        found |= tar_files(layer)
    return found


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", ["w.pt", *(pytest.param(f"w.{kind}", marks=SLOW) for kind in ("safetensors", "bin", "joblib", "gguf"))]
)
def test_a_layout_takes_the_bytes_of_the_first_reading(world: World, name: str) -> None:
    project = world.project(files={f"model/{name}": WEIGHT})
    ok(project.cogpack("build", "-o", "../out"))
    assert layout_files(world.directory / "out")[f"src/model/{name}"] == WEIGHT


def test_a_layout_holds_the_project(world: World) -> None:
    ok(world.project(files=FILES).cogpack("build", "-o", "../out"))
    assert holds(layout_files(world.directory / "out"))


def test_an_archive_holds_the_project(world: World) -> None:
    done = ok(world.project(files=FILES).cogpack("build", "-o", "../image.tar"))
    assert done.out == "cog-model:latest\n"
    assert holds(archive_files((world.directory / "image.tar").read_bytes()))


def test_docker_gets_the_project(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = install_docker(world.directory, monkeypatch)
    assert ok(world.project(files=FILES).cogpack("load")).out == "cog-model:latest\n"
    assert holds(archive_files(loaded()))


def test_a_registry_gets_the_project(world: World) -> None:
    project = world.project(files=FILES)
    ok(project.cogpack("push", project.target()))
    assert holds(world.files("me/model", "v1"))


def test_an_image_is_verified_on_a_machine_that_has_read_nothing(pushed: Project) -> None:
    digest = ok(pushed.cogpack("push", pushed.target())).digest
    done = ok(pushed.cogpack("verify", pushed.target(), COGPACK_CACHE_DIR=str(pushed.root.parent / "empty")))
    assert digest in done.out


@pytest.mark.parametrize(
    "rebuild", [(), pytest.param(("--rebuild",), marks=SLOW), pytest.param(("--paranoid",), marks=SLOW)]
)
def test_all_sinks_get_one_image(world: World, rebuild: tuple[str, ...]) -> None:
    """Each from an empty cache: nothing that one run learned helps another."""

    def alone(number: int) -> dict[str, str]:
        return {"COGPACK_CACHE_DIR": str(world.directory / f"cache{number}")}

    project = world.project(files=FILES)
    ok(project.cogpack("lock", **alone(0)))
    pushed = ok(project.cogpack("push", *rebuild, project.target(), CI="true", **alone(1)))
    built = ok(project.cogpack("build", *rebuild, "-o", "../out", CI="true", **alone(2)))
    assert built.digest == pushed.digest
    ok(project.cogpack("build", *rebuild, "-o", "../image.tar", CI="true", **alone(3)))
    archive = tar_files((world.directory / "image.tar").read_bytes())
    (image,) = json.loads(archive["manifest.json"])
    config = world.manifest("me/model", "v1")["config"]["digest"]
    assert image["Config"] == f"{config.removeprefix('sha256:')}.json"


@pytest.mark.parametrize(
    "verb",
    [["build", "-o", "../out"], pytest.param(["build", "-o", "../a.tar"], marks=SLOW), ["push", "REF"]],
    ids=["layout", "archive", "registry"],
)
def test_files_that_were_touched_since_they_were_read_are_read_again(world: World, verb: list[str]) -> None:
    project = world.project(files=FILES)
    verb = [project.target() if word == "REF" else word for word in verb]
    first = ok(project.cogpack(*verb))
    (project.root / "model/w.pt").touch()
    assert ok(project.cogpack(*verb)).out == first.out
    project.write("model/w.pt", noise(2_000_000, seed=1))
    changed = ok(project.cogpack(*verb))
    assert (changed.out == first.out) == verb[-1].endswith(".tar")


def test_plan_and_weights_ls_tell_of_an_unread_project(world: World) -> None:
    project = world.project(files=FILES)
    planned = ok(project.cogpack("plan", project.target(), "--json")).json
    assert [layer["name"] for layer in planned["layers"] if layer["name"].startswith("weights: ")]
    assert "model/w.pt" in ok(project.cogpack("weights", "ls")).out


def test_weights_alone_are_pushed_of_an_unread_project(world: World) -> None:
    project = world.project(files=FILES)
    ok(project.cogpack("push", "--weights-only", project.target("weights")))
    assert world.files("me/model", "weights") == {"src/model/w.pt": WEIGHT}


def test_schema_reads_no_weights(world: World) -> None:
    project = world.project(files=FILES)
    (project.root / "model/w.pt").chmod(0)
    assert ok(project.cogpack("schema")).json["openapi"]


@pytest.mark.parametrize("verb", [("inspect",), ("pull", "-o", "../pulled"), ("copy", "../copied")], ids=str)
def test_what_was_pushed_of_an_unread_project_can_be_read(pushed: Project, verb: tuple[str, ...]) -> None:
    digest = ok(pushed.cogpack("push", pushed.target())).digest
    act, *rest = verb
    assert digest in ok(pushed.cogpack(act, pushed.target(), *rest, "--json")).out


def test_weights_of_an_image_are_pulled_and_compared(pushed: Project) -> None:
    ok(pushed.cogpack("weights", "pull", pushed.target(), "-o", "../weights"))
    assert (pushed.root.parent / "weights" / "model" / "w.pt").read_bytes() == WEIGHT
    done = ok(pushed.cogpack("weights", "verify", pushed.target(), "--against", "model/w.pt"))
    assert done.out.startswith("equal")


TENSORS = [(name, "F32", [700, 1000]) for name in "abc"]


@pytest.mark.parametrize(
    ("name", "data", "split", "layers"),
    [
        ("w.pt", noise(8_000_000), "opaque", 3),
        ("model.safetensors", safetensors_files.made(TENSORS), "tensor", 3),
        ("w.gguf", gguf_files.made(TENSORS), "gguf", 3),
        ("w.pt", WEIGHT, "none", 1),
    ],
)
@pytest.mark.parametrize("compression", ["none", pytest.param("zstd", marks=SLOW)])
def test_weights_of_every_cut_go_into_every_sink(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, split: str, layers: int, compression: str
) -> None:
    loaded = install_docker(world.directory, monkeypatch)
    cut = f"  weights:\n    split: {split}\n    layer_size: 2097152\n    compression: {compression}\n"
    project = world.project(files={f"model/{name}": data}, config=cut)
    built = ok(project.cogpack("build", "-o", "../out", "--json")).json
    assert sum(layer["name"].startswith("weights: ") for layer in built["layers"]) >= layers
    ok(project.cogpack("load", COGPACK_CACHE_DIR=str(world.directory / "second")))
    assert sum(map(len, archive_files(loaded()).values())) >= len(data)
    pushed = ok(project.cogpack("push", project.target(), COGPACK_CACHE_DIR=str(world.directory / "third")))
    assert pushed.digest == built["digest"]
    ok(project.cogpack("verify", project.target(), COGPACK_CACHE_DIR=str(world.directory / "fourth")))
