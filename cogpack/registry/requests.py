"""One repository's requests go out here: to its address, with our credentials for it and nobody else."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from urllib.parse import quote

from cogpack.errors import CogpackError, DeniedError, UnavailableError
from cogpack.http import RETRIED, Http, Response, Stream, Tries, redacted, same_origin
from cogpack.oci import MANIFEST_LIMIT
from cogpack.reference import Reference
from cogpack.registry.auth.authorizer import Authorizer, Tokens
from cogpack.registry.credentials import Credentials
from cogpack.registry.refusals import ExpiredError, creation, reason, refusal

_HUB = "registry-1.docker.io"
REDIRECTED = (307, 308)
"""The same request is to be made where Location says (RFC 9110 15.4.8, 15.4.9)."""
REDIRECTS = 5


class Requests:
    """Requests to one repository, whose refusals become our errors. Thread-safe.

    `actions`: what the token is asked to allow. `base`: `https://HOST/v2/REPOSITORY`.
    `mirror_of`: the registry that it stands in for. Of a mirror nothing is asked twice: there are others to ask.
    """

    def __init__(
        self,
        http: Http,
        reference: Reference,
        credentials: Credentials,
        actions: tuple[str, ...],
        tokens: Tokens | None = None,
        *,
        mirror_of: str = "",
    ) -> None:
        self.host = _HUB if reference.registry == "docker.io" else reference.registry
        self.http = http = http.unmapped()
        self.name = reference.name
        self.base = f"{http.base(self.host)}/v2/{reference.repository}"
        self._doing = "push to" if "push" in actions else "pull from"
        self._account = account = credentials.find(reference.registry, reference.repository)
        self._find = partial(credentials.find, reference.registry)
        scope = f"repository:{reference.repository}:{','.join(actions)}"
        self._mirror_of = mirror_of
        self._authorizer = Authorizer(
            http, self.host, account, (scope,), tokens=tokens, tries="few" if mirror_of else "wait out"
        )

    def approach(self) -> None:
        """Connect to the registry, and to its token server if an earlier run has met it, for requests that will come.

        Nothing is asked yet, and what fails fails again for who asks."""
        self.connect(1)
        self._authorizer.approach()

    def connect(self, count: int) -> None:
        """Have connections to the registry for so many requests that will be made beside one another."""
        self.http.connect_ahead(self.base, origin=self.base, count=count)

    def url(self, kind: str, name: str) -> str:
        """The address of something of the `kind` `manifests` or `blobs`."""
        asked_for = f"?ns={quote(self._mirror_of)}" if self._mirror_of else ""
        return f"{self.base}/{kind}/{name}{asked_for}"

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = {},
        *,
        body: bytes | None = None,
        limit: int = MANIFEST_LIMIT,
        tries: Tries = "wait out",
        follow: bool = False,
        scopes: tuple[str, ...] = (),
    ) -> Response:
        """Make a request with a small answer of any status. `scopes`: more than the token was asked for."""
        tries = "once" if self._mirror_of else tries
        for attempt in self._authorizer.attempts(url, scopes):
            answer = self.http.request(
                method,
                url,
                origin=self.base,
                headers={**headers, **attempt.headers},
                body=body,
                limit=limit,
                tries=tries,
                follow=follow,
            )
            if attempt.ends(answer):
                break
        return answer

    def put(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """PUT something small, and again wherever we are sent on; our credentials for the registry itself only."""
        for _ in range(REDIRECTS):
            answer = self.request("PUT", url, headers, body=body)
            location = answer.headers.get("location", "")
            if answer.status not in REDIRECTED or not location:
                break
            url = self.location(url, location)
        return answer

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str] = {}) -> Iterator[Stream]:
        """GET something large, redirects followed; the answer may have any status."""
        for attempt in self._authorizer.attempts(url):
            with self.http.follow(url, origin=self.base, headers={**headers, **attempt.headers}) as stream:
                if attempt.ends(stream):
                    yield stream
                    return

    @contextmanager
    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes], size: int | None, timeout: float
    ) -> Iterator[Stream]:
        """Make one try of a request with a large body. After a 401 the next one has fresh credentials."""
        sent: dict[str, str] = {}

        def authorize() -> Mapping[str, str]:
            if self._is_registry(url) and (header := self._authorizer.fresh_header()):
                sent["Authorization"] = header
            return sent

        with self.http.open(
            method, url, origin=self.base, headers=headers, authorize=authorize, body=body, size=size, timeout=timeout
        ) as stream:
            yield stream
        if stream.status == 401 and self._is_registry(url):
            self._authorizer.challenged(stream.headers.get("www-authenticate", ""), sent.get("Authorization"))

    def is_ours(self, repository: str) -> bool:
        """Tell whether another repository of the registry has our login, so that it may be asked for with it.

        A login that the user wrote down for one path is used for no other.
        """
        try:
            ours, theirs = self._account.login(), self._find(repository).login()
        except DeniedError:
            return False
        return theirs is None if ours is None else theirs is not None and ours.is_of(theirs)

    def location(self, url: str, location: str) -> str:
        """Resolve where an answer from `url` says that its upload goes on."""
        if not location:
            raise UnavailableError(
                f"{redacted(url)}: the registry opened an upload without saying where", next_step="tell its operator"
            )
        return self.http.redirect(url, location)

    def cancel(self, location: str, *scopes: str) -> None:
        """Free what the server holds of an upload; it would expire by itself, so nothing depends on this.

        A registry may want the right to delete for it, which is not asked for but by `scopes`.
        """
        with suppress(CogpackError):
            header = self._authorizer.header(*scopes) if self._is_registry(location) else None
            headers = {"Authorization": header} if header else {}
            self.http.send_and_forget("DELETE", location, origin=self.base, headers=headers)

    def failure(self, method: str, stream: Stream) -> CogpackError:
        """Make the error for an answer to a GET: an `UnavailableError` where asking again may help."""
        if not self._is_registry(stream.url) and stream.status in (400, 401, 403, 404, 410):
            return ExpiredError(
                f"{method} {redacted(stream.url)}: HTTP {stream.status} from the storage that {self.host} sent us to",
                next_step="run it again; if it stays so, tell the registry's operator",
            )
        error = self.refusal(method, stream.url, stream.status, stream.body(65536), stream.headers)
        if stream.status in RETRIED:
            return UnavailableError(error.message, next_step=error.next_step)
        return error

    def expect(self, answer: Response, method: str, *statuses: int) -> None:
        """Raise the error for an answer of any other status."""
        if answer.status not in statuses:
            raise self.refusal(method, answer.url, answer.status, answer.body, answer.headers)

    def refusal(self, method: str, url: str, status: int, body: bytes, headers: Mapping[str, str]) -> CogpackError:
        if status in (401, 403) and self._is_registry(url):
            error = self._authorizer.denied(reason(status, body))
            if status == 403 and self._doing == "push to" and (create := creation(self.name)):
                error.next_step += f"; where it is not there yet: {create}"  # some refuse that so, too
            return error
        return refusal(method, url, status, body, repository=self.name, doing=self._doing, headers=headers)

    def _is_registry(self, url: str) -> bool:
        return same_origin(url, self.base)
