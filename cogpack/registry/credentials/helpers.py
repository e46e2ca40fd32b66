"""The programs docker-credential-NAME: one word as argument, one text in, one out (docker/docker-credential-helpers).

They print secrets and addresses wherever they like, so nothing that they print is ever shown.
"""

import os
import re
import selectors
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from cogpack.errors import DeniedError
from cogpack.registry.credentials.login import Kind, Login, Secret

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SECONDS = 30.0
_LIMIT = 64 * 1024
_NOT_FOUND = b"credentials not found"
_HUB_KEY = "https://index.docker.io/v1/"
_BY_HAND = "run it by hand to see why"


class _Answer(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


class Helper(msgspec.Struct, frozen=True):
    """`name` without "docker-credential-"; it runs in `environment`. Every failure is a `DeniedError`."""

    name: str
    environment: Mapping[str, str]

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"

    def get(self, host: str) -> Login | None:
        """None: it has nothing for `host`."""
        code, output = self._run("get", key(host).encode(), host)
        if code != 0:
            if _NOT_FOUND in output.lower():
                return None
            raise self._failed(f"failed with exit code {code}", host)
        try:
            answer = msgspec.json.decode(output, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise self._failed("answered with no credentials", host) from None
        if not answer.secret:
            return None
        if answer.username == "<token>":
            return Login("", Secret(answer.secret), Kind.IDENTITY_TOKEN, source=self.program)
        return Login(answer.username, Secret(answer.secret), source=self.program)

    def store(self, host: str, user: str, secret: Secret) -> None:
        document = {"ServerURL": key(host), "Username": user, "Secret": secret.reveal()}
        code, _ = self._run("store", msgspec.json.encode(document), host)
        if code != 0:
            raise self._failed(f"failed to store, with exit code {code}", host)

    def erase(self, host: str) -> None:
        code, output = self._run("erase", key(host).encode(), host)
        if code != 0 and _NOT_FOUND not in output.lower():
            raise self._failed(f"failed to erase, with exit code {code}", host)

    def _run(self, action: str, told: bytes, host: str) -> tuple[int, bytes]:
        """Exit code and standard output. At most `_LIMIT` bytes and `_SECONDS` seconds, then it is killed."""
        if not _NAME.fullmatch(self.name):
            raise DeniedError(
                f"{self.name!r:.60} is no name of a credential helper", next_step="correct the Docker config"
            )
        path = shutil.which(self.program, path=self.environment.get("PATH", os.defpath))
        if path is None:
            raise DeniedError(
                f"{self.program}, which the Docker config names for {host}, is not installed",
                next_step="install it, or take it out of the config and log in",
            )
        try:
            process = subprocess.Popen(
                [path, action],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self.environment),
            )
        except OSError as error:
            raise self._failed(f"can't be run ({error.strerror})", host) from None
        with process:
            try:
                return self._talk(process, told, host)
            finally:
                process.kill()

    def _talk(self, process: "subprocess.Popen[bytes]", told: bytes, host: str) -> tuple[int, bytes]:
        assert process.stdin
        assert process.stdout
        end = time.monotonic() + _SECONDS
        with suppress(BrokenPipeError):  # it may answer without reading
            process.stdin.write(told)
        with suppress(BrokenPipeError):
            process.stdin.close()
        output = bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while ready.select(max(0.0, end - time.monotonic())):
                block = os.read(process.stdout.fileno(), _LIMIT)
                output += block
                if len(output) > _LIMIT:
                    raise self._failed(f"answered more than {_LIMIT} bytes", host)
                if not block:
                    with suppress(subprocess.TimeoutExpired):
                        return process.wait(max(0.0, end - time.monotonic())), bytes(output)
                    break
        raise self._failed(f"gave no answer in {_SECONDS:.0f} s", host)

    def _failed(self, how: str, host: str) -> DeniedError:
        return DeniedError(f"{self.program} {how} for {host}", next_step=_BY_HAND)


def key(host: str) -> str:
    """The name under which Docker keeps a host: Docker Hub's is a whole address."""
    return _HUB_KEY if host == "docker.io" else host
