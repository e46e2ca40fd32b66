"""`COG_CA_CERT` names authorities that count beside those of the system, as Cog has it: a file, a directory of `*.crt`
and `*.pem` files, their text, or that in base64 (replicate/cog, pkg/dockerfile/cacert.go)."""

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import certifi

from cogpack.errors import InputError
from cogpack.http.authorities import bundle, certificates, each_certificate, is_file

VARIABLE = "COG_CA_CERT"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_PUBLIC = Path(certifi.where())
_LIMIT = 4 * 1024 * 1024


def merged(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Give all authorities that count now, in PEM format, by the variables that name a file of them: all programs read
    `SSL_CERT_FILE`, and few `SSL_CERT_DIR`, which counts beside it, and without it in place of the system's; git reads
    another one in its place, where that is set. Nothing where neither `VARIABLE` nor a directory adds any."""
    named = environment.get(VARIABLE, "").strip()
    more = list(_named(named)) if named else []
    found: dict[str, bytes] = {}
    in_directories = _in_directories(environment.get("SSL_CERT_DIR", ""))
    if more or in_directories:
        own = [] if in_directories and not environment.get("SSL_CERT_FILE") else [bundle(environment) or _PUBLIC]
        found["SSL_CERT_FILE"] = b"\n".join([*(file.read_bytes() for file in own), in_directories, *more])
    if more and (git := environment.get("GIT_SSL_CAINFO")) and Path(git).is_file():
        found["GIT_SSL_CAINFO"] = b"\n".join([Path(git).read_bytes(), *more])
    return found


def _in_directories(value: str) -> bytes:
    """Give the certificates in the directories of `SSL_CERT_DIR`, each once: systems have a link to most by its hash,
    and a file of all. What can't be read is told by who asks a server."""
    found: dict[bytes, None] = {}
    for directory in filter(None, value.split(os.pathsep)):
        with suppress(OSError):
            for file in {path.resolve() for path in Path(directory).iterdir() if is_file(path)}:
                with suppress(OSError):
                    found |= dict.fromkeys(each_certificate(_start(file)))
    return b"\n".join(sorted(found))


def _start(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(_LIMIT)


def _named(value: str) -> Iterator[bytes]:
    if value.startswith("-----BEGIN"):
        yield _checked(value.encode(errors="surrogateescape"), "its text")
    elif (path := _path(value)) is not None:
        files = [path]
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.suffix.lower() in (".crt", ".pem")]
        if not files:
            raise _wrong(f"{path}: neither a *.crt nor a *.pem is in it")
        for file in files:
            yield _checked(_read(file), str(file))
    else:
        try:
            text = base64.b64decode(value, validate=True)
        except ValueError:
            raise _wrong("neither a file, a directory nor a certificate, and none in base64") from None
        yield _checked(text, "its base64")


def _path(value: str) -> Path | None:
    """Give what is there under that name; None where it is no name, or nothing is there."""
    try:
        return path if (path := Path(value)).exists() else None
    except (OSError, ValueError):  # too long for a name, as base64 is, or with a NUL
        return None


def _read(file: Path) -> bytes:
    try:
        return _start(file)
    except OSError as error:
        raise _wrong(f"{file}: {error.strerror}") from error


def _checked(text: bytes, what: str) -> bytes:
    """Give its certificates alone: mitmproxy has the authority's key in the same file."""
    if not (found := certificates(text)):
        raise _wrong(f"{what}: no certificate in PEM format")
    return found


def _wrong(why: str) -> InputError:
    return InputError(f"{VARIABLE}: {why}", next_step=f"name a file that begins with {_BEGIN}, or unset it")
