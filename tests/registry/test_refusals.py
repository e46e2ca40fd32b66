"""What registries say with their errors, and what is made of it."""

import pytest

from cogpack.errors import CogpackError
from cogpack.registry.refusals import MissingBlobError, codes, reason, refusal


def refused(body: bytes) -> CogpackError:
    return refusal("PUT", "https://h.io/v2/a/manifests/v1", 400, body, repository="h.io/a", doing="push to", headers={})


@pytest.mark.parametrize("member", ['"message":null', '"message":7', '"message":{"a":[]}', '"detail":null', '"x":1'])
def test_a_code_is_seen_whatever_stands_beside_it(member: str) -> None:
    body = f'{{"errors":[null,"junk",{{"code":["X"]}},{{"code":"MANIFEST_BLOB_UNKNOWN",{member}}}]}}'.encode()
    assert codes(body) == [("", ""), ("MANIFEST_BLOB_UNKNOWN", "")]
    assert reason(400, body) == "MANIFEST_BLOB_UNKNOWN"
    assert isinstance(refused(body), MissingBlobError)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"null", b"7", b"[]", b"{}", b'{"errors":null}', b'{"errors":{"code":"X"}}', b'{"errors":[{}]}',
     b"\xff", b"[" * 65536, b'{"errors":[{"code":"\\ud800"}]}'],
)  # fmt: skip
def test_what_says_nothing_is_told_as_its_status(body: bytes) -> None:
    assert reason(400, body) == "HTTP 400"
    assert "HTTP 400" in refused(body).message


def test_words_are_cut_and_can_not_drive_a_terminal() -> None:
    body = b'{"errors":[{"code":"A\\u001b[2J","message":"' + b"x" * 1000 + b'"},{"message":"alone\\n"}]}'
    assert reason(400, body) == f"A [2J: {'x' * 300}; alone "
