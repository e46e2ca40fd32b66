"""What lies in real projects beside code and weights: each verb, on a project that nobody has read yet."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import safetensors_files
from support.world import PREDICTOR, Project, World, install_docker, noise, ok

from cogpack.file_stat import Stat
from cogpack.layers import listed
from cogpack.layers.hashes import Hashes

pytestmark = pytest.mark.slow

WEIGHT = noise(2_000_000)
FILES = {"model/w.pt": WEIGHT, "notes.txt": "read me"}
VERBS = [
    ("push", "REF"),
    ("plan",),
    ("push", "--dry-run", "REF"),
    ("build", "-o", "../out"),
    ("build", "-o", "../a.tar"),
]


def verb(project: Project, words: tuple[str, ...]) -> list[str]:
    return [project.target() if word == "REF" else word for word in words]


@contextmanager
def streams_to(path: Path) -> Iterator[None]:
    """This process's standard output and error in a file, as a shell has it behind `> push.log 2>&1`."""
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with path.open("ab") as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
        try:
            yield
        finally:
            for descriptor, old in zip((1, 2), kept, strict=True):
                os.dup2(old, descriptor)
                os.close(old)


def managed(world: World, files: dict[str, bytes]) -> Project:
    """A project with managed weights of a directory at /weights."""
    project = world.project(files=FILES)
    text = (project.root / "cog.yaml").read_text().replace("build:\n", f"model: {world.registry}/me/model\nbuild:\n")
    weights = f"weights:\n  - name: w\n    target: /weights\n    source: {{uri: {world.directory}/given}}\n"
    project.write("cog.yaml", weights + text)
    for name, data in files.items():
        project.write(f"../given/{name}", data)
    return project


def test_a_log_of_the_push_itself_does_not_change_the_digest(world: World) -> None:
    project = world.project(files=FILES)
    quiet = ok(project.cogpack("push", project.target()))
    for again in range(2):
        with streams_to(project.root / "push.log"):
            os.write(1, b"a line\n")
            logged = ok(project.cogpack("push", project.target(), "--rebuild"))
        assert logged.digest == quiet.digest, again
        assert "note: push.log: this command's own standard output, left out\n" in logged.err
    assert "src/push.log" not in world.files("me/model", "v1")


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_sockets_and_pipes_are_left_out_with_a_note(world: World, words: tuple[str, ...]) -> None:
    project = world.project(files=FILES)
    os.mkfifo(project.root / "p")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(project.root / "s"))
        done = ok(project.cogpack(*verb(project, words)))
    assert "note: p: a pipe, left out\n" in done.err
    assert "note: s: a socket, left out\n" in done.err


