"""Archives beside Debian's, each with a key of its own, over HTTP."""

import functools
import http.server
import lzma
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from support.debian_archive import NOW, Signer, release_text, write_flat, write_suite
from support.debs import stanza
from support.fake_http import Answer, Request, serving
from support.serving import served

from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.resolve.debs.archives import keyring as keyring_module
from cogpack.resolve.debs.archives.archive import Archive, archive_of
from cogpack.resolve.debs.archives.keyring import Keyring, read_keyring
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.suites import SuiteReader
from cogpack.resolve.debs.bases import BASE_PACKAGES
from cogpack.resolve.debs.question import DebQuestion
from cogpack.resolve.debs.resolver import resolve_debs
from cogpack.resolve.debs.security import upgrade_security
from cogpack.seal import THIS_RUN

MAIN = (
    "".join(stanza(name) for name in BASE_PACKAGES if name != "python3")
    + stanza("python3", "3.13.5-1", Depends="libc6")
    + stanza("libc6", "2.41-12")
    + stanza("tool", "2.0", Depends="liba")
    + stanza("liba", "1.0")
    + stanza("both", "3.0")
)
OTHERS = (
    stanza("tool", "1.9", Depends="liba")
    + stanza("both", "3.1", Depends="extra")
    + stanza("extra", "1", Recommends="nice")
    + stanza("nice", "1", Architecture="all")
    + stanza("tini", "99", Essential="yes")
    + stanza("always", Essential="yes")
)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class World:
    def __init__(self, root: Path, url: str, debian: Signer) -> None:
        self.root = root
        self.url = url
        self.signer = Signer()
        self._debian = debian
        self.debian(MAIN)

    def debian(self, index: str, security: str = "") -> None:
        write_suite(self.root, "debian", "trixie", index, self._debian)
        write_suite(self.root, "debian", "trixie-updates", "", self._debian)
        write_suite(self.root, "debian-security", "trixie-security", security, self._debian)

    @property
    def mirror(self) -> DebianMirror:
        return DebianMirror(main=f"{self.url}/debian", security=f"{self.url}/debian-security")

    def archive(self, *suites: str, components: tuple[str, ...] = ("main",), name: str = "others") -> Archive:
        return Archive(
            name=f"{self.url}/{name}",
            uri=f"{self.url}/{name}",
            suites=suites,
            components=() if suites[0].endswith("/") else components,
            keys=Keyring(bytes(self.signer.certificate), "keys/others.asc"),
            where="cog.yaml:7: cogpack.apt[0]",
        )

    def resolve(
        self,
        *requests: str,
        archives: tuple[Archive, ...],
        recommends: bool = False,
    ) -> DebianBase:
        with Http() as client:
            question = DebQuestion(requests=requests, recommends=recommends, archives=archives)
            return resolve_debs(question, self.reader(client), "trixie", self.mirror)

    def reader(self, client: Http) -> SuiteReader:
        return SuiteReader(arch="amd64", http=client, cache=self.root.parent / "cache", seal=THIS_RUN)


@contextmanager
def refused(kind: type[CogpackError], pattern: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert re.search(pattern, caught.value.message), caught.value.message


def told(base: DebianBase) -> list[str]:
    return [f"{deb.name}={deb.version}" for deb in base.system_packages.packages]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    debian = Signer()
    monkeypatch.setattr(keyring_module, "debian_keyring", lambda: debian.keyring)
    root = tmp_path / "served"
    root.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=root))
    with served(server):
        yield World(root, f"http://127.0.0.1:{server.server_port}", debian)


@pytest.fixture(params=["suite", "flat"])
def archive(world: World, request: pytest.FixtureRequest) -> Archive:
    """`OTHERS`, in either form."""
    if request.param == "flat":
        write_flat(world.root / "others", OTHERS, world.signer)
        return world.archive("./")
    write_suite(world.root, "others", "stable", OTHERS, world.signer)
    return world.archive("stable")


