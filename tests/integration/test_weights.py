"""Weights in real registries and engines: split, pulled, joined, updated."""

import hashlib
import json
import random
import re
from pathlib import Path

import httpx
import pytest
from integration.conftest import Project
from integration.test_engines import predict, ready, run, serving
from safetensors import deserialize
from support.base_image import push_base_image
from support.dockerd import Docker
from support.registry import docker_registry
from support.safetensors_files import bf16, holding, made
from support.wheels import make_wheel

pytestmark = pytest.mark.integration

MiB = 1024 * 1024
JOINED = "/var/lib/cogpack/joined"
COMPRESSIBLE = holding(
    ("layers.0.w", "BF16", bf16(MiB)),
    ("layers.1.w", "F8_E4M3", bytes(2 * MiB)),
    ("layers.2.w", "BF16", random.Random(0).randbytes(2 * MiB)),
)
"""What zstd pays for, what is quantised already, and what would not shrink."""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory):
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def opaque(hello: Project) -> Project:
    """A model that answers with the hash of a file of 8 MiB, which is split into parts of 1 MiB."""
    (hello.root / "big.pt").write_bytes(random.Random(1).randbytes(8 * MiB + 5))
    (hello.root / "predict.py").write_text(
        "import hashlib\n"
        "from pathlib import Path\n"
        "from cog import BaseRunner\n\n\n"
        "class Runner(BaseRunner):\n"
        "    def run(self, text: str) -> str:\n"
        "        return hashlib.sha256((Path(__file__).parent / text).read_bytes()).hexdigest()\n"
    )
    hello.configure(weights={"split": "opaque", "layer_size": MiB})
    return hello


def test_a_file_in_parts_is_whole_when_the_server_listens(opaque: Project, docker: Docker, registry: str) -> None:
    done = json.loads(opaque.cogpack("push", f"{registry}/parts/hello:v1", "--json").stdout)
    assert sum("big.pt part" in layer["name"] for layer in done["layers"]) == 9
    image = done["reference"]
    docker("pull", image)
    expected = hashlib.sha256((opaque.root / "big.pt").read_bytes()).hexdigest()
    users = [
        (),
        ("--user", "65534:65534"),
        ("--user", "65534:65534", "--read-only", "--tmpfs", "/tmp", "--tmpfs", JOINED),
    ]
    for options in users:
        with serving(docker, image, *options) as (container, address):
            ready(address)
            assert predict(address, text="big.pt").json()["output"] == expected, options
            assert len(re.findall("joined /src/big.pt", docker.run("logs", container).stderr)) == 1
            if not options:
                docker("restart", "-t", "1", container)
                ready(address)
                assert len(re.findall("joined /src/big.pt", docker.run("logs", container).stderr)) == 1
    kept = f"kept:{JOINED}"
    for options, joins in ((("-v", kept), 1), (("--user", "65534:65534", "-v", f"{kept}:ro"), 0)):
        with serving(docker, image, *options) as (container, address):
            ready(address)
            assert predict(address, text="big.pt").json()["output"] == expected, options
            assert len(re.findall("joined /src/big.pt", docker.run("logs", container).stderr)) == joins
    refused = docker.run("run", "--rm", "--read-only", image, ok=False)
    assert refused.returncode == 1
    assert f"--tmpfs {JOINED}" in refused.stderr


WIDE = 256
BLOCK = 8 * WIDE**2


def decoder(*, head: int = 0, more: bool = False) -> bytes:
    """A model of 12 blocks; `head` seeds the numbers of its head, `more` adds a tensor in the middle."""
    names = [f"model.layers.{block}.mlp.{name}" for block in range(12) for name in ("up", "down", "q", "o")]
    if more:
        names.insert(20, "model.layers.5.mlp.norm")
    tensors = [("model.embed_tokens", "BF16", [4 * WIDE, WIDE]), *((name, "BF16", [WIDE, WIDE]) for name in names)]
    data = bytearray(made([*tensors, ("lm_head", "BF16", [4 * WIDE, WIDE])]))
    if head:
        size = 8 * WIDE**2
        data[-size:] = random.Random(head).randbytes(size)
    return bytes(data)


def with_model(project: Project, own: Path) -> Project:
    """With a cache that knows of no other test's repository, from which layers could be mounted."""
    shared = Path(project.environment["COGPACK_CACHE_DIR"])
    own.mkdir()
    for name in ("artifacts", "debs", "uv"):
        if (shared / name).exists():
            (own / name).symlink_to(shared / name)
    project.environment["COGPACK_CACHE_DIR"] = str(own)
    folder = project.root / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(decoder())
    project.configure(weights={"layer_size": MiB, "min_size": 0})
    return project


