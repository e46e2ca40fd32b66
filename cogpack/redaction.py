"""No secret in what is shown: one place that knows this process's secrets, and how secrets look.

Whoever gets hold of one tells it (`learn`): passwords and tokens when they become a `Secret`, headers when they are
sent, users of addresses, variables by their names. Whatever is shown goes through `redact`: errors when they are made,
everything else when it is printed. A secret is found as it is, percent-encoded, escaped as in JSON, and in base64
wherever it begins there; cut off at its end, too, since long texts are cut for messages.
"""

import base64
import binascii
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote, quote_plus, unquote

from cogpack.patterns import pattern

HIDDEN = "***"

_LONG = 12
"""Characters from which on a secret is hidden in results, too: a name in them may be equal to a shorter one."""

_SHORTEST = 6
"""Characters. What is shorter would be found all over, and hides little. (Its header is known as a whole.)"""

_ANYWHERE = 8
"""Characters from which on it is found within words as well; also the least of a variable's value that counts."""

_CUT = 16
"""Characters of a longer secret by which its beginning is known."""

_MOST = 2000
"""Secrets that are remembered: the latest. A long transfer gets a token every five minutes for each scope."""

_WORDS = frozenset(
    (
        *("admin", "anonymous", "cogpack", "credentials", "docker", "false", "latest", "local", "localhost", "login"),
        *("none", "null", "oauth2", "oauth2accesstoken", "pass", "passwd", "password", "public", "pull", "push"),
        *("registry", "root", "secret", "test", "token", "true", "undefined", "user", "username"),
    )
)
"""Passwords of demonstrations, and what stands for a user: words of our messages, which hide nothing."""

_VARIABLE = pattern(
    r"PASSWORD|PASSWD|PASSPHRASE|TOKEN(?!I[SZ])|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|_KEY$|_PAT$|_PWD$|_AUTH$"
)
_NO_SECRET = pattern(
    r"_(FILE|PATH|DIR|URL|URI|NAME|ID|USER|USERNAME|SOCK|PROVIDER|TYPE|HELPER)$|(^|_)(MAX|MIN|NUM)_(\w+_)?TOKENS$"
)

# Of a scheme, what follows its last letter is enough: from each letter of a long word on, it would take quadratic time.
_USER = pattern(r"([A-Za-z][0-9+.-]*:/{1,3}|(?<![\w/:.~-])/{2,3})([^\s/?#\"'<>]*)@")
# Of user:password@ and ?name=, the text before the sign is looked at once, and not from each of its letters on.
_BEFORE_AT = pattern(r"(?<![^\s/@\"'<>])[^\s/@\"'<>]++@(?!sha\d+:)(?=[\w\[])")
_NAME_OF_USER = pattern(r"[\w.%+-]++(?=(:?))")
_NOT_BEFORE_USER = pattern(r"[\w./:@%-]")
_NAME_IN_QUERY = pattern(r"[?&;][\w.%-]++=(?=[^\s&;\"'<>])")
_NAME_OF_SECRET = pattern(r"token|sig|signature|secret|passw|pwd|key|auth|credential", re.IGNORECASE)
_VALUE_IN_QUERY = pattern(r"[^\s&;\"'<>]+")
_HEADER = pattern(r"(?:basic|bearer) +", re.IGNORECASE)
_SCHEME = pattern(r"\b(basic|bearer)(\s+|%20|\+)([A-Za-z0-9+/_.~=-]{8,})", re.IGNORECASE)


class _Form(NamedTuple):
    """Is a way in which a secret is written: the `text` by which it is found, and an expression for all of it. `cut`:
    it may be only the beginning."""

    text: str
    whole: str
    cut: bool = False


