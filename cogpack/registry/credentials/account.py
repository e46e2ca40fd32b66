"""One repository's view of the credentials."""

import threading
from collections.abc import Callable

from cogpack.registry.credentials.findings import GIVEN, Finding
from cogpack.registry.credentials.login import Login
from cogpack.trace import TRACE

_BEFORE_FILES = ("COGPACK_REGISTRY_", "DOCKER_AUTH_CONFIG")


class Account:
    """Who we are to one repository. The sources are asked when a login is first wanted, and again when it has ended."""

    def __init__(self, host: str, look: Callable[[], Finding]) -> None:
        self.host = host
        self._look = look
        self._finding: Finding | None = None
        self._lock = threading.Lock()

    def login(self) -> Login | None:
        """None is anonymous. Raises `DeniedError`."""
        with self._lock:
            if self._finding is None or (self._finding.login and self._finding.login.ended()):
                self._finding = self._look()
                if TRACE.level:
                    TRACE.decided(f"{self.host} is asked {self}")
            return self._finding.login

    def renewed(self, refused: Login | None) -> Login | None:
        """The login after `refused` was refused: the sources are asked again, None when they know nothing new."""
        with self._lock:
            if refused is None or self._finding is None:
                return None
            if self._finding.login is not None and self._finding.login.secret == refused.secret:
                self._finding = self._look()
            known = self._finding.login
            return known if known and known.secret != refused.secret else None

    def __str__(self) -> str:
        """For an error: "without credentials", "with the password of me from FILE"."""
        login = self._finding and self._finding.login
        return f"with the {login}" if login else "without credentials"

    @property
    def advice(self) -> str:
        """The next step for whom the registry refuses."""
        login = self._finding and self._finding.login
        if login and login.source == GIVEN:
            return "check the user and the password"
        if login and login.source.startswith(_BEFORE_FILES):
            return f"correct {login.source}: it goes before what cogpack login keeps"
        log_in = f"cogpack login {self.host}"
        return f"{self._finding.advice}, or {log_in}" if self._finding and self._finding.advice else log_in