@pytest.fixture
def model(small: Project, tmp_path: Path) -> Project:
    return with_model(small, tmp_path / "own cache")


def sent(project: Project, target: str) -> dict[str, int]:
    """Bytes sent, by layer."""
    done = json.loads(project.cogpack("push", target, "--json").stdout)
    return {layer["name"]: layer["sent"] for layer in done["layers"] if layer["sent"]}


def test_a_plan_says_which_rule_and_why_what_others_would_give_and_what_is_there(model: Project, registry: str) -> None:
    (model.root / "big.pt").write_bytes(random.Random(2).randbytes(4 * MiB))
    target = f"{registry}/planned/model"
    planned = json.loads(model.cogpack("plan", target, "--json").stdout)
    told = {weight["path"]: weight for weight in planned["weights"]}
    assert [(told[path]["rule"], told[path]["others"]) for path in ("big.pt", "model/model.safetensors")] == [
        ("none", ["opaque: 4 layers, joined at each first start in about 0 s, 0.0 GB of disk more"]),
        (
            "tensor",
            [
                "none: 1 layer, one stream",
                "opaque: 8 layers, joined at each first start in about 0 s, 0.0 GB of disk more",
            ],
        ),
    ]
    assert "code opens it by its name" in told["big.pt"]["why"]
    assert "config.json beside it" in told["model/model.safetensors"]["why"]
    model.cogpack("push", target)
    (model.root / "big.pt").write_bytes(random.Random(3).randbytes(4 * MiB))
    layers = json.loads(model.cogpack("weights", "ls", target, "--json").stdout)["layers"]
    assert [layer["name"] for layer in layers if layer["moves"]] == ["weights: big.pt"]


def test_a_changed_head_moves_the_head_alone(model: Project, registry: str) -> None:
    assert sum(name.startswith("weights:") for name in sent(model, f"{registry}/head/model")) > 6
    (model.root / "model" / "model.safetensors").write_bytes(decoder(head=1))
    moved = sent(model, f"{registry}/head/model")
    assert [re.sub("-[0-9a-f]{8}.safetensors", "", name) for name in moved] == ["weights: model/model-lm_head"]
    assert sum(moved.values()) <= 1.05 * 8 * WIDE**2 + 64 * 1024


def test_a_tensor_added_in_the_middle_moves_one_shard_and_the_index(model: Project, registry: str) -> None:
    sent(model, f"{registry}/more/model")
    (model.root / "model" / "model.safetensors").write_bytes(decoder(more=True))
    moved = sent(model, f"{registry}/more/model")
    assert [re.sub("-[0-9a-f]{8}.safetensors", "", name) for name in moved] == [
        "weights: model/model-model.layers.4-5",
        "weights: model/model.safetensors.index.json",
    ]


def test_changed_code_moves_no_weights_to_the_registry_nor_to_classic_docker(
    model: Project, docker: Docker, registry: str
) -> None:
    image = f"{registry}/code/model:v1"
    sent(model, image)
    docker("pull", image)
    source = model.root / "predict.py"
    source.write_text(source.read_text() + "# changed\n")
    assert list(sent(model, image)) == ["project"]
    lines = docker("pull", image).splitlines()
    assert sum("Already exists" in line for line in lines) >= 8
    assert sum("Pull complete" in line for line in lines) == 1


@pytest.mark.parametrize(("name", "size", "pulled"), [("dependency", 1000, 2), ("framework", 5_000_000, None)])
def test_another_version_of_a_package_moves_no_weights(
    model: Project, docker: Docker, registry: str, name: str, size: int, pulled: int | None
) -> None:
    """And none to classic Docker where they lie below it."""
    image = f"{registry}/{name}/model:v1"
    config = model.root / "cog.yaml"
    config.write_text(config.read_text().replace("build:\n", "build:\n  python_requirements: requirements.txt\n"))
    (model.root / ".dockerignore").write_text("wheels\n")

    def push(version: str) -> list[str]:
        data = random.Random(version).randbytes(size)
        wheel = make_wheel(model.root / "wheels", name, version, files={f"{name}/data": data}).name
        (model.root / "requirements.txt").write_text(f"cog\n./wheels/{wheel}\n")
        return list(sent(model, image))

    assert sum(layer.startswith("weights:") for layer in push("1.0")) > 6
    docker("pull", image)
    moved = push("1.1")
    assert any(layer.startswith("wheels:") for layer in moved)
    assert not any(layer.startswith("weights:") for layer in moved)
    if pulled is not None:
        assert sum("Pull complete" in line for line in docker("pull", image).splitlines()) == pulled


