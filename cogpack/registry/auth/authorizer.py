"""An authorizer has the current Authorization header for one repository; one refresh serves all threads."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress

from cogpack.errors import CogpackError, DeniedError
from cogpack.http import Http, Response, Stream, Tries, same_origin
from cogpack.registry.auth import scopes
from cogpack.registry.auth.challenge import Challenge, parse_challenges
from cogpack.registry.auth.remembered import RememberedChallenges
from cogpack.registry.auth.tokens import ANSWER_LIMIT, FOREVER, Refusal, Registry, Token, authorize
from cogpack.registry.credentials import Account, Login

_AGAIN = 10.0
"""Seconds before a refresh that failed is tried again, while the old token still serves."""

_LONGEST_MARGIN = 600.0

_DOUBTFUL = 400, 403
"""What some answer to a token of a server that is none of theirs. (404 is what a tag that is new gets.)"""

_TOKENS = 2
"""Tokens that one request is tried with: the second was asked for because the first was refused."""


class _Grant:
    """A grant is one header and how long it serves. Its lock is held while it is asked for: many want it, one asks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.header: str | None = None
        self.was_refused = False
        """By the token server that an earlier run met: the registry shall say first whether it wants one."""
        self.fresh_until = 0.0
        self.body_until = 0.0

    def take(self, token: Token, started: float, *, ends: float) -> None:
        """Keep a token, which a registry looks at when a request begins. `ends`: when its login does."""
        self.header = token.header.reveal()
        margin = min(token.life / 2, max(10.0, min(token.life / 5, _LONGEST_MARGIN)))
        self.fresh_until = min(started + token.life - margin, ends)
        self.body_until = min(self.fresh_until, started + token.life - min(60.0, token.life / 2))


class Tokens:
    """Tokens are what one session knows: each registry's last challenge, and grants by (base, account, scopes).

    `remembered`: challenges of earlier runs, which serve until the registry says its own.
    """

    def __init__(self, remembered: RememberedChallenges | None = None) -> None:
        self._lock = threading.Lock()
        self._grants: dict[tuple[str, str, frozenset[str]], _Grant] = {}
        self._remembered = remembered
        self._challenges: dict[str, list[Challenge]] = {}
        self._heard: set[str] = set()
        self._asked: set[str] = set()

    def is_first(self, base: str) -> bool:
        """Tell whether the registry at `base` is asked for the first time."""
        with self._lock:
            asked, self._asked = base in self._asked, self._asked | {base}
        return not asked

    def challenges(self, base: str) -> list[Challenge]:
        """Give how the registry at `base` wants to be asked, by its last challenge; none where nobody knows."""
        with self._lock:
            if base not in self._challenges:
                self._challenges[base] = self._remembered.find(base) if self._remembered else []
            return self._challenges[base]

    def is_remembered(self, base: str) -> bool:
        """Tell whether they are of an earlier run, and nothing in this one has borne them out."""
        return base not in self._heard

    def bear_out(self, base: str) -> None:
        """The registry took what came of its challenges: they are as good as heard."""
        with self._lock:
            self._heard.add(base)

    def hear(self, base: str, challenges: list[Challenge], *, first: bool) -> None:
        """Take a challenge. One to the `first` request of all is kept for later runs: a registry that gives some
        answers to everybody would be asked for a token in vain."""
        with self._lock:
            known, self._challenges[base] = self._challenges.get(base), challenges
            self._heard.add(base)
        if first and self._remembered and challenges != known:
            self._remembered.keep(base, challenges)

    def forget(self, base: str) -> None:
        """Forget what an earlier run left, and what came of it, unless the registry has said how it wants to be asked
        meanwhile."""
        with self._lock:
            if base in self._heard:
                return
            self._challenges[base] = []
            self._grants = {key: grant for key, grant in self._grants.items() if key[0] != base}
            if self._remembered:
                self._remembered.forget(base)

    def grant(self, base: str, login: Login | None, wanted: Iterable[str]) -> _Grant:
        account = f"{login.user}\n{login.source}" if login else ""
        with self._lock:
            return self._grants.setdefault((base, account, frozenset(wanted)), _Grant())


