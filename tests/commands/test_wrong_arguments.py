"""A program that calls the library with a value of another type is told which, before anything begins."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cogpack import InputError, Session, Settings, build, fetch, pull, pull_weights
from cogpack.running.outputs import Outputs


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"directory": "model"}, TypeError, "directory: expected a pathlib.Path, found 'model'"),
        ({"cache": "x"}, TypeError, "cache: expected a pathlib.Path, found 'x'"),
        ({"offline": "x"}, TypeError, "offline: expected a pathlib.Path, found 'x'"),
        ({"platforms": "linux/amd64"}, TypeError, "platforms: expected a tuple of texts, found 'linux/amd64'"),
        ({"platforms": None}, TypeError, "platforms: expected a tuple of texts, found None"),
        ({"platforms": (5,)}, TypeError, "platforms: expected a tuple of texts, found (5,) with int in it"),
        ({"registry_mirrors": "a=b"}, TypeError, "registry_mirrors: expected a tuple of texts, found 'a=b'"),
        ({"foreign_hosts": "h"}, TypeError, "foreign_hosts: expected a set of texts, found 'h'"),
        ({"environment": None}, TypeError, "environment: expected a mapping of texts, as os.environ, found None"),
        (
            {"environment": {"TOKEN": "hidden", "CI": 1}},
            TypeError,
            "environment: expected a mapping of texts, as os.environ, found dict with int in it",
        ),
        ({"secrets": {"a": "hidden"}}, TypeError, "secrets: expected a mapping of bytes, found dict with str in it"),
        ({"outputs": ("a",)}, TypeError, "outputs: expected a tuple of pathlib.Path, found ('a',) with str in it"),
        ({"directory": None}, TypeError, "directory: expected a pathlib.Path, found None"),
        ({"file": 5}, TypeError, "file: expected text, found 5"),
        ({"isolation": 5}, TypeError, "isolation: expected text, found 5"),
        ({"locked": "no"}, TypeError, "locked: expected True or False, found 'no'"),
        ({"jobs": "4"}, TypeError, "jobs: expected a whole number, found '4'"),
        ({"jobs": 2.5}, TypeError, "jobs: expected a whole number, found 2.5"),
        ({"jobs": None}, TypeError, "jobs: expected a whole number, found None"),
        ({"jobs": 0}, InputError, "jobs: expected 1 to 64, found 0"),
        ({"jobs": 65}, InputError, "jobs: expected 1 to 64, found 65"),
        ({"platforms": ("linux/riscv64",)}, InputError, "platforms: there is no 'linux/riscv64'"),
        ({"isolation": ""}, InputError, "isolation: there is no ''"),
        ({"isolation": "bad"}, InputError, "isolation: there is no 'bad'"),
    ],
)
def test_settings_that_are_none_are_refused(given: dict[str, Any], error: type[Exception], said: str) -> None:
    """A number of jobs below 1 hung for ever."""
    with pytest.raises(error) as caught:
        Settings(**{"environment": {}} | given)
    assert (caught.value.message if isinstance(caught.value, InputError) else str(caught.value)) == said


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_each_setting_is_refused_of_another_type_and_taken_as_it_is(field: msgspec.structs.FieldInfo) -> None:
    given: dict[str, Any] = {"environment": {}}
    with pytest.raises(TypeError, match=f"^{field.name}: expected .*, found <object object at"):
        Settings(**given | {field.name: object()})
    if field.required or field.default is not None:
        with pytest.raises(TypeError, match=f"^{field.name}: expected .*, found None$"):
            Settings(**given | {field.name: None})
    else:
        assert getattr(Settings(**given | {field.name: None}), field.name) is None


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
