"""Azure Container Registry: a token of Microsoft Entra (workload or managed identity, CLI), exchanged by the registry.

The exchange is ACR's own (docs, "AAD-OAuth"): POST /oauth2/exchange gives a refresh token of three hours, which is an
identity token like any other.
"""

import time
from urllib.parse import urlencode

import msgspec

from cogpack.errors import CogpackError
from cogpack.http import Http
from cogpack.oci import decode
from cogpack.patterns import pattern
from cogpack.registry.credentials.clouds.extra import not_installed, silence
from cogpack.registry.credentials.findings import Finding
from cogpack.registry.credentials.login import Kind, Login, Secret

_REGISTRIES = pattern(r"[a-z0-9-]+\.azurecr\.(?:io|cn|us|de)")
_SCOPE = "https://containerregistry.azure.net/.default"
_LIFE = 2 * 3600.0
_ANSWER_LIMIT = 128 * 1024


class _Exchanged(msgspec.Struct):
    refresh_token: str


class Azure:
    def __init__(self, http: Http) -> None:
        self._http = http.unmapped()

    @property
    def name(self) -> str:
        return "Azure (azure-identity)"

    def find(self, host: str, repository: str) -> Finding:  # noqa: ARG002
        if not _REGISTRIES.fullmatch(host):
            return Finding("not a registry of Azure")
        try:
            from azure.core.exceptions import AzureError
            from azure.identity import DefaultAzureCredential
        except ImportError:
            return not_installed("azure")
        silence("azure", "msal")
        started = time.monotonic()
        try:
            with DefaultAzureCredential() as credential:
                token = Secret(credential.get_token(_SCOPE).token)
        except (AzureError, ValueError) as error:
            return Finding(
                f"gave no token ({type(error).__name__})",
                broken=True,
                advice="give this machine an identity of Azure that may pull or push (AcrPull, AcrPush)",
            )
        try:
            refresh_token = self._exchanged(host, token)
        except (CogpackError, msgspec.MsgspecError) as error:
            return Finding(f"{host} did not exchange the token ({type(error).__name__})", broken=True)
        login = Login("", refresh_token, Kind.IDENTITY_TOKEN, source=self.name, cloud=True, ends=started + _LIFE)
        return Finding("a token", login)

    def _exchanged(self, host: str, token: Secret) -> Secret:
        url = f"{self._http.base(host)}/oauth2/exchange"
        answer = self._http.request(
            "POST",
            url,
            origin=url,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=urlencode({"grant_type": "access_token", "service": host, "access_token": token.reveal()}).encode(),
            limit=_ANSWER_LIMIT,
        )
        return Secret(decode(answer.body, _Exchanged, where="the answer").refresh_token)
