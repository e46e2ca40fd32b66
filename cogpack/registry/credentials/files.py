"""Docker's config.json and what followed it: podman's auth.json, `DOCKER_AUTH_CONFIG`, the flat .dockercfg."""

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cogpack.errors import DeniedError
from cogpack.home import home
from cogpack.reference import HUB_NAMES
from cogpack.registry.credentials.findings import Finding
from cogpack.registry.credentials.login import Kind, Login, Secret

FILE_LIMIT = 1024 * 1024


class _Entry(msgspec.Struct, rename="lower"):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identityToken: str | None = None  # noqa: N815 - the file's spelling, lower-cased
    registryToken: str | None = None  # noqa: N815


class Document(msgspec.Struct):
    """One file's part that tells of credentials. Entries are decoded when wanted: a broken one spoils itself only."""

    auths: dict[str, msgspec.Raw] | None = None
    credsStore: str | None = None  # noqa: N815
    credHelpers: dict[str, str] | None = None  # noqa: N815

    def helper_for(self, host: str) -> str | None:
        """The helper that is named for just this host."""
        helpers = self.credHelpers or {}
        return helpers.get(host) or next((helpers[name] for name in helpers if normal_key(name) == host), None)

    def find(self, host: str, repository: str, environment: Mapping[str, str], source: str) -> Finding:
        """`credHelpers` of the host, an entry for a longer path, `credsStore` (which hides the host's), the host's."""
        if name := self.helper_for(host):
            return _asked(name, f"credHelpers: {name}", host, environment, source)
        parts = repository.split("/") if repository else []
        for end in range(len(parts), 0, -1):
            path = "/".join([host, *parts[:end]])
            if (finding := self._entry(path, source)) is not None:
                return finding
        if self.credsStore:
            return _asked(self.credsStore, f"credsStore: {self.credsStore}", host, environment, source)
        return self._entry(host, source) or Finding(f"no entry for {host}")

    def below(self, host: str, source: str) -> list[str]:
        """Where the logins of single paths of the host are: `SOURCE (auths: HOST/PATH)`."""
        paths = {key for name in self.auths or {} if (key := normal_key(name)).startswith(f"{host}/")}
        found = (self._entry(key, source) for key in sorted(paths))
        return [entry.login.source for entry in found if entry and entry.login]

    def _entry(self, key: str, source: str) -> Finding | None:
        """From the entry that is spelled like `key`, else from one that means the same. `{}` is a marker, no login."""
        auths = self.auths or {}
        spelled = sorted((name for name in auths if normal_key(name) == key), key=lambda name: name != key)
        for name in spelled:
            try:
                entry = msgspec.json.decode(auths[name], type=_Entry | None)
                login = _login(entry, f"{source} (auths: {name})") if entry else None
            except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, RecursionError):
                return Finding(f"the entry for {key} is broken", broken=True)
            if login:
                return Finding(f"auths: {name}", login)
        return None


class File(msgspec.Struct, frozen=True):
    """`sole`: nothing else is asked, so it has to be there. `flat`: the whole file is what `auths` is elsewhere."""

    path: Path
    environment: Mapping[str, str]
    sole: bool = False
    flat: bool = False

    @property
    def name(self) -> str:
        return f"{self.path}"

    def read(self) -> Document | Finding:
        try:
            with self.path.open("rb") as stream:
                return _parse(stream.read(FILE_LIMIT + 1), flat=self.flat)
        except OSError as error:
            absent = isinstance(error, FileNotFoundError | NotADirectoryError)
            return Finding("absent" if absent else f"can't be read ({error.strerror})", broken=not absent)

    def find(self, host: str, repository: str) -> Finding:
        found = self.read()
        if isinstance(found, Document):
            return found.find(host, repository, self.environment, self.name)
        if self.sole:
            raise DeniedError(
                f"REGISTRY_AUTH_FILE: {self.path}: {found.said}", next_step="correct the variable or the file"
            )
        return found


