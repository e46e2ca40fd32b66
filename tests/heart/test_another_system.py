"""On macOS all that needs no sandbox works, and what needs one says so: tried with all hidden that only Linux has."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.darwin import darwin
from support.wheels import make_wheel
from support.world import World, noise, ok

TESTS = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_same_lock_and_image_come_of_a_push_and_other_commands_agree(world: World) -> None:
    make_wheel(world.wheels, "thing", files={"thing.py": noise(50_000)})
    project = world.project(files={"w.pt": noise(2_000_000)}, requirements="thing\n")
    pushed = ok(project.cogpack("push", project.target()))
    lock = project.root / "cogpack.lock"
    locked = lock.read_bytes()
    lock.unlink()
    more = {"COGPACK_CACHE_DIR": str(world.directory / "other")}
    with darwin():
        assert "predict" in ok(project.cogpack("schema", **more)).out
        ok(project.cogpack("lock", **more))
        ok(project.cogpack("plan", f"{world.registry}/me/other:v1", **more))
        again = ok(project.cogpack("push", f"{world.registry}/me/other:v1", **more))
        ok(project.cogpack("verify", f"{world.registry}/me/other:v1", **more))
        ok(project.cogpack("build", "-o", "../layout", **more))
        ok(project.cogpack("pull", project.target(), "-o", "../pulled", **more))
        ok(project.cogpack("copy", project.target(), "../copied", **more))
        ok(project.cogpack("doctor", **more))
    assert again.digest == pushed.digest
    assert lock.read_bytes() == locked


@pytest.mark.parametrize("words", [("run", "-i", "text=x"), ("exec", "true"), ("push", "REF")])
def test_what_needs_the_sandbox_names_linux(world: World, words: tuple[str, ...]) -> None:
    project = world.project()
    if "push" in words:
        config = (project.root / "cog.yaml").read_text()
        project.write("cog.yaml", config.replace("build:\n", "build:\n  run: [./configure --all]\n"))
    with darwin("x86_64"):  # else it is told of the other architecture first
        done = project.cogpack(*(project.target() if word == "REF" else word for word in words))
    assert done.code == 2
    assert "there is none on Darwin" in done.err
    assert "a machine with Linux" in done.err


@pytest.mark.slow
def test_no_module_wants_more_than_macos_has_when_it_is_imported() -> None:
    program = f"""
import importlib, pkgutil, sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]
from support.darwin import darwin
import httpx, uuid, subprocess, ctypes.util, cogpack.commands
with darwin():
    importlib.import_module("cogpack.cli")
    for package in (cogpack.cli, cogpack.commands):
        for found in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(found.name)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
