"""The clouds tell here who this machine is: only this module imports their libraries, which find and renew credentials.

What they find signs headers of single requests, never addresses, so that nothing that is logged can hold it.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cogpack.errors import DeniedError, InputError

_AWS = ("AWS", "correct the profile, or log in: aws sso login")
_GOOGLE = ("Google", "log in: gcloud auth application-default login")
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"


class AwsIdentity:
    """Signs as whom botocore finds us to be: environment, profile, SSO, web identity, container or instance metadata;
    or nobody.

    `region`: what is configured; `endpoint`: of S3, where the profile names one.
    """

    def __init__(self) -> None:
        try:
            import botocore.auth
            import botocore.awsrequest
            import botocore.session
        except ImportError:
            raise InputError("s3:// needs botocore", next_step="pip install 'cogpack[aws]'") from None
        self._auth: Any = botocore.auth
        self._request: Any = botocore.awsrequest
        with _asking(*_AWS):
            session: Any = botocore.session.Session()
            self._credentials: Any = session.get_credentials()
            self.region: str | None = session.get_config_variable("region")
            self.endpoint: str | None = session.get_scoped_config().get("endpoint_url")

    @property
    def anonymous(self) -> bool:
        return self._credentials is None

    def signed(self, method: str, url: str, headers: Mapping[str, str], *, region: str) -> dict[str, str]:
        """Add to `headers` what Signature Version 4 wants, good for a quarter of an hour; nothing as nobody."""
        if self._credentials is None:
            return dict(headers)
        with _asking(*_AWS):
            credentials = self._credentials.get_frozen_credentials()
            request = self._request.AWSRequest(method=method, url=url, headers=dict(headers))
            self._auth.S3SigV4Auth(credentials, "s3", region).add_auth(request)
        return dict(request.headers.items())


class GoogleIdentity:
    """Signs as whom google-auth finds us to be: Application Default Credentials, workload identity, metadata; or
    nobody."""

    def __init__(self) -> None:
        try:
            import google.auth.credentials
            import google.auth.exceptions
            import google.auth.transport.requests
        except ImportError:
            raise InputError("gs:// needs google-auth", next_step="pip install 'cogpack[gcp]'") from None
        self._request: Any = google.auth.transport.requests.Request()
        self._lock = threading.Lock()
        self._credentials: Any = None
        with _asking(*_GOOGLE):
            try:
                found, _ = google.auth.default(request=self._request)  # with scopes, it would also look for a project
                scoped: Any = google.auth.credentials.with_scopes_if_required
                self._credentials = scoped(found, [_SCOPE])
            except google.auth.exceptions.DefaultCredentialsError:
                if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
                    raise

    @property
    def anonymous(self) -> bool:
        return self._credentials is None

    def signed(self, method: str, url: str, headers: Mapping[str, str]) -> dict[str, str]:
        """Add the access token to `headers`, renewed where it has to be; nothing where we are nobody."""
        sent = dict(headers)
        if self._credentials is not None:
            with _asking(*_GOOGLE), self._lock:
                self._credentials.before_request(self._request, method, url, sent)
        return sent


@contextmanager
def _asking(cloud: str, next_step: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # files, programs and servers of any kind are asked, with errors of as many
        raise DeniedError(f"{cloud} credentials: {_line(error)}", next_step=next_step) from error


def _line(error: Exception) -> str:
    """Shorten to the first line, printable: these libraries quote what servers said."""
    text = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: " + "".join(c if c.isprintable() else " " for c in text)[:300]
