"""A project may list its packages in pyproject.toml, or have them pinned by another tool: what that says is held."""

import subprocess
import tomllib
from collections.abc import Iterator

import pytest
import uv
from support.index import index
from support.wheels import make_wheel
from support.world import Project, World, ok

pytestmark = pytest.mark.slow

PYPROJECT = """\
[project]
name = "model"
version = "1"
requires-python = ">=3.11"
dependencies = ["one[more]", "nt ; sys_platform == 'win32'"]
[project.optional-dependencies]
gpu = ["fast"]
[dependency-groups]
serve = ["server"]
"""
EXPECTED = {"below": "1.0", "fast": "1.0", "one": "1.0", "other": "1.0", "server": "1.0"}


@pytest.fixture
def indexed(world: World) -> Iterator[dict[str, str]]:
    """An index of all that the project requires."""
    make_wheel(world.wheels, "one", requires=("below", 'other ; extra == "more"'), extras=("more",))
    for name in ("below", "other", "fast", "server", "nt"):
        make_wheel(world.wheels, name)
    with index(world.wheels) as (fake, _):
        yield {"UV_DEFAULT_INDEX": f"{fake.url}/simple", "UV_FIND_LINKS": ""}


def project(world: World, name: str, text: str) -> Project:
    made = world.project(files={"pyproject.toml": PYPROJECT, name: text}, config="  extras: [gpu]\n")
    config = (made.root / "cog.yaml").read_text() + "  dependency_groups: [serve]\n"
    made.write("cog.yaml", config.replace("requirements.txt", name))
    return made


def with_uv(made: Project, environment: dict[str, str], *arguments: str) -> None:
    own = {"PATH": "/usr/bin:/bin", "HOME": str(made.root), "UV_CACHE_DIR": str(made.world.directory / "uv")}
    more = ("--no-python-downloads", "--python", str(made.world.python), "--quiet")
    subprocess.run([uv.find_uv_bin(), *arguments, *more], cwd=made.root, check=True, env=own | environment)


def required(made: Project) -> dict[str, str]:
    lock = tomllib.loads((made.root / "cogpack.lock").read_text())["platforms"]["linux/amd64"]
    return {wheel["name"]: wheel["version"] for wheel in lock["wheels"] if wheel["name"] in EXPECTED | {"nt": ""}}


def test_pyproject_is_resolved_with_its_extras_and_groups(world: World, indexed: dict[str, str]) -> None:
    made = project(world, "pyproject.toml", PYPROJECT)
    ok(made.cogpack("push", made.target(), **indexed))
    assert required(made) == EXPECTED
    assert "opt/venv/lib/python/site-packages/server.py" in world.files("me/model", "v1")


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml"])
def test_versions_and_hashes_that_uv_locked_are_held(world: World, indexed: dict[str, str], name: str) -> None:
    made = project(world, "pyproject.toml", PYPROJECT)
    with_uv(made, indexed, "lock")
    if name == "pylock.toml":
        with_uv(made, indexed, "export", "--frozen", "--all-extras", "--all-groups", "-o", name)
        # uv writes what was chosen into its lock, which then has no extras and groups.
        made = project(world, name, (made.root / name).read_text())
        made.write("cog.yaml", (made.root / "cog.yaml").read_text().partition("  extras")[0])
    else:
        made = project(world, name, (made.root / name).read_text())
    make_wheel(world.wheels, "one", "2.0")
    ok(made.cogpack("lock", **indexed))
    assert required(made) == EXPECTED
    make_wheel(world.wheels, "below", files={"below.py": b"import os\n"})
    done = made.cogpack("lock", "--upgrade", **indexed)
    assert done.code == 2
    assert "below-1.0-py3-none-any.whl has sha256:" in done.err
    assert "which is none of the hashes named for it" in done.err


def test_the_versions_of_another_lock_are_held_and_a_conflict_names_its_line(
    world: World, indexed: dict[str, str]
) -> None:
    first = world.project("first", files={"requirements.txt": "one\n"})
    ok(first.cogpack("lock", **indexed))
    make_wheel(world.wheels, "one", "2.0")
    second = world.project(
        "second", files={"requirements.txt": "one\n"}, config="  constraints_from: ../first/cogpack.lock\n"
    )
    ok(second.cogpack("lock", **indexed))
    assert required(second) == {"below": "1.0", "one": "1.0"}
    second.write("requirements.txt", "one==2.0\n")
    done = second.cogpack("lock", **indexed)
    assert done.code == 2
    lines = (first.root / "cogpack.lock").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if 'name = "one"' in line)
    assert f"error: ../first/cogpack.lock:{number}, requirements.txt:1: " in done.err
