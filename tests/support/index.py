"""A package index (PEP 691) of a directory of wheels, on loopback."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from support.fake_http import Answer, Fake, Request, serving


@contextmanager
def index(
    directory: Path,
    *,
    ranges: bool = True,
    sizes: bool = True,
    uploaded: str = "",
    prefix: str = "",
    user: str = "",
    sending: Callable[[str, bytes], bytes] = lambda _, data: data,
) -> Iterator[tuple[Fake, list[int]]]:
    """An index of the wheels of `directory`, and how many bytes each answer about a wheel had.

    All lies below `prefix`: `/simple`, and for `--find-links` `/flat/`; `user`: NAME:PASSWORD, whom alone it answers.
    `uploaded`: when all of them were, which an index need not tell.
    `sending`: gets the name and the bytes of a wheel that is asked for whole, and gives what is sent.
    """
    sent: list[int] = []

    def script(request: Request) -> Answer:
        wanted = "Basic " + base64.b64encode(user.encode()).decode()
        if user and request.headers.get("authorization") != wanted:
            return 401, {"WWW-Authenticate": 'Basic realm="index"'}, b""
        name = request.path.rstrip("/").rpartition("/")[2]
        if request.path.startswith(f"{prefix}/simple/"):
            files = [
                {
                    "filename": path.name,
                    "url": f"{prefix}/files/{path.name}",
                    "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
                    **({"size": path.stat().st_size} if sizes else {}),
                    **({"upload-time": uploaded} if uploaded else {}),
                }
                for path in sorted(directory.glob("*.whl"))
                if path.name.partition("-")[0] == name
            ]
            page = {"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": ["1.0"]}
            return 200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, json.dumps(page).encode()
        if request.path == f"{prefix}/flat/":
            links = (
                f'<a href="{prefix}/files/{path.name}">{path.name}</a>' for path in sorted(directory.glob("*.whl"))
            )
            return 200, {"Content-Type": "text/html"}, "\n".join(links).encode()
        if not request.path.startswith(f"{prefix}/files/"):
            return 404, {}, b""
        data = (directory / unquote(name.partition("?")[0])).read_bytes()
        wanted = request.headers.get("range", "")
        if not (ranges and wanted.startswith("bytes=")):
            sent.append(0 if request.method == "HEAD" else len(data))
            return (
                200,
                {"Accept-Ranges": "bytes"} if ranges else {},
                data if request.method == "HEAD" else sending(name, data),
            )
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        sent.append(len(part))
        return 206, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"}, part

    with serving(script) as fake:
        yield fake, sent
