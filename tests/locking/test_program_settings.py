"""Settings of a program, of the base or of a line before, are a reason to run its line."""

import pytest

from cogpack.lockfile import LockedPlace, LockedSandboxed
from cogpack.locking.lines.ground import Look
from cogpack.locking.lines.program_settings import settings_in_the_way
from cogpack.run_lines import Clone, Effect, Fetch, MakeDirectories, PipInstall, PipUninstall, StepEffect, WriteText

FETCH = Fetch(url="https://files.test/f", path="/f")
CLONE = Clone(url="https://git.test/tools", directory="/tools")


def base(*paths: str) -> Look:
    return lambda path: LockedPlace(path=path, kind="file" if path in paths else "absent")


def found(look: Look, *effects: Effect) -> LockedSandboxed | None:
    return settings_in_the_way([StepEffect(step, effect) for step, effect in enumerate(effects)], look)


@pytest.mark.parametrize(
    ("path", "effect", "program"),
    [
        ("root/.curlrc", FETCH, "curl or wget"),
        ("root/.netrc", FETCH, "curl or wget"),
        ("etc/gitconfig", CLONE, "git"),
        ("root/.config/git/config", CLONE, "git"),
        ("etc/uv/uv.toml", PipInstall(installer="uv"), "uv"),
        ("pyproject.toml", PipUninstall(installer="uv"), "uv"),
    ],
)
def test_a_file_of_the_base_is_named(path: str, effect: Effect, program: str) -> None:
    said = LockedSandboxed(step=0, why=f"/{path} may change what {program} does")
    assert found(base(path), effect) == said


def test_another_programs_settings_change_nothing() -> None:
    assert found(base("root/.gitconfig", "etc/wgetrc"), FETCH) is None
    assert found(base("root/.curlrc"), CLONE) is None


def test_a_line_before_counts_and_a_line_after_does_not() -> None:
    settings = WriteText(path="/root/.gitconfig", text="x")
    assert found(base(), CLONE, settings) is None
    assert found(base(), settings, CLONE) == LockedSandboxed(step=1, why="/root/.gitconfig may change what git does")


def test_a_directory_above_is_no_file_of_settings() -> None:
    assert found(base(), MakeDirectories(paths=("/root/.config/git",), parents=True), CLONE) is None
