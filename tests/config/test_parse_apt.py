"""Archives beside Debian's are named by the words of sources.list(5), and every mistake has its line."""

import pytest

from cogpack.config import AptArchive
from cogpack.config.parse import parse_config
from cogpack.errors import InputError

FINGERPRINT = "9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"
CLASSIC = "uri: https://h/debian/, suites: [trixie], components: [stable], key: keys/h.asc"


def archives(*items: str) -> tuple[AptArchive, ...]:
    listed = "".join(f"    - {{{item}}}\n" for item in items)
    return parse_config(f"cogpack:\n  apt:\n{listed}".encode()).pack.apt


def test_an_archive_has_suites_and_components_or_is_flat() -> None:
    (classic,) = archives(CLASSIC)
    assert classic == AptArchive(uri="https://h/debian", suites=("trixie",), components=("stable",), key="keys/h.asc")
    assert classic.key_file == "keys/h.asc"
    flat, root = archives(
        "uri: 'https://h/x86_64', suites: ['./'], key: k.asc", "uri: 'https://h/r', suites: ['/'], key: k.asc"
    )
    assert (flat.suites, root.suites, flat.components) == (("./",), ("/",), ())


def test_a_key_may_be_an_address_with_its_fingerprint() -> None:
    uri = "uri: 'https://h', suites: ['./'], key: 'https://h/gpg'"
    (found,) = archives(f"{uri}, fingerprint: {FINGERPRINT}")
    assert found.fingerprint == "9dc858229fc7dd38854ae2d88d81803c0ebfcd88"
    assert found.key_file is None
    with pytest.raises(InputError) as caught:
        archives(uri)
    assert caught.value.message == (
        "cog.yaml:3:47: cogpack.apt[0].key: is an address, and no fingerprint stands beside it that its key must have"
    )
    assert "`curl -fsSL https://h/gpg | gpg --show-keys`" in caught.value.next_step


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("suites: [a], components: [main], key: k", "cog.yaml:3:7: cogpack.apt[0]: has no uri"),
        ("uri: 'http://h', components: [main], key: k", "has no suites"),
        ("uri: 'http://h', suites: ['./']", "has no key"),
        ("uri: 'http://h', suites: [a], key: k", "has no components"),
        ("uri: 'http://h', suites: [], key: k", "cogpack.apt[0].suites: expected a suite"),
        ("uri: 'http://h', suites: ['../a/'], key: k", "cogpack.apt[0].suites[0]: expected a suite"),
        ("uri: 'http://h', suites: ['a/../b/'], key: k", "expected a suite"),
        ("uri: 'http://h', suites: ['a b'], key: k", "expected a suite"),
        ("uri: 'http://h', suites: ['bookworm-updates-of-that-one-and-others!'], key: k", "expected a suite"),
        ("uri: 'http://h', suites: ['./'], components: [main], key: k", "stands beside a suite with a slash"),
        ("uri: 'http://h', suites: [a], components: ['-'], key: k", "components[0]: expected a component"),
        ("uri: 'ftp://h', suites: ['./'], key: k", "cogpack.apt[0].uri: expected the http or https address"),
        ("uri: 'http://[::1', suites: ['./'], key: k", "cogpack.apt[0].uri: expected the http or https address"),
        ("uri: 'http://h:99999', suites: ['./'], key: k", "cogpack.apt[0].uri: expected the http or https address"),
        ("uri: 'http://me:pass@h', suites: ['./'], key: k", "without a password"),
        ("uri: 'http://h', suites: ['./'], key: k, fingerprint: 0EBFCD88", "expected the fingerprint"),
        ("uri: 'http://h', suites: ['./'], key: k, signed: x", "cogpack.apt[0].signed: unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_place(item: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        archives(item)
    assert message in caught.value.message
    assert "pass" not in caught.value.message.replace("password", "")


def test_one_suite_of_an_archive_is_named_once() -> None:
    with pytest.raises(InputError, match=r"cog.yaml:4:7: cogpack.apt\[1\]: https://h/debian trixie stands on line 3"):
        archives(CLASSIC, CLASSIC)
