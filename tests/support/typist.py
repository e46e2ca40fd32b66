"""The blocks of `sh` of a document are typed into one bash, which ends at the first line that fails."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

from support.documents import ROOT, blocks

from cogpack.running.server import free_port

_SHELL = r"""
set -eum -o pipefail
trap 'for job in $(jobs -p); do kill -- -$job || :; done; wait' EXIT  # one that has ended is no reason to leave others
cogpack() {  # one that serves does so until it says that it serves, and is then told to end
    if [ "$1" != serve ]; then command cogpack "$@"; return; fi
    told=$(mktemp)
    command cogpack "$@" > "$told" & serving=$!
    until grep -q "^serving on" "$told"; do kill -0 $serving; sleep 0.1; done
    rm "$told"
    kill $serving && wait $serving
}
set -v
"""
_PORT = re.compile(r"(?<=localhost:|127\.0\.0\.1:)\d{4}\b|(?<=--port )\d{4}\b|(?<=-p )\d{4}\b")
"""Of this machine: in `-p 8000:5000` the second is the container's."""

_SERVING = re.compile(r"^.*--port (\d+).* &(?: +#.*)?$", re.MULTILINE)
"""A server beside what is typed next, for which its reader waits."""


def typed(document: Path, directory: Path, environment: Mapping[str, str], *, left_out: Collection[str] = ()) -> str:
    """Type a document in `directory`; give what was said. `left_out`: what a command, or the line behind a pipe, begins
    with that is not typed. Ports are free ones."""
    ports: dict[str, int] = {}
    script = "\n".join(blocks(document, "sh")).replace("\\\n", " ")
    kept = [line for line in script.splitlines() if not _has(line, left_out)]
    text = _PORT.sub(lambda found: str(ports.setdefault(found[0], free_port())), "\n".join(kept))
    text = _SERVING.sub(r"\g<0>\nuntil (: < /dev/tcp/127.0.0.1/\1) 2> /dev/null; do kill -0 $!; sleep 0.1; done", text)
    with tempfile.TemporaryFile("w+") as said:  # a pipe would be read until all that it started has ended
        done = subprocess.run(
            ["bash", "-c", f"{_SHELL}{text}\n"],
            cwd=directory,
            env={
                **{name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR")},
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
        said.seek(0)
        output = said.read()
    assert done.returncode == 0, output
    assert left_in(directory) == [], output
    return output


def left_in(directory: Path) -> list[str]:
    """Give those of `running_in` that stay. bash waits for the shell in which a server was started, and the server may
    take a moment longer to end."""
    until = time.monotonic() + 20
    while (found := running_in(directory)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def running_in(directory: Path) -> list[str]:
    """Give the command lines of processes that are in `directory` or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is of another user
            if (process / "cwd").readlink().is_relative_to(directory.resolve()):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def _has(line: str, beginnings: Collection[str]) -> bool:
    return any(re.search(rf"(?:^|\| ){re.escape(one)}(?: |$)", line) for one in beginnings)


def program(directory: Path, after: str = "") -> Path:
    """Write the program `cogpack` of these sources, and give where it is. `after`: what Python does after each
    `cogpack init`."""
    directory.mkdir()
    (directory / "after.py").write_text(after)
    path = directory / "cogpack"
    path.write_text(
        f"#!/bin/sh\nexport PYTHONPATH={ROOT}\n"
        f'[ "$1" = init ] || exec {sys.executable} -m cogpack "$@"\n'
        f'{sys.executable} -m cogpack "$@" && {sys.executable} {directory}/after.py\n'
    )
    path.chmod(0o755)
    return directory
