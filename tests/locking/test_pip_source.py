"""What a wheel requires is read beside it, as the index says that it is there."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from packaging.version import Version
from support.fake_http import Fake, serving

from cogpack.errors import MismatchError
from cogpack.locking.lines.pip.source import PipSource
from cogpack.resolve.pip import Offer, Package, Taste
from cogpack.session import Session, Settings

METADATA = b"Metadata-Version: 2.1\nName: a\nVersion: 1.0\nRequires-Dist: b\n"


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving(lambda _: (200, {}, METADATA)) as found:
        yield found


def read(session: Session, fake: Fake, *hashes: tuple[str, str]) -> list[str]:
    indexes = Mock(authorised=lambda url: url)
    source = PipSource(
        session, {}, Mock(), indexes, {}, {"python_full_version": "3.13.5"}, Taste(), Mock(), Mock(), Mock(), Mock()
    )
    offer = Offer(filename="a-1.0-py3-none-any.whl", url=f"{fake.url}/a-1.0-py3-none-any.whl", metadata=hashes)
    return [str(one) for one in source.metadata(Package("a", Version("1.0"), offer)).requires]


def test_metadata_beside_a_wheel_is_held_to_the_hash_that_the_index_says(fake: Fake, tmp_path: Path) -> None:
    right = ("sha256", hashlib.sha256(METADATA).hexdigest())
    with Session(Settings(environment={}, cache=tmp_path)) as session:
        assert read(session, fake) == read(session, fake, right, ("md4", "of no use")) == ["b"]
        for wrong in (("sha256", "ab" * 32), ("sha512", right[1])):
            with pytest.raises(MismatchError, match=rf"metadata: its page says {wrong[0]}:{wrong[1]}"):
                read(session, fake, right, wrong)
