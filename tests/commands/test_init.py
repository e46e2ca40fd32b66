"""`cogpack init` writes what works: a project, and files by which CIs push it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cogpack import __version__
from cogpack.cli import project_grammar, run
from cogpack.commands.init import CIS, init
from cogpack.errors import InputError
from cogpack.project import find_project

FILES = {
    "github": ".github/workflows/push.yaml",
    "gitlab": ".gitlab-ci.yml",
    "kubernetes": "push-job.yaml",
    "tekton": "push-task.yaml",
    "argo": "push-workflow.yaml",
}


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    init(tmp_path / "model", ci=CIS, image="registry.test/me/model")
    return tmp_path / "model"


def documents(begun: Path, ci: str) -> Any:
    return yaml.safe_load((begun / FILES[ci]).read_text())


def test_the_project_is_one_whose_model_can_be_described(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "-C", str(begun)]) == 0
    assert '"description":"What to greet"' in capsys.readouterr().out
    assert "image: registry.test/me/model" in (begun / "cog.yaml").read_text().splitlines()


def test_what_is_there_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cog.yaml").write_text("mine\n")
    assert run(["init", str(tmp_path), "--ci", "gitlab"]) == 0
    told = capsys.readouterr()
    assert (tmp_path / "cog.yaml").read_text() == "mine\n"
    assert not (tmp_path / "run.py").exists()
    assert "text=you" not in told.err
    assert "cog.yaml is there already" in told.err
    assert told.out.splitlines()[-1] == str(tmp_path / ".gitlab-ci.yml")
    assert run(["init", str(tmp_path), "--ci", "gitlab"]) == 0
    assert capsys.readouterr().out == ""


def test_what_is_written_is_left_out_of_the_image_whose_digest_it_may_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["init", str(tmp_path), "--kubernetes", *(word for ci in CIS for word in ("--ci", ci))]
    assert run(["init", str(tmp_path)]) == 0
    assert run(words) == 0
    told = capsys.readouterr().err
    assert "goes into the image" not in told
    assert "next: cd" in told
    assert "commit cogpack.lock" in told
    written = {file.path for file in find_project(tmp_path).files()}
    assert written == {"cog.yaml", "run.py", "requirements.txt", ".dockerignore", ".gitignore"}
    (tmp_path / ".dockerignore").write_text("# mine\n")
    (tmp_path / "deployment.yaml").unlink()
    assert run(["init", str(tmp_path), "--kubernetes"]) == 0
    told = capsys.readouterr().err
    assert "deployment.yaml goes into the image unless .dockerignore names it" in told
    assert "then kubectl apply -f deployment.yaml" in told


@pytest.mark.parametrize("lay", [Path.mkdir, lambda place: place.symlink_to("nowhere")])
def test_a_dockerignore_that_can_not_be_read_stays_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lay: Callable[[Path], object]
) -> None:
    lay(tmp_path / ".dockerignore")
    assert run(["init", str(tmp_path)]) == 0
    assert ".dockerignore is there already" in capsys.readouterr().err


@pytest.mark.parametrize("image", ["registry.test/me/model:v1", "a b", "https://x/y"])
def test_an_image_that_is_none_writes_nothing(tmp_path: Path, image: str) -> None:
    with pytest.raises(InputError, match="--tag"):
        init(tmp_path / "model", image=image)
    assert not (tmp_path / "model").exists()


def scripts(found: Any) -> list[str]:
    """All shell of a CI's file, wherever it stands."""
    if isinstance(found, list):
        return [text for one in found for text in scripts(one)]
    if not isinstance(found, dict):
        return []
    own = [found[key] for key in ("run", "script") if isinstance(found.get(key), str)]
    own += ["\n".join(found["script"])] if isinstance(found.get("script"), list) else []
    own += found["args"] if found.get("command", [""])[0] == "/bin/sh" else []
    return own + [text for value in found.values() for text in scripts(value)]


