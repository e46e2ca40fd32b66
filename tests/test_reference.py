import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.errors import InputError
from cogpack.reference import Reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("ghcr.io/me/model:v1", "ghcr.io", "me/model", "v1", None),
        ("localhost/x", "localhost", "x", None, None),
        ("h.io:65535/x:v1", "h.io:65535", "x", "v1", None),
        ("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", None, None),
        ("[::1]:5000/a", "[::1]:5000", "a", None, None),
        ("python:3.12-slim", "docker.io", "library/python", "3.12-slim", None),
        ("me/model", "docker.io", "me/model", None, None),
        ("docker.io/python", "docker.io", "library/python", None, None),
        ("index.docker.io/me/model", "docker.io", "me/model", None, None),
        ("registry-1.docker.io/me/model", "docker.io", "me/model", None, None),
        ("Docker.io/me/model", "docker.io", "me/model", None, None),
        ("LocalHost:5000/a", "localhost:5000", "a", None, None),
        (f"h.io/a:t@{DIGEST}", "h.io", "a", "t", DIGEST),
    ],
)
def test_a_reference_is_its_parts(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assert Reference.parse(text) == Reference(registry, repository, tag, digest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        *("", "h.io/", "h.io/UPPER", "h.io/a:", "h.io/a:-x", "h.io/a@sha256:1", "h.io/a b", "h.io//a", "h.io/../a"),
        *("h.io:0/a", "h.io:65536/a", "h.io:99999/a", "h.io:05000/a"),
        *("a:b:c", "h.io/a:" + 129 * "t", "h.io/" + 256 * "a", "http://h.io/a", "h.io/a?x"),
    ],
)
def test_what_is_no_reference_is_named(text: str) -> None:
    with pytest.raises(InputError, match="argument"):
        Reference.parse(text, where="argument")


def test_a_name_that_only_has_capitals_is_given_without() -> None:
    with pytest.raises(InputError) as told:
        Reference.parse("ghcr.io/MyOrg/Model:v1")
    assert told.value.next_step == "write ghcr.io/myorg/model"


@given(st.text(alphabet="abZ09./:@-_ \n", max_size=60))
def test_what_parses_reads_back_the_same(text: str) -> None:
    try:
        found = Reference.parse(text)
    except InputError:
        return
    assert Reference.parse(str(found)) == found
