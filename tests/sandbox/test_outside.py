"""How programs in a tree are told of proxies, and of whom they believe."""

from pathlib import Path

import pytest

from cogpack.disk import DiskError
from cogpack.sandbox.outside import outside, proxy_secrets
from cogpack.sandbox.standins import File, debian
from cogpack.session import Session, Settings

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nb3Vycw==\n-----END CERTIFICATE-----\n"


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
    key = "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"
    file.write_text(f"{key}# ours\n{CERTIFICATE}{key}{CERTIFICATE.replace('CERT', 'TRUSTED CERT')}")
    given = outside({}, file)
    seen = {f"/{one.path}": one.content.decode() for one in given.standins if isinstance(one, File)}
    assert given.authorities is not None
    assert seen[given.authorities] == CERTIFICATE + CERTIFICATE.replace("CERT", "TRUSTED CERT"), "and no key"
    assert seen[given.variables["SYSTEM_WGETRC"]] == f"ca_certificate = {given.authorities}\n"
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"):
        assert given.variables[name] == given.authorities
    settings = [one.content for one in debian(given.authorities) if isinstance(one, File)]
    assert any(f'CaInfo "{given.authorities}"'.encode() in text for text in settings)


@pytest.mark.parametrize(
    "secret", ["http://me:word@p:1", "socks5h://me:pw@p", "http://:s3cretToken@p", "me:a/b@p:1", "https://token@p"]
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "all_proxy"])
def test_a_login_of_a_proxy_is_told_only_where_it_may_be(name: str, secret: str) -> None:
    given = {name: secret, "http_proxy": "http://plain:1", "NO_PROXY": "a.example"}
    assert outside(given, None).variables[name] == secret
    told = outside(given, None, logins=False).variables
    assert set(told) == {"http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"}
    assert told["HTTP_PROXY"] == "http://plain:1"
    assert outside({name: secret, "NO_PROXY": "a.example"}, None, logins=False).variables == {}


def test_what_cog_names_goes_over_the_images_own_authorities(tmp_path: Path) -> None:
    file = tmp_path / "all.pem"
    file.write_text(CERTIFICATE)
    image = {"SSL_CERT_FILE": "/etc/ssl/cert.pem", "https_proxy": "http://own"}
    machine = {"https_proxy": "http://proxy"}
    assert outside(machine, file).around(image).items() >= image.items()
    over = outside(machine | {"COG_CA_CERT": str(file)}, file)
    assert over.around(image)["SSL_CERT_FILE"] == over.authorities
    assert over.around(image)["https_proxy"] == "http://own"


def test_authorities_that_can_not_be_written_down_are_told_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authorities").mkdir()
    (tmp_path / "authorities/a.pem").write_text(CERTIFICATE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    settings = Settings(environment={"SSL_CERT_DIR": str(tmp_path / "authorities")}, cache=tmp_path / "cache")
    with Session(settings) as session, pytest.raises(DiskError, match=r"gone: can.t write: No such") as told:
        _ = session.authorities
    assert "TMPDIR" in told.value.next_step


@pytest.mark.parametrize(
    ("proxy", "secrets"),
    [
        ("http://me:s3cret%21!@p.example:3128/", [b"s3cret!!", b"me:s3cret%21!@p.example"]),
        ("http://me:word@p.example", [b"me:word@p.example"]),
        ("me:123456@p", [b"me:123456@p"]),
        ("socks5://:s3:cr/t@p", [b"s3:cr/t", b":s3:cr/t@p"]),
        ("http://token@p", [b"token@p"]),
        ("http://@p", []),
        ("http://p:3128", []),
    ],
)
def test_secrets_of_proxies_are_known_by_their_variable(proxy: str, secrets: list[bytes]) -> None:
    """A password that is a word or a number may be in any file, and is looked for with its user and host."""
    found = proxy_secrets({"http_proxy": proxy, "HTTPS_PROXY": proxy})
    assert list(found.values()) == secrets
    assert all(name.endswith(" of the proxy in HTTP_PROXY") for name in found)
