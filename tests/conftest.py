"""Fixtures for all tests."""

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
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


MEMORY = Path("/dev/shm")
GiB = 1 << 30


def pytest_configure(config: pytest.Config) -> None:
    """Keep the files of tests in memory, where no engine's images are among them and no long transfer is asked for.

    Thousands of small files are a third of all time on a disk. Elsewhere: `--basetemp`, `PYTEST_DEBUG_TEMPROOT`.
    """
    if "not integration" in config.option.markexpr and "COGPACK_LONG_GB" not in os.environ and _has_room(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def _has_room(directory: Path) -> bool:
    """Is it a file system for programs and users' attributes, as the sandbox wants them, with room?"""
    try:
        found = os.statvfs(directory)
        with tempfile.TemporaryDirectory(dir=directory) as place:
            os.setxattr(place, "user.cogpack", b"")
    except OSError:
        return False
    return not found.f_flag & (os.ST_NOEXEC | os.ST_NOSUID) and found.f_bavail * found.f_frsize >= 8 * GiB


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore modules that are slow as a whole where slow tests are left out: a third of all code, and its imports."""
    if collection_path.suffix != ".py" or "not slow" not in config.option.markexpr:
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text() or None


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture
def on_disk() -> Iterator[Path]:
    """A directory that is not below /dev, as those in memory are: for an image that is another place."""
    with tempfile.TemporaryDirectory(prefix="cogpack-") as directory:
        yield Path(directory).resolve()


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process remembers its secrets, and hides in all texts what was a password of some test before."""
    monkeypatch.setattr(redaction, "_PROCESS", redaction.Redactor())


@pytest.fixture(autouse=True)
def _nobody_waits_before_trying_again(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where real servers may need the time. Who looks at the waits gives his own: `Http(backoff=...)`."""
    if request.node.get_closest_marker("integration") is None:
        monkeypatch.setattr("cogpack.http.retries.random", SimpleNamespace(uniform=lambda *_: 0.0))
