"""`cogpack init --kubernetes` writes a Deployment that a cluster takes which grants nothing."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.documents import ROOT, blocks

from cogpack.cli import run
from cogpack.runtime.contract import PROBE

PREDICTOR = """\
import os
from pathlib import Path

CACHE = "model-cache"


class Predictor:
    def setup(self):
        load("x", cache_dir=os.path.join(CACHE, "hub"))
        os.makedirs(CACHE)
        Path("weights").mkdir(exist_ok=True)
        open("/tmp/log", "w")

    def predict(self, text: str) -> str:
        open("/data: x/log", "w")
        open("/dev/null", "w")
        open("/opt/state.json", "w")
        open("/var/lib/app.db", "wb")
        return text
"""


def written(directory: Path, config: str = "", **files: str) -> str:
    directory.mkdir()
    (directory / "cog.yaml").write_text(f"run: predict.py:Predictor\nimage: registry.test/me/my_model:v1\n{config}")
    (directory / "predict.py").write_text(PREDICTOR)
    for name, text in files.items():
        (directory / name).mkdir()
        (directory / name / "file").write_text(text)
    assert run(["init", "-q", str(directory), "--kubernetes"]) == 0
    return (directory / "deployment.yaml").read_text()


SCHEMAS = json.loads((Path(__file__).parent / "kubernetes-1.33.json").read_bytes())


def documents(text: str) -> tuple[Any, Any]:
    """Read both, held to Kubernetes' own schemas, in which no field is unknown."""
    deployment, service = yaml.safe_load_all(text)
    for one in (deployment, service):
        jsonschema.Draft7Validator(SCHEMAS[f"{one['apiVersion']} {one['kind']}"]).validate(one)
    return deployment, service


