"""A session is what acts share: connections, credentials, the cache, and what their caller chose."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import RLock
from typing import TYPE_CHECKING, Generic, Self, TypeVar, overload

from cogpack.cache import Kept, chosen_place
from cogpack.depot import VARIABLE as DEPOT
from cogpack.depot import Depot, file_address
from cogpack.disk import PlaceError, writing
from cogpack.formats import FORMATS, ImageRules
from cogpack.machine import read_machine
from cogpack.policy import Noted, Policy, in_ci
from cogpack.progress import SILENT, Cancellation, Progress
from cogpack.redaction import learn_environment, learn_url
from cogpack.reference import Reference
from cogpack.registry.pull.tuning import TUNING, Tuning
from cogpack.seal import Seal
from cogpack.settings import Settings
from cogpack.trace import TRACE

if TYPE_CHECKING:  # what asks anybody for anything is imported where it is first asked: `schema` never does
    from cogpack.artifacts import Store, Supply
    from cogpack.http import Backoff, Http
    from cogpack.images.listings import Listings
    from cogpack.images.registry import RegistryImages
    from cogpack.layers.debs.deb.kept import KeptPackages
    from cogpack.layers.facts import Facts
    from cogpack.layers.wheels.libraries import WheelLibraries
    from cogpack.registry.auth.authorizer import Tokens
    from cogpack.registry.credentials import Credentials
    from cogpack.registry.pull.connections import BlobRequests, Fetcher
    from cogpack.registry.pull.foreign import ForeignLayers
    from cogpack.registry.pull.mirrors import Mirrors
    from cogpack.registry.push.blob_origins import BlobOrigins
    from cogpack.registry.repository import Repository
    from cogpack.resolve.weights import Servers
    from cogpack.resolve.wheels.relay import Relay
    from cogpack.sinks.copies import Copies

__all__ = ["Session", "Settings"]

_T = TypeVar("_T")


class _once(Generic[_T]):  # noqa: N801 - used as `cached_property` is, which makes two where two threads ask first
    """Is a property that is made when it is first asked for, once."""

    def __init__(self, make: "Callable[[Session], _T]") -> None:
        self._make = make

    @overload
    def __get__(self, session: None, owner: type) -> Self: ...
    @overload
    def __get__(self, session: "Session", owner: type) -> _T: ...
    def __get__(self, session: "Session | None", owner: type) -> Self | _T:
        if session is None:
            return self
        with session.making:
            kept = vars(session)
            if (name := self._make.__name__) not in kept:
                kept[name] = self._make(session)
            made: _T = kept[name]
            return made


class Session:
    """What acts share: it holds connections, credentials and the cache until the `with` ends.

    `progress` is told what happens; `cancellation` ends any act from another thread. For tests: `clock` and `backoff`
    of its requests, None for `Http`'s own; `tuning` of its downloads; `formats`: those that a lock may be of.
    """

    def __init__(
        self,
        settings: Settings,
        progress: Progress = SILENT,
        cancellation: Cancellation | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        backoff: "Backoff | None" = None,
        tuning: Tuning = TUNING,
        formats: Mapping[int, ImageRules] = FORMATS,
    ) -> None:
        self.settings = settings
        self.formats = formats
        self._clock, self._backoff, self._tuning = clock, backoff, tuning
        self.machine = settings.machine or read_machine(settings.environment)
        self.environment = self.machine.environment(settings.environment)
        self.depot = Depot.read(settings.offline) if settings.offline is not None else None
        self.locked = settings.locked or self.depot is not None
        self.in_ci = in_ci(self.environment) if settings.in_ci is None else settings.in_ci
        policy = Policy(settings.notes, machine=self.machine.rules, machine_name=self.machine.name, in_ci=self.in_ci)
        self.notes = Noted(progress, policy)
        self.progress: Progress = self.notes
        learn_environment(self.environment)
        for address in (*settings.registry_mirrors, self.environment.get(DEPOT, "")):
            learn_url(address)
        self.cancellation = cancellation or Cancellation()
        self.making = RLock()
        self._closing = ExitStack()
        if self.environment.get("COG_CA_CERT"):
            self.environment |= self._authorities()
        place = chosen_place(settings.cache, self.environment, self.progress.note)
        self.kept = Kept(place, self.progress.note)
        self.homes: tuple[Reference, ...] = ()
        """Repositories that an act pushes to: they may have what was made for an earlier push, and nobody else has."""

    def _authorities(self) -> dict[str, str]:
        """Write down whose certificates count, for us and for the programs that we start; git may be told of others."""
        from cogpack.http.cog_authorities import merged
        from cogpack.temporary import writing_temporary

        found = {}
        for name, text in merged(self.environment).items():
            with writing_temporary():
                file = self._closing.enter_context(NamedTemporaryFile(prefix="cogpack-", suffix=".pem"))  # noqa: SIM115
                file.write(text)
                file.flush()
            found[name] = file.name
        return found

    @_once
    def authorities(self) -> "Path | None":
        """The file of authorities that programs are told of, which read files alone; None where there is none."""
        from cogpack.http.authorities import bundle

        environment = self.environment
        if environment.get("SSL_CERT_DIR") and not environment.get("COG_CA_CERT"):  # which has added these, too
            environment = environment | self._authorities()
        return bundle(environment)

    @_once
    def http(self) -> "Http":
        from cogpack.http import NO_MAP, Http, Trust, UrlMap, backoff
        from cogpack.http.url_map import VARIABLE as URL_MAP

        trust = Trust(
            insecure_hosts=self.settings.insecure_registries,
            insecure_credentials=self.settings.insecure_credentials,
            realms=self.settings.realms,
        )
        written = self.environment.get(URL_MAP, "").strip()
        url_map = UrlMap.parse(written, where=URL_MAP) if written else self.machine.url_map or NO_MAP
        url_map.check_plain(trust)
        if TRACE.level:
            for rule in url_map.rules:
                TRACE.decided(f"{url_map.where}: {rule}")
        http = Http(
            trust=trust,
            environment=self.environment,
            url_map=url_map,
            offline=self.depot is not None,
            cancellation=self.cancellation,
            progress=self.progress,
            clock=self._clock,
            backoff=self._backoff or backoff,
        )
        self._closing.callback(http.close)
        return http

    @_once
    def relay(self) -> "Relay":
        """Where uv reads pages of mapped indexes."""
        from cogpack.resolve.wheels.relay import Relay

        relay = Relay(self.http, self.seal.word("relay"))
        self._closing.callback(relay.close)
        return relay

    @_once
    def credentials(self) -> "Credentials":
        from cogpack.registry.credentials import Credentials

        return Credentials.from_environment(self.environment, self.http, note=self.progress.note)

    @_once
    def tokens(self) -> "Tokens":
        """Of all registries. A push remembers their challenges; other acts may want no cache."""
        from cogpack.registry.auth.authorizer import Tokens

        if not self.homes:
            return Tokens()
        from cogpack.registry.auth.remembered import RememberedChallenges

        return Tokens(RememberedChallenges(self.cache / "challenges", self.seal, used=self.kept.used))

    @_once
    def _mirrors(self) -> "Mirrors":
        from cogpack.registry.pull.mirrors import Mirrors

        written = self.settings.registry_mirrors or (self.environment.get("COGPACK_REGISTRY_MIRROR", ""),)
        return Mirrors(written, self.progress.note)

    @property
    def cache(self) -> Path:
        """A directory for what can be had again; opened by who wants something of it."""
        return self.kept.root

    @property
    def metadata(self) -> Path:
        """The directory of uv's own cache: what indexes said. A restored one, or another's, has another name: it would
        decide hashes."""
        place = self.cache / "uv"
        with writing(place):
            place.mkdir(parents=True, exist_ok=True)
        named = place / self.seal.word(f"uv {place.stat().st_ino}")
        self.kept.used(named)
        return named

    @_once
    def seal(self) -> Seal:
        return Seal.of_this_user(self.environment, self.progress.note)

    @_once
    def store(self) -> "Store":
        from cogpack.artifacts import Store

        also = self.kept.also / "artifacts" if self.kept.also else None
        last = self.environment.get(DEPOT)
        store = Store(
            self.cache / "artifacts",
            self.http,
            used=self.kept.used,
            also=also,
            depot=self.depot,
            last=partial(file_address, last) if last else None,
            tuning=self._tuning,
        )
        self._closing.callback(store.close)
        return store

    @_once
    def supply(self) -> "Supply":
        from cogpack.artifacts import Supply

        supply = Supply(self.store, self.progress, self.cancellation)
        self._closing.callback(supply.close)
        return supply

    @_once
    def facts(self) -> "Facts":
        from cogpack.layers.facts import Facts

        return Facts(self.cache / "facts", self.seal, note=self.progress.note, used=self.kept.used)

    @_once
    def listings(self) -> "Listings":
        """What layers of bases hold, which few commands ask."""
        from cogpack.images.listings import Listings

        return Listings(self.cache / "bases", self.seal)

    @_once
    def wheel_libraries(self) -> "WheelLibraries":
        """What wheels have for the dynamic linker."""
        from cogpack.layers.wheels.libraries import WheelLibraries

        return WheelLibraries(self.cache / "libraries", self.seal, used=self.kept.used)

    def kept_packages(self, often: Collection[str]) -> "KeptPackages":
        """Return what keeps packages of a base unpacked: those whose sha256 (hex) is in `often`."""
        from cogpack.layers.debs.deb.kept import KeptPackages

        place = self.cache / "debs"
        return KeptPackages(place, self.seal, often, used=self.kept.used, note=self.progress.note)

    @_once
    def blob_origins(self) -> "BlobOrigins":
        from cogpack.registry.push.blob_origins import BlobOrigins

        return BlobOrigins(self.cache / "homes")

    @_once
    def servers(self) -> "Servers":
        """The sources of managed weights; what few commands need is imported by those."""
        from cogpack.resolve.weights import Servers

        return Servers(self.http, self.environment)

    def repository(self, reference: Reference, *, push: bool = False, patient: bool = True) -> "Repository":
        """Return a repository to push to or to look at what was pushed, or to pull from, with its mirrors.

        `patient`: failures are waited for; who can do without its blobs does not.
        """
        from cogpack.registry.pull.mirrors import Mirror
        from cogpack.registry.repository import Repository
        from cogpack.registry.requests import Requests

        if push:
            actions = ("pull", "push")
            return Repository(self.http, reference, self.credentials, actions=actions, tokens=self.tokens)
        mirrors = [
            Mirror(
                Requests(self.http, mirror, self.credentials, ("pull",), self.tokens, mirror_of=reference.registry),
                self._mirrors,
            )
            for mirror in self._mirrors.of(reference)
        ]
        return Repository(self.http, reference, self.credentials, tokens=self.tokens, mirrors=mirrors, patient=patient)

    def images(self, reference: Reference, *, push: bool = False) -> "RegistryImages":
        """The images of a repository, opened likewise."""
        from cogpack.images.registry import RegistryImages

        return RegistryImages(self.repository(reference, push=push))

    def copies(self, target: Reference | None) -> "Copies":
        """Return what this machine knows that other registries have, for a push to `target`."""
        from cogpack.registry.repository import Repository
        from cogpack.sinks.copies import Copies

        def opened(home: Reference) -> Repository:
            if self.depot:
                raise self.depot.lacking(f"word of {home.name}")
            return Repository(self.http, home, self.credentials, tokens=self.tokens, patient=False)

        return Copies(self.blob_origins, target, opened, self.progress.note)

    def foreign_layers(self, origin: str) -> "ForeignLayers":
        """Return where layers are that a registry need not have, by the word of the registry `origin`."""
        from cogpack.registry.pull.foreign import ForeignLayers

        return ForeignLayers(self.http, self.settings.foreign_hosts, origin=origin)

    def fetcher(self, source: "BlobRequests") -> "Fetcher":
        """Return a fetcher of blobs, for a `with`: it has a thread for each connection."""
        from cogpack.registry.pull.connections import Fetcher

        return Fetcher(source, connections=self.settings.jobs, cancellation=self.cancellation, tuning=self._tuning)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, PlaceError) and self.kept.place:
            error.moving(self.kept.place)
        with self.cancellation.stopping() if error else nullcontext():  # what is on its way then nobody wants
            self._closing.close()
        self.kept.close()
