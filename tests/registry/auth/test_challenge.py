import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.registry.auth.challenge import Challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic realm=x", [Challenge("basic", {"realm": "x"})]),
        ('BASIC realm="Sonatype Nexus"', [Challenge("basic", {"realm": "Sonatype Nexus"})]),
        ('Bearer realm="https://a/t",scope="x:y:pull,push"', [
            Challenge("bearer", {"realm": "https://a/t", "scope": "x:y:pull,push"})
        ]),
        ('Bearer scope="repository:a:pull,push repository:b:pull", Realm=https://a/t', [
            Challenge("bearer", {"scope": "repository:a:pull,push repository:b:pull", "realm": "https://a/t"})
        ]),
        ('Basic realm="a, Bearer b", Bearer realm="https://a"', [
            Challenge("basic", {"realm": "a, Bearer b"}), Challenge("bearer", {"realm": "https://a"})
        ]),
        ('Bearer realm = "a\\"b"', [Challenge("bearer", {"realm": 'a"b'})]),
        ('Bearer realm="", service=x', [Challenge("bearer", {"realm": "", "service": "x"})]),
        ('Bearer realm="first", realm="second"', [Challenge("bearer", {"realm": "first"})]),
        ("Bearer error=insufficient_scope", [Challenge("bearer", {"error": "insufficient_scope"})]),
        ("Negotiate, Basic", [Challenge("negotiate", {}), Challenge("basic", {})]),
        ("Basic", [Challenge("basic", {})]),
        ("realm=alone", []),
        ("", []),
    ],
)  # fmt: skip
def test_challenges_in_all_their_shapes(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges(header) == expected


@given(st.text(max_size=300))
def test_no_header_breaks_the_parser(header: str) -> None:
    parse_challenges(header)


def test_a_header_of_100_kib_is_read_like_any_other() -> None:
    realm, scope = "https://a/" + "b" * 50_000, " ".join(f"repository:r{number}:pull" for number in range(2500))
    assert parse_challenges(f'Bearer realm="{realm}",scope="{scope}"') == [
        Challenge("bearer", {"realm": realm, "scope": scope})
    ]
    assert len(parse_challenges("a b=c " * 20_000)) == 20_000
    assert parse_challenges('Bearer realm="' + '\\"' * 50_000)[0].scheme == "bearer"
