"""The whole suite is run as two runs of pytest beside each other: `python scripts/run_tests.py [ARGUMENTS OF PYTEST]`.

What needs real registries and engines mostly waits for them, while the rest needs a core. The first run's output is
shown as it comes, the second's behind it, whole. The exit status is 0 if both have passed. An interrupt ends both.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PARTS = {"without integration tests": "not integration", "integration tests": "integration"}
"""The selection of each run, by its name."""

_TICK = 0.2


class Part:
    """One run of pytest: its output is in a file until it is shown."""

    def __init__(self, name: str, selection: str, arguments: list[str], log: Path) -> None:
        self.name = name
        self._log = log
        command = [sys.executable, "-m", "pytest", "-m", selection, *arguments]
        if sys.stdout.isatty():
            command.append("--color=yes")
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)

    def show(self) -> None:
        """Write all that it has said and says, to its end."""
        with self._log.open("rb") as log:
            ended = False
            while not ended:
                ended = self.process.poll() is not None
                if said := log.read():
                    sys.stdout.buffer.write(said)
                    sys.stdout.buffer.flush()
                elif not ended:
                    time.sleep(_TICK)

    def interrupt(self) -> None:
        """End it as Ctrl-C does, so that it stops the daemons that it has started."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)


def main(arguments: list[str]) -> int:
    parts: list[Part] = []

    def interrupted(number: int, _: object) -> None:
        for part in parts:
            if number != signal.SIGINT:  # which a terminal sends to all of us
                part.interrupt()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    with tempfile.TemporaryDirectory(prefix="cogpack-tests-") as directory:
        for name, selection in PARTS.items():
            parts.append(Part(name, selection, arguments, Path(directory, name)))
        for part in parts:
            print(f"== {part.name}", flush=True)
            part.show()
        for part in parts:
            print(f"== {part.name}: {'passed' if part.process.returncode == 0 else f'exit {part.process.returncode}'}")
    return max(part.process.returncode != 0 for part in parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
