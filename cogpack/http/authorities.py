"""`Authorities` knows whose certificates count, and which we show: by the files that docker, podman and curl read.

The system's store, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name in its place. For one host, as it is written in
an image's name (`host` or `host:port`), more authorities (`*.crt`) and a client certificate (`NAME.cert` with
`NAME.key`) from its directory in `$XDG_CONFIG_HOME/containers/certs.d`, `/etc/containers/certs.d` and
`/etc/docker/certs.d` (containers-certs.d(5)); they count for that host only.
"""

import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from cogpack.errors import InputError
from cogpack.home import home
from cogpack.patterns import pattern

_BUNDLES = (
    "/etc/ssl/cert.pem",  # Alpine, Arch, macOS
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu
    "/etc/ssl/ca-bundle.pem",  # SUSE
)
"""Where systems keep their authorities; a Python not built by the system may look elsewhere."""

_CERTIFICATE = pattern(rb"-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[^-]*+-----END \1-----")
"""By all names that OpenSSL reads."""


class Authorities:
    """Makes a TLS context per host that has certificates of its own, and one for all others. Thread-safe."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._own: dict[str, list[Path]] = {}
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()
        self._roots = directories(environment)

    def context(self, authority: str) -> tuple[str, ssl.SSLContext]:
        """Return (key, context) for `host` or `host:port`; the key is empty where the host has nothing of its own."""
        with self._lock:
            own = self._own_files(authority)
            key = authority if own else ""
            if key not in self._contexts:
                self._contexts[key] = self._make(own)
            return key, self._contexts[key]

    def has_own(self, authority: str) -> bool:
        """Say whether a directory has certificates for it, so that it is known to speak TLS."""
        with self._lock:
            return any(file.suffix in (".crt", ".cert") for file in self._own_files(authority))

    def _own_files(self, authority: str) -> list[Path]:
        if authority not in self._own:
            self._own[authority] = self._find(authority)
        return self._own[authority]

    def _find(self, authority: str) -> list[Path]:
        """Return the files of the first directory that is there for the host."""
        for root in self._roots:
            try:
                if found := sorted((root / authority).iterdir()):
                    return found
            except OSError:  # not there, not ours to read, a host too long for a name: podman goes on, too
                continue
        return []

    def _make(self, own: list[Path]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        for file, named in self._trusted():
            _add(context, file, required=named)
        for file in own:
            if file.suffix == ".crt":
                _add(context, file, required=True)
            elif file.suffix == ".cert":
                _show(context, file)
        return context

    def _trusted(self) -> Iterator[tuple[Path, bool]]:
        """Yield each file, and whether it was named by the user."""
        chosen = self._environment.get("SSL_CERT_FILE")
        directories = [part for part in self._environment.get("SSL_CERT_DIR", "").split(os.pathsep) if part]
        if chosen:
            yield Path(chosen), True
        for directory in directories:
            try:
                yield from ((file, False) for file in sorted(Path(directory).iterdir()) if is_file(file))
            except OSError as error:
                raise InputError(
                    f"SSL_CERT_DIR: {directory}: {error.strerror}", next_step="correct or unset SSL_CERT_DIR"
                ) from error
        if not chosen and not directories:
            import certifi

            yield system_bundle() or Path(certifi.where()), True


def directories(environment: Mapping[str, str]) -> list[Path]:
    """Return where the directories of hosts are, best first."""
    own = home(environment)
    config = environment.get("XDG_CONFIG_HOME") or (own / ".config" if own else None)
    user = [Path(config, "containers/certs.d")] if config else []
    return [*user, Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d")]


def bundle(environment: Mapping[str, str]) -> Path | None:
    """Return the file of authorities that programs of this machine use, if there is one."""
    if named := environment.get("SSL_CERT_FILE"):
        return path if (path := Path(named)).is_file() else None
    return system_bundle()


def is_file(path: Path) -> bool:
    """Say whether it is one that may be read; of a directory's entries, not all need lead to one."""
    try:
        return path.is_file()
    except OSError:  # a link to a name too long, or behind a directory that is not ours to read
        return False


def certificates(text: bytes) -> bytes:
    """Return the certificates of a file in PEM format, and nothing that lies beside them there, as private keys do."""
    return b"".join(found + b"\n" for found in each_certificate(text))


def each_certificate(text: bytes) -> Iterator[bytes]:
    """Yield them one by one."""
    return (found[0] for found in _CERTIFICATE.finditer(text))


def system_bundle() -> Path | None:
    """Return the file with the system's authorities, if there is one."""
    own = ssl.get_default_verify_paths().openssl_cafile
    return next((Path(file) for file in (own, *_BUNDLES) if Path(file).is_file()), None)


def _add(context: ssl.SSLContext, file: Path, *, required: bool) -> None:
    try:
        context.load_verify_locations(cafile=file)
    except (OSError, ssl.SSLError) as error:
        if required:
            raise InputError(
                f"{file}: no certificates of authorities: {_reason(error)}",
                next_step="name a file with certificates in PEM format",
            ) from error


def _show(context: ssl.SSLContext, certificate: Path) -> None:
    try:
        context.load_cert_chain(certificate, certificate.with_suffix(".key"), password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise InputError(
            f"{certificate}: no client certificate with its key in {certificate.with_suffix('.key').name}: "
            f"{_reason(error)}",
            next_step="put both there in PEM format, the key without a passphrase, or remove both",
        ) from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "") or str(error)