def test_of_two_archives_the_newer_version_is_taken_with_what_it_needs(world: World, archive: Archive) -> None:
    found = world.resolve("tool", "both", archives=(archive,))
    assert told(found) == ["both=3.1", "extra=1", "liba=1.0", "tool=2.0"]
    assert [deb.archive for deb in found.system_packages.packages] == [archive.uri, archive.uri, "debian", "debian"]
    assert told(world.resolve("both", archives=(archive,), recommends=True)) == ["both=3.1", "extra=1", "nice=1"]


def test_the_base_is_debians_whatever_other_archives_have(world: World, archive: Archive) -> None:
    plain = world.resolve(archives=())
    found = world.resolve("extra", archives=(archive,))
    assert found.packages == plain.packages
    assert found.releases == plain.releases
    assert told(found) == ["extra=1"], "nor is anything installed for being essential elsewhere"
    assert {release.archive for release in found.system_packages.releases} == {"debian", "debian-security", archive.uri}


def test_a_version_or_a_suite_may_be_asked_for(world: World) -> None:
    write_suite(world.root, "others", "stable", OTHERS, world.signer)
    found = (world.archive("stable"),)
    assert told(world.resolve("tool/stable", archives=found)) == ["liba=1.0", "tool=1.9"]
    assert told(world.resolve("both=3.0", archives=found)) == ["both=3.0"]
    assert told(world.resolve("both/trixie", archives=found)) == ["both=3.0"]


def test_backports_come_only_where_they_are_asked_for_or_where_nothing_else_is(world: World) -> None:
    index = stanza("both", "9") + stanza("alone", "9")
    write_suite(world.root, "others", "back", index, world.signer, NotAutomatic="yes", ButAutomaticUpgrades="yes")
    found = (world.archive("back"),)
    assert told(world.resolve("both", "alone", archives=found)) == ["alone=9", "both=3.0"]
    assert told(world.resolve("both/back", archives=found)) == ["both=9"]


def test_all_components_and_suites_of_an_archive_are_read(world: World) -> None:
    for suite, package in (("stable", "one"), ("edge", "two")):
        write_suite(world.root, "others", suite, stanza(package), world.signer)
    extra = lzma.compress((text := stanza("three")).encode())
    place = world.root / "others/dists/stable"
    (place / "more/binary-amd64").mkdir(parents=True)
    (place / "more/binary-amd64/Packages.xz").write_bytes(extra)
    files = {"main/binary-amd64/Packages": stanza("one").encode(), "more/binary-amd64/Packages": text.encode()}
    files |= {"main/binary-amd64/Packages.xz": lzma.compress(stanza("one").encode())}
    files |= {"more/binary-amd64/Packages.xz": extra}
    (place / "InRelease").write_bytes(world.signer.sign(release_text("stable", files)))
    both = world.archive("stable", components=("main", "more")), world.archive("edge")
    assert told(world.resolve("one", "two", "three", archives=both)) == ["one=1", "three=1", "two=1"]


def test_packages_for_all_architectures_may_have_an_index_of_their_own(world: World) -> None:
    write_suite(
        world.root, "others", "stable", stanza("data", Architecture="all"), world.signer, "all", Architectures="all"
    )
    assert told(world.resolve("data", archives=(world.archive("stable"),))) == ["data=1"]


def test_packages_for_another_architecture_are_passed_over(world: World) -> None:
    index = stanza("gpu", "2", Architecture="arm64") + stanza("gpu", "1") + stanza("only", Architecture="arm64")
    write_flat(world.root / "others", index, world.signer)
    assert told(world.resolve("gpu", archives=(world.archive("./"),))) == ["gpu=1"]
    with refused(InputError, r"no package 'only'"):
        world.resolve("only", archives=(world.archive("./"),))


