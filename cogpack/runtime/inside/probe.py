"""Runs inside the container, beside the server: says by its exit status how the model is, as Kubernetes asks (exec
probes).

    python -I /opt/venv/lib/cogpack/probe.py ready|started|alive

`/health-check` answers 200 whatever it says, so a probe by HTTP learns nothing. `ready`: a prediction would be taken
now; `started`: setup() is done, whatever the model does since; `alive`: a restart would not help, or setup() still
runs. 0: so it is; 1: it is not; 2: not asked like this. Only the standard library, and little of it: it is started
every few seconds.
"""

import json
import os
import socket
import sys

GOOD = {
    "ready": {"READY"},
    "started": {"READY", "BUSY", "UNHEALTHY"},
    "alive": {"STARTING", "READY", "BUSY", "UNHEALTHY"},
}
SECONDS = 5.0
LONGEST = 1024 * 1024
"""Bytes of an answer that are read."""


def status(port: int) -> str:
    """Ask the server on loopback; an OSError or ValueError where it says nothing that can be read."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(b"GET /health-check HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b""
        while len(answer) < LONGEST and (block := connection.recv(65536)):
            answer += block
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    return str(found.get("status")) if isinstance(found, dict) else "unknown"


def main(words: "list[str]") -> int:
    if len(words) != 1 or words[0] not in GOOD:
        sys.stderr.write("probe.py: expected one of " + ", ".join(GOOD) + "\n")
        return 2
    try:
        found = status(int(os.environ.get("PORT") or "5000"))
    except (OSError, ValueError, RecursionError) as error:
        sys.stdout.write(f"no answer: {error}\n")
        return 1
    sys.stdout.write(f"{found}\n")
    return 0 if found in GOOD[words[0]] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
