"""TLS: whose certificates count, for whom, and that a bad one is final."""

import base64
import datetime as dt
import socket
import ssl
import threading
from pathlib import Path

import pytest
from support.fake_http import serving
from support.sockets import Place, answer, server_tls, talking
from trustme import CA

from cogpack.errors import InputError, UnavailableError
from cogpack.http import Http, Limits, Trust
from cogpack.http.authorities import Authorities, certificates, directories, system_bundle
from cogpack.http.cog_authorities import merged
from cogpack.session import Session, Settings


def ok(connection: socket.socket, _: str) -> None:
    answer(connection, body=b"ok")


def ask(place: Place, environment: dict[str, str], host: str = "localhost") -> bytes:
    with Http(environment=environment, resolver=lambda name, port: ["127.0.0.1"]) as http:
        url = place.url(host)
        return http.request("GET", url, origin=url).body


def certs_d(environment: dict[str, str], authority: str) -> Path:
    directory = Path(environment["HOME"]) / ".config/containers/certs.d" / authority
    directory.mkdir(parents=True)
    return directory


def test_what_ssl_cert_file_names_is_believed(authority: CA, environment: dict[str, str]) -> None:
    with talking(ok, server_tls(authority, "localhost")) as place:
        assert ask(place, environment) == b"ok"


def test_a_request_without_tls_changes_nothing_in_whom_the_next_one_believes(
    authority: CA, environment: dict[str, str]
) -> None:
    """As a lock asks a mirror of Debian packages, and then a company's package index."""
    with talking(ok) as plain, talking(ok, server_tls(authority, "localhost")) as place:
        with Http(environment=environment, resolver=lambda name, port: ["127.0.0.1"]) as http:
            for one in (plain, place):
                url = one.url("localhost")
                with http.follow(url, origin=url) as stream:
                    assert b"".join(stream.blocks()) == b"ok"


def test_every_file_of_ssl_cert_dir_is_believed(authority: CA, environment: dict[str, str], tmp_path: Path) -> None:
    directory = tmp_path / "authorities"
    directory.mkdir()
    CA().cert_pem.write_to_path(str(directory / "another.crt"))
    authority.cert_pem.write_to_path(str(directory / "ours.pem"))
    (directory / "README").write_text("no certificate")
    del environment["SSL_CERT_FILE"]
    environment["SSL_CERT_DIR"] = f"{tmp_path}:{directory}"
    with talking(ok, server_tls(authority, "localhost")) as place:
        assert ask(place, environment) == b"ok"


def test_the_system_is_believed_where_nothing_else_is_named() -> None:
    context = Authorities({}).context("h.example")[1]
    assert context.cert_store_stats()["x509_ca"] > 50
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_python_that_finds_no_authorities_of_the_system_brings_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.http.authorities.system_bundle", lambda: None)
    assert Authorities({}).context("h.example")[1].cert_store_stats()["x509_ca"] > 50


@pytest.mark.parametrize("names", [("other.example",), ()])
def test_a_wrong_name_or_a_strange_authority_is_final_and_never_a_downgrade(
    names: tuple[str, ...], authority: CA, environment: dict[str, str]
) -> None:
    tls = server_tls(authority, *names) if names else server_tls(CA(), "localhost")
    accepted: list[str] = []
    with talking(lambda connection, head: accepted.append(head), tls) as place:
        with pytest.raises(InputError, match="certificate") as failed:
            ask(place, environment)
        assert place.heads == accepted == []
        assert place.connections == 1
    assert "SSL_CERT_FILE" in failed.value.next_step
    assert f"certs.d/localhost:{place.port}/ca.crt" in failed.value.next_step


def test_a_certificate_that_has_ended_is_final(authority: CA, environment: dict[str, str]) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    authority.issue_cert("localhost", not_before=long_ago, not_after=long_ago).configure_cert(tls)
    with talking(ok, tls) as place:
        with pytest.raises(InputError, match="expired"):
            ask(place, environment)
        assert place.connections == 1


