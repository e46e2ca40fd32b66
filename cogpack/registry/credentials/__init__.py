"""Who we are to a registry: the environment, Docker's and podman's files, their helpers, a CI's variables, the clouds.

Secrets have no readable representation, and what is looked up is looked up when a registry asks for it.
"""

from cogpack.registry.credentials.account import Account
from cogpack.registry.credentials.findings import Explained, Finding, Given
from cogpack.registry.credentials.login import Kind, Login, Secret
from cogpack.registry.credentials.sources import Credentials
