"""Real pip does today what was written down of it, by which `tests/resolve/pip` measures us."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from support.pip_universe import RealPip, Universe

pytestmark = pytest.mark.integration

RECORDED = Path(__file__).parents[1] / "resolve/pip/what_pip_does.json"


def test_the_newest_pip_does_what_was_written_down(tmp_path: Path) -> None:
    """With two of thirty universes, since each line takes pip half a second."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path), "pip>=25.1"]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("no package index gives pip")
    (wheel,) = tmp_path.glob("pip-*.whl")
    pip = RealPip(tmp_path, wheel)
    for universe in msgspec.json.decode(RECORDED.read_bytes(), type=list[Universe])[-2:]:
        assert pip.answered(universe) == universe
