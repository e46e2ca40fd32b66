"""A tree of programs, made once and copied for each test."""

import shutil
from pathlib import Path

import pytest
from support.program_tree import make_tree, missing_programs


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)} here to make a tree of")
    return make_tree(tmp_path_factory.mktemp("tree") / "tree")


@pytest.fixture
def tree(programs: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(programs, tmp_path / "tree", symlinks=True))
