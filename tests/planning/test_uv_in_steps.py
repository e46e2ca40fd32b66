"""`uv pip install --system` of a step means the image's environment, as `pip` does."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import uv
from support.wheels import make_wheel

from cogpack.config import RunStep
from cogpack.config.parse import parse_config
from cogpack.locking.lines.read import Lines, Remaining
from cogpack.planning.steps.steps import make_steps
from cogpack.run_lines import Surroundings

STEP = Remaining(0, RunStep(command="uv pip install --system six"))


def environment(**given: str) -> dict[str, str]:
    steps = make_steps(parse_config(b""), Lines(surroundings=Surroundings(environment=given), remaining=(STEP,)), [])
    assert steps is not None
    return dict(steps.environment)


def test_uv_is_told_which_python_is_meant_unless_the_project_says_it() -> None:
    assert environment(A="b") == {"A": "b", "UV_PYTHON": "/opt/venv/bin/python"}
    assert environment(UV_PYTHON="/usr/bin/python3") == {"UV_PYTHON": "/usr/bin/python3"}


@pytest.mark.slow
def test_uv_takes_it_for_the_systems(tmp_path: Path) -> None:
    """Else it would pass over environments."""
    place = tmp_path / "venv"
    venv.create(place)
    make_wheel(tmp_path, "demo", "1.5")
    command = [uv.find_uv_bin(), "pip", "install", "--system", "--no-index", "--find-links", str(tmp_path), "demo"]
    subprocess.run(
        command,
        env={"PATH": os.environ["PATH"], "UV_NO_CACHE": "1", "UV_PYTHON": f"{place}/bin/python"},
        check=True,
        capture_output=True,
    )
    site = f"lib/python3.{sys.version_info.minor}/site-packages"
    assert (place / site / "demo-1.5.dist-info").is_dir()
