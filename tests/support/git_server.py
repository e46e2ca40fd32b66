"""Repositories that a test makes, served as git servers do: by `git http-backend` (git-http-backend(1))."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cogpack.git.mirror import Mirrors
from cogpack.git.program import Git
from cogpack.progress import SILENT, Cancellation
from tests.support.serving import served

_SETTINGS = ("user.name=a", "user.email=a@b.example", "protocol.file.allow=always", "init.defaultBranch=main")


def mirrors_in(git: Git, place: Path, **settings: object) -> Mirrors:
    """Give copies of repositories that lie in `place`."""
    return Mirrors(
        git,
        lambda: place,
        mapped=lambda url: url,
        used=lambda _: None,
        progress=SILENT,
        cancellation=Cancellation(),
        **settings,  # type: ignore[arg-type]
    )


class GitServer:
    """Serves the repositories below `root`. `requests`: paths that were asked for; `away`: each is answered with 503;
    `secret`: who doesn't show it is answered with 401; `hold`: requests wait for it, each counted by `held`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[str] = []
        self.away = False
        self.secret = ""
        self.address = ""
        self.hold: threading.Event | None = None
        self.held = threading.Semaphore(0)

    def git(self, name: str, *words: str, at: int = 1_700_000_000) -> str:
        """Run git in a repository, which is made if it isn't there; `at`: the time of what it commits."""
        place = self.root / name
        times = {"GIT_AUTHOR_DATE": f"{at} +0000", "GIT_COMMITTER_DATE": f"{at} +0000"}
        environment = {**plain_environment(self.root), **times}
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        if not place.exists():
            place.mkdir(parents=True)
            subprocess.run(["git", *settings, "init", "-q"], cwd=place, env=environment, check=True)
        done = subprocess.run(["git", *settings, *words], cwd=place, env=environment, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def commit(self, name: str, files: dict[str, bytes | str | None], *, at: int = 1_700_000_000) -> str:
        """Commit files: text is where a link leads; None takes a file away."""
        self.git(name, "status")
        for path, data in files.items():
            file = self.root / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            if isinstance(data, str):
                file.symlink_to(data)
            elif data is not None:
                file.write_bytes(data)
                file.chmod(0o755 if data.startswith(b"#!") else 0o644)
        self.git(name, "add", "-A", at=at)
        self.git(name, "commit", "-q", "--allow-empty", "-m", f"at {at}", at=at)
        return self.git(name, "rev-parse", "HEAD")


def plain_environment(home: Path) -> dict[str, str]:
    """Variables under which git knows no user's settings."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}


@contextmanager
def git_server(root: Path) -> Iterator[GitServer]:
    root.mkdir(exist_ok=True)
    found = GitServer(root)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            found.requests.append(self.path)
            if hold := found.hold:
                found.held.release()
                hold.wait(30)
            if found.away:
                self.send_error(503)
                return
            if found.secret and found.secret not in (self.headers.get("Authorization") or ""):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            path = path.replace(".git/", "/.git/", 1)
            variables = {
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type") or "",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
                "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
                "REMOTE_ADDR": "127.0.0.1",
            }
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            done = subprocess.run(
                ["git", "-c", "safe.directory=*", "http-backend"],
                env={**plain_environment(root), **variables},
                input=body,
                capture_output=True,
                check=False,
            )
            head, _, answer = done.stdout.partition(b"\r\n\r\n")
            lines = [line.partition(": ")[::2] for line in head.decode().split("\r\n")]
            headers = dict(lines)
            self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    with served(server):
        yield found
