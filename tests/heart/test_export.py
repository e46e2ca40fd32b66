"""What a lock holds can be installed by pip and uv as well."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import uv
from packaging.pylock import Pylock
from support.index import index
from support.wheels import make_wheel
from support.world import CLOSED, World, ok

from cogpack.resolve.wheels.target import TargetPython

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_the_wheels_of_a_lock_are_told_in_both_forms(world: World) -> None:
    make_wheel(world.wheels, "one", requires=("below",))
    make_wheel(world.wheels, "below")
    project = world.project(requirements="one\n./wheels/near-1.0-py3-none-any.whl\n")
    make_wheel(project.root / "wheels", "near")
    ok(project.cogpack("lock"))
    written = project.write("pylock.toml", ok(project.cogpack("export")).out)
    lock = Pylock.from_dict(tomllib.loads(written.read_text()))
    target = TargetPython(python="3.13", glibc="2.41", arch="amd64")
    tags = [*target.tags()]
    chosen = {package.name: file for package, file in lock.select(environment=target.environment(), tags=tags)}  # type: ignore[arg-type]
    locked = tomllib.loads((project.root / "cogpack.lock").read_text())["platforms"]["linux/amd64"]["wheels"]
    assert {name: file.hashes["sha256"] for name, file in chosen.items()} == {  # type: ignore[union-attr]
        wheel["name"]: wheel["sha256"] for wheel in locked
    }
    assert chosen["near"].path == "wheels/near-1.0-py3-none-any.whl"  # type: ignore[union-attr]
    hashes = {wheel["name"]: wheel["sha256"] for wheel in locked}
    lines = ok(project.cogpack("export", "--format", "requirements.txt")).out.splitlines()
    assert f"one==1.0 --hash=sha256:{hashes['one']}" in lines
    assert f"./wheels/near-1.0-py3-none-any.whl --hash=sha256:{hashes['near']}" in lines
    assert len(lines) == 1 + len(hashes)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["pylock.toml", "requirements.txt"])
def test_uv_reads_the_same_set_back(world: World, form: str) -> None:
    """As our own reader does: a project that requires what was exported has the same wheels."""
    make_wheel(world.wheels, "one", requires=("below",))
    make_wheel(world.wheels, "below")
    with index(world.wheels, user="me:hunter2") as (fake, _):
        host = f"me:hunter2@{fake.address}"
        places = {"UV_DEFAULT_INDEX": f"http://{host}/simple", "UV_FIND_LINKS": ""}
        project = world.project(files={"requirements.txt": "one\n"})
        ok(project.cogpack("lock", **places))
        said = ok(project.cogpack("export", "--format", form, **places)).out
        assert "hunter2" not in said
        # uv installs for an interpreter that is here, which the image's need not be.
        file = project.write(form, said.replace("3.13", HERE))
        make_wheel(world.wheels, "one", "2.0")
        netrc = project.write(".netrc", f"machine {fake.address.partition(':')[0]} login me password hunter2\n")
        done = subprocess.run(
            [
                *(uv.find_uv_bin(), "pip", "install", "--dry-run", "-r", str(file), "--no-config"),
                *("--python", sys.executable, "--no-python-downloads", "--target", str(project.root / "there")),
            ],
            env={"PATH": "/usr/bin:/bin", "HOME": str(project.root), "NETRC": str(netrc)}
            | {"UV_CACHE_DIR": str(world.directory / "uv"), "UV_DEFAULT_INDEX": f"http://{host}/simple"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        installed = {line[3:] for line in done.stderr.splitlines() if line.startswith(" + ")}
        again = world.project("again", files={form: said})
        again.write("cog.yaml", (again.root / "cog.yaml").read_text().replace("requirements.txt", form))
        ok(again.cogpack("lock", **places))
    locks = [tomllib.loads((one.root / "cogpack.lock").read_text()) for one in (project, again)]
    first, second = ({wheel["filename"]: wheel["sha256"] for wheel in _wheels(lock)} for lock in locks)
    assert first == second
    assert installed == {f"{wheel['name']}=={wheel['version']}" for wheel in _wheels(locks[0])}


@pytest.mark.integration
@pytest.mark.parametrize("form", ["pylock.toml", "requirements.txt"])
def test_pip_reads_the_same_set_back(world: World, form: str) -> None:
    pip = world.directory / "pip"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(pip), "pip>=26.1"]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("no package index gives a pip that reads pylock.toml")
    (program,) = pip.glob("pip-*.whl")
    make_wheel(world.wheels, "one", requires=("below", "never ; os_name == 'nt'"), extras=("more",))
    make_wheel(world.wheels, "below")
    with index(world.wheels) as (fake, _):
        places = {"UV_DEFAULT_INDEX": f"{fake.url}/simple", "UV_FIND_LINKS": ""}
        project = world.project(files={"requirements.txt": "one[more]\n./wheels/near-1.0-py3-none-any.whl\n"})
        make_wheel(project.root / "wheels", "near")
        ok(project.cogpack("lock", **places))
        said = ok(project.cogpack("export", "--format", form, **places)).out
        make_wheel(world.wheels, "one", "2.0")
        # pip installs for the interpreter that it runs in, which the image's need not be.
        file = project.write(form, said.replace("3.13", HERE))
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--dry-run",
                "--ignore-installed",
                "--report",
                "-",
                "-qr",
                str(file),
            ],
            cwd=project.root,
            env={"PATH": "/usr/bin:/bin", "HOME": str(world.directory), "PYTHONPATH": str(program)}
            | {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": f"{fake.url}/simple"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = {
        one["metadata"]["name"]: one["download_info"]["archive_info"]["hashes"]["sha256"]
        for one in json.loads(done.stdout)["install"]
    }
    lock = tomllib.loads((project.root / "cogpack.lock").read_text())
    assert found == {wheel["name"]: wheel["sha256"] for wheel in _wheels(lock)}
    assert {"one", "below", "near"} < found.keys()


def _wheels(lock: dict[str, dict[str, dict[str, list[dict[str, str]]]]]) -> list[dict[str, str]]:
    return lock["platforms"]["linux/amd64"]["wheels"]


@pytest.mark.slow
def test_a_wheel_that_no_index_has_any_more_is_named_with_the_form_that_needs_no_address(world: World) -> None:
    make_wheel(world.wheels, "one")
    project = world.project(requirements="one\n")
    ok(project.cogpack("lock"))
    Path(world.wheels / "one-1.0-py3-none-any.whl").unlink()
    done = project.cogpack("export")
    assert (done.code, done.out) == (5, "")
    assert "one" in done.err
    closed = {"UV_DEFAULT_INDEX": CLOSED, "UV_FIND_LINKS": ""}
    assert "one==1.0 --hash=sha256:" in ok(project.cogpack("export", "--format", "requirements.txt", **closed)).out
