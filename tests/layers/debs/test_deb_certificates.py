import shutil
import subprocess
from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.layers.debs.effects.certificates import install_certificates, subject_hash
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import Symlink

HOST = Path("/usr/share/ca-certificates/mozilla")

# A self-signed certificate whose subject exercises the canonical form: C=DE, O="  Two  Words ", CN="ÄbC test".
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl, the oracle, is not installed")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cert") / "made.pem"
    subject = "/C=DE/O=  Two  Words /CN=ÄbC test"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-utf8", "-keyout", path.with_suffix(".key")]
    subprocess.run([*command, "-out", path, "-subj", subject, "-days", "1"], check=True, capture_output=True)
    return path


def openssl_hash(path: Path) -> str:
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
@needs_openssl
def test_the_subject_hash_is_openssls(certificate: Path) -> None:
    assert subject_hash(certificate.read_bytes(), "made") == openssl_hash(certificate)


@pytest.mark.slow
@needs_openssl
@pytest.mark.skipif(not HOST.is_dir(), reason="this host has no certificates of Mozilla's to compare with")
def test_the_subject_hash_is_openssls_for_the_webs_authorities() -> None:
    for path in sorted(HOST.glob("*.crt"))[::6]:
        assert subject_hash(path.read_bytes(), path.name) == openssl_hash(path), path.name


@pytest.mark.slow
@needs_openssl
def test_the_store_has_a_bundle_named_links_and_hashed_links(certificate: Path) -> None:
    tree = Tree()
    pem = certificate.read_bytes()
    for name in ("mozilla/One_(A),_B.crt", "mozilla/Two.crt"):
        tree.write(f"usr/share/ca-certificates/{name}", pem.rstrip(b"\n"))
    install_certificates(tree)
    digest = openssl_hash(certificate)
    assert tree.get("etc/ssl/certs/One_=A=__B.pem") == Symlink(
        "etc/ssl/certs/One_=A=__B.pem", "/usr/share/ca-certificates/mozilla/One_(A),_B.crt"
    )
    assert tree.get(f"etc/ssl/certs/{digest}.0") == Symlink(f"etc/ssl/certs/{digest}.0", "One_=A=__B.pem")
    assert tree.get(f"etc/ssl/certs/{digest}.1") == Symlink(f"etc/ssl/certs/{digest}.1", "Two.pem")
    assert (tree.read("etc/ssl/certs/ca-certificates.crt") or b"").count(b"-----END CERTIFICATE-----\n") == 2
    assert (tree.read("etc/ca-certificates.conf") or b"").endswith(b"mozilla/One_(A),_B.crt\nmozilla/Two.crt\n")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_certificate_is_named(data: bytes) -> None:
    with pytest.raises(InputError, match=r"x\.crt: not an X\.509 certificate"):
        subject_hash(data, "x.crt")


def test_a_certificate_of_an_administrator_is_named_where_it_lies() -> None:
    tree = Tree()
    tree.write("usr/local/share/ca-certificates/own.crt", "none")
    with pytest.raises(InputError, match=r"^/usr/local/share/ca-certificates/own\.crt: not an X\.509") as caught:
        install_certificates(tree)
    assert caught.value.next_step == "choose another base"


def test_links_to_directories_among_an_administrators_certificates_are_left() -> None:
    tree = Tree()
    tree.link("usr/local/share/ca-certificates/a", ".")
    tree.write("usr/local/share/ca-certificates/readme", "")
    install_certificates(tree)
    assert tree.read("etc/ssl/certs/ca-certificates.crt") == b""
