"""One environment a session: the settings' own, whatever the process has."""

from pathlib import Path

import pytest
from support.world import World

from cogpack.commands.lock import lock
from cogpack.session import Session, Settings


def test_a_library_user_is_asked_for_an_environment(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="environment"):
        Settings(cache=tmp_path)  # type: ignore[call-arg]


def test_the_environment_of_the_process_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGPACK_REGISTRY_MIRROR", "no mirror at all")
    with Session(Settings(cache=tmp_path, environment={"UV_DEFAULT_INDEX": "https://h.io/simple"})) as session:
        assert dict(session.environment) == {"UV_DEFAULT_INDEX": "https://h.io/simple"}


def test_what_resolves_wheels_reads_the_settings_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index is nowhere, and the wheels are found where the settings say."""
    project = world.project()
    monkeypatch.setenv("UV_FIND_LINKS", "/nonexistent")
    settings = Settings(directory=project.root, cache=world.directory / "other", environment=world.environment)
    with Session(settings) as session:
        lock(session)
    assert (project.root / "cogpack.lock").exists()
