"""What git says when it fails becomes an error of ours."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.sockets import server_tls
from trustme import CA

from cogpack.disk import DiskError
from cogpack.errors import InputError, MismatchError, UnavailableError
from cogpack.git.program import Git, GitFailedError, translated
from cogpack.progress import Cancellation


def test_what_the_server_says_comes_before_what_git_makes_of_it() -> None:
    said = "remote: fatal: the disk is full\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n"
    error = translated(GitFailedError(said), "https://git.test/tools.git")
    assert isinstance(error, UnavailableError)
    assert error.message == "https://git.test/tools.git: git can't reach the repository: the disk is full"


@pytest.mark.parametrize(
    "said",
    [
        "remote: fatal: unable to read 0562c27\nfatal: early EOF\n",
        "remote: error: Could not read 0562c27\nremote: fatal: bad tree object 0562c27\nfatal: early EOF\n",
        "remote: fatal: unable to read tree (0562c27)\nfatal: early EOF\n",
        "remote: Counting objects: 1\rremote: fatal: missing blob object '0562c27'\nfatal: early EOF\n",
    ],
)
def test_a_server_that_lacks_an_object_is_not_asked_again_and_the_object_is_named(said: str) -> None:
    error = translated(GitFailedError(said), "https://git.test/tools.git")
    assert isinstance(error, InputError)
    assert error.message.startswith("https://git.test/tools.git: the server's repository has no 0562c27, which others")


@pytest.mark.parametrize(
    "said",
    [
        "remote: fatal: could not fetch 0562c27 from promisor remote\nfatal: early EOF\n",
        "error: RPC failed; curl 56 reset\nfatal: could not fetch 0562c27 from promisor remote\n",
    ],
)
def test_a_server_that_did_not_get_an_object_at_a_moment_is_asked_again(said: str) -> None:
    assert isinstance(translated(GitFailedError(said), "https://git.test/tools.git"), UnavailableError)


@pytest.mark.parametrize(
    "said",
    [
        "error: Could not read 0562c27\nfatal: Failed to traverse parents\n",
        "fatal: packed object 0562c27 (stored in pack/pack-e8.pack) is corrupt\n",
        "fatal: unable to read tree (0562c27)\n",
    ],
)
def test_what_our_own_copy_lacks_is_not_said_of_the_server(said: str) -> None:
    error = translated(GitFailedError(said), "https://git.test/tools.git")
    assert isinstance(error, MismatchError)
    assert error.message.startswith("https://git.test/tools.git: git can't read 0562c27 in the copy of the repository")


def test_by_ssh_what_either_side_lacks_is_not_said_of_one() -> None:
    """As git 2.39 has it of `--depth=2`, where upload-pack itself reads the commits."""
    said = (
        "error: Could not read 0562c27\nfatal: unable to parse commit 0562c27\n"
        "fatal: the remote end hung up unexpectedly\n"
    )
    error = translated(GitFailedError(said), "ssh://git.test/tools.git")
    assert isinstance(error, MismatchError)
    assert error.message == (
        "ssh://git.test/tools.git: git can't read 0562c27 in the server's repository, or in the copy of the "
        "repository: unable to parse commit 0562c27"
    )


def test_a_helper_that_stays_behind_is_not_waited_for(tmp_path: Path) -> None:
    """As ssh(1) with ControlPersist, or a daemon that keeps a password, which have git's standard error."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\nsleep 30 >/dev/null &\necho $! > {tmp_path}/left\necho gone >&2\nexit 1\n")
    ssh.chmod(0o755)
    git = Git({**os.environ, "GIT_SSH_COMMAND": str(ssh)}, Cancellation())
    begun = time.monotonic()
    with pytest.raises(GitFailedError, match="gone"):
        git("ls-remote", "ssh://host.test/x")
    assert time.monotonic() - begun < 20
    os.kill(int((tmp_path / "left").read_text()), signal.SIGKILL)


@pytest.fixture
def server() -> Iterator[tuple[str, CA]]:
    """The address of a server that has no repository, and the authority of its certificate."""
    authority = CA()
    server = ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
    server.socket = server_tls(authority, "127.0.0.1").wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/", authority
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("said", "expected", "advice"),
    [
        ("unable to access 'x': The requested URL returned error: 400", "the server refuses", "correct the address"),
        ("unable to access 'x': The requested URL returned error: 410", "no such repository", "correct the address"),
        ("unable to access 'x': SSL certificate problem: unable to get", "does not trust", "SSL_CERT_FILE"),
        ("unable to access 'x': server certificate verification failed. CAfile: none", "does not trust", "sslCAInfo"),
        ("unable to access 'x': gnutls_handshake() failed: An unexpected TLS packet", "not speak TLS", "http://"),
        ("dumb http transport does not support shallow capabilities", "plain files", "clone it whole"),
    ],
)
def test_what_will_never_work_is_not_tried_again(said: str, expected: str, advice: str) -> None:
    error = translated(GitFailedError(f"fatal: {said}\n"), "https://git.test/tools.git")
    assert isinstance(error, InputError)
    assert expected in error.message
    assert advice in error.next_step


@pytest.mark.parametrize("status", [408, 429, 499, 500, 503])
def test_what_may_pass_is_tried_again(status: int) -> None:
    said = f"fatal: unable to access 'x': The requested URL returned error: {status}\n"
    assert isinstance(translated(GitFailedError(said), "https://git.test/tools.git"), UnavailableError)


def test_a_temporary_directory_that_is_gone_is_told_with_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    git = Git(os.environ, Cancellation())
    for run in (lambda: git("version"), lambda: list(git.stream("version", directory=tmp_path, data=b""))):
        with pytest.raises(DiskError, match=r"gone: can.t write: No such") as told:
            run()
        assert "TMPDIR" in told.value.next_step


@pytest.mark.parametrize("section", ['http "{url}"', "http", "core"])
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_authorities_of_git_s_own_settings_go_before_those_of_the_machine(
    server: tuple[str, CA], tmp_path: Path, section: str, variable: str
) -> None:
    url, authority = server
    own, ours = tmp_path / "own.pem", tmp_path / "ours.pem"
    authority.cert_pem.write_to_path(str(own))
    CA().cert_pem.write_to_path(str(ours))
    settings = tmp_path / "settings"
    settings.write_text(f"[{section.format(url=url)}]\n\tsslCAInfo = {own}\n")
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": str(settings), variable: str(tmp_path)}
    git = Git(environment | {"GIT_CONFIG_NOSYSTEM": "1"}, Cancellation(), lambda: ours)
    with pytest.raises(GitFailedError, match="not found" if "http" in section else "certificate"):
        git("ls-remote", f"{url}a.git")
    if section == "core":  # which says nothing of servers
        git = Git(environment | {"GIT_CONFIG_NOSYSTEM": "1"}, Cancellation(), lambda: own)
        with pytest.raises(GitFailedError, match="not found"):
            git("ls-remote", f"{url}a.git")


def test_who_counts_is_asked_when_git_is_run_and_told_to_it(tmp_path: Path) -> None:
    asked: list[Path] = []

    def authorities() -> Path:
        asked.append(tmp_path / "all.pem")
        return asked[-1]

    def told(**variables: str) -> bytes:
        git = Git({"PATH": os.environ["PATH"], **variables}, Cancellation(), authorities)
        assert not asked
        return git("-c", "alias.told=!git config --default none http.sslCAInfo", "told").strip()

    assert told() == b"none"
    assert told(SSL_CERT_DIR="/x", GIT_SSL_CAINFO="/own.pem") == b"none"
    assert told(SSL_CERT_DIR="/x") == f"{tmp_path}/all.pem".encode()
