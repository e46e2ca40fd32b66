"""An HTTP proxy on loopback: CONNECT, and requests in absolute form. It remembers what it was asked."""

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from support.sockets import Place, answer, talking


@contextmanager
def proxying(
    hosts: dict[str, int] | None = None,
    *,
    login: str | None = None,
    refusal: str | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Place]:
    """`hosts`: the loopback port that each name stands for. `refusal`: the status of every answer."""

    def script(client: socket.socket, head: str) -> None:
        method, target, _ = head.partition("\r\n")[0].split(" ")
        wanted = f"Proxy-Authorization: Basic {base64.b64encode((login or '').encode()).decode()}\r\n"
        if login is not None and wanted not in head:
            answer(client, "407 Proxy Authentication Required", Proxy_Authenticate="Basic")
            return
        if refusal:
            answer(client, refusal)
            return
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        name, port = parts.hostname or "", parts.port or 80
        with socket.create_connection(("127.0.0.1", (hosts or {}).get(name, port))) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
                server.sendall(head.replace(target, path, 1).encode())
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            _pump(client, server)
            back.join()

    with talking(script, tls) as place:
        yield place


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
