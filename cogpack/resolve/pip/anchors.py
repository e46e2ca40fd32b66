"""Links are found in a page of HTML."""

from collections.abc import Mapping
from html.parser import HTMLParser


class Anchors(HTMLParser):
    """Collects the attributes of links, and the address that they are relative to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.found: list[Mapping[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "a" and attributes.get("href"):
            self.found.append(attributes)
        elif tag == "base" and not self.base:
            self.base = attributes.get("href") or ""