@pytest.mark.parametrize("name", ["runs/train.log", "notes.txt"])
def test_a_file_that_grows_is_named_and_makes_no_image(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Once it is looked at anew, as what has changed since it was listed is."""
    project = world.project(files=FILES | {"runs/train.log": "0"})
    read, see = listed._read_as_listed, Hashes.see

    def grow() -> None:
        with (project.root / name).open("a") as log:
            log.write("more")

    def grown_before(path: str, stat: Stat, size: int) -> bytes | None:
        if path.endswith(name):
            grow()
        return read(path, stat, size)

    def grown_after(self: Hashes, number: int, stat: Stat) -> None:
        see(self, number, stat)
        if self.names.split(b"\0")[number] == name.encode():
            grow()

    monkeypatch.setattr(listed, "_read_as_listed", grown_before)
    monkeypatch.setattr(Hashes, "see", grown_after)
    done = project.cogpack("push", project.target())
    assert done.code == 3  # the other layers may be on their way by then
    assert f"error: {project.root / name}: changed while it was read\n" in done.err
    assert "next: run it again when nothing writes there, or list the file in .dockerignore" in done.err
    assert not world.has("me/model", "v1")


@pytest.mark.parametrize("output", ["out", "image.tar"])
def test_an_image_that_was_built_into_the_project_is_no_part_of_the_next(world: World, output: str) -> None:
    project = world.project(files=FILES)
    first = ok(project.cogpack("build", "-o", output))
    size = (project.root / output).stat().st_size
    second = ok(project.cogpack("build", "-o", output, "--rebuild"))
    assert second.out == first.out
    assert f"note: {output}: " in second.err
    assert (project.root / output).stat().st_size == size


def test_links_that_are_right_in_the_image_are_kept(world: World) -> None:
    project = world.project(files=FILES)
    links = {"also.py": "/src/predict.py", ".env": "/dev/null", "up": "../src/notes.txt"}
    for name, target in links.items():
        (project.root / name).symlink_to(target)
    ok(project.cogpack("push", project.target()))
    found = world.files("me/model", "v1")
    assert {name: found[f"src/{name}"] for name in links} == links


def test_a_link_to_the_target_of_managed_weights_is_kept(world: World) -> None:
    project = managed(world, {"m.bin": WEIGHT})
    (project.root / "models").symlink_to("/weights")
    ok(project.cogpack("push", project.target()))
    found = world.files("me/model", "v1")
    assert (found["src/models"], found["weights/m.bin"]) == ("/weights", WEIGHT)


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_an_empty_file_may_be_among_managed_weights(world: World, words: tuple[str, ...]) -> None:
    project = managed(world, {"m.bin": WEIGHT, "sub/.lock": b""})
    ok(project.cogpack(*verb(project, words)))


@pytest.mark.parametrize("words", [("push", "REF"), ("plan",), ("schema",)], ids=" ".join)
def test_a_predictor_behind_a_link_out_of_the_project_is_told_as_that(world: World, words: tuple[str, ...]) -> None:
    project = world.project(files=FILES)
    (project.root / "predict.py").rename(world.directory / "predict.py")
    (project.root / "predict.py").symlink_to("../predict.py")
    done = project.cogpack(*verb(project, words))
    assert done.code == 2
    assert "error: cog.yaml:4:10: predict: predict.py: a link that leads to /predict.py in the image" in done.err
    assert '    4 | predict: "predict.py:Predictor"\n      |          ^\n' in done.err
    assert ".dockerignore" not in done.err


def test_merge_keys_are_merged(world: World) -> None:
    project = world.project(files=FILES)
    text = (project.root / "cog.yaml").read_text()
    plain = ok(project.cogpack("push", project.target()))
    python = '  python_version: "3.13"\n'
    assert python in text
    merged = "common: &c\n" + python + "  gpu: yes\n" + text.replace(python, "  <<: *c\n  gpu: false\n")
    project.write("cog.yaml", merged)
    again = ok(project.cogpack("push", project.target()))
    assert "unknown key" not in again.err
    assert world.manifest("me/model", "v1")["layers"][:-1]
    assert plain.digest != again.digest, "cog.yaml itself is in the image"


def test_a_build_needs_no_python_version(world: World) -> None:
    project = world.project(files=FILES)
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace('  python_version: "3.13"\n', ""))
    ok(project.cogpack("push", project.target()))


@pytest.mark.parametrize("words", [("lock",), *VERBS], ids=" ".join)
def test_what_is_asked_for_and_taken_otherwise_is_told_once(world: World, words: tuple[str, ...]) -> None:
    project = world.project(files=FILES)
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace('"3.13"\n', '"3.13.1"\n  cuda: "12.1"\n  cudnn: "8"\n'))
    for _ in range(2):
        done = ok(project.cogpack(*verb(project, words)))
        for line in (
            "cog.yaml:2:19: build.python_version: ",
            "cog.yaml:3:9: build.cuda: ",
            "cog.yaml:4:10: build.cudnn: ",
        ):
            assert done.err.count(f"note: {line}") == 1, done.err


@pytest.mark.parametrize("words", [("lock",), *VERBS], ids=" ".join)
def test_what_cog_yaml_may_not_say_is_refused_by_its_line(world: World, words: tuple[str, ...]) -> None:
    project = world.project(files=FILES)
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", "concurrency:\n  max: 0\n" + text)
    done = project.cogpack(*verb(project, words))
    assert done.code == 2
    assert "cog.yaml:2:8: concurrency.max: " in done.err
    assert not (project.root / "cogpack.lock").exists()


BIG = noise(70_000_000)
"""Large enough for a layer of its own."""


def test_equal_weights_are_sent_once_whether_the_checkout_kept_links_or_not(world: World) -> None:
    project = world.project(files=FILES | {"one.bin": BIG, "two.bin": BIG, "small/w.pt": WEIGHT})
    pushed = ok(project.cogpack("push", project.target(), "--json")).json
    assert pushed["sent"] < len(BIG) * 1.1
    found = world.files("me/model", "v1")
    assert (found["src/one.bin"], found["src/two.bin"], found["src/small/w.pt"]) == (BIG, BIG, WEIGHT)
    (project.root / "two.bin").unlink()
    (project.root / "two.bin").hardlink_to(project.root / "one.bin")
    again = ok(project.cogpack("push", project.target("v2"), COGPACK_CACHE_DIR=str(world.directory / "second")))
    assert again.digest == pushed["digest"]


@pytest.mark.parametrize(
    "words", [("build", "-o", "../out"), ("build", "-o", "../a.tar"), ("load",), ("verify", "REF")]
)
def test_every_sink_takes_equal_files_once(
    world: World, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    project = world.project(files=FILES | {"data/big.dat": WEIGHT, "data/same.dat": WEIGHT, "copy.pt": WEIGHT})
    install_docker(world.directory, monkeypatch)
    if words[0] == "verify":
        ok(project.cogpack("push", project.target()))
    ok(project.cogpack(*verb(project, words), COGPACK_CACHE_DIR=str(world.directory / "second")))


def test_an_image_with_hard_links_is_pulled_compared_and_listed(world: World) -> None:
    project = world.project(files=FILES | {"one.pt": WEIGHT})
    ok(project.cogpack("push", project.target()))
    for act in (["weights", "pull"], ["pull", "--only", "weights"]):
        out = f"../{act[0]}"
        ok(project.cogpack(*act, project.target(), "-o", out))
        assert {path: (project.root / out / path).read_bytes() for path in ("one.pt", "model/w.pt")} == {
            "one.pt": WEIGHT,
            "model/w.pt": WEIGHT,
        }
    for name in ("one.pt", "model/w.pt"):
        ok(project.cogpack("weights", "verify", project.target(), "--against", name))
    assert "one.pt (fits in one layer; equal to model/w.pt, stored once)" in ok(project.cogpack("weights", "ls")).out
    ok(project.cogpack("copy", project.target(), "../layout"))
    project.write("one.pt", noise(2_000_000, seed=1))
    assert project.cogpack("weights", "verify", project.target(), "--against", "one.pt").code == 3


def test_a_plan_lists_the_files_of_the_project_layer(world: World) -> None:
    project = world.project(files=FILES | {".dockerignore": "*.md\n", "README.md": "left out"})
    (project.root / "link").symlink_to("notes.txt")
    listed = ok(project.cogpack("plan", "--files")).out
    rows = [row.removeprefix("file").split(maxsplit=2) for row in listed.splitlines() if row.startswith("file ")]
    assert [row[2] for row in rows] == [
        *(".cog/openapi_schema.json", ".dockerignore", "cog.yaml", "link -> notes.txt"),
        *("notes.txt", "predict.py", "requirements.txt"),
    ]
    assert ["7", "B", "notes.txt"] in rows
    found = ok(project.cogpack("plan", "--files", "--json")).json["files"]
    assert {"path": "notes.txt", "size": 7, "target": None} in found
    assert {"path": "link", "size": 0, "target": "notes.txt"} in found
    assert ok(project.cogpack("plan", "--json")).json["files"] is None
    ok(project.cogpack("push", project.target()))
    pushed = {path.removeprefix("src/") for path in world.files("me/model", "v1") if path.startswith("src/")}
    assert pushed == {file["path"] for file in found} | {"model/w.pt"}


@pytest.mark.parametrize("words", [*VERBS, ("load",)], ids=" ".join)
def test_secrets_in_the_project_are_told_of(
    world: World, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    install_docker(world.directory, monkeypatch)
    key = "-----BEGIN PRIVATE KEY-----\n"
    project = world.project(files=FILES | {".env": "TOKEN=a\n", "tls/server.key": key, "ca.pem": "-----BEGIN CERTIF"})
    done = ok(project.cogpack(*verb(project, words)))
    assert "note: .env: an environment file with values, which everybody can read" in done.err
    assert "note: tls/server.key: a private key, which everybody can read" in done.err
    assert "ca.pem" not in done.err


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_weights_of_which_something_is_missing_are_told_of(world: World, words: tuple[str, ...]) -> None:
    index = '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}'
    shard = safetensors_files.made([("a", "U8", [2_000_000])])
    files: dict[str, bytes | str] = {"model.safetensors.index.json": index, "model-00001-of-00002.safetensors": shard}
    files |= {"m-00001-of-00003.gguf": b"GGUF", "m-00002-of-00003.gguf": b""}
    project = world.project(files=files)
    done = ok(project.cogpack(*verb(project, words)))
    for note in (
        "model.safetensors.index.json: names model-00002-of-00002.safetensors, which is not there",
        "m-00001-of-00003.gguf: belongs to m-00003-of-00003.gguf, which is not there",
        "m-00002-of-00003.gguf: not a GGUF file: it is empty",
    ):
        assert done.err.count(f"note: {note}\n") == 1, done.err


def test_an_unsound_safetensors_file_stays_whole_with_a_note_unless_a_split_was_asked_for(world: World) -> None:
    data = safetensors_files.made([(name, "F32", [700, 1000]) for name in "abc"])[:-4]
    config = "  weights:\n    layer_size: 2097152\n"
    files = {"model/model.safetensors": data, "model/config.json": '{"model_type": "bert"}'}
    project = world.project(files=files, config=config)
    done = ok(project.cogpack("push", project.target()))
    assert (
        "note: model/model.safetensors: not a sound safetensors file: tensors of 8400000 bytes, data of 8399996\n"
        in (done.err)
    )
    assert world.files("me/model", "v1")["src/model/model.safetensors"] == data
    asked = world.project("asked", files=files, config=config + "    split: tensor\n").cogpack("plan")
    assert (asked.code, "not a sound safetensors file" in asked.err) == (2, True)


@pytest.mark.parametrize("name", [".env", "id_rsa", ".netrc"])
def test_secrets_in_the_project_end_a_push_in_ci(world: World, name: str) -> None:
    secrets = {".env": "TOKEN=a\n", "id_rsa": "-----BEGIN RSA PRIVATE KEY-----\n", ".netrc": "machine h password x\n"}
    project = world.project(files=FILES | {name: secrets[name]})
    ok(project.cogpack("lock"))
    done = project.cogpack("push", project.target(), CI="true")
    assert (done.code, world.uploads()) == (2, [])
    assert f"error: {name}: " in done.err
    project.write(".dockerignore", f"{name}\n")
    ok(project.cogpack("push", project.target(), CI="true"))


def test_patterns_that_match_nothing_are_told_of(world: World) -> None:
    config = (
        '  weights:\n    include: ["notes.*", "asets/*.dat"]\n    exclude: ["*.onnx"]\n'
        '    split:\n      "**": auto\n      "model/*.gguf": none\n      "model/w.pt": none\n'
    )
    done = ok(world.project(files=FILES, config=config).cogpack("plan"))
    told = [line for line in done.err.splitlines() if "matches no" in line]
    assert [line.partition(": ")[2].partition(": ")[2] for line in told] == [
        "cogpack.weights.include[1]: asets/*.dat matches no file",
        "cogpack.weights.split.model/*.gguf: model/*.gguf matches no weights",
    ]
    plain = ok(world.project("plain", files=FILES, config="  weights: {split: opaque}\n").cogpack("plan"))
    assert "matches no" not in plain.err


def test_archives_that_a_build_or_a_pull_left_in_the_project_are_no_weights(world: World) -> None:
    project = world.project(files={"data.tar": noise(5000)})
    first = ok(project.cogpack("push", project.target()))
    ok(project.cogpack("build", "-o", "image.tar"))
    ok(project.cogpack("pull", project.target(), "-o", "pulled.tar"))
    again = ok(project.cogpack("push", project.target()))
    assert again.digest == first.digest
    for name in ("image.tar", "pulled.tar"):
        assert f"note: {name}: an archive of an image, left out" in again.err
    assert world.files("me/model", "v1")["src/data.tar"] == noise(5000)


def test_pages_that_were_written_into_the_project_are_no_part_of_it(world: World) -> None:
    project = world.project(files={"own.html": b"<!doctype html><p>a page of the model</p>"})
    first = ok(project.cogpack("push", project.target()))
    assert "the page is written: plan.html\n" in ok(project.cogpack("plan", "--html", "plan.html")).err
    again = ok(project.cogpack("push", project.target()))
    assert again.digest == first.digest
    assert "note: plan.html: a page of cogpack, left out" in again.err
    assert "src/own.html" in world.files("me/model", "v1")


def test_a_key_that_is_nearly_right_is_an_error_in_ci(world: World) -> None:
    project = world.project(files={"cog.yaml": "build:\n  python_requirments: r.txt\npredict: predict.py:Predictor\n"})
    done = project.cogpack("schema")
    assert done.code == 0
    assert "did you mean python_requirements?" in done.err
    denied = project.cogpack("schema", CI="true")
    assert denied.code == 2
    assert "misspelt-key, denied by CI" in denied.err


def test_none_as_default_of_what_must_not_be_none_is_told(world: World) -> None:
    source = PREDICTOR.replace("text: str", "text: str, image: Path = Input(default=None)")
    source = source.replace("import BasePredictor", "import BasePredictor, Input, Path")
    done = ok(world.project(files={"predict.py": source}).cogpack("schema"))
    assert "predict.py:5:62: parameter 'image': None is no value of Path: the input may be left out" in done.err
    assert done.json["components"]["schemas"]["Input"]["required"] == ["text"]
