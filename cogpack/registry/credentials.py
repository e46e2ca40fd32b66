"""Who we are to a registry: Docker's config file and its credential helpers, then podman's file.

Nothing is written, nothing is shown: secrets have no readable representation.
"""

import base64
import binascii
import re
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cogpack.errors import DeniedError

_HELPER = re.compile(r"[A-Za-z0-9._-]+")
_HELPER_SECONDS = 30
_HELPER_LIMIT = 64 * 1024
_FILE_LIMIT = 1024 * 1024
_HUB_KEY = "https://index.docker.io/v1/"
_NOT_FOUND = "credentials not found"


class Secret:
    """Text that `repr`, tracebacks and logs don't show."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"


class Login(msgspec.Struct, frozen=True):
    """A user and password, or an identity token (OAuth2 refresh token), or a ready bearer token."""

    user: str
    password: Secret | None = None
    identity_token: Secret | None = None
    registry_token: Secret | None = None

    def basic(self) -> str:
        assert self.password is not None
        pair = f"{self.user}:{self.password.reveal()}".encode()
        return "Basic " + base64.b64encode(pair).decode()


class _Auth(msgspec.Struct, rename="lower"):
    auth: str = ""
    username: str = ""
    password: str = ""
    identityToken: str = ""  # noqa: N815 - the file's spelling, lower-cased
    registryToken: str = ""  # noqa: N815


class _File(msgspec.Struct):
    auths: dict[str, _Auth] = {}
    credsStore: str = ""  # noqa: N815
    credHelpers: dict[str, str] = {}  # noqa: N815


class Credentials:
    """Looks a host up in all sources, once each; thread-safe."""

    def __init__(self, files: list[_File]) -> None:
        self._files = files
        self._found: dict[tuple[str, str], Login | None] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Credentials":
        """`REGISTRY_AUTH_FILE` alone if set; else `DOCKER_AUTH_CONFIG`, docker's file, podman's files."""
        if chosen := environment.get("REGISTRY_AUTH_FILE"):
            found = _read(Path(chosen))
            if found is None:
                raise DeniedError(
                    f"REGISTRY_AUTH_FILE: {chosen} can't be read as a credentials file",
                    next_step="correct the variable or the file",
                )
            return cls([found])
        files = [_parse(text.encode()) for text in [environment.get("DOCKER_AUTH_CONFIG", "")] if text]
        home = Path(environment.get("HOME") or "/nonexistent")
        docker = Path(environment["DOCKER_CONFIG"]) if environment.get("DOCKER_CONFIG") else home / ".docker"
        places = [docker / "config.json"]
        if runtime := environment.get("XDG_RUNTIME_DIR"):
            places.append(Path(runtime) / "containers" / "auth.json")
        config_home = environment.get("XDG_CONFIG_HOME")
        places.append((Path(config_home) if config_home else home / ".config") / "containers" / "auth.json")
        files += [_read(place) for place in places]
        return cls([file for file in files if file is not None])

    def find(self, host: str, repository: str) -> Login | None:
        """The login for `host` ("ghcr.io", "docker.io") and `repository`; None is anonymous."""
        with self._lock:
            if (host, repository) not in self._found:
                self._found[host, repository] = self._look(host, repository)
            return self._found[host, repository]

    def _look(self, host: str, repository: str) -> Login | None:
        for file in self._files:
            helpers = {_key(name): helper for name, helper in file.credHelpers.items()}
            if helper := helpers.get(host):
                return _ask(helper, host)
            inline = {_key(name): auth for name, auth in file.auths.items()}
            parts = repository.split("/")
            for end in range(len(parts), 0, -1):  # podman's keys may name a path
                if login := _login(inline.get("/".join([host, *parts[:end]])), host):
                    return login
            if file.credsStore:
                if login := _ask(file.credsStore, host):
                    return login
            elif login := _login(inline.get(host), host):
                return login
        return None


def _key(name: str) -> str:
    """A key of the file, as `host[/path]`: no scheme, no API version, Docker Hub under one name."""
    name = name.lower().removeprefix("https://").removeprefix("http://").rstrip("/")
    name = re.sub(r"/v[12]$", "", name)
    return "docker.io" if name in ("index.docker.io", "registry-1.docker.io", "docker.io") else name


def _read(path: Path) -> _File | None:
    try:
        with path.open("rb") as stream:
            return _parse(stream.read(_FILE_LIMIT))
    except OSError:
        return None


def _parse(data: bytes) -> _File | None:
    try:
        return msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # somebody else's broken file must not stop an anonymous push


def _login(auth: _Auth | None, host: str) -> Login | None:
    if auth is None:
        return None
    user, password = auth.username, auth.password
    if auth.auth:
        try:
            text = base64.b64decode(auth.auth + "=" * (-len(auth.auth) % 4)).decode().rstrip("\0")
        except (binascii.Error, UnicodeDecodeError):
            raise DeniedError(
                f"the stored credentials for {host} are not base64", next_step=f"docker login {host}"
            ) from None
        user, _, password = text.partition(":")
    if auth.identityToken:
        return Login(user, identity_token=Secret(auth.identityToken))
    if auth.registryToken:
        return Login(user, registry_token=Secret(auth.registryToken))
    return Login(user, Secret(password)) if user else None


class _Answer(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


def _ask(helper: str, host: str) -> Login | None:
    """The protocol of docker-credential-helpers: the server's name in, JSON out. Its output is never shown."""
    program = f"docker-credential-{helper}"
    if not _HELPER.fullmatch(helper):
        raise DeniedError(f"{helper!r:.60} is no name of a credential helper", next_step="correct the Docker config")
    server = _HUB_KEY if host == "docker.io" else host
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=_HELPER_SECONDS, check=False
        )
    except FileNotFoundError:
        raise DeniedError(
            f"{program}, which the Docker config names for {host}, is not installed", next_step="install it, or log in"
        ) from None
    except subprocess.TimeoutExpired:
        raise DeniedError(
            f"{program} gave no answer in {_HELPER_SECONDS} s", next_step="run it by hand to see why"
        ) from None
    if done.returncode != 0:
        if _NOT_FOUND in done.stdout[:_HELPER_LIMIT].decode("utf-8", "replace").lower():
            return None
        raise DeniedError(
            f"{program} failed with exit code {done.returncode} for {host}", next_step="run it by hand to see why"
        )
    try:
        answer = msgspec.json.decode(done.stdout[:_HELPER_LIMIT], type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise DeniedError(f"{program} answered with no credentials", next_step="run it by hand to see why") from None
    if answer.username == "<token>":
        return Login("", identity_token=Secret(answer.secret))
    return Login(answer.username, Secret(answer.secret))
