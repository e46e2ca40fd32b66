"""`COG_CA_CERT` names authorities that count beside those of the system, as Cog has it: a file, a directory of `*.crt`
and `*.pem` files, their text, or that in base64 (replicate/cog, pkg/dockerfile/cacert.go)."""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

import certifi

from cogpack.errors import InputError
from cogpack.http.authorities import bundle, certificates

VARIABLE = "COG_CA_CERT"
_BEGIN = "-----BEGIN CERTIFICATE-----"
_LIMIT = 4 * 1024 * 1024


def merged(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Give all authorities that count now, in PEM format, by the variables that name those that count without
    `VARIABLE`: all programs read `SSL_CERT_FILE`, and git another one in its place, where that is set."""
    files = {"SSL_CERT_FILE": bundle(environment) or Path(certifi.where())}
    if (git := environment.get("GIT_SSL_CAINFO")) and Path(git).is_file():
        files["GIT_SSL_CAINFO"] = Path(git)
    more = list(_named(environment[VARIABLE].strip()))
    return {name: b"\n".join([file.read_bytes(), *more]) for name, file in files.items()}


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
        with file.open("rb") as stream:
            return stream.read(_LIMIT)
    except OSError as error:
        raise _wrong(f"{file}: {error.strerror}") from error


def _checked(text: bytes, what: str) -> bytes:
    """Give its certificates alone: mitmproxy has the authority's key in the same file."""
    if not (found := certificates(text)):
        raise _wrong(f"{what}: no certificate in PEM format")
    return found


def _wrong(why: str) -> InputError:
    return InputError(f"{VARIABLE}: {why}", next_step=f"name a file that begins with {_BEGIN}, or unset it")
