"""Asks the package index whether cogpack installs from wheels alone, for each Python and system: the table of
docs/install.md.

    python scripts/check_wheels.py

Nothing is installed and nothing is built: uv resolves all dependencies for the system that is asked for.
"""

import subprocess
import sys
from pathlib import Path

from cogpack.resolve.wheels.compile import uv_program

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
SYSTEMS = {
    "Linux, glibc, amd64": "x86_64-manylinux_2_28",
    "Linux, glibc, arm64": "aarch64-manylinux_2_28",
    "Linux, musl, amd64": "x86_64-unknown-linux-musl",
    "Linux, musl, arm64": "aarch64-unknown-linux-musl",
    "macOS, arm64": "aarch64-apple-darwin",
    "macOS, amd64": "x86_64-apple-darwin",
}


def missing(python: str, system: str) -> str:
    """Ask for one Python of one system; the package that has no wheel, "" where all have one."""
    options = ["--no-header", "--only-binary", ":all:", "--python-version", python, "--python-platform", system]
    command = [uv_program(), "pip", "compile", "--quiet", *options, str(ROOT / "pyproject.toml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    words = done.stderr.split()
    if "usable" not in words:
        sys.exit(done.stderr)
    return words[words.index("usable") - 3].partition(">")[0].partition("=")[0]


def main() -> None:
    print(f"| | {' | '.join(PYTHONS)} |")
    print(f"|---|{'---|' * len(PYTHONS)}")
    for name, system in SYSTEMS.items():
        found = [missing(python, system) for python in PYTHONS]
        print(f"| {name} | {' | '.join(f'no: {one}' if one else 'yes' for one in found)} |", flush=True)


if __name__ == "__main__":
    main()
