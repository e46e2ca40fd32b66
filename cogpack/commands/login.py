"""`cogpack login` and `logout`: a registry's credentials, tried there and kept where Docker keeps them."""

import msgspec

from cogpack.errors import DeniedError, InputError
from cogpack.notes import Code, Note
from cogpack.reference import HOST
from cogpack.registry.auth.authorizer import Authorizer
from cogpack.registry.credentials import Account, Given, Secret, replicate
from cogpack.registry.credentials.files import logins_below, normal_key
from cogpack.registry.credentials.keep import Keeper
from cogpack.registry.refusals import wants_tls
from cogpack.session import Session


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a login came to. `kept`: a file, or the program that has it. `proved`: the registry asked for the
    credentials, and took them."""

    host: str
    user: str
    kept: str
    proved: bool


class LoggedOut(msgspec.Struct, frozen=True, kw_only=True):
    """What a logout came to. `found`: there was something to forget. `left`: a source that still has credentials for
    the host; `paths`: where those of single paths below it are."""

    host: str
    found: bool
    left: str | None
    paths: tuple[str, ...]


def registry_host(text: str) -> str:
    """Read `text` as the name of a registry ("ghcr.io", "localhost:5000"); `InputError` for anything with a path."""
    host = normal_key(text)
    if not HOST.fullmatch(host):
        raise InputError(f"{text!r:.200} is no registry host", next_step="name the host alone, as in ghcr.io")
    return host


def login(session: Session, host: str, user: str, secret: Secret) -> LoggedIn:
    """Try `user` and `secret` at the registry `host`, and keep them. Nothing is kept that it refuses."""
    if not user or not secret.reveal():
        raise InputError(f"{host}: the user or the password is empty", next_step="give both")
    proved = _prove(session, host, user, secret)
    if not proved:
        text = f"{host} asks for no credentials, so they could not be tried"
        session.progress.note(Note(Code.CREDENTIALS_UNTRIED, text))
    kept = Keeper(session.environment).store(host, user, secret)
    if session.environment.get("DOCKER_AUTH_CONFIG") and not session.environment.get("REGISTRY_AUTH_FILE"):
        session.progress.note(Note(Code.CREDENTIALS_SHADOWED, "DOCKER_AUTH_CONFIG is set and is looked at first"))
    return LoggedIn(host=host, user=user, kept=kept, proved=proved)


def login_with_token(session: Session, host: str, token: Secret) -> LoggedIn:
    """Ask the registry whose `token` it is, as Replicate's tells, and keep it."""
    if not token.reveal():
        raise InputError(f"{host}: the token is empty", next_step=f"take the one of {replicate.TOKENS}")
    user = replicate.token_owner(session.http.unmapped(), host, token)
    return LoggedIn(host=host, user=user, kept=Keeper(session.environment).store(host, user, token), proved=True)


def logout(session: Session, host: str) -> LoggedOut:
    """Forget what is kept for the registry `host`, and say what else would be used there."""
    found = Keeper(session.environment).erase(host)
    return LoggedOut(
        host=host,
        found=found,
        left=session.credentials.explain(host, "").source,
        paths=tuple(logins_below(session.environment, host)),
    )


def _prove(session: Session, host: str, user: str, secret: Secret) -> bool:
    """Ask `/v2/` (distribution-spec, "Determining Support") as `user`. False: it wants nobody's name."""
    address = "registry-1.docker.io" if host == "docker.io" else host
    http = session.http.unmapped()
    base = f"{http.base(address)}/v2/"
    given = Given(host, user, secret)
    authorizer = Authorizer(http, address, Account(host, lambda: given.find(host, "")), ())
    for attempt in authorizer.attempts(base):
        answer = http.request("GET", base, origin=base, headers=attempt.headers)
        if attempt.ends(answer):
            break
    if answer.status == 200:
        return bool(attempt.headers)
    if answer.status in (401, 403):
        raise DeniedError(f"{host} refused {user} (HTTP {answer.status})", next_step="check the user and the password")
    raise wants_tls(host, base, answer.status, answer.body) or InputError(
        f"{host} is no registry: {base} answers HTTP {answer.status}", next_step="check the host and its port"
    )