@pytest.mark.parametrize("ci", CIS)
def test_the_shell_of_each_file_pushes_the_image(begun: Path, tmp_path: Path, ci: str) -> None:
    """With a pip and a cogpack that only say how they were called, and a python that makes an environment of them."""
    programs, said = tmp_path / "bin", tmp_path / "said"
    programs.mkdir()
    for name in ("pip", "cogpack"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {said}\n')
    (programs / "python").write_text(f'#!/bin/sh\nmkdir -p "$3/bin" && cp {programs}/pip {programs}/cogpack "$3/bin"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    owner = "Me" if ci == "github" else "me"  # whose names have capitals
    variables = {
        "IMAGE": f"registry.test/{owner}/model",
        "GITHUB_SHA": "abc",
        "CI_COMMIT_SHORT_SHA": "abc",
        "DIGEST": "d",
    }
    text = re.sub("(?<![a-z])/(workspace|tmp)/", f"{tmp_path}/", "\n".join(scripts(documents(begun, ci))))
    (tmp_path / "source").mkdir()
    subprocess.run(
        ["/bin/sh", "-euc", text],
        env=variables | {"PATH": f"{programs}:{os.environ['PATH']}"},
        cwd=tmp_path,
        check=True,
    )
    installed, pushed = said.read_text().splitlines()
    assert installed == f"pip install cogpack=={__version__}"
    assert pushed.startswith("cogpack push registry.test/me/model")


@pytest.mark.parametrize("ci", ["kubernetes", "argo", "tekton"])
def test_nothing_in_a_cluster_wants_a_privilege(begun: Path, ci: str) -> None:
    text = (begun / FILES[ci]).read_text()
    assert "docker.sock" not in text
    containers = [
        one for one in found(documents(begun, ci)) if isinstance(one.get("image"), str) and "securityContext" in one
    ]
    assert containers
    for one in containers:
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "runAsNonRoot: true" in text


def test_the_job_is_one_by_the_schema_of_kubernetes(begun: Path) -> None:
    schemas = json.loads((Path(__file__).parent / "kubernetes-1.33.json").read_bytes())
    jsonschema.Draft7Validator(schemas["batch/v1 Job"]).validate(documents(begun, "kubernetes"))


@pytest.mark.parametrize(("ci", "more"), [("github-workflows", []), ("gitlab-ci", ["--data-transform", "gitlab-ci"])])
def test_what_hosted_services_run_is_one_by_their_own_schema(begun: Path, ci: str, more: list[str]) -> None:
    """As check-jsonschema has these schemas with it: nothing is fetched."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{ci}", *more]
    path = begun / FILES[ci.partition("-")[0]]
    assert subprocess.run([*command, path], check=False).returncode == 0
    path.write_text(path.read_text().replace("script:", "scripts:").replace("runs-on:", "run-on:"))
    assert subprocess.run([*command, path], check=False).returncode == 1


def test_actions_of_others_are_pinned_by_commit_with_the_version_beside_it(begun: Path) -> None:
    used = re.findall(r"uses: (.*)", (begun / FILES["github"]).read_text())
    assert len(used) == 3
    assert all(re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in used)


def found(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, list):
        return [one for item in document for one in found(item)]
    if isinstance(document, dict):
        return [document, *(one for value in document.values() for one in found(value))]
    return []


def test_the_command_line_offers_all_of_them() -> None:
    assert project_grammar.CIS == CIS


def test_the_files_are_in_the_package() -> None:
    """Where an installed cogpack finds them, whatever is in the checkout."""
    program = "import cogpack.commands.init as it; print(sorted(p.name for p in it._PLACE.iterdir()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['argo', 'deployment', 'github', 'gitlab', 'kubernetes', 'project', 'tekton']\n"


def test_a_directory_whose_name_is_too_long_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't write: File name too long"):
        init(tmp_path / ("a" * 300))
