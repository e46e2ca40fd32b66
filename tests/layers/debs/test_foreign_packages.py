"""Packages of other archives than Debian's are laid as Debian's are, but nothing is known of them by their names."""

import hashlib
from pathlib import Path

import msgspec
import pytest
from support.debs import deb, deb_file, member

from cogpack.errors import InputError
from cogpack.layers.debs.apt_sources import AptSource, write_sources
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.source import DebianSource, PackagesSource
from cogpack.layers.debs.tree import Tree
from cogpack.layers.entry import File
from cogpack.progress import SILENT, Cancellation

CLASSIC = AptSource(uri="https://h:8/debian", suites=("stable", "edge"), components=("main", "more"), key=b"K")
FLAT = AptSource(uri="https://h/x86_64", suites=("./",), components=(), key=b"L")


class Made:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()

    def base(self, *, apt: bool = True) -> DebianSource:
        """Of three packages, with apt or without."""
        debs = [
            self.deb("base-passwd", deb("base-passwd", member("./usr/share/base-passwd/passwd.master", "root:*:0:\n"))),
            self.deb("base-files", deb("base-files", member("./root/", mode=0o600))),
        ]
        if apt:
            debs.append(self.deb("apt", deb("apt", member("./usr/bin/apt-get", "", mode=0o755))))
        unpacking = Unpacking(self._directory / "spool", SILENT, Cancellation())
        return DebianSource(debs, suite="trixie", arch="amd64", unpacking=unpacking)

    def deb(self, name: str, data: bytes) -> DebFile:
        return deb_file(self._directory, name, data)

    def foreign(self, name: str, data: bytes) -> DebFile:
        return msgspec.structs.replace(self.deb(name, data), foreign=True)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "made")


def texts(source: PackagesSource) -> dict[str, bytes]:
    found = {}
    for entry in source.entries():
        if isinstance(entry, File):
            with entry.content.open() as stream:
                found[entry.path] = stream.read()
    return found


def test_apt_is_told_of_archives_and_of_the_keys_that_may_sign_them(made: Made) -> None:
    found = texts(PackagesSource(made.base(), [], name="apt", sources=[CLASSIC, FLAT]))
    assert found == {
        "etc/apt/sources.list.d/h_8_debian_stable.sources": (
            b"Types: deb\nURIs: https://h:8/debian\nSuites: stable edge\nComponents: main more\n"
            b"Signed-By: /etc/apt/keyrings/h_8_debian_stable.gpg\n"
        ),
        "etc/apt/keyrings/h_8_debian_stable.gpg": b"K",
        "etc/apt/sources.list.d/h_x86_64.sources": (
            b"Types: deb\nURIs: https://h/x86_64\nSuites: ./\nSigned-By: /etc/apt/keyrings/h_x86_64.gpg\n"
        ),
        "etc/apt/keyrings/h_x86_64.gpg": b"L",
    }
    assert texts(PackagesSource(made.base(apt=False), [], name="apt", sources=[CLASSIC])) == {}, "nobody would read it"


def test_another_key_or_archive_is_another_layer_and_none_is_the_one_that_it_was(made: Made) -> None:
    base = made.base()
    tool = made.deb("tool", deb("tool", member("./usr/bin/tool", "")))
    plain = PackagesSource(base, [tool], name="p")
    assert plain.key() == PackagesSource(base, [tool], name="p", sources=[]).key()
    other = msgspec.structs.replace(FLAT, key=b"M")
    keys = [PackagesSource(base, [tool], name="p", sources=[one]).key() for one in (CLASSIC, FLAT, other)]
    foreign = PackagesSource(base, [msgspec.structs.replace(tool, foreign=True)], name="p").key()
    assert len({plain.key(), foreign, *keys}) == 5


def test_a_namesake_of_debians_package_must_have_scripts_that_are_understood(made: Made) -> None:
    data = deb("ucf", member("./usr/bin/ucf", ""), control={"postinst": "#!/bin/sh\nadduser --system app\n"})
    own = texts(PackagesSource(made.base(), [made.deb("ucf", data)], name="p"))
    assert "var/lib/ucf/registry" in own, "as is known of Debian's"
    with pytest.raises(InputError, match="ucf 1 has a postinst script that cogpack can't stand in for"):
        PackagesSource(made.base(), [made.foreign("ucf", data)], name="p").entries()
    harmless = deb("ucf", member("./usr/bin/ucf", ""), control={"postinst": "#!/bin/sh\nset -e\nexit 0\n"})
    assert "var/lib/ucf/registry" not in texts(PackagesSource(made.base(), [made.foreign("ucf", harmless)], name="p"))


def test_a_package_without_hashes_of_its_files_has_them_as_dpkg_makes_them(made: Made) -> None:
    """`dpkg --audit` calls one without them broken; whoever makes packages by hand leaves them out."""
    data = deb(
        "tool",
        member("./usr/bin/tool", "a"),
        member("./etc/tool.conf", "b"),
        member("./usr/share/doc/tool/notes", "c"),
        member("./usr/bin/also", link="tool"),
        control={"conffiles": "/etc/tool.conf\n"},
    )
    found = texts(PackagesSource(made.base(), [made.foreign("tool", data)], name="p"))
    digest = hashlib.md5(b"a", usedforsecurity=False).hexdigest()
    assert found["var/lib/dpkg/info/tool.md5sums"] == f"{digest}  usr/bin/tool\n".encode()


def test_two_archives_whose_files_would_be_called_the_same_have_two_names() -> None:
    tree = Tree()
    tree.write("usr/bin/apt-get", "")
    uris = ("https://h/d_b", "https://h/d/b", "http://h/d/b")
    one, *_ = sources = [AptSource(uri=uri, suites=("s",), components=("c",), key=uri.encode()) for uri in uris]
    write_sources(tree, sources)
    told = [tree.text(f"etc/apt/sources.list.d/{name}") for name in tree.children("etc/apt/sources.list.d")]
    keys = {tree.text(text.partition("Signed-By: /")[2].strip()): text.split()[3] for text in told}
    assert keys == dict(zip(uris, uris, strict=True))
    alone = Tree()
    alone.write("usr/bin/apt-get", "")
    write_sources(alone, [one])
    assert alone.children("etc/apt/sources.list.d") == ["h_d_b_s.sources"]
