"""Programs that only newer suites of Debian have: `scripts/integration-packages.sh` unpacks them into `.tools`."""

import shutil
import subprocess
from pathlib import Path

import pytest

_UNPACKED = Path(__file__).resolve().parents[2] / ".tools" / "usr" / "bin"


def tool(name: str, *arguments: str) -> str:
    """Standard output of a run of `name`, which must succeed."""
    program = shutil.which(name, path=str(_UNPACKED)) or shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not there (`make test` as root on Debian unpacks it from a newer suite)")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name} {' '.join(arguments)}: {done.stderr}{done.stdout}"
    return done.stdout
