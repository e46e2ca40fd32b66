"""`cogpack init --kubernetes` writes a Deployment that a cluster takes which grants nothing."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

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


def documents(text: str) -> tuple[Any, Any]:
    deployment, service = yaml.safe_load_all(text)
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
    assert sorted(mounts) == [
        *("/data: x", "/dev/shm", "/home/model", "/src/model-cache", "/tmp", "/var/lib/cogpack/joined")
    ]
    assert sorted(mounts.values()) == sorted(volume["name"] for volume in pod["volumes"])
    assert next(one for one in pod["volumes"] if one["name"] == "shm")["emptyDir"] == {
        "medium": "Memory",
        "sizeLimit": "6Gi",
    }
    assert [line for line in text.splitlines() if line.startswith("#   predict.py")] == [
        "#   predict.py:17 writes in /opt",
        "#   predict.py:11 writes in /src/weights",
        "#   predict.py:18 writes in /var/lib",
    ]
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["HF_HOME"].startswith(variables["HOME"] + "/")


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


def test_the_form_with_an_image_volume_is_right_once_it_is_taken(tmp_path: Path) -> None:
    text = re.sub(r"^( +)# (- name: weights| {2,}\S.*)$", r"\1\2", written(tmp_path / "model"), flags=re.MULTILINE)
    pod = documents(text)[0]["spec"]["template"]["spec"]
    assert pod["volumes"][-1] == {
        "name": "weights",
        "image": {"reference": "registry.test/me/my_model-weights:latest", "pullPolicy": "IfNotPresent"},
    }
    assert pod["containers"][0]["volumeMounts"][-1]["name"] == "weights"


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
    assert f"#   predict.py:1 writes in {directory}\n" in text
    assert f"mountPath: {directory}" not in text


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