def test_code_that_loads_the_file_itself_runs_unmodified(
    hello: Project, docker: Docker, registry: str, tmp_path: Path
) -> None:
    """By the rule `auto`, which would split the file otherwise."""
    model = with_model(hello, tmp_path / "own cache")
    config = model.root / "cog.yaml"
    config.write_text(config.read_text().replace("build:\n", "build:\n  python_requirements: requirements.txt\n"))
    (model.root / "requirements.txt").write_text("cog\nsafetensors\nnumpy\n")
    (model.root / "model" / "model.safetensors").write_bytes(holding(("w", "F32", bytes(4 * MiB))))
    (model.root / "predict.py").write_text(
        "from cog import BaseRunner\n"
        "from safetensors.numpy import load_file\n\n\n"
        "class Runner(BaseRunner):\n"
        "    def run(self, text: str) -> str:\n"
        "        return str(load_file('model/model.safetensors')[text].sum())\n"
    )
    image = f"{registry}/loads/model:v1"
    model.cogpack("push", image)
    docker("pull", image)
    with serving(docker, image) as (_, address):
        ready(address)
        assert predict(address, text="w").json()["output"] == "0.0"


@pytest.mark.parametrize(("more", "ways"), [(88, "fewer"), (98, "refused")])
def test_a_base_of_many_layers_leaves_weights_fewer_or_the_push_is_refused_before_it_sends(
    model: Project, registry: str, more: int, ways: str
) -> None:
    model.cogpack("push", f"{registry}/for/base:v1")
    push_base_image(registry, "for/base:v1", f"library/deep{more}:v1", more=more)
    model.configure(base=f"{registry}/library/deep{more}:v1")
    done = model.cogpack("push", f"{registry}/{ways}/model:v1", "--json", ok=False)
    if ways == "fewer":
        layers = json.loads(done.stdout)["layers"]
        assert len(layers) <= 100
        assert sum(layer["name"].startswith("weights:") for layer in layers) > 2
    else:
        assert done.returncode == 2
        assert "100 is the most" in done.stderr
        assert f"{ways}/model" not in httpx.get(f"http://{registry}/v2/_catalog").json()["repositories"]


def test_weights_are_read_once_where_the_registry_has_them(model: Project, registry: str, tmp_path: Path) -> None:
    """A fresh checkout: times and inodes say nothing, the content does."""
    sent(model, f"{registry}/checkout/model")
    machine = model.fresh(tmp_path / "machine", lock=True)
    again = machine.cogpack("push", f"{registry}/checkout/model", "--json", COGPACK_CACHE_DIR=str(tmp_path / "cache"))
    assert json.loads(again.stdout)["sent"] == 0
    tags = httpx.get(f"http://{registry}/v2/checkout/model/tags/list").json()["tags"]
    assert [tag for tag in tags if not tag.startswith("sha256-")] == ["latest"], "but for lists of what is attached"


@pytest.mark.parametrize(
    ("rule", "compression"), [("auto", "none"), ("auto", "zstd"), ("opaque", "zstd"), ("none", "none")]
)
def test_with_lfs_pointers_and_the_lock_a_changed_line_needs_no_weights(
    model: Project, registry: str, tmp_path: Path, rule: str, compression: str
) -> None:
    (model.root / "model" / "model.safetensors").write_bytes(COMPRESSIBLE)
    config = model.root / "cog.yaml"
    more = f'"split": "{rule}", "compression": "{compression}", "layer_size"'
    config.write_text(config.read_text().replace('"layer_size"', more))
    (model.root / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
    sent(model, f"{registry}/lfs-{rule}-{compression}/model")
    machine = model.fresh(tmp_path / "machine", lock=True)
    weights = machine.root / "model" / "model.safetensors"
    data = weights.read_bytes()
    oid = hashlib.sha256(data).hexdigest()
    weights.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n")
    source = machine.root / "predict.py"
    source.write_text(source.read_text() + "# changed\n")
    machine.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "empty cache")
    assert list(sent(machine, f"{registry}/lfs-{rule}-{compression}/model")) == ["project"]
    machine.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "another empty cache")
    lost = machine.cogpack("push", f"{registry}/lfs-{rule}-{compression}/elsewhere", ok=False)
    assert lost.returncode == 2
    assert "model/model.safetensors: a git-lfs pointer" in lost.stderr
    assert "git lfs pull" in lost.stderr
    weights.write_text(weights.read_text().replace(oid, "0" * 64))
    other = machine.cogpack("push", f"{registry}/lfs-{rule}-{compression}/model", ok=False)
    assert other.returncode == 2
    assert "git lfs pull" in other.stderr


