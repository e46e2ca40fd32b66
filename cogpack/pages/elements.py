"""HTML is made of elements here: whatever else is put into one is text, so no name of an image becomes markup."""

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"link", "meta"})


class Html(str):
    """Is markup that was made here. Joined with other text it is text again, and escaped."""

    __slots__ = ()


def element(tag: str, *children: str, **attributes: str | bool) -> Html:
    """Make an element. Attributes are written as Python can: `class_`, `aria_label`; one that is False is left out."""
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for name, value in attributes.items()
        if value is not False
    )
    if tag in _VOID:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{joined(children)}</{tag}>")


def joined(parts: Iterable[str]) -> Html:
    """Put parts behind each other: markup as it is, all else as text."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in parts))
