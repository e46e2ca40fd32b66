"""A process of its own that runs a command in a guest, as another user or in a container that allows little.

    guest_program.py SPEC      SPEC: JSON of {tree, rung or "auto", script, uid, container, proot}

Prints the guest's output as it comes, then a line of JSON: status, rung, and owners by path.
"""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), *filter(None, os.environ.get("PACKAGES", "").split(":"))]

from cogpack.progress import Cancellation  # noqa: E402
from cogpack.sandbox import kernel  # noqa: E402
from cogpack.sandbox.guest import Command, Guest  # noqa: E402
from cogpack.sandbox.rungs.choice import choose, probe  # noqa: E402
from cogpack.sandbox.rungs.proot import Proot  # noqa: E402
from cogpack.sandbox.system_calls import seccomp  # noqa: E402
from cogpack.sandbox.trees.owners import Owners, birth_of  # noqa: E402

CONTAINER = (*kernel.CAPABILITIES, kernel.CAP_MKNOD)
"""What Docker leaves to root in a container."""

REFUSED = ("unshare", "mount", "setns", "pivot_root", "umount2")
"""What its filter and those capabilities refuse to everybody there."""


def confine(spec: dict[str, Any]) -> None:
    """Be who it says, where it says: capabilities are given up by execve(2), so this is called twice."""
    if not spec["confined"]:
        if spec["container"]:
            kernel.keep_capabilities(CONTAINER if spec["uid"] == 0 else ())
        if os.geteuid() != spec["uid"]:
            os.setgroups([])
            os.setresgid(spec["uid"], spec["uid"], spec["uid"])
            os.setresuid(spec["uid"], spec["uid"], spec["uid"])
        os.execv(sys.executable, [sys.executable, __file__, json.dumps(spec | {"confined": True})])
    if spec["container"]:
        kernel.seccomp(seccomp.program([seccomp.Rule(REFUSED, seccomp.fails(errno.EPERM))]), listen=False)


def main() -> None:
    spec = {"confined": False} | json.loads(sys.argv[1])
    confine(spec)
    tree = Path(spec["tree"])
    rung = choose(spec["rung"], probe(tree.parent), owners=True)
    owners = Owners()
    command = Command(("/bin/sh", "-c", spec["script"]), {"PATH": "/usr/bin:/bin"})

    def hear(block: bytes) -> None:
        os.write(1, block)

    with Guest(tree, rung, owners=owners, proot=Proot(tuple(spec["proot"]))) as started:
        status = started.run(command, hear, cancellation=Cancellation())
    told = {}
    for path in tree.rglob("*"):
        if (owner := owners.of(path.lstat(), lambda path=path: birth(path))) is not None:
            told[str(path.relative_to(tree))] = owner
    sys.stdout.write("\n" + json.dumps({"status": status, "rung": rung, "owners": told}) + "\n")


def birth(path: Path) -> int | None:
    directory = os.open(path.parent, os.O_PATH)
    try:
        return birth_of(directory, path.name)
    finally:
        os.close(directory)


if __name__ == "__main__":
    main()
