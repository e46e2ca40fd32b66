"""Whole commands in this process."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.programs_base import programs_base
from support.wheels import make_wheel
from support.world import Project, Template, World, noise, ok


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template.made(tmp_path_factory.mktemp("template"))


@pytest.fixture
def world(template: Template, tmp_path: Path) -> Iterator[World]:
    with template.world(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The tar of a base that has programs."""
    return programs_base(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="session")
def _once_pushed(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with template.world(tmp_path_factory.mktemp("pushed")) as world:
        make_wheel(world.wheels, "thing", files={"thing.py": noise(50_000)})
        files = {"model/w.pt": noise(2_000_000), "lines.py": "ONE = 1\n", "notes.txt": "read me\n", "zebra.txt": "-\n"}
        project = world.project(files=files, requirements="thing\n")
        ok(project.cogpack("push", project.target()))
        yield project


@pytest.fixture
def pushed(_once_pushed: Project, tmp_path: Path) -> Project:
    """A project after its first push to `target()`, which all tests share and none may move; its files are the
    test's own."""
    shutil.copytree(_once_pushed.root, tmp_path / "model")
    _once_pushed.world.requests.clear()
    return Project(_once_pushed.world, tmp_path / "model")