class Variable(msgspec.Struct, frozen=True):
    """`DOCKER_AUTH_CONFIG`: the text of a config file."""

    environment: Mapping[str, str]
    name: str = "DOCKER_AUTH_CONFIG"

    def read(self) -> Document | Finding:
        text = self.environment.get(self.name)
        return _parse(text.encode(errors="replace"), flat=False) if text else Finding("not set")

    def find(self, host: str, repository: str) -> Finding:
        found = self.read()
        return found.find(host, repository, self.environment, self.name) if isinstance(found, Document) else found


def logins_below(environment: Mapping[str, str], host: str) -> list[str]:
    """Where the logins of single paths of the host are, of all files."""
    read = ((source, source.read()) for source in sources_of_files(environment))
    return [where for source, found in read if isinstance(found, Document) for where in found.below(host, source.name)]


def sources_of_files(environment: Mapping[str, str]) -> list[File | Variable]:
    """`REGISTRY_AUTH_FILE` alone if set; else `DOCKER_AUTH_CONFIG`, docker's file, podman's, .dockercfg."""
    if chosen := environment.get("REGISTRY_AUTH_FILE"):
        return [File(Path(chosen), environment, sole=True)]
    own = _home(environment)
    runtime = environment.get("XDG_RUNTIME_DIR")
    podman = [
        Path(runtime) / "containers" if runtime else Path(f"/run/containers/{os.getuid()}"),
        Path(environment.get("XDG_CONFIG_HOME") or own / ".config") / "containers",
    ]
    return [
        Variable(environment),
        File(docker_config(environment), environment),
        *(File(directory / "auth.json", environment) for directory in podman),
        File(own / ".dockercfg", environment, flat=True),
    ]


def docker_config(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("DOCKER_CONFIG") or _home(environment) / ".docker") / "config.json"


def normal_key(name: str) -> str:
    """A key of `auths` or `credHelpers` as `host[/path]`: no scheme, no API version, Docker Hub under one name."""
    _, scheme, rest = name.rpartition("://")
    host, slash, path = (rest if scheme else name).rstrip("/").partition("/")
    host = host.lower()
    path = "" if path in ("v1", "v2") else path
    return ("docker.io" if host in HUB_NAMES else host) + (f"/{path}" if slash and path else "")


def _home(environment: Mapping[str, str]) -> Path:
    return home(environment) or Path("/nonexistent")


def _parse(data: bytes, *, flat: bool) -> Document | Finding:
    if len(data) > FILE_LIMIT:
        return Finding(f"more than {FILE_LIMIT} bytes", broken=True)
    try:
        if flat:
            return Document(auths=msgspec.json.decode(data, type=dict[str, msgspec.Raw]))
        return msgspec.json.decode(data, type=Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Finding("not the JSON of a Docker config", broken=True)


def _asked(helper: str, where: str, host: str, environment: Mapping[str, str], source: str) -> Finding:
    from cogpack.registry.credentials.helpers import Helper

    login = Helper(helper, environment).get(host)
    if login is None:
        return Finding(f"{where} has nothing for {host}")
    return Finding(where, msgspec.structs.replace(login, source=f"{login.source} ({source})"))


def _login(entry: _Entry, source: str) -> Login | None:
    """Raises `binascii.Error` or `UnicodeDecodeError` when `auth` is no base64 of USER:PASSWORD."""
    user, password = entry.username or "", entry.password or ""
    if entry.auth:
        packed = "".join(entry.auth.split()).rstrip("=")
        text = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True).decode().rstrip("\0")
        user, _, password = text.partition(":")
    if entry.identityToken:
        return Login(user, Secret(entry.identityToken), Kind.IDENTITY_TOKEN, source=source)
    if entry.registryToken:
        return Login(user, Secret(entry.registryToken), Kind.REGISTRY_TOKEN, source=source)
    return Login(user, Secret(password), source=source) if user and password else None
