"""What goes wrong is said in one line with its place and the next step, under a stable exit code; nothing is left."""

import subprocess
import sys
from pathlib import Path

import pytest
from integration.conftest import Project
from support.registry import PASSWORD, docker_registry

pytestmark = pytest.mark.integration


def refused(done: "subprocess.CompletedProcess[str]", code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "next: "))]
    assert [line.partition(":")[0] for line in lines] == ["error", "next"], done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def requirements(hello: Project, text: str) -> None:
    (hello.root / "requirements.txt").write_text(text)
    config = hello.root / "cog.yaml"
    config.write_text(config.read_text().replace("build:\n", "build:\n  python_requirements: requirements.txt\n"))


@pytest.fixture
def unlocked(hello: Project) -> Project:
    (hello.root / "cogpack.lock").unlink()
    return hello


def test_a_missing_predictor(hello: Project) -> None:
    (hello.root / "predict.py").unlink()
    refused(hello.cogpack("build", "-o", "out", ok=False), 2, "predict.py")
    assert not (hello.root / "out").exists()


def test_a_type_that_no_schema_has(hello: Project) -> None:
    (hello.root / "predict.py").write_text(
        "import decimal\nclass Runner:\n    def run(self, x: decimal.Decimal) -> str:\n        return ''\n"
    )
    refused(hello.cogpack("build", "-o", "out", ok=False), 2, "predict.py:3", "x")


def test_requirements_that_contradict_each_other(unlocked: Project) -> None:
    requirements(unlocked, "idna==3.10\nidna==3.9\n")
    before = files(unlocked.root)
    refused(unlocked.cogpack("lock", ok=False), 2, "requirements.txt:1, requirements.txt:2: ", "idna")
    assert files(unlocked.root) == before


def test_a_package_that_is_source_only_where_nothing_is_built(unlocked: Project) -> None:
    requirements(unlocked, "docopt==0.6.2\n")
    config = unlocked.root / "cog.yaml"
    config.write_text(config.read_text() + "cogpack:\n  build_wheels: never\n")
    refused(unlocked.cogpack("lock", ok=False), 2, "requirements.txt:1: ", "docopt")


def test_a_lock_whose_hash_the_index_does_not_have(hello: Project, tmp_path: Path) -> None:
    lock = hello.root / "cogpack.lock"
    line = next(line for line in lock.read_text().splitlines() if "cog-0" in line)
    digest = line.partition('sha256 = "')[2][:64]
    lock.write_text(lock.read_text().partition("[results]")[0].replace(digest, "0" * 64))
    done = hello.cogpack("build", "-o", "out", ok=False, COGPACK_CACHE_DIR=str(tmp_path / "cache"))
    refused(done, 3, "cog-0", "0" * 64)
    assert not (hello.root / "out" / "index.json").exists()


def test_edited_requirements_under_locked(hello: Project) -> None:
    requirements(hello, "idna\n")
    hello.cogpack("lock")
    (hello.root / "requirements.txt").write_text("idna\n# only a comment\n")
    hello.cogpack("plan", "--locked")
    (hello.root / "requirements.txt").write_text("idna\ncertifi\n")
    before = (hello.root / "cogpack.lock").read_bytes()
    refused(hello.cogpack("plan", "--locked", ok=False), 3, "cogpack.lock", "requirements.txt")
    refused(hello.cogpack("plan", ok=False, CI="true"), 3, "cogpack.lock", "requirements.txt")
    assert (hello.root / "cogpack.lock").read_bytes() == before


def test_a_lock_that_is_no_toml(hello: Project) -> None:
    (hello.root / "cogpack.lock").write_text("<<<<<<< ours\n")
    refused(hello.cogpack("plan", ok=False), 2, "cogpack.lock")


def test_a_registry_that_wants_other_credentials(small: Project, tmp_path: Path) -> None:
    with docker_registry(tmp_path / "registry", htpasswd=True) as address:
        anonymous = small.cogpack("push", f"{address}/a/b", ok=False, DOCKER_CONFIG=str(tmp_path))
        refused(anonymous, 4, address)
        (tmp_path / "config.json").write_text(
            f'{{"auths": {{"{address}": {{"username": "user", "password": "wrong {PASSWORD}"}}}}}}'
        )
        wrong = small.cogpack("push", f"{address}/a/b", ok=False, DOCKER_CONFIG=str(tmp_path))
        refused(wrong, 4, address)
        assert PASSWORD not in wrong.stderr
        (tmp_path / "config.json").write_text(
            f'{{"auths": {{"{address}": {{"username": "user", "password": "{PASSWORD}"}}}}}}'
        )
        small.cogpack("push", f"{address}/a/b", DOCKER_CONFIG=str(tmp_path))


def test_a_registry_that_is_not_there(hello: Project) -> None:
    refused(hello.cogpack("push", "127.0.0.1:9/a/b", ok=False), 5, "127.0.0.1:9")


def test_a_weight_that_is_only_a_pointer(hello: Project) -> None:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 91000000\n"
    (hello.root / "model.safetensors").write_text(pointer)
    done = hello.cogpack("build", "-o", "out", ok=False)
    refused(done, 2, "model.safetensors")
    assert "git lfs pull" in done.stderr


def test_an_output_directory_that_holds_something_else(hello: Project, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("keep")
    refused(hello.cogpack("build", "-o", str(tmp_path / "out"), ok=False), 2, str(tmp_path / "out"))
    assert files(tmp_path / "out") == {"precious"}


def test_a_cache_that_cannot_be_written(unlocked: Project, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "cache"
    done = unlocked.cogpack("lock", COGPACK_CACHE_DIR=str(cache), TMPDIR=str(tmp_path))
    assert f"note: {cache}: Not a directory; this run keeps nothing" in done.stderr
    assert (unlocked.root / "cogpack.lock").exists()
    assert not list(tmp_path.glob("cogpack-*"))


@pytest.mark.parametrize("output", ["out", "out.tar"])
@pytest.mark.parametrize("mebibytes", [1, 16])
def test_a_disk_without_room(hello: Project, tmp_path: Path, output: str, mebibytes: int) -> None:
    """No file may be larger: first the downloads don't fit, then what packages unpack to."""
    build = [sys.executable, "-m", "cogpack", "build", "--rebuild", "-o", output]
    done = subprocess.run(
        ["sh", "-c", f'ulimit -f {2048 * mebibytes} && exec "$@"', "sh", *build],
        cwd=hello.root,
        env=hello.environment | {"COGPACK_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    refused(done, 2, "can't write")
    assert not (hello.root / "out.tar").exists()
    assert not (hello.root / "out" / "index.json").exists()


@pytest.mark.parametrize("command", ["push", "plan"])
def test_a_target_that_is_no_reference_costs_no_work(unlocked: Project, command: str) -> None:
    refused(unlocked.cogpack(command, "127.0.0.1:5000/UPPER", ok=False), 2, "UPPER")
    assert not (unlocked.root / "cogpack.lock").exists()


def test_no_target_at_all(unlocked: Project) -> None:
    refused(unlocked.cogpack("push", ok=False), 2, "no target")
    assert not (unlocked.root / "cogpack.lock").exists()
