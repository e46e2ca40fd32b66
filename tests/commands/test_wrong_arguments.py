"""A program that calls the library with a value of another type is told which, before anything begins."""

from pathlib import Path
from typing import Any

import pytest

from cogpack import InputError, Session, Settings, build, fetch, pull, pull_weights
from cogpack.running.outputs import Outputs


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"directory": "model"}, TypeError, "directory: expected a pathlib.Path, found 'model'"),
        ({"cache": "x"}, TypeError, "cache: expected a pathlib.Path, found 'x'"),
        ({"offline": "x"}, TypeError, "offline: expected a pathlib.Path, found 'x'"),
        ({"platforms": "linux/amd64"}, TypeError, "platforms: expected several texts, found the text 'linux/amd64'"),
        ({"registry_mirrors": "a=b"}, TypeError, "registry_mirrors: expected several texts, found the text 'a=b'"),
        ({"environment": None}, TypeError, "environment: expected a mapping, as os.environ, found None"),
        ({"jobs": 0}, InputError, "jobs: expected 1 to 64, found 0"),
        ({"jobs": 65}, InputError, "jobs: expected 1 to 64, found 65"),
        ({"platforms": ("linux/riscv64",)}, InputError, "platforms: there is no 'linux/riscv64'"),
        ({"isolation": "bad"}, InputError, "isolation: there is no 'bad'"),
    ],
)
def test_settings_that_are_none_are_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    """A number of jobs below 1 hung for ever."""
    with pytest.raises(error) as caught:
        Settings(**{"environment": {}} | given)
    assert (caught.value.message if isinstance(caught.value, InputError) else str(caught.value)) == said


def test_an_output_that_is_text_is_refused(tmp_path: Path) -> None:
    with Session(Settings(environment={}, cache=tmp_path, directory=tmp_path)) as session:
        acts: list[Any] = [
            lambda output: build(session, output),
            lambda output: fetch(session, output),
            lambda output: pull(session, "registry.test/a", output),
            lambda output: pull_weights(session, "registry.test/a", output),
            lambda output: Outputs(output, {}),
        ]
        for act in acts:
            with pytest.raises(TypeError, match=r"^output: expected a pathlib\.Path, found 'out'$"):
                act("out")
