"""A page of a model has its form, its calls and, where its server is behind the page, its runs. They are the script's,
which is told of the model here."""

from typing import TypeAlias

import msgspec

from cogpack.pages.elements import Html, element
from cogpack.pages.form import Form
from cogpack.pages.page import page

Facts: TypeAlias = list[tuple[str, str]]
"""What stands beneath a page's name, each with what it is."""


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


def model_page(kind: str, shown: ModelShown, facts: Facts, *more: str) -> str:
    """Make the page of a model. `more`: what stands below its form and calls."""
    body = element("main", element("div", id="model"), element("div", *more, id="more", class_="stack"))
    return page(
        f"{shown.name} - {kind}",
        header(f"cogpack {kind}", shown.name, facts),
        body,
        script="main",
        data=shown,
        connects=shown.runs,
    )
