"""Google's registries: an access token of Application Default Credentials (file, workload identity, metadata)."""

from datetime import UTC
from typing import Any

import msgspec

from cogpack.patterns import pattern
from cogpack.registry.credentials.clouds.extra import monotonic, not_installed, silence
from cogpack.registry.credentials.findings import Finding
from cogpack.registry.credentials.login import Login, Secret

_REGISTRIES = pattern(r"(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev")
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_USER = "oauth2accesstoken"


class Gcp(msgspec.Struct, frozen=True):
    @property
    def name(self) -> str:
        return "Google Cloud (google-auth)"

    def find(self, host: str, repository: str) -> Finding:  # noqa: ARG002
        if not _REGISTRIES.fullmatch(host):
            return Finding("not a registry of Google Cloud")
        try:
            import google.auth.credentials
            from google.auth.exceptions import GoogleAuthError
            from google.auth.transport.requests import Request
        except ImportError:
            return not_installed("gcp")
        silence("google.auth")
        try:
            scoped: Any = google.auth.credentials.with_scopes_if_required
            credentials = scoped(google.auth.default()[0], [_SCOPE])  # with scopes, `default` also looks for a project
            credentials.refresh(Request())
        except (GoogleAuthError, OSError, ValueError) as error:
            return Finding(
                f"gave no token ({type(error).__name__})",
                broken=True,
                advice="give Application Default Credentials",
            )
        ends = monotonic(credentials.expiry.replace(tzinfo=UTC)) if credentials.expiry else float("inf")
        login = Login(_USER, Secret(credentials.token), source=self.name, cloud=True, ends=ends)
        return Finding("a token", login)
