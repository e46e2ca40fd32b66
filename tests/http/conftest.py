from collections.abc import Iterator
from pathlib import Path

import pytest
from trustme import CA

from cogpack.http import Http


@pytest.fixture(scope="session")
def authority() -> CA:
    return CA()


@pytest.fixture
def environment(authority: CA, tmp_path: Path) -> dict[str, str]:
    """An environment in which `authority` is all the system trusts, and its home has no settings."""
    file = tmp_path / "system.pem"
    authority.cert_pem.write_to_path(str(file))
    return {"SSL_CERT_FILE": str(file), "HOME": str(tmp_path / "home")}


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found