def test_a_flat_archive_may_lie_below_and_be_unpacked(world: World) -> None:
    index = stanza("gpu", Filename="./sub//gpu_1.deb")
    write_flat(world.root / "others/sub", index, world.signer)
    (world.root / "others/sub/Packages").write_text(index)
    (world.root / "others/sub/InRelease").write_bytes(world.signer.sign(release_text("", {"Packages": index.encode()})))
    found = world.resolve("gpu", archives=(world.archive("sub/"),))
    assert [deb.path for deb in found.system_packages.packages] == ["sub/gpu_1.deb"]


def test_the_signature_may_lie_beside_the_release(world: World) -> None:
    index = stanza("gpu")
    write_flat(world.root / "others", index, world.signer)
    (world.root / "others/InRelease").unlink()
    text = release_text("", {"Packages": index.encode()})
    for name, data in (
        ("Packages", index.encode()),
        ("Release", text.encode()),
        ("Release.gpg", world.signer.sign_beside(text)),
    ):
        (world.root / "others" / name).write_bytes(data)
    assert told(world.resolve("gpu", archives=(world.archive("./"),))) == ["gpu=1"]
    (world.root / "others/Release").write_text(text.replace("Origin: Debian", "Origin: other"))
    with refused(MismatchError, r"not signed by keys/others.asc"):
        world.resolve("gpu", archives=(world.archive("./"),))


def test_another_key_than_the_archives_is_refused_even_debians(world: World, archive: Archive) -> None:
    strange = Archive(
        name=archive.name,
        uri=archive.uri,
        suites=archive.suites,
        components=archive.components,
        keys=Keyring(bytes(Signer().certificate), "keys/others.asc"),
        where=archive.where,
    )
    with pytest.raises(MismatchError) as caught:
        world.resolve("tool", archives=(strange,))
    assert caught.value.message.startswith(f"cog.yaml:7: cogpack.apt[0]: {archive.uri}/")
    assert "InRelease: not signed by keys/others.asc" in caught.value.message
    assert caught.value.next_step == "ask who publishes the archive, or leave it out"


