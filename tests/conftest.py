"""Fixtures for all tests."""

import gc
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

from cogpack import redaction

pytest_plugins = ["support.dockerd"]

# A job in the background ignores Ctrl-C, and one under nohup the end of its terminal; so would all that is started here
# to be stopped by them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes says more of the machine than of the code.
settings.register_profile("untimed", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=10)
settings.load_profile("untimed")


# Thousands of tests are objects that stay: the collector looks through them again and again for nothing.
gc.disable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore modules that are slow as a whole where slow tests are left out: a third of all code, and its imports."""
    if collection_path.suffix != ".py" or "not slow" not in config.option.markexpr:
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() or None


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process remembers its secrets, and hides in all texts what was a password of some test before."""
    monkeypatch.setattr(redaction, "_PROCESS", redaction.Redactor())


@pytest.fixture(autouse=True)
def _nobody_waits_before_trying_again(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where real servers may need the time. Who looks at the waits gives his own: `Http(backoff=...)`."""
    if request.node.get_closest_marker("integration") is None:
        monkeypatch.setattr("cogpack.http.retries.random", SimpleNamespace(uniform=lambda *_: 0.0))
