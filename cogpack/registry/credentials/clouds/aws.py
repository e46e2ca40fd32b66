"""Amazon ECR: `GetAuthorizationToken`, by whatever identity botocore finds (variables, profile, role, metadata)."""

import base64
import re
from typing import Any

import msgspec

from cogpack.registry.credentials.clouds.extra import monotonic, not_installed
from cogpack.registry.credentials.findings import Finding
from cogpack.registry.credentials.login import Login, Secret

_PRIVATE = re.compile(
    r"[0-9]{12}\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.aws"
    r"|on\.amazonwebservices\.com\.cn)"
)
_PUBLIC = ("public.ecr.aws", "ecr-public.aws.com")
_PUBLIC_REGION = "us-east-1"


class Aws(msgspec.Struct, frozen=True):
    @property
    def name(self) -> str:
        return "AWS (botocore)"

    def find(self, host: str, repository: str) -> Finding:  # noqa: ARG002
        private = _PRIVATE.fullmatch(host)
        if private is None and host not in _PUBLIC:
            return Finding("not a registry of AWS")
        try:
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.session import get_session
        except ImportError:
            return not_installed("aws")
        patience = {"connect_timeout": 10, "read_timeout": 30}
        try:
            if private:
                config = Config(**patience, use_fips_endpoint=True if private["fips"] else None)
                client = get_session().create_client("ecr", region_name=private["region"], config=config)
                given: dict[str, Any] = client.get_authorization_token()["authorizationData"][0]
            else:
                client = get_session().create_client(
                    "ecr-public", region_name=_PUBLIC_REGION, config=Config(**patience)
                )
                given = client.get_authorization_token()["authorizationData"]
        except (BotoCoreError, ClientError) as error:
            # Its text may quote what was sent; the code is enough.
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            service = "ecr" if private else "ecr-public"
            return Finding(
                f"gave no token ({code})",
                broken=True,
                advice=f"give AWS credentials that may call {service}:GetAuthorizationToken",
            )
        user, _, password = base64.b64decode(given["authorizationToken"]).decode().partition(":")
        ends = monotonic(given["expiresAt"])
        return Finding("a token", Login(user, Secret(password), source=self.name, cloud=True, ends=ends))
