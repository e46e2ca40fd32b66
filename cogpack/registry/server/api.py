"""The distribution API (distribution-spec, "Endpoints"): who may ask, and which path and method means what."""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from cogpack.http import is_loopback
from cogpack.registry.server.access import User
from cogpack.registry.server.blobs import Blobs
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.manifests import Manifests
from cogpack.registry.server.names import repository_name
from cogpack.registry.server.storage import Storage
from cogpack.registry.server.uploads import Uploads


class Api(Blobs, Manifests):
    """Answers the requests of a connection to a registry.

    `host`: what the server was told to listen on; `user`: who may use it, else anybody on this machine.
    """

    def __init__(
        self, *connection: Any, storage: Storage, uploads: Uploads, user: User | None, host: str, **more: Any
    ) -> None:
        self.storage = storage
        self.uploads = uploads
        self.user = user
        self.host = host.lower()
        super().__init__(*connection, **more)

    def authorise(self) -> None:
        if self.user is None:
            self._check_host()
        elif not self.user.sent(self.headers.get("Authorization")):
            challenge = {"WWW-Authenticate": 'Basic realm="cogpack registry", charset="UTF-8"'}
            raise Refusal(401, "UNAUTHORIZED", "a user and a password are needed", headers=challenge)

    def _check_host(self) -> None:
        """Where anybody may push, a name that leads here must be one of loopback.

        Else a page of the web could have its own name lead here and read and write as if it were that site.
        """
        try:
            host = urlsplit(f"//{self.headers.get('Host', 'localhost')}").hostname or ""
        except ValueError:
            host = ""
        if not (is_loopback(host) or host.endswith(".localhost") or host == self.host):
            raise Refusal(
                403, "DENIED", f"{host!r:.100} is no name of loopback: serve with --user NAME to be called by others"
            )

    def respond(self) -> None:
        try:
            parts = urlsplit(self.path)
        except ValueError:
            raise Refusal(400, "UNSUPPORTED", f"{self.path:.300} is no address") from None
        self.query = parse_qs(parts.query)
        path = unquote(parts.path)
        asked = "GET" if self.command == "HEAD" else self.command
        for route, methods in _ROUTES:
            if found := route.fullmatch(path):
                endpoint = methods.get(asked)
                if endpoint is None:
                    allowed = ", ".join(("HEAD, GET" if method == "GET" else method) for method in methods)
                    raise Refusal(405, "UNSUPPORTED", f"{self.command} {path:.300}", headers={"Allow": allowed})
                name, *rest = found.groups()
                endpoint(self, repository_name(name), *rest)
                return
        if path.rstrip("/") == "/v2" and asked == "GET":
            self.answer(200, b"{}", {"Content-Type": "application/json"})
            return
        raise Refusal(404, "UNSUPPORTED", f"{self.command} {path:.300}: no such endpoint")


Endpoint: TypeAlias = Callable[..., None]

_ROUTES: tuple[tuple[re.Pattern[str], Mapping[str, Endpoint]], ...] = (
    (re.compile(r"/v2/(.+)/blobs/uploads/?"), {"POST": Api.begin_upload}),
    (
        re.compile(r"/v2/(.+)/blobs/uploads/([^/]+)"),
        {
            "GET": Api.show_upload,
            "PATCH": Api.append_to_upload,
            "PUT": Api.finish_upload,
            "DELETE": Api.cancel_upload,
        },
    ),
    (re.compile(r"/v2/(.+)/blobs/([^/]+)"), {"GET": Api.get_blob, "DELETE": Api.delete_blob}),
    (
        re.compile(r"/v2/(.+)/manifests/([^/]+)"),
        {"GET": Api.get_manifest, "PUT": Api.put_manifest, "DELETE": Api.delete_manifest},
    ),
    (re.compile(r"/v2/(.+)/tags/list"), {"GET": Api.list_tags}),
    (re.compile(r"/v2/(.+)/referrers/([^/]+)"), {"GET": Api.list_referrers}),
)