class Attempt:
    """One attempt at a request: the `headers` to send with it, and whether its answer is the last.

    `was_wrong`: they came of a challenge of an earlier run, which nothing has borne out, nor does the answer.
    """

    def __init__(self, header: str | None, base: str, tokens: Tokens, *, last: bool) -> None:
        self.headers = {"Authorization": header} if header else {}
        self.challenge = ""
        self.was_wrong = False
        self._base = base
        self._tokens = tokens
        self._last = last
        self._by_memory = header is not None and tokens.is_remembered(base)

    def ends(self, answer: Response | Stream) -> bool:
        """Tell whether there is no use in another attempt: the registry does not ask for (other) credentials."""
        if not same_origin(answer.url, self._base) or self._last:
            return True
        self.was_wrong = self._by_memory and answer.status in _DOUBTFUL
        if self._by_memory and answer.status < 400:
            self._tokens.bear_out(self._base)
        if answer.status == 401:
            self.challenge = answer.headers.get("www-authenticate", "")
        return answer.status != 401 and not self.was_wrong


class Authorizer:
    """An authorizer answers the challenges of one registry.

    `wanted`: the scopes of every request, the most important first; with those of one request, `MOST` at most.

    A request is made by `attempts`. One with a body that can't be sent twice for nothing is sent once with
    `fresh_header`, and `challenged` follows its 401. Where that is final, `denied` is what to raise. `tries`: as of
    `Http`.
    """

    def __init__(
        self,
        http: Http,
        host: str,
        account: Account,
        wanted: Iterable[str],
        *,
        tokens: Tokens | None = None,
        tries: Tries = "wait out",
    ) -> None:
        self._http = http = http.unmapped()
        self._base = f"{http.base(host)}/v2/"
        self._registry = Registry(host, http.trust, plain=self._base.startswith("http:"))
        self._account = account
        self._wanted = scopes.merged(wanted)
        self._merged: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._tokens = tokens or Tokens()
        self._tries = tries

    def attempts(self, url: str, more: tuple[str, ...] = ()) -> Iterator[Attempt]:
        """Try a request to `url` as it is, then with a token, then with a fresh one, until an attempt `ends` it. Where
        the first was with one that is by an earlier run's challenge, and wrong, the second is without.

        `more`: scopes that this request needs besides ours. Credentials go to the registry itself and to nobody else.
        """
        refused = 0
        first = same_origin(url, self._base) and self._tokens.is_first(self._base)
        for last in (False, False, True):
            header = self.header(*more) if same_origin(url, self._base) else None
            refused += header is not None
            attempt = Attempt(header, self._base, self._tokens, last=last or refused == _TOKENS)
            yield attempt
            if attempt.was_wrong:
                self._tokens.forget(self._base)
            else:
                self.challenged(attempt.challenge, header, more_scopes=more, first=first)

    def approach(self) -> None:
        """Connect to the token server, if it is known, before anything is asked."""
        for challenge in self._tokens.challenges(self._base):
            if challenge.scheme == "bearer" and (realm := challenge.parameters.get("realm")):
                self._http.connect_ahead(realm, origin=self._base)

    def header(self, *more: str) -> str | None:
        """Give what to send now; None before the first challenge. `more`: scopes that are needed besides ours."""
        return self._current(more, body=False)

    def fresh_header(self, *more: str) -> str | None:
        """Give the `header` with a minute left to live, or half its life if that is shorter."""
        return self._current(more, body=True)

    def challenged(
        self, answer_header: str, used: str | None, *, more_scopes: Iterable[str] = (), first: bool = False
    ) -> None:
        """Answer a 401 to what was sent with `used`: afterwards `header` has a better one, or this raised.

        `answer_header`: the answer's WWW-Authenticate, "" where it had none (gcr.io): then it is what the registry has
        said in this run, and else `/v2/` is asked for it: what an earlier run left may be what was refused.
        `first`: no request to the registry was before this one.
        """
        more = tuple(more_scopes)
        given = parse_challenges(answer_header)
        known = [] if self._tokens.is_remembered(self._base) else self._tokens.challenges(self._base)
        self._tokens.hear(self._base, given or known or self._ping(), first=first)
        demanded = [challenge.parameters.get("scope", "").split() for challenge in given]
        self._merged[more] = scopes.merged(self._for(more), *demanded)
        grant = self._grant(more)
        with grant.lock:
            if grant.header is not None and grant.header != used:
                return  # another thread has renewed it meanwhile
            self._renew(grant, more, refused=used)

    def denied(self, reason: str) -> DeniedError:
        """Make the error for a refusal that no other token will change. `reason`: the registry's words."""
        host = self._account.host
        what = f"{host} refused us"
        if self._wanted:
            doing, repository = scopes.right(self._wanted[0])
            what = f"{host} refused the right to {doing} {repository}"
        return DeniedError(f"{what} {self._account} ({reason})", next_step=self._account.advice)

    def _for(self, more: tuple[str, ...]) -> tuple[str, ...]:
        return self._merged.get(more) or scopes.merged(self._wanted, more)

    def _grant(self, more: tuple[str, ...]) -> _Grant:
        return self._tokens.grant(self._base, self._account.login(), self._for(more))

    def _current(self, more: tuple[str, ...], *, body: bool) -> str | None:
        if not self._tokens.challenges(self._base):
            return None
        grant = self._grant(more)
        with grant.lock:
            if grant.header is None and self._tokens.is_remembered(self._base):
                if not grant.was_refused:
                    self._renew_by_memory(grant, more)
            elif grant.header is None:
                with suppress(DeniedError):  # it may not be wanted here; if it is, `challenged` says so
                    self._renew(grant, more, refused=None)
            elif self._http.clock() > (grant.body_until if body else grant.fresh_until):
                try:
                    self._renew(grant, more, refused=None)
                except CogpackError:  # the old one serves until it is refused
                    grant.fresh_until = grant.body_until = self._http.clock() + _AGAIN
            return grant.header

    def _renew_by_memory(self, grant: _Grant, more: tuple[str, ...]) -> None:
        """Try to get a header by the challenge of an earlier run. Where that fails, whatever the reason, the registry
        is asked as if there had been none. A refusal is of these scopes only, and tells nothing of the challenge."""
        started = self._http.clock()
        with suppress(CogpackError):
            login = self._account.login()
            answer = self._ask(login, self._for(more), tries="once")
            if isinstance(answer, Token):
                grant.take(answer, started, ends=login.ends if login else FOREVER)
            grant.was_refused = not isinstance(answer, Token)
            return
        self._tokens.forget(self._base)

    def _renew(self, grant: _Grant, more: tuple[str, ...], *, refused: str | None) -> None:
        """Get a new header; raises `DeniedError` when there is nothing better than `refused`."""
        login = self._account.login()
        for last in (False, True):
            started = self._http.clock()
            # Without the new one, the old one goes on serving, unless it was refused.
            needed = refused is not None or grant.header is None
            answer = self._ask(login, self._for(more), tries=self._tries if needed else "few")
            if isinstance(answer, Token):
                # A bearer token that was refused is asked for anew; what stays the same for ever is not sent twice.
                if answer.life < FOREVER or answer.header.reveal() != refused:
                    grant.take(answer, started, ends=login.ends if login else FOREVER)
                    return
                reason = "HTTP 401"
            else:
                reason = answer.reason
            login = None if last else self._account.renewed(login)
            if login is None:
                break
        raise self.denied(reason)

    def _ask(self, login: Login | None, wanted: tuple[str, ...], *, tries: Tries) -> Token | Refusal:
        flow = authorize(self._tokens.challenges(self._base), login, wanted, self._registry)
        try:
            request = next(flow)
            headers = {"Authorization": request.authorization.reveal()} if request.authorization else {}
            if request.form:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = request.form.reveal().encode() if request.form else None
            answered = self._http.request(
                request.method,
                request.url,
                origin=self._base,
                headers=headers,
                body=body,
                limit=ANSWER_LIMIT,
                tries=tries,
            )
            flow.send(answered)
        except StopIteration as stop:
            answer: Token | Refusal = stop.value
            return answer
        raise AssertionError("one token request is enough")

    def _ping(self) -> list[Challenge]:
        """Ask for the challenge that `/v2/` gives (distribution-spec, "Determining Support")."""
        answer = self._http.request("GET", self._base, origin=self._base, tries=self._tries)
        return parse_challenges(answer.headers.get("www-authenticate", ""))
