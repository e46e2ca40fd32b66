"""Registry tokens from the clouds' own SDKs, for machines that have an identity and no credential helper.

Asked last and for their own registries only. The SDKs are extras of cogpack and imported when such a registry is met.
"""

from cogpack.http import Http
from cogpack.registry.credentials.clouds.aws import Aws
from cogpack.registry.credentials.clouds.azure import Azure
from cogpack.registry.credentials.clouds.gcp import Gcp
from cogpack.registry.credentials.findings import CredentialSource


def clouds(http: Http) -> list[CredentialSource]:
    return [Aws(), Gcp(), Azure(http)]
