"""Real servers as child processes of a test: started, waited for, stopped, and their log shown when they fail."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def running(
    command: Sequence[str],
    ready: Callable[[str], T | None],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float = 30,
    grace: float = 10,
) -> Iterator[T]:
    """Run `command`, its output in `log`, until `ready(output so far)` gives something: that is what is yielded.

    In the end it gets SIGTERM, and SIGKILL after `grace` seconds.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        end = time.monotonic() + seconds
        while (found := ready(log.read_text(errors="replace"))) is None:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
