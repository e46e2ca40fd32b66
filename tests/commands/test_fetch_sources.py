"""What a wheel was built of is brought where it is to be had, and else told."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cogpack.commands.fetch import _Filling
from cogpack.depot import Depot
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.planning.outside import Streamed
from cogpack.progress import Cancellation, Silent


@pytest.mark.parametrize("kind", [DeniedError, InputError, MismatchError, UnavailableError])
def test_a_source_that_is_gone_is_told_and_ends_nothing(tmp_path: Path, kind: type[CogpackError]) -> None:
    said: list[str] = []

    class Told(Silent):
        def summary(self, text: str) -> None:
            said.append(text)

    def gone() -> Any:
        raise kind("git.example.com/x: there is no such repository", next_step="check it")

    session = SimpleNamespace(progress=Told(), cancellation=Cancellation(), settings=SimpleNamespace(jobs=1))
    filling = _Filling(cast("Any", session), Depot.create(tmp_path / "depot"))
    filling.take_source(Streamed(what="source of x", file=None, name="git x", blocks=gone))
    assert said == ["without the source of a wheel that is here: git.example.com/x: there is no such repository"]
