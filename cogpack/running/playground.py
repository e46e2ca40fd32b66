"""A playground is a page to try a model with: a form made of its schema, and what comes of its predictions."""

import threading
from typing import Self
from urllib.parse import urlsplit

from cogpack.pages.form import read_form
from cogpack.pages.model_page import ModelShown, model_page
from cogpack.running.bundle import Bundle
from cogpack.running.options import Address
from cogpack.running.page_server import PageServer


class Playground:
    """Serves the page of a model for a `with`. `server`: the address of the model's own; `image`: as `cogpack run` is
    told of it, None for a project."""

    def __init__(self, server: str, bundle: Bundle, image: str | None) -> None:
        address = urlsplit(server)
        model = Address(address.hostname or "", address.port or 80)
        self._server = _beside(model)
        shown = ModelShown(
            name=bundle.name, form=read_form(bundle.schema), server=server, reference=image or "", runs=True
        )
        self._server.page = model_page("playground", shown, [("server", server)]).encode()
        self._thread = threading.Thread(target=self._server.serve_forever, name="playground", daemon=True)

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
