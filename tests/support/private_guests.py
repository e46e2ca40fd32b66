"""What guests are run by, in `directory` of a test."""

from pathlib import Path

import pytest

from cogpack.cache import Kept
from cogpack.config import StepLimits
from cogpack.config.model import Isolation
from cogpack.layers.facts import Facts
from cogpack.planning.steps.laying import Laying
from cogpack.planning.steps.steps import Runner
from cogpack.progress import SILENT, Cancellation
from cogpack.seal import THIS_RUN

from .guests import proot


def runner(directory: Path, limits: StepLimits, *, isolation: Isolation = "auto") -> Runner:
    """Give one whose secrets and proxy no private guest may see."""
    return Runner(
        laying=Laying(directory / "rate"),
        kept=directory / "steps",
        scratch=directory / "trees",
        cache=Kept(directory),
        isolation=isolation,
        architecture="amd64",
        network=True,
        limits=limits,
        secrets={"token": b"secret"},
        places=(),
        home=None,
        variables={"https_proxy": "http://user:secret@proxy.example"},
        mirrors={},
        authorities=lambda: None,
        proot=lambda _, __: proot() or pytest.fail("need asks for it"),
        emulator=lambda _: pytest.fail("nothing is emulated"),
        facts=Facts(directory / "facts"),
        seal=THIS_RUN,
        progress=SILENT,
        cancellation=Cancellation(),
        jobs=1,
    )