class Redactor:
    """Knows what is secret. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Form, ...]] = {}
        """Each with its forms, which are made when something is first to be shown: most runs show little."""
        self._lock = threading.Lock()

    def learn(self, *secrets: str) -> None:
        """Take each for a secret from now on, what follows `Basic` and `Bearer`, and of several lines each."""
        fresh = [
            word
            for text in secrets
            for word in {text, text.strip(), _HEADER.sub("", text), *_lines(text)}
            if len(word) >= _SHORTEST and word.lower() not in _WORDS and word not in self._known
        ]
        if fresh:
            with self._lock:
                self._known |= dict.fromkeys(fresh, ())
                for old in list(self._known)[:-_MOST]:
                    del self._known[old]

    def redact(self, text: str) -> str:
        """Return `text` without what is known to be secret, and without what looks like it."""
        text = self.redact_result(text, least=_SHORTEST)
        text = _BEFORE_AT.sub(_without_user, text)
        text = _without_values(text)
        return _SCHEME.sub(_without_token, text)

    def redact_result(self, text: str, *, least: int = _LONG) -> str:
        """Redact what programs read: only secrets of `least` characters or more, and users of addresses."""
        if found := self._forms_in(text, least):
            # Of two that begin at one place, the longer one; whole ones before those that are cut.
            found.sort(key=lambda form: (form.cut, -len(form.whole)))
            text = re.sub("|".join(form.whole for form in found), HIDDEN, text)
        return _USER.sub(rf"\1{HIDDEN}@", text)

    def _forms_in(self, text: str, least: int) -> list[_Form]:
        """Give the forms that are in `text`: one expression of all that there are would be made anew, of megabytes,
        with each token that a long transfer gets."""
        with self._lock:
            for secret, forms in self._known.items():
                if not forms:
                    self._known[secret] = tuple(dict.fromkeys(_forms(secret)))
            known = [forms for secret, forms in self._known.items() if len(secret) >= least]
        return [form for forms in known for form in forms if form.text in text]


def _lines(secret: str) -> Iterable[str]:
    """Return the lines of a key, say, by which a log shows it; what is short among them may be anything."""
    lines = secret.splitlines()
    return [line.strip() for line in lines if len(line.strip()) >= _ANYWHERE] if len(lines) > 1 else []


def _forms(secret: str) -> Iterable[_Form]:
    data = secret.encode("utf-8", "surrogateescape")  # a variable may hold bytes that are no text
    percent = quote(data, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), percent)
    as_json = json.dumps(secret)[1:-1]
    written = {secret, percent, lower, quote(data), quote_plus(data), as_json, repr(secret)[1:-1]}
    import html

    written |= {html.escape(secret), as_json.replace("<", "\\u003c")}  # as pages have it
    for text in written:
        escaped = re.escape(text)
        yield _Form(text, escaped if len(text) >= _ANYWHERE else rf"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])")
    if len(secret) > _CUT:
        yield _Form(secret[:_CUT], re.escape(secret[:_CUT]) + r"[^\s\"'<>&]*", cut=True)
    for inside in inside_base64(data):
        # What comes before it is read from the word's beginning alone: from each letter on, it takes quadratic time.
        yield _Form(inside, rf"(?:(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]*)?{re.escape(inside)}[A-Za-z0-9+/_-]*=*")


def inside_base64(data: bytes) -> Iterable[str]:
    """Return what base64 of anything has in it where `data` is in that, in both alphabets: it may begin with any of the
    three bytes that make four characters."""
    for shift, skipped in enumerate((0, 2, 3)):  # characters that the bytes before it decide as well
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            inside = encode(b"\0" * shift + data).decode()[skipped : 8 * (shift + len(data)) // 6]
            if len(inside) >= 6:
                yield inside


def _without_user(found: re.Match[str]) -> str:
    """Cut the first user with a password out of what stands before an @."""
    text, end = found.string, found.end() - 1
    for name in _NAME_OF_USER.finditer(text, found.start(), end):
        if not name[1] or name.end() + 1 == end:
            continue
        start = name.start()
        if start and _NOT_BEFORE_USER.match(text, start - 1):
            plus = text.find("+", start, name.end() - 1)  # behind which it may begin
            if plus < 0:
                continue
            start = plus + 1
        return f"{text[found.start() : start]}{HIDDEN}@"
    return found[0]


def _secret_values(text: str) -> Iterator[tuple[int, int]]:
    """Give where values begin and end in `text` whose names in a query are those of secrets."""
    end = 0
    for name in _NAME_IN_QUERY.finditer(text):
        if (
            name.start() >= end
            and _NAME_OF_SECRET.search(name[0])
            and (value := _VALUE_IN_QUERY.match(text, name.end()))
        ):
            end = value.end()
            yield value.span()


def _without_values(text: str) -> str:
    parts, at = [], 0
    for start, end in _secret_values(text):
        parts += [text[at:start], HIDDEN]
        at = end
    return "".join((*parts, text[at:]))


def _without_token(found: re.Match[str]) -> str:
    """Cut tokens out of header values, but not out of prose: "Basic authentication" stays."""
    scheme, between, token = found.groups()
    if scheme.lower() == "basic":
        try:
            secret = b":" in base64.b64decode(token + "=" * (-len(token) % 4), validate=True)
        except (binascii.Error, ValueError):
            secret = False
    else:
        secret = len(token) >= 16 and any(sign.isdigit() for sign in token)
    return f"{scheme}{between}{HIDDEN}" if secret else found[0]


_PROCESS = Redactor()


def learn(*secrets: str) -> None:
    """Remember secrets: they are not shown from now on."""
    _PROCESS.learn(*secrets)


def learn_url(url: str) -> None:
    """Remember the user and the password of an address, which may each be a token."""
    for _, login in _USER.findall(url):
        user, _, password = login.partition(":")
        _PROCESS.learn(unquote(password) if password else unquote(user))


def has_secret(url: str) -> bool:
    """Tell whether an address looks as if not everybody might know it."""
    return bool(_USER.search(url) or next(_secret_values(url), None))


def names_secret(variable: str) -> bool:
    """Tell whether a variable is called as those are that hold secrets."""
    upper = variable.upper()
    return bool(_VARIABLE.search(upper)) and not _NO_SECRET.search(upper)


def learn_environment(environment: Mapping[str, str]) -> None:
    """Remember what variables hold that are called like secrets, and the logins of addresses in all of them."""
    for name, value in environment.items():
        if len(value) >= _ANYWHERE and names_secret(name):
            _PROCESS.learn(value)
        if "://" in value:
            learn_url(value)
        elif name.lower().endswith("_proxy"):  # whose scheme may be left out
            learn_url(f"//{value}")


def redact(text: str) -> str:
    """Return what may be shown of `text`."""
    return _PROCESS.redact(text)


def redact_result(text: str) -> str:
    """Return what may be printed of what a command is asked for: its lines on standard output, and JSON."""
    return _PROCESS.redact_result(text)


def redact_log(text: str) -> str:
    """Return what may be shown of what a model says: as of a result, and without the values of secret variables, which
    may be shorter."""
    return _PROCESS.redact_result(text, least=_ANYWHERE)
