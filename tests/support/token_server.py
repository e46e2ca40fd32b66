"""A token server on loopback (distribution, docs/spec/auth): its tokens open a real docker-registry too."""

import base64
import json
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from support.certificates import pem, private_key
from support.fake_http import Answer, Fake, Request, serving

USER = "user"
PASSWORD = "open sesame"
REFRESH_TOKEN = "refresh me"
SERVICE = "test registry"
ISSUER = "test issuer"

Rights = Callable[[str | None, str, Sequence[str]], Sequence[str]]
"""(user or None, repository, actions asked for) to the actions allowed."""


def everything(user: str | None, repository: str, actions: Sequence[str]) -> Sequence[str]:
    return actions if user else [action for action in actions if action == "pull"]


@dataclass
class TokenServer:
    """`life`: seconds of each token, None leaves `expires_in` out. `faults`: answers given before any real one."""

    fake: Fake
    roots: Path
    life: int | None = 300
    rights: Rights = everything
    faults: list[Answer] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)

    @property
    def realm(self) -> str:
        return f"{self.fake.url}/token"

    @property
    def challenge(self) -> str:
        return f'Bearer realm="{self.realm}",service="{SERVICE}"'

    @property
    def asked(self) -> list[list[str]]:
        """The scopes of each request."""
        return [_form(request).get("scope", [""])[0].split(" ") if request.body else _form(request).get("scope", [])
                for request in self.fake.seen]  # fmt: skip

    def answer(self, request: Request) -> Answer:
        if self.faults:
            return self.faults.pop(0)
        form = _form(request)
        user, known = self._user(request, form)
        if not known:
            return 401, {}, b'{"details":"incorrect username or password"}'
        scopes = [scope for group in form.get("scope", []) for scope in group.split(" ") if scope]
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": list(self.rights(user, name, actions.split(",")))})
        token = self.token(user or "", access)
        self.issued.append(token)
        life = {} if self.life is None else {"expires_in": self.life}
        return 200, {"Content-Type": "application/json"}, json.dumps({"token": token} | life).encode()

    def token(self, user: str, access: Sequence[Mapping[str, object]]) -> str:
        """A JSON Web Token as distribution 2.8 verifies it: RS256, its certificate in x5c."""
        now = int(time.time())
        der = load_pem_x509_certificate(self.roots.read_bytes()).public_bytes(Encoding.DER)
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {"iss": ISSUER, "sub": user, "aud": SERVICE, "iat": now, "nbf": now - 10,
                  "exp": now + (self.life or 60), "jti": secrets.token_hex(8), "access": access}  # fmt: skip
        signed = f"{_packed(json.dumps(header).encode())}.{_packed(json.dumps(claims).encode())}"
        signature = private_key(ISSUER).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_packed(signature)}"

    @staticmethod
    def _user(request: Request, form: dict[str, list[str]]) -> tuple[str | None, bool]:
        """(who asks, is that true?)"""
        if request.method == "POST":
            return USER, form.get("refresh_token") == [REFRESH_TOKEN]
        given = request.headers.get("authorization")
        if given is None:
            return None, True
        return USER, given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextmanager
def token_server(directory: Path, tls: ssl.SSLContext | None = None) -> Iterator[TokenServer]:
    """`directory` gets the file of root certificates that a registry wants. `tls`: its own."""
    servers: list[TokenServer] = []
    with serving(lambda request: servers[0].answer(request), tls) as fake:
        servers.append(TokenServer(fake, pem(directory, ISSUER, ISSUER, authority=True).certificate))
        yield servers[0]


def _form(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.body.decode() if request.method == "POST" else urlsplit(request.path).query)


def _packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
