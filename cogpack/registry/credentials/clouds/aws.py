"""Amazon ECR: tokens and repositories, by whatever identity botocore finds (variables, profile, role, metadata)."""

import base64
import re
from typing import Any

import msgspec

from cogpack.errors import DeniedError, InputError
from cogpack.patterns import pattern
from cogpack.registry.credentials.clouds.extra import monotonic, not_installed
from cogpack.registry.credentials.findings import Finding
from cogpack.registry.credentials.login import Login, Secret

_PRIVATE = pattern(
    r"[0-9]{12}\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.aws"
    r"|on\.amazonwebservices\.com\.cn)"
)
_PUBLIC = ("public.ecr.aws", "ecr-public.aws.com")
_PUBLIC_REGION = "us-east-1"


def create_repository(host: str, repository: str) -> bool:
    """Make sure that a repository of ECR is there; whether it had to be made. Elsewhere an `InputError`."""
    private = _PRIVATE.fullmatch(host)
    if private is None and host not in _PUBLIC:
        raise InputError(
            f"--create-repository: {host} is no registry of Amazon",
            next_step="leave the option out: other registries make repositories by themselves, or in their own tools",
        )
    try:
        failures = _failures()
    except ImportError:
        raise InputError("--create-repository: needs botocore", next_step="pip install 'cogpack[aws]'") from None
    try:
        _client(private).create_repository(repositoryName=repository)
    except failures as error:
        code = _code(error)
        if code == "RepositoryAlreadyExistsException":
            return False
        raise DeniedError(
            f"{host}: did not make the repository {repository} ({code})",
            next_step="give AWS credentials that may call CreateRepository, or make it yourself",
        ) from None
    return True


def _client(private: re.Match[str] | None) -> Any:
    from botocore.config import Config
    from botocore.session import get_session

    patience = {"connect_timeout": 10, "read_timeout": 30}
    if private is None:
        return get_session().create_client("ecr-public", region_name=_PUBLIC_REGION, config=Config(**patience))
    config = Config(**patience, use_fips_endpoint=True if private["fips"] else None)
    return get_session().create_client("ecr", region_name=private["region"], config=config)


def _failures() -> tuple[type[Exception], ...]:
    """What asking ends with: files of tokens and containers' answers fail by errors that are not botocore's own."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError, OSError, ValueError, KeyError


def _code(error: Exception) -> str:
    """What went wrong, in a word: the text may quote what was sent."""
    response: Any = getattr(error, "response", None)
    return response["Error"]["Code"] if response else type(error).__name__


class Aws(msgspec.Struct, frozen=True):
    @property
    def name(self) -> str:
        return "AWS (botocore)"

    def find(self, host: str, repository: str) -> Finding:  # noqa: ARG002
        private = _PRIVATE.fullmatch(host)
        if private is None and host not in _PUBLIC:
            return Finding("not a registry of AWS")
        try:
            failures = _failures()
        except ImportError:
            return not_installed("aws")
        try:
            answer: Any = _client(private).get_authorization_token()["authorizationData"]
        except failures as error:
            service = "ecr" if private else "ecr-public"
            return Finding(
                f"gave no token ({_code(error)})",
                broken=True,
                advice=f"give AWS credentials that may call {service}:GetAuthorizationToken",
            )
        given = answer[0] if private else answer
        user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
        ends = monotonic(given["expiresAt"])
        return Finding("a token", Login(user, Secret(password), source=self.name, cloud=True, ends=ends))
