"""All sources, asked in their order."""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self

from cogpack.errors import DeniedError
from cogpack.http import Http
from cogpack.notes import Code, Note
from cogpack.registry.credentials.account import Account
from cogpack.registry.credentials.ci import CiVariables, HostVariables
from cogpack.registry.credentials.clouds import clouds
from cogpack.registry.credentials.files import sources_of_files
from cogpack.registry.credentials.findings import CredentialSource, Explained, Finding, Looked
from cogpack.registry.credentials.login import Login


class Credentials:
    """The sources of one session; the first that has a login wins. Thread-safe."""

    def __init__(self, sources: Sequence[CredentialSource], *, note: Callable[[Note], None] = lambda _: None) -> None:
        self._sources = sources
        self._note = note
        self._noted: set[str] = set()
        self._accounts: dict[tuple[str, str], Account] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], http: Http | None = None, *, note: Callable[[Note], None] = lambda _: None
    ) -> Self:
        """All sources; the clouds only with `http`. `note` is told of what is broken and passed over."""
        named = [HostVariables(environment), *sources_of_files(environment), *CiVariables.all_of(environment)]
        return cls([*named, *(clouds(http) if http else [])], note=note)

    def find(self, host: str, repository: str) -> Account:
        """Who we are to `repository` of `host` ("ghcr.io", "docker.io"); no source is asked yet."""
        host = host.lower()
        with self._lock:
            look = partial(self.look, host, repository)
            return self._accounts.setdefault((host, repository), Account(host, look))

    def look(self, host: str, repository: str) -> Finding:
        """Ask the sources until one has a login. Raises `DeniedError` (a missing or failing helper)."""
        advice = ""
        for source in self._sources:
            finding = source.find(host, repository)
            if finding.login:
                return finding
            if finding.broken:
                self._note_once(f"{source.name} is passed over: {finding.said}")
            advice = advice or finding.advice
        return Finding("no credentials", advice=advice)

    def explain(self, host: str, repository: str) -> Explained:
        """What `look` would find, and what each source says on the way."""
        name = f"{host}/{repository}" if repository else host
        looked: list[Looked] = []
        found: Login | None = None
        failed: str | None = None
        stopped = ""
        for source in self._sources:
            if stopped:
                looked.append(Looked(source.name, stopped))
                continue
            try:
                finding = source.find(host, repository)
            except DeniedError as error:
                failed = error.message
                looked.append(Looked(source.name, failed))
                stopped = "not asked: that failure ends the search"
                continue
            looked.append(Looked(source.name, finding.said))
            if found := finding.login:
                stopped = "not asked"
        if found is None:
            return Explained(name=name, failed=failed, looked=tuple(looked))
        kind = "cloud" if found.cloud else str(found.kind)
        return Explained(name=name, source=found.source, kind=kind, user=found.user or None, looked=tuple(looked))

    def _note_once(self, text: str) -> None:
        with self._lock:
            if text in self._noted:
                return
            self._noted.add(text)
        self._note(Note(Code.CREDENTIALS_SKIPPED, text))
