"""Writes docs/recording.svg, which README shows: commands of the tutorial, what they really print, and when.

    python scripts/record.py

A project of `cogpack init` is pushed to a registry on loopback, asked, and changed. It needs Linux and a network that
reaches PyPI and Debian; what is downloaded once is in the cache. Waits of more than a second are shown as one.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from html import escape
from pathlib import Path

PLACE = Path(__file__).resolve().parents[1] / "docs" / "recording.svg"
PORT = 5000
COMMANDS = (
    "cogpack init hello && cd hello",
    "cogpack run -i text=you",
    f"cogpack push localhost:{PORT}/me/hello:v1",
    "sed -i 's/hello/good day,/' run.py",
    f"cogpack push localhost:{PORT}/me/hello:v2",
    f"cogpack run localhost:{PORT}/me/hello:v2 -i text=you",
)
LEFT_OUT = re.compile(r"^(?:still|next:|unpack|build |send |<string>|\S+ +WARN|.*Warning)|^$")
WIDTH, LETTER, LINE = 84, 7.8, 17
AT_MOST = 1.0


def lines() -> Iterator[tuple[float, str]]:
    """Run all commands; give each line of them and of what they print, and when it came, in seconds."""
    with tempfile.TemporaryDirectory() as directory:
        program = f"{sys.executable} -P -m cogpack"
        serve = [*program.split(), "registry", "serve", "registry", "--port", str(PORT)]
        registry = subprocess.Popen(serve, cwd=directory, stderr=subprocess.DEVNULL)
        try:
            time.sleep(2)
            place, begun, cut = Path(directory), time.monotonic(), 0.0
            last = 0.0
            for command in COMMANDS:
                yield last, f"$ {command}"
                script = command.replace("cogpack ", f"{program} ", 1) + ' && pwd > "$PLACE"'
                environment = os.environ | {"PLACE": f"{directory}/place", "NO_COLOR": "1"}
                started = subprocess.Popen(
                    ["sh", "-c", script],
                    cwd=place,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                assert started.stdout is not None
                for line in started.stdout:
                    now = time.monotonic() - begun - cut
                    if now - last > AT_MOST:
                        cut, now = cut + now - last - AT_MOST, last + AT_MOST
                    last = now
                    if not LEFT_OUT.search(line.strip()):
                        yield now, line.rstrip()
                if started.wait():
                    sys.exit(f"{command}: exit code {started.returncode}")
                place = Path((Path(directory) / "place").read_text().strip())
        finally:
            registry.terminate()
            registry.wait()


def drawn(found: list[tuple[float, str]]) -> str:
    """Draw the lines as an SVG in which each appears in its time, and stays."""
    width, height = round(WIDTH * LETTER) + 24, len(found) * LINE + 28
    rows = []
    for number, (at, line) in enumerate(found):
        shown = line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
        kind = ' class="typed"' if line.startswith("$ ") else ""
        place = f'x="12" y="{number * LINE + 26}" style="animation-delay:{at:.1f}s"'
        rows.append(f'<text {place}{kind} xml:space="preserve">{escape(shown)}</text>')
    style = (
        "text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#c9d1d9;"
        "animation:come .01s both}.typed{fill:#7ee787}@keyframes come{from{opacity:0}to{opacity:1}}"
        "@media(prefers-reduced-motion:reduce){text{animation:none}}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    title = "<title>cogpack packs, asks and pushes a project, and then a changed line of it</title>"
    back = f'<rect width="{width}" height="{height}" rx="6" fill="#0d1117"/>'
    return "\n".join([head, title, f"<style>{style}</style>", back, *rows, "</svg>", ""])


def main() -> None:
    PLACE.write_text(drawn(list(lines())), encoding="utf-8")


if __name__ == "__main__":
    main()
