"""What the page about public projects says is what its data says."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def counting() -> ModuleType:
    spec = importlib.util.spec_from_file_location("count_public_projects", ROOT / "scripts/count_public_projects.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_counts_of_the_data(counting: ModuleType) -> None:
    projects = counting.read(ROOT / "scripts/public_projects.tsv")
    assert counting.counted(projects) in (ROOT / "docs/public-projects.md").read_text()
    for one in projects:
        assert (one.cause == "") == (one.reached == one.tried), one
        assert {one.tried, one.reached} <= {"", *counting.STAGES}, one


@pytest.mark.parametrize(
    ("said", "reached"),
    [
        ("ModuleNotFoundError: No module named 'x'", ""),
        ("IMPORTED\nAttributeError: x", "imports"),
        ("IMPORTED\nRuntimeError: Found no NVIDIA driver on your system.", "setup"),
        ("IMPORTED\nSET UP\n", "ready"),
    ],
)
def test_how_far_a_model_comes_is_read_from_what_it_says(counting: ModuleType, said: str, reached: str) -> None:
    assert counting._reached(said) == reached
