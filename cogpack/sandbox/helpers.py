"""Programs of ours that need a process without threads run in a fresh interpreter: it can fork, and can enter
namespaces; it imports the standard library alone, all of it before it leaves the host's files."""

import sys
from pathlib import Path

_PLACE = str(Path(__file__).resolve().parents[2])


def command(module: str, *arguments: str) -> list[str]:
    """Return how `main` of `cogpack.sandbox.MODULE` is started, with nothing of the user's environment or packages."""
    code = f"import sys; sys.path.insert(0, {_PLACE!r}); from cogpack.sandbox.{module} import main; main()"
    return [sys.executable, "-I", "-S", "-c", code, *arguments]
