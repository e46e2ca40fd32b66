"""The site is made of docs/ by Sphinx (`make site`): each Markdown file is a page, and a link that leads nowhere is an
error. The sections of index.md are those of the site: a page that it does not name is an error, too."""

import re
from pathlib import Path
from typing import Any

project = "cogpack"
author = "The cogpack authors"
extensions = ["myst_parser"]
html_theme = "furo"
html_title = "cogpack"
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 4
exclude_patterns = ["_build"]
suppress_warnings = ["misc.highlighting_failure"]  # of answers that are shown without HTTP's first line

_SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
_PAGE = re.compile(r"\]\(((?:[a-z-]+/)?[a-z-]+)\.md\)")


def setup(app: Any) -> None:
    app.connect("source-read", _with_contents)


def _with_contents(app: Any, name: str, source: list[str]) -> None:
    """Give index.md, which is plain Markdown, the lists of contents that Sphinx wants."""
    if name == "index":
        for title, text in _SECTION.findall((Path(app.srcdir) / "index.md").read_text(encoding="utf-8")):
            source[0] += (
                f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(_PAGE.findall(text)) + "\n```\n"
            )
