"""Files of git-lfs in repositories that requirements name come from the server, as far as it gives them."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support.fake_http import Answer, Request, serving
from support.git_server import plain_environment

from cogpack.digest import Digest
from cogpack.errors import MismatchError
from cogpack.locking.lines.cloned import make_git
from cogpack.locking.sources.large_files import large_files
from cogpack.project.lfs import LfsPointer
from cogpack.session import Session, Settings

DATA = b"large" * 1000
HEX = hashlib.sha256(DATA).hexdigest()
POINTER = LfsPointer(Digest(f"sha256:{HEX}"), len(DATA))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(environment=plain_environment(tmp_path), cache=tmp_path / "cache")) as found:
        yield found


def ask(session: Session, url: str) -> Mapping[LfsPointer, Path]:
    return large_files(session, make_git(session), url, [POINTER], {})


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
            found = ask(session, f"{fake.url}/o/r.git/")
            assert {pointer: path.read_bytes() for pointer, path in found.items()} == {POINTER: DATA}
    assert [(one.method, one.path) for one in seen] == [
        ("POST", "/o/r.git/info/lfs/objects/batch"),
        ("GET", "/objects/1"),
    ]
    assert json.loads(seen[0].body)["objects"] == [{"oid": HEX, "size": len(DATA)}]


def test_what_it_does_not_give_stays_a_pointer_and_a_note_says_so(session: Session) -> None:
    _, script = server(status=404)
    with serving(script) as fake:
        assert not ask(session, f"{fake.url}/o/r.git")
    (note,) = session.notes.all
    place = f"{fake.url}/o/r.git"
    assert note.text == (
        f"{place}: 1 file of git-lfs can't be had, and what is built of it has pointers: "
        f"{place}/info/lfs/objects/batch: HTTP 404"
    )


@pytest.mark.parametrize("place", ["ssh://[x/o/r", "ssh://h.example:99999/o/r"])
def test_an_address_of_gits_config_that_is_none_is_told_in_a_note(session: Session, tmp_path: Path, place: str) -> None:
    (tmp_path / "config").write_text(f'[url "{place}"]\n  insteadOf = https://h.example/o/r\n')
    environment = {**session.environment, "GIT_CONFIG_GLOBAL": str(tmp_path / "config")}
    with Session(Settings(environment=environment, cache=tmp_path / "other")) as own:
        assert not ask(own, "https://h.example/o/r")
        (note,) = own.notes.all
    assert "what git takes for the repository's address (url.*.insteadOf) is none" in note.text


def test_who_asks_is_told_by_gits_helpers_where_the_server_wants_to_know(session: Session, tmp_path: Path) -> None:
    _, script = server()

    def closed(request: Request) -> Answer:
        wanted = b64encode(b"alice:of-alice").decode()
        if request.method == "POST" and request.headers.get("authorization") != f"Basic {wanted}":
            return 401, {"LFS-Authenticate": 'Basic realm="git"'}, b""
        return script(request)

    with serving(closed) as fake:
        assert not ask(session, f"{fake.url}/o/r")
        helper = """!f() { test "$1" = get && echo username=alice && echo password=of-alice; }; f"""
        (tmp_path / ".gitconfig").write_text(
            f"[credential]\n\thelper = {json.dumps(helper)}\n"
            f'[url "{fake.url}/"]\n\tinsteadOf = "https://git.example/"\n'
        )
        assert [path.read_bytes() for path in ask(session, "https://git.example/o/r").values()] == [DATA]


def test_a_repository_by_ssh_says_by_ssh_where_its_files_are(session: Session, tmp_path: Path) -> None:
    seen, script = server()
    with serving(script) as fake:
        answer = json.dumps({"href": f"{fake.url}/lfs/o/r", "header": {"X-Token": "told"}})
        program = tmp_path / "bin/ssh"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\necho \"$*\" > {tmp_path}/asked\necho '{answer}'\n")
        program.chmod(0o755)
        environment = {**session.environment, "PATH": f"{program.parent}:{session.environment['PATH']}"}
        for number, (url, words) in enumerate(
            [("ssh://git@h.example:7/o/r.git", "-p 7 -- git@h.example"), ("git@h.example:o/r.git", "-- git@h.example")]
        ):
            settings = Settings(environment=environment, cache=tmp_path / f"cache-{number}")
            with Session(settings) as own:
                assert [path.read_bytes() for path in ask(own, url).values()] == [DATA]
            asked = (tmp_path / "asked").read_text()
            assert asked == f"-o BatchMode=yes {words} git-lfs-authenticate o/r.git download\n"
        assert {(one.path, one.headers.get("x-token")) for one in seen if one.method == "POST"} == {
            ("/lfs/o/r/objects/batch", "told")
        }
        (tmp_path / "asked").unlink()
        ask(session, "ssh://-oProxyCommand=x/o/r")
        ask(session, "ssh://h.example/o/$(r)")
        assert not (tmp_path / "asked").exists()


def test_other_bytes_than_the_pointer_names_are_refused(session: Session) -> None:
    _, script = server(b"other")
    with serving(script) as fake, pytest.raises(MismatchError, match=f"expected sha256:{HEX}"):
        ask(session, f"{fake.url}/o/r")
