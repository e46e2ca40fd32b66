"""`lock --upgrade-run N` takes out the pins of one step, and no others."""

from unittest.mock import Mock

import msgspec
import pytest

from cogpack.config import Config
from cogpack.config.parse import parse_config
from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.lockfile import (
    Decisions,
    LockedClone,
    LockedExecutableStack,
    LockedFetch,
    LockedHubChoice,
    LockedHubFile,
    LockedHubRevision,
    LockedPipLine,
    LockedWheel,
)
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.locking.lines.renewals import check_step, renewed, without_step
from cogpack.locking.upgrade import Upgrade

HEX = "ab" * 32
COMMIT = "a" * 40
RUN = """\
    - curl -o /opt/a https://h.example/a
    - curl -o /opt/b https://h.example/b
    - git clone https://h.example/c /opt/c
    - huggingface-cli download o/d
    - pip install x
    - pip install y
"""


@pytest.fixture
def config() -> Config:
    return parse_config(f"build:\n  run:\n{RUN}predict: predict.py:P\n".encode())


def wheel(name: str) -> LockedWheel:
    return LockedWheel(name=name, version="1", filename=f"{name}-1-py3-none-any.whl", sha256=HEX, size=1)


def files(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}-1-py3-none-any.whl" for name in names)


def decisions() -> Decisions:
    """`x` and `both` are of the first pip line, `both` and `y` of the second, which lays the required `cog` again."""
    key = sha256(b"key")
    return Decisions(
        base=Mock(spec=DebianBase, python="3.13"),
        wheels=tuple(map(wheel, ("both", "cog", "x", "y"))),
        clashes=(),
        fetches=tuple(LockedFetch(url=f"https://h.example/{name}", sha256=HEX, size=1) for name in "ab"),
        clones=(LockedClone(url="https://h.example/c", directory="opt/c", commit=COMMIT),),
        hub_revisions=(
            LockedHubRevision(repository="o/d", revision="main", commit=COMMIT, choices=(LockedHubChoice(count=1),)),
        ),
        hub_files=(LockedHubFile(repository="o/d", commit=COMMIT, path="f", size=1, sha256=sha256(b"f")),),
        pip_lines=(
            LockedPipLine(step=4, key=key, wheels=files("both", "x")),
            LockedPipLine(step=5, key=key, wheels=files("both", "cog", "y"), again=files("cog")),
        ),
    )


@pytest.mark.parametrize(
    ("step", "gone"),
    [
        (1, {"https://h.example/b"}),
        (2, {"https://h.example/c"}),
        (3, {"o/d"}),
        (4, {"x"}),
        (5, {"y"}),
    ],
)
def test_the_pins_of_one_step_go_and_all_others_stay(config: Config, step: int, gone: set[str]) -> None:
    def pins(found: Decisions) -> set[str]:
        named = {pin.url for pin in (*found.fetches, *found.clones)}
        return named | {one.repository for one in found.hub_revisions} | {one.name for one in found.wheels}

    before = decisions()
    after = without_step(before, config, step)
    assert pins(before) - pins(after) == gone
    lines = [line for line, was in zip(after.pip_lines, before.pip_lines, strict=True) if line != was]
    assert [(line.step, line.wheels) for line in lines] == ([(step, ())] if step > 3 else [])
    assert [one.name for one in after.required] == ["cog"]


def test_what_is_said_of_a_wheel_goes_with_it(config: Config) -> None:
    """A lock that names a library of a wheel which it has not is refused as damaged."""
    stacks = tuple(LockedExecutableStack(wheel=name, library="x.so") for name in files("cog", "x", "y"))
    before = msgspec.structs.replace(decisions(), executable_stacks=stacks)
    assert [one.wheel for one in without_step(before, config, 4).executable_stacks] == [*files("cog", "y")]
    after = renewed(before, config, Upgrade(wheels=("Y",)))
    assert [one.wheel for one in after.executable_stacks] == [*files("cog", "x")]
    assert [line.wheels for line in after.pip_lines] == [files("both", "x"), files("both", "cog")]


def test_a_step_that_there_is_not_is_told_with_those_that_there_are(config: Config) -> None:
    check_step(config, 5)
    with pytest.raises(InputError, match=r"--upgrade-run 6: .*build.run\[0\] to build.run\[5\]"):
        check_step(config, 6)
