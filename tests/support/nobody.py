"""A user who has no credentials."""

from pathlib import Path

import pytest


def as_nobody(directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Have no credentials but those of the test, and a current directory and a home of its own below `directory`."""
    (directory / "here").mkdir()
    patch.chdir(directory / "here")
    patch.setenv("HOME", str(directory / "home"))
    for name in ("DOCKER_CONFIG", "DOCKER_AUTH_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        patch.delenv(name, raising=False)
