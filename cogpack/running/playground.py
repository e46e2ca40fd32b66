"""A playground is a page to try a model with: a form made of its schema, and what comes of its predictions."""

import threading
from typing import Self
from urllib.parse import urlsplit

import msgspec

from cogpack.pages.elements import element
from cogpack.pages.form import Form, read_form
from cogpack.pages.page import page
from cogpack.running.bundle import Bundle
from cogpack.running.page_server import PageServer
from cogpack.running.predictions import Address


class _Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the page's script is told. `live`: where webhooks go, but for a prediction's id."""

    name: str
    form: Form | None
    server: str
    reference: str
    live: str


class Playground:
    """Serves the page of a model for a `with`. `server`: the address of the model's own; `image`: as `cogpack run` is
    told of it, None for a project."""

    def __init__(self, server: str, bundle: Bundle, image: str | None) -> None:
        address = urlsplit(server)
        model = Address(address.hostname or "", address.port or 80)
        self._server = _beside(model)
        shown = _Shown(
            name=bundle.name,
            form=read_form(bundle.schema),
            server=server,
            reference=image or "",
            live=f"{self.url}/live/",
        )
        self._server.page = _document(shown).encode()
        self._thread = threading.Thread(target=self._server.serve_forever, name="playground")

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.end(self._thread)


def _beside(model: Address) -> PageServer:
    """Take the port beside the model's, by which a browser knows the page again; or any, if that is taken."""
    try:
        return PageServer(model, model.port + 1)
    except (OSError, OverflowError):
        return PageServer(model, 0)


def _document(shown: _Shown) -> str:
    facts = element("dl", element("div", element("dt", "server"), element("dd", shown.server)), class_="facts")
    top = element("p", "cogpack playground", class_="eyebrow"), element("h1", shown.name), facts
    main = element("main", element("div", id="model"), element("div", id="more", class_="stack"))
    title = f"{shown.name} - playground"
    return page(title, element("header", *top, class_="top"), main, script="main", data=shown, connects=True)