def test_a_server_without_tls_is_unavailable_at_an_https_address(environment: dict[str, str]) -> None:
    with serving(lambda _: (200, {}, b"")) as fake:
        with pytest.raises(UnavailableError):
            ask(Place(int(fake.address.rpartition(":")[2]), "https"), environment)
        assert fake.seen == []


def test_an_authority_in_certs_d_counts_for_its_host_and_port_only(environment: dict[str, str]) -> None:
    own = CA()
    with talking(ok, server_tls(own, "localhost", "other.localhost")) as place:
        own.cert_pem.write_to_path(str(certs_d(environment, f"localhost:{place.port}") / "ca.crt"))
        assert ask(place, environment) == b"ok"
        with pytest.raises(InputError, match="certificate"):
            ask(place, environment, "other.localhost")


def test_a_host_with_an_authority_of_its_own_still_believes_the_system(
    authority: CA, environment: dict[str, str]
) -> None:
    with talking(ok, server_tls(authority, "localhost")) as place:
        CA().cert_pem.write_to_path(str(certs_d(environment, f"localhost:{place.port}") / "ca.crt"))
        assert ask(place, environment) == b"ok"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_certificate_is_shown_to_its_host_only(
    version: ssl.TLSVersion, authority: CA, environment: dict[str, str]
) -> None:
    shown: list[object] = []

    def script(connection: socket.socket, _: str) -> None:
        assert isinstance(connection, ssl.SSLSocket)
        shown.append(connection.getpeercert())
        answer(connection, body=b"ok")

    tls = server_tls(authority, "localhost", "other.localhost")
    authority.configure_trust(tls)
    tls.maximum_version = version
    tls.verify_mode = ssl.CERT_OPTIONAL
    mine = authority.issue_cert("me.example")
    with talking(script, tls) as place:
        directory = certs_d(environment, f"localhost:{place.port}")
        mine.cert_chain_pems[0].write_to_path(str(directory / "client.cert"))
        mine.private_key_pem.write_to_path(str(directory / "client.key"))
        with Http(environment=environment, resolver=lambda name, port: ["127.0.0.1"]) as http:
            for host in ("localhost", "other.localhost", "localhost"):
                url = place.url(host)
                assert http.request("GET", url, origin=url).body == b"ok"
    assert [bool(certificate) for certificate in shown] == [True, False, True]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate_is_asked_once(
    version: ssl.TLSVersion, authority: CA, environment: dict[str, str]
) -> None:
    tls = server_tls(authority, "localhost")
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.maximum_version = version
    with talking(ok, tls) as place:
        with pytest.raises(InputError) as failed:
            ask(place, environment)
        assert place.connections == 1
    assert "client certificate" in failed.value.next_step
    if version is ssl.TLSVersion.TLSv1_2:  # which has no alert of that name
        assert "handshake failure, as where a client certificate is missing" in failed.value.message


def test_half_a_client_certificate_is_named(authority: CA, environment: dict[str, str]) -> None:
    with talking(ok, server_tls(authority, "localhost")) as place:
        directory = certs_d(environment, f"localhost:{place.port}")
        authority.issue_cert("me.example").cert_chain_pems[0].write_to_path(str(directory / "client.cert"))
        with pytest.raises(InputError, match=r"client\.cert.*client\.key"):
            ask(place, environment)


