"""`COG_CA_CERT` names authorities that count beside those of the system, as Cog has it: a file, a directory of `*.crt`
and `*.pem` files, their text, or that in base64 (replicate/cog, pkg/dockerfile/cacert.go)."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path

import certifi

from cogpack.errors import InputError
from cogpack.http.authorities import bundle

VARIABLE = "COG_CA_CERT"
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_LIMIT = 4 * 1024 * 1024


def merged(environment: Mapping[str, str]) -> dict[str, bytes]:
    """Give all authorities that count now, in PEM format, by the variables that name those that count without
    `VARIABLE`: all programs read `SSL_CERT_FILE`, and git another one in its place, where that is set."""
    files = {"SSL_CERT_FILE": bundle(environment) or Path(certifi.where())}
    if (git := environment.get("GIT_SSL_CAINFO")) and Path(git).is_file():
        files["GIT_SSL_CAINFO"] = Path(git)
    more = [text.encode() for text in _named(environment[VARIABLE].strip())]
    return {name: b"\n".join([file.read_bytes(), *more]) for name, file in files.items()}


def _named(value: str) -> Iterator[str]:
    if value.startswith("-----BEGIN"):
        yield _checked(value, "its text")
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
            yield _checked(base64.b64decode(value, validate=True).decode(), "its base64")
        except (binascii.Error, UnicodeDecodeError):
            raise _wrong("neither a file, a directory nor a certificate, and none in base64") from None


def _path(value: str) -> Path | None:
    """Give what is there under that name; None where it is no name, or nothing is there."""
    try:
        return path if (path := Path(value)).exists() else None
    except (OSError, ValueError):  # too long for a name, as base64 is, or with a NUL
        return None


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_LIMIT).decode(errors="replace")
    except OSError as error:
        raise _wrong(f"{file}: {error.strerror}") from error


def _checked(text: str, what: str) -> str:
    if _BEGIN not in text or _END not in text:
        raise _wrong(f"{what}: no certificate in PEM format")
    return text if text.endswith("\n") else f"{text}\n"


def _wrong(why: str) -> InputError:
    return InputError(f"{VARIABLE}: {why}", next_step=f"name a file that begins with {_BEGIN}, or unset it")
