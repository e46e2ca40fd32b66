"""`Registry.auth` is where oras-py's callers say who they are."""

from collections.abc import Callable

import msgspec
import oras.auth.base
import requests

from cogpack.errors import InputError
from cogpack.registry.credentials import Credentials, Finding, Kind, Login, Secret
from cogpack.registry.credentials.files import normal_key


class Logins(oras.auth.base.AuthBackend):  # type: ignore[misc] # oras has no types
    """Keeps logins, each for one registry: `hostname`, or the one that it names. `changed` hears of each.

    It signs nothing: headers are made where requests are sent, and not shown to anybody.
    """

    def __init__(self, hostname: str | None, changed: Callable[[], None]) -> None:
        super().__init__()
        self.hostname = hostname
        self.config: str | None = None
        """The file of credentials that the caller named."""
        self._logins: dict[str, Login | None] = {}
        self._changed = changed

    def before(self, others: Credentials) -> Credentials:
        """Return what the program said, then `others`."""
        return Credentials([_Said(self._logins, others)])

    def say(self, hostname: str | None, login: Login | None) -> None:
        """Keep a login for one registry; None: nobody's."""
        if hostname is None:
            raise InputError(
                "a login belongs to one registry, and none is named",
                next_step='name it: Registry(hostname="ghcr.io"), or hostname= of login',
            )
        self._logins[normal_key(hostname)] = login
        self._changed()

    # What oras-py calls

    def set_basic_auth(self, username: str, password: str) -> None:
        self.say(self.hostname, Login(username, Secret(password), source="set_basic_auth"))

    def set_token_auth(self, token: str) -> None:
        self.say(self.hostname, Login("", Secret(token), kind=Kind.REGISTRY_TOKEN, source="set_token_auth"))

    def logout(self, hostname: str) -> None:
        """Forget it in this object, whatever files have; they stay as they are, as in oras-py."""
        self.say(hostname, None)

    def load_configs(self, container: object, configs: list[str] | None = None) -> None:  # noqa: ARG002
        """Have one file of `configs` asked where Docker's would be."""
        if configs and configs[0] != self.config:
            self.config = configs[0]
            self._changed()

    def get_auth_header(self) -> dict[str, str]:
        return {}

    def authenticate_request(
        self,
        original: requests.Response,  # noqa: ARG002
        headers: dict[str, str],
        refresh: bool = False,  # noqa: ARG002
    ) -> tuple[dict[str, str], bool]:
        """Return (headers, False): what was refused is final, whatever can be done was done."""
        return headers, False


class _Said(msgspec.Struct, frozen=True):
    logins: dict[str, Login | None]
    others: Credentials

    @property
    def name(self) -> str:
        return "the program"

    def find(self, host: str, repository: str) -> Finding:
        if host in self.logins:
            return Finding("what the program said", self.logins[host])
        return self.others.look(host, repository)
