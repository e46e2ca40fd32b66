"""How programs in a tree are told of proxies, and of whom they believe."""

from pathlib import Path

import pytest

from cogpack.sandbox.outside import outside
from cogpack.sandbox.standins import File, debian


def test_a_proxy_is_told_in_both_cases_and_loopback_goes_through_none() -> None:
    """wget and apt read lower case alone."""
    given = outside({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "a.example, ::1", "OTHER": "x"}, None)
    past = "a.example,::1,localhost,127.0.0.1"
    assert given.variables == {
        **dict.fromkeys(("https_proxy", "HTTPS_PROXY"), "http://proxy:3128"),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), past),
    }
    assert given.standins == ()


def test_the_lower_case_goes_first() -> None:
    given = outside({"http_proxy": "http://one", "HTTP_PROXY": "http://two", "no_proxy": "*"}, None).variables
    assert (given["HTTP_PROXY"], given["no_proxy"]) == ("http://one", "*")


@pytest.mark.parametrize("environment", [{}, {"NO_PROXY": "a.example"}, {"HTTP_PROXY": " "}])
def test_nothing_is_told_where_there_is_no_proxy(environment: dict[str, str]) -> None:
    assert outside(environment, None).variables == {}


def test_authorities_are_told_to_each_program_in_its_way(tmp_path: Path) -> None:
    file = tmp_path / "all.pem"
    file.write_text("certificates")
    given = outside({}, file)
    seen = {f"/{one.path}": one.content.decode() for one in given.standins if isinstance(one, File)}
    assert given.authorities is not None
    assert seen[given.authorities] == "certificates"
    assert seen[given.variables["SYSTEM_WGETRC"]] == f"ca_certificate = {given.authorities}\n"
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"):
        assert given.variables[name] == given.authorities
    settings = [one.content for one in debian(given.authorities) if isinstance(one, File)]
    assert any(f'CaInfo "{given.authorities}"'.encode() in text for text in settings)