def test_a_link_that_leads_nowhere_does_not_hide_the_rest_of_its_directory(
    authority: CA, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    authority.cert_pem.write_to_path(str(tmp_path / "own/own.pem"))
    (tmp_path / "own/long.0").symlink_to("x" * 300)
    with talking(ok, server_tls(authority, "localhost")) as place:
        assert ask(place, {"HOME": environment["HOME"], "SSL_CERT_DIR": str(tmp_path / "own")}) == b"ok"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_authorities_that_are_not_there_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        Authorities({name: str(tmp_path / "nowhere")}).context("h.example")


def test_what_lies_in_directories_is_told_as_one_file_to_who_reads_files_alone(tmp_path: Path) -> None:
    def made(*names: str) -> bytes:
        return b"".join(b"-----BEGIN CERTIFICATE-----\n%b\n-----END CERTIFICATE-----\n" % one.encode() for one in names)

    key = b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"
    for directory, files in {
        "one": {"a.crt": made("a"), "all.pem": made("a", "b") + key},
        "two": {"c.0": made("c")},
    }.items():
        (tmp_path / directory).mkdir()
        for name, text in files.items():
            (tmp_path / directory / name).write_bytes(text)
    (tmp_path / "one/0ab.0").symlink_to("a.crt")
    (tmp_path / "one/gone.0").symlink_to("nowhere")
    (tmp_path / "one/long.0").symlink_to("x" * 300)
    (tmp_path / "own.pem").write_bytes(made("own"))
    directories = f"{tmp_path}/one::{tmp_path}/two:{tmp_path}/nowhere"
    assert certificates(merged({"SSL_CERT_DIR": directories})["SSL_CERT_FILE"]) == made("a", "b", "c")
    named = {
        "SSL_CERT_DIR": directories,
        "SSL_CERT_FILE": f"{tmp_path}/own.pem",
        "GIT_SSL_CAINFO": f"{tmp_path}/own.pem",
    }
    assert {name: certificates(text) for name, text in merged(named).items()} == {
        "SSL_CERT_FILE": made("own", "a", "b", "c")
    }
    found = merged(named | {"COG_CA_CERT": made("company").decode()})
    assert certificates(found["SSL_CERT_FILE"]) == made("own", "a", "b", "c", "company")
    assert certificates(found["GIT_SSL_CAINFO"]) == made("own", "company")
    assert merged({"SSL_CERT_DIR": f"{tmp_path}/nowhere"}) == {}


@pytest.mark.parametrize("form", ["file", "directory", "text", "base64"])
def test_authorities_that_cog_is_told_of_count_beside_the_others(
    form: str, authority: CA, environment: dict[str, str], tmp_path: Path
) -> None:
    directory = tmp_path / "company"
    directory.mkdir()
    company = CA()
    company.cert_pem.write_to_path(str(directory / "company.crt"))
    key = "-----BEGIN RSA PRIVATE KEY-----\nsecret\n-----END RSA PRIVATE KEY-----\n"
    text = f"{key}{(directory / 'company.crt').read_text()}"
    (directory / "company.crt").write_text(text)
    forms = {"file": str(directory / "company.crt"), "directory": str(directory), "text": text}
    environment["COG_CA_CERT"] = forms.get(form) or base64.b64encode(text.encode()).decode()
    with Session(Settings(environment=environment)) as session:
        file = Path(session.environment["SSL_CERT_FILE"])
        assert "PRIVATE KEY" not in file.read_text(), "which mitmproxy has in the same file"
        for own in (authority, company):
            with talking(ok, server_tls(own, "localhost")) as place:
                assert ask(place, session.environment) == b"ok"
    assert not file.exists()


def test_git_believes_them_beside_authorities_of_its_own(
    authority: CA, environment: dict[str, str], tmp_path: Path
) -> None:
    company = CA()
    authority.cert_pem.write_to_path(str(tmp_path / "git.pem"))
    given = {"GIT_SSL_CAINFO": str(tmp_path / "git.pem"), "COG_CA_CERT": company.cert_pem.bytes().decode()}
    with Session(Settings(environment=environment | given)) as session:
        believed = Path(session.environment["GIT_SSL_CAINFO"]).read_bytes()
    assert authority.cert_pem.bytes().strip() in believed
    assert company.cert_pem.bytes().strip() in believed


@pytest.mark.parametrize("value", ["/nowhere/at/all", "x" * 5000, "-----BEGIN nothing", "%", "/"])
def test_a_value_that_is_no_authority_is_an_error_of_its_variable(value: str, environment: dict[str, str]) -> None:
    with pytest.raises(InputError, match="COG_CA_CERT"):
        Session(Settings(environment=environment | {"COG_CA_CERT": value}))


def test_the_bundle_of_this_system_is_found() -> None:
    found = system_bundle()
    assert found is not None
    assert found.stat().st_size > 10_000


def test_certificates_are_looked_for_where_docker_and_podman_look(monkeypatch: pytest.MonkeyPatch) -> None:
    places = ["/etc/containers/certs.d", "/etc/docker/certs.d"]
    assert list(map(str, directories({"HOME": "/home/me"}))) == ["/home/me/.config/containers/certs.d", *places]
    assert next(map(str, directories({"XDG_CONFIG_HOME": "/x", "HOME": "/home/me"}))) == "/x/containers/certs.d"
    assert list(map(str, directories({}))) == [f"{Path.home()}/.config/containers/certs.d", *places]
    monkeypatch.setattr("os.geteuid", lambda: 54321)  # nobody knows this user
    assert list(map(str, directories({}))) == places


def test_a_directory_that_is_not_ours_to_read_is_passed_over(
    authority: CA, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(self: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", closed)
    with talking(ok, server_tls(authority, "localhost")) as place:
        assert ask(place, environment) == b"ok"


def test_a_host_whose_name_no_directory_can_have_has_none(environment: dict[str, str]) -> None:
    certs_d(environment, "other.test")
    assert not Authorities(environment).has_own(".".join(["a" * 60] * 6))


@pytest.mark.slow
def test_a_server_that_says_nothing_to_our_hello_is_dropped(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://localhost:{silent.getsockname()[1]}/"
        limits = Limits(connect=0.2)
        with Http(environment=environment, limits=limits, resolver=lambda name, port: ["127.0.0.1"]) as http:
            with pytest.raises(UnavailableError, match="TLS"):
                http.request("GET", url, origin=url, tries="once")


def test_a_server_without_tls_is_told_with_the_option_that_allows_it(environment: dict[str, str]) -> None:
    def answer_in_plain() -> None:
        connection, _ = plain.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as plain:
        server = threading.Thread(target=answer_in_plain)
        server.start()
        place = f"localhost:{plain.getsockname()[1]}"
        url = f"https://{place}/"
        with Http(environment=environment, resolver=lambda name, port: ["127.0.0.1"]) as http:
            with pytest.raises(UnavailableError, match="it does not speak TLS") as failed:
                http.request("GET", url, origin=url, tries="once")
        server.join()
    assert failed.value.next_step.endswith(f"--insecure-registry {place}")


@pytest.mark.parametrize(
    ("host", "directory", "file", "insecure", "base"),
    [
        ("localhost:5000", "localhost:5000", "ca.crt", "", "https"),
        ("localhost:5000", "localhost:5000", "mine.cert", "", "https"),
        ("[::1]:5000", "[::1]:5000", "ca.crt", "", "https"),
        ("localhost:443", "localhost", "ca.crt", "", "https"),
        ("localhost:5000", "localhost:5000", "README", "", "http"),
        ("localhost:5000", "localhost:5001", "ca.crt", "", "http"),
        ("localhost:5000", "127.0.0.1:5000", "ca.crt", "", "http"),
        ("localhost:5000", "localhost:5000", "ca.crt", "localhost:5000", "http"),
        ("reg.lan:5000", "reg.lan:5000", "ca.crt", "reg.lan", "http"),
        ("reg.lan:5000", "other", "ca.crt", "", "https"),
    ],
)
def test_loopback_is_spoken_to_over_tls_where_certs_d_has_certificates_for_it(
    host: str, directory: str, file: str, insecure: str, base: str, environment: dict[str, str]
) -> None:
    (certs_d(environment, directory) / file).touch()
    with Http(environment=environment, trust=Trust(insecure_hosts=frozenset({insecure}))) as http:
        assert http.base(host) == f"{base}://{host}"