def test_the_two_find_each_other_and_the_image_is_the_projects(tmp_path: Path) -> None:
    deployment, service = documents(written(tmp_path / "model"))
    assert (deployment["kind"], service["kind"]) == ("Deployment", "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert deployment["metadata"]["name"] == service["metadata"]["name"] == "my-model"
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.test/me/my_model:latest"
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    asked = {name: container[f"{name}Probe"]["exec"]["command"] for name in ("startup", "readiness", "liveness")}
    program = ["python", "-I", f"/{PROBE}"]
    assert asked == {
        "startup": [*program, "started"],
        "readiness": [*program, "ready"],
        "liveness": [*program, "alive"],
    }


def test_nothing_is_granted_and_what_sources_write_can_be_written(tmp_path: Path) -> None:
    text = written(tmp_path / "model", weights="w")
    pod = documents(text)[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 1000)
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert sorted(mounts) == ["/data: x", "/dev/shm", "/home/model", "/src", "/tmp", "/var/lib/cogpack/joined"]
    assert sorted(mounts.values()) == sorted(volume["name"] for volume in pod["volumes"])
    assert next(one for one in pod["volumes"] if one["name"] == "shm")["emptyDir"] == {
        "medium": "Memory",
        "sizeLimit": "6Gi",
    }
    assert [line for line in text.splitlines() if line.startswith("#   predict.py")] == [
        "#   predict.py:17:14 writes in /opt",
        "#   predict.py:18:14 writes in /var/lib",
    ]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["HF_HOME"].startswith(variables["HOME"] + "/")


def test_a_directory_that_is_to_be_made_is_not_there_before(tmp_path: Path) -> None:
    """`if not os.path.exists(CACHE): download(CACHE)` would download nothing into a volume."""
    pod = documents(written(tmp_path / "model"))[0]["spec"]["template"]["spec"]
    (copied,) = pod["initContainers"]
    (container,) = pod["containers"]
    assert (copied["command"], copied["image"]) == (["cp", "-R", "/src/.", "/copied"], container["image"])
    assert copied["securityContext"] == container["securityContext"]
    assert [one["name"] for one in copied["volumeMounts"]] == ["source"]
    assert {"name": "source", "mountPath": "/src"} in container["volumeMounts"]


def test_the_copy_and_the_model_are_of_one_image_that_is_named_once(tmp_path: Path) -> None:
    """Sources of a tag beside packages of a digest would be of two images."""
    text = written(tmp_path / "model")
    assert "#   kubectl set image deployment/my-model '*=registry.test/me/my_model@sha256:...'\n" in text
    digest = f"@sha256:{'a' * 64}"
    pod = documents(text.replace("my_model:latest", f"my_model{digest}", 1))[0]["spec"]["template"]["spec"]
    both = [one["image"] for one in (*pod["initContainers"], *pod["containers"])]
    assert both == [f"registry.test/me/my_model{digest}"] * 2


def test_kubectl_gives_both_the_image_that_is_set(tmp_path: Path) -> None:
    """By the line that docs/kubernetes.md has, without a cluster."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl here")
    deployment = written(tmp_path / "model").partition("---\n")[0]
    line = next(line for line in blocks(ROOT / "docs/kubernetes.md", "sh")[0].splitlines() if "set image" in line)
    line = line.replace("deployment/model", "--local -o yaml -f -").replace("...", "a" * 64)
    done = subprocess.run(["sh", "-c", line], input=deployment, capture_output=True, text=True, check=True)
    pod = yaml.safe_load(done.stdout)["spec"]["template"]["spec"]
    both = [one["image"] for one in (*pod["initContainers"], *pod["containers"])]
    assert both == [f"registry.example.com/me/model@sha256:{'a' * 64}"] * 2


@pytest.mark.parametrize("how", ["large", "fetched", "managed"])
def test_what_is_too_large_to_be_copied_has_a_volume_for_each_directory(tmp_path: Path, how: str) -> None:
    config = {
        "large": "",
        "fetched": "build: {run: ['pget https://x.test/y /src/y']}\n",
        "managed": "weights: [{name: w, target: /src/w, source: {uri: ./w}}]\n",
    }[how]
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "cog.yaml").write_text(f"run: predict.py:Predictor\nmodel: registry.test/me/model\n{config}")
    (directory / "predict.py").write_text("load(cache_dir='cache')\nopen('out.png', 'wb')\n")
    with (directory / "large.bin").open("wb") as file:
        file.truncate((257 << 20) * (how == "large"))
    assert run(["init", "-q", str(directory), "--kubernetes"]) == 0
    text = (directory / "deployment.yaml").read_text()
    pod = documents(text)[0]["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert pod["containers"][0]["image"] == "registry.test/me/model:latest"
    assert "/src/cache" in [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
    assert "#   predict.py:2:6 writes in /src\n" in text


@pytest.mark.parametrize(
    ("config", "owner", "gpu"),
    [
        ("build: {gpu: true}\ncogpack: {user: '1234:5'}\n", (1234, 5), "1"),
        ("cogpack: {user: 0}\n", (1000, 1000), None),
        ("cogpack: {user: 7}\n", (7, 7), None),
    ],
)
def test_user_and_gpu_are_those_of_the_project(
    tmp_path: Path, config: str, owner: tuple[int, int], gpu: str | None
) -> None:
    pod = documents(written(tmp_path / "model", config))[0]["spec"]["template"]["spec"]
    context = pod["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (*owner, owner[1])
    assert pod["containers"][0]["resources"]["limits"].get("nvidia.com/gpu") == gpu


def test_schemas_of_kubernetes_know_a_field_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(jsonschema.ValidationError, match="periodSecond'"):
        documents(written(tmp_path / "model").replace("periodSeconds: 20", "periodSecond: 20"))


def taken_form(text: str) -> Any:
    """The pod, once the lines of the form with an image volume are none of comments."""
    text = re.sub(r"^( +)# (- name: weights| {2,}\S.*)$", r"\1\2", text, flags=re.MULTILINE)
    return documents(text)[0]["spec"]["template"]["spec"]


def test_the_form_with_an_image_volume_is_right_once_it_is_taken(tmp_path: Path) -> None:
    pod = taken_form(written(tmp_path / "model"))
    assert pod["volumes"][-1] == {
        "name": "weights",
        "image": {"reference": "registry.test/me/my_model-weights:latest", "pullPolicy": "IfNotPresent"},
    }
    assert pod["containers"][0]["volumeMounts"][-1]["name"] == "weights"


def test_a_volume_is_where_there_are_weights_and_nothing_else(tmp_path: Path) -> None:
    """A directory of which some is something else would lose that."""
    config = "weights: [{name: w, target: /models/w, source: {uri: ./w}}]\n"
    directory = tmp_path / "model"
    for name in ("unet/a/x.safetensors", "unet/b/x.safetensors", "text/y.safetensors", "z.safetensors", "text/code.py"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(b"")
    (directory / "cog.yaml").write_text(
        f"run: code.py:P\nmodel: registry.test/me/model\n{config}"
        "cogpack: {weights: {include: ['**/*.safetensors']}}\n"
    )
    assert run(["init", "-q", str(directory), "--kubernetes"]) == 0
    text = (directory / "deployment.yaml").read_text()
    mounts = [one for one in taken_form(text)["containers"][0]["volumeMounts"] if one["name"] == "weights"]
    assert [(one["mountPath"], one["subPath"]) for one in mounts] == [
        ("/models/w", "models/w"),
        ("/src/unet", "src/unet"),
    ]
    assert [line.strip() for line in text.splitlines() if "other files" in line] == [
        f"# {one} has weights and other files, which a volume would hide" for one in ("/src", "/src/text")
    ]


@pytest.mark.parametrize(
    ("config", "directory"),
    [
        ("build: {run: [./download.sh]}\n", "/models"),
        ("weights: [{name: w, target: /models/base, source: {uri: ./w}}]\n", "/models"),
        ("weights: [{name: w, target: /models, source: {uri: ./w}}]\n", "/models/base"),
    ],
)
def test_what_the_image_may_have_is_not_hidden(tmp_path: Path, config: str, directory: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "predict.py").write_text(f'load(cache_dir="{directory}")\n')
    (tmp_path / "model" / "cog.yaml").write_text(f"run: predict.py:P\nmodel: registry.test/me/model\n{config}")
    assert run(["init", "-q", str(tmp_path / "model"), "--kubernetes"]) == 0
    text = (tmp_path / "model" / "deployment.yaml").read_text()
    assert f"#   predict.py:1:16 writes in {directory}\n" in text
    (container,) = documents(text)[0]["spec"]["template"]["spec"]["containers"]
    assert directory not in [mount["mountPath"] for mount in container["volumeMounts"]]


@pytest.mark.parametrize(
    ("image", "name"),
    [("r.test/3d-model", "model-3d-model"), ("r.test/a/b_c", "b-c"), ("r.test/x" + "y" * 80, "x" + "y" * 49)],
)
def test_names_are_such_as_a_service_takes(tmp_path: Path, image: str, name: str) -> None:
    assert run(["init", "-q", str(tmp_path), "--kubernetes", "-t", image]) == 0
    assert documents((tmp_path / "deployment.yaml").read_text())[1]["metadata"]["name"] == name


def test_no_name_of_a_file_becomes_yaml(tmp_path: Path) -> None:
    name = "a\r          lifecycle: {}\r.py"
    (tmp_path / name).write_text("os.makedirs('/x')\nos.makedirs('/opt')\nos.makedirs('/y\\rz')\n")
    assert run(["init", "-q", str(tmp_path), "--kubernetes"]) == 0
    text = (tmp_path / "deployment.yaml").read_text()
    assert "\r" not in text
    (container,) = documents(text)[0]["spec"]["template"]["spec"]["containers"]
    assert "lifecycle" not in container
    assert "/x" in [mount["mountPath"] for mount in container["volumeMounts"]]
