"""The fuzzer of Debian packages finds nothing in some hundreds of runs, and would tell if there was something."""

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

PATH = Path(__file__).parents[1] / "scripts" / "fuzz_debs.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_debs", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz_debs"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", ["deb", "control", "index", "image"])
def test_wrong_packages_control_files_indexes_and_images_are_errors_of_ours(
    fuzz: ModuleType, kind: str, tmp_path: Path
) -> None:
    running = fuzz.fuzzer(kind, tmp_path, random.Random(0))
    reached = len(running.reached)
    assert reached > 100
    for _ in range(100):
        running.step()
    assert running.found == {}
    assert len(running.reached) > reached


def test_what_raises_anything_else_is_told_once_with_its_place(fuzz: ModuleType) -> None:
    def target(data: bytes) -> None:
        if b"x" in data:
            raise ValueError(data.decode())

    running = fuzz.Fuzzer(target, [b"a"], fuzz.changes(random.Random(0)), random.Random(0))
    for data in (b"x1", b"x2"):
        running.run(data)
    assert running.found == {b"x1": "ValueError in ?: x1"}
