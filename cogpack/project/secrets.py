"""Files are told that hold secrets by the look of their names and first bytes: an image shows them to all who pull.

Both must agree. A certificate in a .pem, an .env without a value and an .npmrc that names a variable are no secrets.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

import msgspec

from cogpack.disk import open_regular, reading
from cogpack.notes import Code, Note
from cogpack.project.rows import Files

MAX_LOOKED_AT = 64 * 1024
"""Bytes of a file that are looked at; keys and credentials stand in short files."""


class _Kind(msgspec.Struct, frozen=True):
    """Says how secrets of one kind look. `names` fits the last one or two parts of the path in lower case, `holds` the
    first bytes; `what`: for people."""

    code: Code
    names: str
    holds: bytes
    what: str

    def found_in(self, head: bytes) -> bool:
        return re.search(self.holds, head, re.MULTILINE | re.IGNORECASE) is not None  # few projects have such names


def _kind(code: Code, names: str, holds: bytes, what: str) -> _Kind:
    return _Kind(code, rf"(?:[^/]*/)?(?:{names})", holds, what)


_PRIVATE = rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\APuTTY-User-Key-File-"
_VALUE = rb"[ \t]*[=:][ \t]*[\"']?(?![$%{<]|\s|[\"'#])"
"""The value of a setting, which is no name of a variable and no `<placeholder>`."""

KINDS = (
    _kind(
        Code.PRIVATE_KEY,
        r"[^/]*\.(?:pem|key|ppk|p8|asc|gpg|pkcs8|cer|crt)|id_[a-z0-9_]+|[^/]*_(?:rsa|dsa|ecdsa|ed25519)",
        _PRIVATE,
        "a private key",
    ),
    _kind(Code.PRIVATE_KEY, r"[^/]*\.(?:p12|pfx)", rb"\A0[\x80-\x84]", "a key store"),
    _kind(Code.PRIVATE_KEY, r"[^/]*\.(?:jks|keystore)", rb"\A(?:\xfe\xed\xfe\xed|0[\x80-\x84])", "a key store"),
    _kind(
        Code.ENVIRONMENT_FILE,
        r"\.env(?:rc|\.(?!(?:[a-z]*\.)?(?:example|sample|template|tmpl|dist|defaults?|schema)(?:\.|\Z))[^/]+)?"
        r"|(?!(?:[^/]*[._-])?(?:example|sample|template|dist|default)s?\.env)[^/]+\.env",
        rb"^[ \t]*(?:export[ \t]+)?[A-Z_][A-Z0-9_.]*" + _VALUE,
        "an environment file with values",
    ),
    _kind(Code.CREDENTIALS_FILE, r"[._]netrc", rb"\bpassword[ \t\r\n]+\S", "a login"),
    _kind(Code.CREDENTIALS_FILE, r"\.npmrc|\.yarnrc(?:\.yml)?", rb"_?(?:auth|authToken|password)" + _VALUE, "a token"),
    _kind(Code.CREDENTIALS_FILE, r"\.pypirc", rb"^[ \t]*password" + _VALUE, "a password or token"),
    _kind(
        Code.CREDENTIALS_FILE,
        r"pip\.conf|pip\.ini|uv\.toml|\.condarc|\.gitconfig",
        rb"://(?![$%{<])[^\s/@:\"']*:(?![$%{<])[^\s/@\"']+@",
        "an address with a password",
    ),
    _kind(Code.CREDENTIALS_FILE, r"\.git-credentials", rb"://[^\s/@]+:[^\s/@]+@", "a password"),
    _kind(
        Code.CREDENTIALS_FILE,
        r"\.aws/credentials|\.s3cfg|\.boto",
        rb"secret_?(?:access_)?key" + _VALUE,
        "a cloud's key",
    ),
    _kind(
        Code.CREDENTIALS_FILE,
        r"(?=[^/]*(?:credential|service|account|secret|key|token|gcp|gcloud|google|firebase|admin|auth|adc|sa\b))[^/]*\.json",
        rb"\"(?:private_key|refresh_token|client_secret)\"\s*:\s*\"(?![$%{<\"])",
        "a cloud's key or token",
    ),
    _kind(
        Code.CREDENTIALS_FILE,
        r"(?:\.docker/)?config\.json|\.dockercfg|auth\.json",
        rb"\"(?:auth|identitytoken|registrytoken)\"\s*:\s*\"[^\"\s]",
        "a registry's login",
    ),
    _kind(
        Code.CREDENTIALS_FILE,
        r"\.kube/config|[^/]*kubeconfig(?:\.ya?ml)?",
        rb"^[ \t-]*(?:client-key-data|token|password)" + _VALUE,
        "a cluster's login",
    ),
    _kind(Code.CREDENTIALS_FILE, r"kaggle\.json", rb"\"key\"\s*:\s*\"[0-9a-f]{8}", "a token"),
    _kind(
        Code.CREDENTIALS_FILE, r"\.?huggingface/(?:stored_tokens|token)|\.hf_token", rb"\bhf_[A-Za-z0-9]{8}", "a token"
    ),
    _kind(Code.CREDENTIALS_FILE, r"\.pgpass|\.my\.cnf", rb"^[^#\n]*:[^:\n]+$|^[ \t]*password" + _VALUE, "a password"),
    _kind(
        Code.CREDENTIALS_FILE,
        r"\.streamlit/secrets\.toml|rclone\.conf|\.vault-token",
        rb"(?:key|token|pass|password|secret)\w*" + _VALUE + rb"|\Ah?vs\.\w",
        "a token or password",
    ),
)


_ENDS = frozenset(
    {"pem", "key", "ppk", "p8", "asc", "gpg", "pkcs8", "cer", "crt", "p12", "pfx", "jks", "keystore", "env", "envrc"}
    | {"netrc", "npmrc", "yarnrc", "yml", "yaml", "pypirc", "conf", "ini", "toml", "condarc", "gitconfig", "json"}
    | {"git-credentials", "s3cfg", "boto", "dockercfg", "hf_token", "pgpass", "cnf", "vault-token"}
)
_KEYS = ("_rsa", "_dsa", "_ecdsa", "_ed25519")


@cache
def _any() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{kind.names})" for kind in KINDS), re.DOTALL)


def is_suspect(path: str) -> bool:
    """Tell whether names that are looked for end as `path` does, in lower case: of very many files, most do not."""
    end = path[path.rfind(".") + 1 :]
    return end in _ENDS or "/" in end or len(end) == len(path) or ".env." in path or end.endswith(_KEYS)


def is_of_secrets(path: str) -> bool:
    """Tell whether secrets have such a name; `path` in lower case."""
    return is_suspect(path) and _any().fullmatch("/".join(path.rsplit("/", 2)[-2:])) is not None


def secret_notes(root: str, files: Files) -> Iterator[Note]:
    """Give a note of each of `files` that looks like a secret. Only those of the names that are looked for are
    opened."""
    paths = files.paths()
    for number in sorted(_suspects(files, paths)):
        if not files.sizes[number] or not is_of_secrets(path := paths[number].lower()):
            continue
        tail = "/".join(path.rsplit("/", 2)[-2:])
        wanted = (kind for kind in KINDS if re.fullmatch(kind.names, tail, re.DOTALL))
        head = _head(root, paths[number])
        if (kind := next((kind for kind in wanted if kind.found_in(head)), None)) is not None:
            text = f"{paths[number]}: {kind.what}, which everybody can read who has the image; list it in .dockerignore"
            yield Note(kind.code, text)


def _suspects(files: Files, paths: Sequence[str]) -> Iterator[int]:
    """Leave out most of very many files: those whose suffix no secret has (`is_suspect`)."""
    may_be = b".env." in files.names.lower()
    for end, numbers in files.ends.items():
        if not end.startswith(".") or is_suspect(end.lower()):
            yield from numbers
        elif may_be:
            yield from (number for number in numbers if ".env." in paths[number].lower())


def _head(root: str, path: str) -> bytes:
    with reading(path, "make it readable, or list it in .dockerignore"), open_regular(f"{root}/{path}") as opened:
        return opened.read(MAX_LOOKED_AT)
