"""`oras.provider.Registry`, whose requests, bodies and logins are ours: its interface and answers stay oras-py's.

What is not here is inherited, and reaches the network through `do_request` alone.
"""

import gzip
import json as json_module
import os
import tarfile
import threading
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeAlias
from urllib.parse import urljoin

import oras.container
import oras.defaults
import oras.provider
import oras.utils
import requests

from cogpack.commands.login import login, registry_host
from cogpack.digest import parse_digest
from cogpack.disk import whole_file, writing
from cogpack.errors import InputError
from cogpack.oci import Descriptor, decode
from cogpack.oras.exchange import FileBlocks, ask, blob_in_memory, fetch_blob, get_blob, get_manifest, put_manifest
from cogpack.oras.logins import Logins
from cogpack.oras.responses import Address, answered
from cogpack.reference import Reference
from cogpack.registry.credentials import Login, Secret
from cogpack.registry.repository import Repository
from cogpack.session import Session, Settings
from cogpack.sizes import BLOCK
from cogpack.temporary import temporary_directory

Container: TypeAlias = oras.container.Container | str

_PAGES = 1_000
"""Pages of a list that are read."""


class Registry(oras.provider.Registry):  # type: ignore[misc] # oras has no types
    """A registry for code written for oras-py. `close` it, or use it in a `with`.

    `insecure`: plain http. `tls_verify`: a file of authorities that count instead of the system's. The kind of login is
    the registry's to ask for: `auth_backend` makes no difference.

    Refusals, failures and wrong bytes raise `cogpack.errors.CogpackError`; whatever else a registry answers comes back
    as oras-py gives it.
    """

    def __init__(
        self,
        hostname: str | None = None,
        insecure: bool = False,
        tls_verify: bool | str = True,
        auth_backend: str = "token",  # noqa: ARG002
    ) -> None:
        if tls_verify is False:
            raise InputError(
                "tls_verify=False: certificates are always verified",
                next_step="name your registry's authority: tls_verify=FILE; for plain http, insecure=True",
            )
        super().__init__(hostname, insecure)
        self.session.trust_env = False  # who uses it by hand shall not send what is in ~/.netrc
        self.auth = Logins(hostname, self.close)
        self._insecure = insecure
        self._environment = {} if tls_verify is True else {"SSL_CERT_FILE": str(tls_verify)}
        self._sessions: dict[str, Session] = {}
        self._repositories: dict[tuple[str, bool], Repository] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """End all connections. It can be used again."""
        with self._lock:
            for session in self._sessions.values():
                session.__exit__(None, None, None)
            self._sessions.clear()
            self._repositories.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def login(
        self,
        username: str,
        password: str,
        password_stdin: bool = False,
        tls_verify: bool = True,  # noqa: ARG002
        hostname: str | None = None,
        config_path: str | None = None,
    ) -> dict[str, str]:
        """Try a login there, then keep it where Docker would; nothing is asked at a terminal."""
        host = registry_host(hostname or self.hostname or "docker.io")
        secret = Secret(oras.utils.readline() if password_stdin else password)
        with self._open(host, config_path) as session:
            login(session, host, username, secret)
        self.auth.say(host, Login(username, secret, source="login"))
        return {"Status": "Login Succeeded"}

    # Requests

    def do_request(
        self,
        url: str,
        method: str = "GET",
        data: dict[str, Any] | bytes | None = None,
        headers: dict[str, str] | None = None,
        json: dict[str, Any] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Send one request to a repository: retried, signed, and what it gets by digest verified.

        Without `stream`, a blob of more than 256 MiB is an `InputError`. An Authorization in `headers` is left out.
        """
        request = requests.Request(method, url, headers=headers, data=data, json=json).prepare()
        request.headers.pop("Authorization", None)
        address = Address.parse(url)
        repository = self._repository(address.repository, push=method not in ("GET", "HEAD"))
        match method, address.kind:
            case "GET", "blobs":
                get = get_blob if stream else blob_in_memory
                retries = repository.requests.http.retries()
                return retries.persist(lambda: get(repository, address.ref, request))
            case "GET", "manifests":
                return get_manifest(repository, address.ref, request)
            case "PUT", "manifests":
                return put_manifest(repository, address.ref, request)
        return ask(repository, address, request)

    def _of(self, container: Container, *, push: bool) -> Repository:
        address = Address.parse(f"{self.prefix}://{self.get_container(container).upload_blob_url()}")
        return self._repository(address.repository, push=push)

    def _do_paginated_request(self, url: str, callable: Callable[[requests.Response], bool]) -> None:  # noqa: A002
        """Ask for page after page while `callable` of one does not say that it is enough."""
        repository = Address.parse(url).repository
        for _ in range(_PAGES):
            response = self.do_request(url, headers=dict(self.headers))
            self._check_200_response(response)
            link = response.links.get("next", {}).get("url")
            if not callable(response) or not link:
                return
            url = urljoin(url, link)
            if Address.parse(url).repository != repository:
                raise InputError(f"{repository.name}: a list goes on elsewhere", next_step="tell the server's operator")
        raise InputError(f"{repository.name}: a list of more than {_PAGES} pages", next_step="ask for fewer: N=")

    def _repository(self, reference: Reference, *, push: bool) -> Repository:
        with self._lock:
            session = self._sessions.get(reference.registry)
            if session is None:
                session = self._open(reference.registry, self.auth.config)
                session.credentials = self.auth.before(session.credentials)
                self._sessions[reference.registry] = session
            key = reference.name, push
            if key not in self._repositories:
                self._repositories[key] = session.repository(reference, push=push)
            return self._repositories[key]

    def _open(self, host: str, config: str | None) -> Session:
        environment = dict(os.environ) | self._environment | ({"REGISTRY_AUTH_FILE": config} if config else {})
        plain = frozenset({host} if self._insecure else ())
        return Session(Settings(insecure_registries=plain, environment=environment))

    # Blobs

    def upload_blob(
        self,
        blob: str,
        container: Container,
        layer: dict[str, Any],
        do_chunked: bool = False,  # noqa: ARG002
        chunk_size: int = 0,  # noqa: ARG002
    ) -> requests.Response:
        """Upload the file `blob` in the shape that the registry takes, whatever `do_chunked` says; 200: it was
        there."""
        repository, descriptor = self._of(container, push=True), _descriptor(layer)
        request = requests.Request("PUT", f"{repository.requests.base}/blobs/{descriptor.digest}").prepare()
        if repository.has_blob(descriptor):
            return answered(request, 200, {}, b"")
        repository.upload(
            FileBlocks(Path(blob), descriptor),
            descriptor=descriptor,
            finished=lambda: descriptor.digest,
            name=str(blob),
        )
        return answered(request, 201, {"Docker-Content-Digest": descriptor.digest}, b"")

    def put_upload(self, blob: str, container: Container, layer: dict[str, Any]) -> requests.Response:
        return self.upload_blob(blob, container, layer)

    def chunked_upload(
        self,
        blob: str,
        container: Container,
        layer: dict[str, Any],
        chunk_size: int = 0,  # noqa: ARG002
    ) -> requests.Response:
        return self.upload_blob(blob, container, layer)

    def download_blob(self, container: Container, digest: str, outfile: str) -> str:
        """Fetch the blob into `outfile`: whole and verified, or not at all."""
        path, repository = Path(outfile), self._of(container, push=False)
        digest = parse_digest(digest, where=repository.requests.name)  # before it may be part of a path
        _make_room(path)
        request = requests.Request("GET", f"{repository.requests.base}/blobs/{digest}").prepare()

        def download() -> None:
            with whole_file(path) as output, get_blob(repository, digest, request) as response:
                self._check_200_response(response)
                for block in response.iter_content(BLOCK):
                    output.write(block)

        repository.requests.http.retries().persist(download)
        return outfile

    def pull(
        self,
        target: str,
        config_path: str | None = None,
        allowed_media_type: list[str] | None = None,
        overwrite: bool = True,
        outdir: str | None = None,
    ) -> list[str]:
        """Fetch the files of an artifact into `outdir`. What is no titled file or directory is named by its digest."""
        container = self.get_container(target)
        self.auth.load_configs(container, [config_path] if config_path else None)
        layers = self.get_manifest(container, allowed_media_type).get("layers", [])
        outdir = outdir or oras.utils.get_tmpdir()
        files = []
        for layer in layers:
            title = (layer.get("annotations") or {}).get(oras.defaults.annotation_title)
            path = oras.utils.sanitize_path(outdir, Path(outdir, title or layer["digest"]))
            if os.path.exists(path) and not overwrite:  # noqa: PTH110 - a title may be too long for a Path to ask
                continue
            if title and layer["mediaType"] == oras.defaults.default_blob_dir_media_type:
                self._unpack(container, layer, Path(path).parent)
            else:
                self._fetch(container, layer, path)
            files.append(path)
        return files

    def _fetch(self, container: Container, layer: Mapping[str, Any], outfile: str) -> str:
        """Fetch a blob whose size is known: ranges beside ranges, and what came before a failure stays."""
        _make_room(Path(outfile))
        fetch_blob(self._of(container, push=False), _descriptor(layer), Path(outfile))
        return outfile

    def _unpack(self, container: Container, layer: Mapping[str, Any], directory: Path) -> None:
        """Unpack what oras packed as a directory; nothing in it is written or linked outside of `directory`."""
        if not hasattr(tarfile, "data_filter"):
            raise InputError("this Python can't unpack archives safely", next_step="use Python 3.11.4 or later")
        with temporary_directory() as temporary, writing(directory):
            archive = self._fetch(container, layer, f"{temporary}/archive")
            try:
                with tarfile.open(archive, "r:gz") as tar:
                    tar.extractall(directory, filter="data")
            except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise InputError(
                    f"{layer['digest']}: can't be unpacked: {error}", next_step="get it as a file, with download_blob"
                ) from error


def _make_room(path: Path) -> None:
    """Make the directory of a file to come."""
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - likewise
        raise InputError(f"{path}: is no file", next_step="choose another place")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)


def _descriptor(layer: Mapping[str, Any]) -> Descriptor:
    return decode(json_module.dumps(layer).encode(), Descriptor, where="layer")