@pytest.mark.parametrize(
    "spoil",
    [lambda data: data[: len(data) // 2], lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:]],
    ids=["cut", "changed"],
)
def test_an_index_that_is_not_the_signed_one_is_refused(
    world: World, archive: Archive, spoil: Callable[[bytes], bytes]
) -> None:
    for path in (world.root / "others").rglob("*"):
        if path.is_file() and path.name != "InRelease":
            path.write_bytes(spoil(path.read_bytes()))
    with refused(MismatchError, r"cogpack.apt\[0\]: .*expected sha256"):
        world.resolve("tool", archives=(archive,))


def test_an_old_release_is_refused(world: World) -> None:
    past = format_datetime(NOW - timedelta(days=1), usegmt=True)
    write_flat(world.root / "others", OTHERS, world.signer, Valid_Until=past)
    with refused(UnavailableError, r"cogpack.apt\[0\]: .*expired on"):
        world.resolve("tool", archives=(world.archive("./"),))


def test_a_suite_must_be_called_what_it_is_asked_for_as(world: World) -> None:
    write_suite(world.root, "others", "stable", OTHERS, world.signer)
    (world.root / "others/dists/edge").symlink_to("stable")
    with refused(MismatchError, r"expected Codename edge, found 'stable'"):
        world.resolve("tool", archives=(world.archive("edge"),))
    write_suite(world.root, "others", "stable", OTHERS, world.signer, Codename="n1", Suite="stable")
    assert told(world.resolve("extra", archives=(world.archive("stable"),))) == ["extra=1"]


def test_what_is_missing_says_which_archive_lacks_it(world: World) -> None:
    with refused(UnavailableError, r"^cog.yaml:7: cogpack.apt\[0\]: http://.*/others/dists/stable/Release"):
        world.resolve("tool", archives=(world.archive("stable"),))
    write_suite(world.root, "others", "stable", OTHERS, world.signer)
    with refused(InputError, r"cogpack.apt\[0\]: .*/others stable has no packages .* component 'contrib'"):
        world.resolve("tool", archives=(world.archive("stable", components=("main", "contrib")),))


@pytest.mark.parametrize(
    "fields", [{"Filename": "../../etc/passwd"}, {"Filename": "/etc/passwd"}, {"Package": "../x"}, {"SHA256": "0"}]
)
def test_an_index_that_leads_out_of_its_archive_is_refused(world: World, fields: dict[str, str]) -> None:
    write_flat(world.root / "others", stanza("gpu", **fields), world.signer)
    with pytest.raises((MismatchError, InputError)):
        world.resolve("gpu", archives=(world.archive("./"),))


def test_security_upgrades_leave_packages_of_other_archives(world: World) -> None:
    write_suite(world.root, "others", "stable", OTHERS, world.signer)
    archives = (world.archive("stable"),)
    kept = world.resolve("both", "tool", archives=archives)
    world.debian(MAIN, security=stanza("liba", "1.0+fixed"))
    write_suite(world.root, "others", "stable", OTHERS + stanza("both", "4"), world.signer)
    with Http() as client:
        question = DebQuestion(requests=("both", "tool"), archives=archives)
        found = upgrade_security(question, world.reader(client), kept, world.mirror)
    assert told(found) == ["both=3.1", "extra=1", "liba=1.0+fixed", "tool=2.0"]
    assert found.system_packages.archives == kept.system_packages.archives


def test_a_library_of_nvidias_is_left_to_wheels_unless_an_archive_has_it(world: World) -> None:
    assert told(world.resolve("libnccl2", "both", archives=())) == ["both=3.0"]
    write_flat(world.root / "others", stanza("libnccl2", "2.27"), world.signer)
    assert told(world.resolve("libnccl2", archives=(world.archive("./"),))) == ["libnccl2=2.27"]


def test_a_keyring_is_read_armored_or_not_and_never_a_secret_key() -> None:
    signer = Signer()
    binary = bytes(signer.certificate)
    fingerprint = (signer.certificate.fingerprint,)
    assert read_keyring(binary, where="k", whose="k").fingerprints == fingerprint
    assert read_keyring(str(signer.certificate).encode(), where="k", whose="k").data == binary
    both = read_keyring(binary + bytes(Signer().certificate), where="k", whose="k")
    assert len(both.certificates) == 2
    for data in (b"", b"hello", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n"):
        with refused(InputError, r"^cog.yaml:7: k.asc: "):
            read_keyring(data, where="cog.yaml:7: k.asc", whose="k")
    with refused(InputError, r"secret key"):
        read_keyring(signer.secret, where="k", whose="k")


def test_the_lock_has_the_key_and_its_fingerprint(world: World, archive: Archive) -> None:
    (locked,) = world.resolve("both", archives=(archive,)).system_packages.archives
    assert locked.fingerprints == (world.signer.certificate.fingerprint,)
    assert (locked.uri, locked.suites, locked.components) == (archive.uri, archive.suites, archive.components)
    assert archive_of(locked).keys.data == archive.keys.data


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_server_that_refuses_inrelease_is_asked_for_release_as_apt_asks_it(tmp_path: Path, status: int) -> None:
    """S3 and Artifactory answer 403 for what is not there."""
    signer, index = Signer(), stanza("gpu").encode()
    text = release_text("", {"Packages": index})
    files = {"/Release": text.encode(), "/Release.gpg": signer.sign_beside(text), "/Packages": index}

    def given(request: Request) -> Answer:
        return (200, {}, files[request.path]) if request.path in files else (status, {}, b"")

    with serving(given) as fake, Http() as http:
        archive = Archive(
            name=fake.url,
            uri=fake.url,
            suites=("./",),
            components=(),
            keys=Keyring(bytes(signer.certificate), "keys/others.asc"),
            where="cog.yaml:7: cogpack.apt[0]",
        )
        reader = SuiteReader(arch="amd64", http=http, cache=tmp_path, seal=THIS_RUN, now=NOW)
        (suite,) = reader.read([archive], reader.task("packages"))
        assert [one.name for one in suite.index.packages("gpu")] == ["gpu"]