def test_zstd_is_taken_by_the_layer_where_it_pays(model: Project, registry: str, tmp_path: Path) -> None:
    """The whole round: decided, told, pushed, known again, recognised in a fresh checkout, verified, pulled."""
    (model.root / "model" / "model.safetensors").write_bytes(COMPRESSIBLE)
    config = model.root / "cog.yaml"
    config.write_text(config.read_text().replace('"layer_size"', '"compression": "zstd", "layer_size"'))
    image = f"{registry}/zstd/model:v1"
    first = json.loads(model.cogpack("push", image, "--json").stdout)
    kinds = {
        re.sub("-[0-9a-f]{8}.safetensors", "", layer["name"]): layer["mediaType"][-8:]
        for layer in first["layers"]
        if layer["name"].startswith("weights: ")
    }
    assert kinds == {
        "weights: model/model-layers.0.w": "tar+zstd",
        "weights: model/model-layers.1.w": "r.v1.tar",
        "weights: model/model-layers.2.w": "r.v1.tar",
        "weights: model/model.safetensors.index.json": "tar+zstd",
    }
    planned = json.loads(model.cogpack("plan", image, "--json").stdout)
    told = {layer["name"].partition("layers.")[2][:1]: layer for layer in planned["layers"] if layer["compression"]}
    assert told["0"]["compression"].startswith("zstd: leaves 0.7")
    assert 0.77 < told["0"]["ratio"] < 0.8
    assert told["1"]["compression"].startswith("none: quantised or packed")
    assert "none: quantised or packed" in model.cogpack("weights", "ls", image).stdout
    assert sent(model, image) == {}
    machine = model.fresh(tmp_path / "machine", lock=True)
    machine.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "cache")
    again = json.loads(machine.cogpack("push", image, "--json").stdout)
    assert (again["sent"], again["digest"]) == (0, first["digest"])
    lock = machine.root / "cogpack.lock"
    lock.write_text(lock.read_text().partition("[results]")[0])
    machine.environment["COGPACK_CACHE_DIR"] = str(tmp_path / "another cache")
    machine.environment["PYTHONHASHSEED"] = "7"
    elsewhere = json.loads(machine.cogpack("push", f"{registry}/zstd/elsewhere:v1", "--json").stdout)
    assert elsewhere["digest"] == first["digest"]
    model.cogpack("weights", "verify", image, "--against", str(model.root / "model" / "model.safetensors"))
    model.cogpack("weights", "pull", image, "-o", str(tmp_path / "pulled"))
    model.cogpack("weights", "join", str(tmp_path / "pulled" / "model"), "-o", str(tmp_path / "joined.safetensors"))
    assert dict(deserialize((tmp_path / "joined.safetensors").read_bytes())) == dict(deserialize(COMPRESSIBLE))


def test_weights_alone_are_an_image_of_the_same_layers(model: Project, registry: str, tmp_path: Path) -> None:
    whole = json.loads(model.cogpack("push", f"{registry}/alone/model:v1", "--json").stdout)
    alone = json.loads(model.cogpack("push", f"{registry}/alone/model:weights", "--weights-only", "--json").stdout)
    assert not any(layer["sent"] for layer in alone["layers"])
    assert [layer["key"] for layer in alone["layers"]] == [
        layer["key"] for layer in whole["layers"] if layer["name"].startswith("weights: ")
    ]
    again = json.loads(model.cogpack("push", f"{registry}/alone/model:v1", "--json").stdout)
    assert (again["sent"], again["digest"]) == (0, whole["digest"])
    run("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{alone['reference']}", f"oci:{tmp_path}/copy:v1")
    for tag, path, how in (("weights", "model/model.safetensors", {"tensors"}), ("v1", "model", {"tensors", "whole"})):
        checked = model.cogpack(
            "weights", "verify", f"{registry}/alone/model:{tag}", "--against", str(model.root / path), "--json"
        )
        assert {file["how"] for file in json.loads(checked.stdout)["files"]} == how
