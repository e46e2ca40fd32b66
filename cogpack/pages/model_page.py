"""A page of a model has its form, its calls and, where its server is behind the page, its runs. They are the script's,
which is told of the model here."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from cogpack.pages.elements import Html, element
from cogpack.pages.form import Form
from cogpack.pages.page import page
from cogpack.pages.parts import Section, draw_contents, draw_sections

Facts: TypeAlias = list[tuple[str, str]]
"""What stands beneath a page's name, each with what it is."""

PORT: Final = 5000
"""Of the server, in the calls of a page of a model that nobody has started."""


class ModelShown(msgspec.Struct, frozen=True, kw_only=True):
    """`server`: where calls go; `reference`: as `cogpack run` is told of the model, empty for the project of the
    directory; `runs`: who serves the page hands predictions on to that server."""

    name: str
    form: Form | None
    server: str
    reference: str
    runs: bool


def header(kind: str, name: str, facts: Facts) -> Html:
    listed = (element("div", element("dt", what), element("dd", said)) for what, said in facts)
    parts = element("p", kind, class_="eyebrow"), element("h1", name), element("dl", *listed, class_="facts")
    return element("header", *parts, class_="top")


def facts_page(kind: str, name: str, facts: Facts, sections: Sequence[Section]) -> str:
    """Make a page that has no form."""
    body = element("main", draw_contents(sections), element("div", draw_sections(sections), class_="stack"))
    return page(f"{name} - {kind}", header(f"cogpack {kind}", name, facts), body)


def model_page(
    kind: str, shown: ModelShown, facts: Facts, *, above: Sequence[Section] = (), below: Sequence[Section] = ()
) -> str:
    """Make the page of a model. `above`, `below`: what stands around its form and calls, which are left out where there
    is no schema and nobody to ask."""
    form = shown.form is not None or shown.runs
    named = [*above, *([Section("Inputs", Html())] if form else []), *below]
    body = element(
        "main",
        draw_contents(named) if len(named) > 1 else "",
        element("div", draw_sections(above), class_="stack") if above else "",
        element("div", id="model") if form else "",
        element("div", draw_sections(below), id="more", class_="stack"),
    )
    return page(
        f"{shown.name} - {kind}",
        header(f"cogpack {kind}", shown.name, facts),
        body,
        script="main" if form else None,
        data=shown,
        connects=shown.runs,
    )
