"""Bytes that are checked as they pass by."""

import pytest

from cogpack.digest import Hasher, verified


@pytest.mark.parametrize("blocks", [[b"ab"], [b"ab", b""], [b"", b"ab", b"", b""], [b""], []])
def test_the_last_bytes_come_only_after_the_check(blocks: list[bytes]) -> None:
    def refuse(hasher: Hasher) -> None:
        assert hasher.size == len(b"".join(blocks))
        raise ValueError("refused")

    passed = verified(blocks, refuse)
    with pytest.raises(ValueError, match="refused"):
        next(passed)


def test_all_bytes_come_where_the_check_is_content() -> None:
    assert b"".join(verified([b"a", b"", b"b"], lambda _: None)) == b"ab"
