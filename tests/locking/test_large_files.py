"""Files of git-lfs in repositories that requirements name come from the server, as far as it gives them."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fake_http import Answer, Request, serving

from cogpack.digest import Digest
from cogpack.errors import MismatchError
from cogpack.locking.sources.large_files import large_files
from cogpack.project.lfs import LfsPointer
from cogpack.session import Session, Settings

DATA = b"large" * 1000
HEX = hashlib.sha256(DATA).hexdigest()
POINTER = LfsPointer(Digest(f"sha256:{HEX}"), len(DATA))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(environment={}, cache=tmp_path / "cache")) as found:
        yield found


def server(data: bytes = DATA, *, status: int = 200) -> tuple[list[Request], Callable[[Request], Answer]]:
    seen: list[Request] = []

    def script(request: Request) -> Answer:
        seen.append(request)
        if request.method == "GET":
            return (200, {}, data) if request.headers.get("x-pass") == "yes" else (403, {}, b"")
        action = {"href": f"http://{request.headers['host']}/objects/1", "header": {"X-Pass": "yes"}}
        objects = [{"oid": HEX, "size": len(DATA), "actions": {"download": action}}]
        return status, {}, json.dumps({"objects": objects}).encode()

    return seen, script


def test_what_the_server_has_is_fetched_once(session: Session) -> None:
    seen, script = server()
    with serving(script) as fake:
        for _ in range(2):
            found = large_files(session, f"{fake.url}/o/r", [POINTER])
            assert {pointer: path.read_bytes() for pointer, path in found.items()} == {POINTER: DATA}
    assert [(one.method, one.path) for one in seen] == [
        ("POST", "/o/r.git/info/lfs/objects/batch"),
        ("GET", "/objects/1"),
    ]
    assert json.loads(seen[0].body)["objects"] == [{"oid": HEX, "size": len(DATA)}]


def test_what_it_does_not_give_stays_a_pointer(session: Session) -> None:
    _, script = server(status=404)
    with serving(script) as fake:
        assert not large_files(session, f"{fake.url}/o/r.git", [POINTER])


def test_other_bytes_than_the_pointer_names_are_refused(session: Session) -> None:
    _, script = server(b"other")
    with serving(script) as fake, pytest.raises(MismatchError, match=f"expected sha256:{HEX}"):
        large_files(session, f"{fake.url}/o/r", [POINTER])
