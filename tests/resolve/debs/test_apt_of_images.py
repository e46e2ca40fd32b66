"""Which archives an image's own apt asks, and by whose keys, in apt's two forms."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from support.debian_archive import Signer

from cogpack.errors import InputError
from cogpack.resolve.debs.archives.archive import Archive
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.over.sources import read_archives

ONE, OTHER = Signer(), Signer()
MIRROR = DebianMirror(main="http://mirror/debian", security="http://mirror/security")
KEYS = {
    "usr/share/keyrings/one.gpg": bytes(ONE.certificate),
    "etc/apt/trusted.gpg.d/other.gpg": bytes(OTHER.certificate),
}
LIST, DEB822 = "etc/apt/sources.list", "etc/apt/sources.list.d/x.sources"


class Image:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files

    def read(self, path: str) -> bytes | None:
        return self._files.get(path)

    def children(self, path: str) -> list[str]:
        return sorted(
            {one.removeprefix(f"{path}/").partition("/")[0] for one in self._files if one.startswith(f"{path}/")}
        )


def archives(files: Mapping[str, str], arch: str = "amd64", snapshot: Snapshot | None = None) -> list[Archive]:
    image = Image({**KEYS, **{path: text.encode() for path, text in files.items()}})
    return [*read_archives(image, arch, MIRROR, where="base", snapshot=snapshot)]


def told(found: list[Archive]) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    return [(one.name, one.uri, one.suites, one.components) for one in found]


def test_lines_of_one_suite_are_one_archive_and_its_release_is_asked_for_once() -> None:
    text = (
        "deb http://archive.ubuntu.com/ubuntu/ jammy main restricted\n"
        "# deb-src http://archive.ubuntu.com/ubuntu/ jammy main restricted\n"
        "deb-src http://archive.ubuntu.com/ubuntu/ jammy main\n"
        "deb http://archive.ubuntu.com/ubuntu/ jammy universe # all else\n"
        "deb [arch=arm64] http://ports.ubuntu.com/ubuntu-ports jammy main\n"
        "deb http://security.ubuntu.com/ubuntu/ jammy-security main\n"
    )
    ubuntu, security = "http://archive.ubuntu.com/ubuntu", "http://security.ubuntu.com/ubuntu"
    assert told(archives({LIST: text})) == [
        (ubuntu, ubuntu, ("jammy",), ("main", "restricted", "universe")),
        (security, security, ("jammy-security",), ("main",)),
    ]


def test_what_a_snapshot_service_keeps_is_asked_for_as_it_was_and_others_as_they_are() -> None:
    then = Snapshot(datetime(2026, 11, 1, tzinfo=UTC))
    text = (
        "deb http://deb.debian.org/debian trixie main\ndeb http://archive.ubuntu.com/ubuntu jammy main\n"
        "deb https://download.docker.com/linux/debian trixie stable\n"
    )
    found = archives({LIST: text}, snapshot=then)
    assert [(one.name, one.uri, one.snapshot) for one in found] == [
        ("debian", "https://snapshot.debian.org/archive/debian/20261101T000000Z", then),
        ("http://archive.ubuntu.com/ubuntu", "https://snapshot.ubuntu.com/ubuntu/20261101T000000Z", then),
        ("https://download.docker.com/linux/debian", "https://download.docker.com/linux/debian", None),
    ]


def test_debians_own_archives_are_asked_for_at_the_users_mirror_whatever_the_image_calls_them() -> None:
    text = (
        "Types: deb deb-src\nURIs: http://deb.debian.org/debian\nSuites: trixie trixie-updates\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/one.gpg\n\n"
        "# the other\nTypes: deb\nURIs: http://security.debian.org/debian-security\nSuites: trixie-security\n"
        "Components: main\nSigned-By: /usr/share/keyrings/one.gpg\n \n"
        "Types: deb\nEnabled: no\nURIs: http://elsewhere/debian\nSuites: sid\nComponents: main\n"
    )
    assert told(archives({DEB822: text, LIST: "deb http://ftp.de.debian.org/debian trixie contrib\n"})) == [
        ("debian", MIRROR.main, ("trixie",), ("contrib",)),
        ("debian", MIRROR.main, ("trixie",), ("main",)),
        ("debian", MIRROR.main, ("trixie-updates",), ("main",)),
        ("debian-security", MIRROR.security, ("trixie-security",), ("main",)),
    ], "of the first another key is trusted than of the second"


def test_a_flat_archive_has_no_components() -> None:
    line = "deb [signed-by=/usr/share/keyrings/one.gpg] https://nvidia.test/cuda/ubuntu2204/x86_64 /\n"
    assert told(archives({"etc/apt/sources.list.d/cuda.list": line})) == [
        ("https://nvidia.test/cuda/ubuntu2204/x86_64",) * 2 + (("/",), ()),
    ]


@pytest.mark.parametrize(
    ("signed_by", "signers"),
    [
        ("Signed-By: /usr/share/keyrings/one.gpg", [ONE]),
        ("Signed-By: /usr/share/keyrings/one.gpg,/etc/apt/trusted.gpg.d/other.gpg", [ONE, OTHER]),
        ("", [OTHER]),
        (f"Signed-By: {OTHER.certificate.fingerprint}", [OTHER]),
        ("Signed-By:\n" + "".join(f" {line or '.'}\n" for line in str(ONE.certificate).splitlines()), [ONE]),
    ],
    ids=["a file", "two files", "what apt trusts", "a fingerprint", "in the entry itself"],
)
def test_keys_are_those_that_the_image_has_for_just_this_archive(signed_by: str, signers: list[Signer]) -> None:
    text = f"Types: deb\nURIs: http://a\nSuites: s\nComponents: main\n{signed_by}\n"
    (found,) = archives({DEB822: text})
    assert [*found.keys.fingerprints] == [one.certificate.fingerprint for one in signers]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "base: the image names no archive of packages"),
        (
            {LIST: "deb file:/var/local-repo ./\n"},
            "base: /etc/apt/sources.list names 'file:/var/local-repo', which only",
        ),
        ({LIST: "deb http://me:secret@a s main\n"}, "http:// or https:// addresses, and no password"),
        (
            {LIST: "deb [signed-by=/usr/share/keyrings/no.gpg] http://a s main\n"},
            "has http://a signed by /usr/share/keyrings/no.gpg, which the image has not",
        ),
    ],
)
def test_what_could_not_be_asked_from_here_is_refused_with_its_file(files: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        archives(files)
    assert words in f"{caught.value.message} {caught.value.next_step}"


def test_more_archives_than_anybody_asks_are_refused_before_they_are_asked() -> None:
    uris, suites = (" ".join(f"{text}{n}" for n in range(3000)) for text in ("http://u/", "s"))
    with pytest.raises(InputError, match="base: its apt asks more than 200 archives"):
        archives({DEB822: f"Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: main\n"})


@pytest.mark.parametrize("uri", ["http://[::1", "http://h:99999/x", "http:///x"])
def test_what_can_not_be_taken_apart_is_no_address(uri: str) -> None:
    with pytest.raises(InputError, match=r"base: /etc/apt/sources\.list names"):
        archives({LIST: f"deb {uri} s main\n"})
