import gzip
import hashlib
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from support.debs import stanza

from cogpack.errors import MismatchError
from cogpack.resolve.debs.archives.index import DebianIndex, open_index, parse_index
from cogpack.seal import Seal

SEAL = Seal()


def parse(text: str, directory: Path, *, packed: bytes | None = None, size: int | None = None) -> DebianIndex:
    data = lzma.compress(text.encode()) if packed is None else packed
    size = len(text) if size is None else size
    return parse_index(data, url="http://m/Packages.xz", size=size, directory=directory, sha256="ab" * 32, seal=SEAL)


TEXT = (
    stanza("a", "2", Depends="b", Provides="virtual (= 2), other", Essential="yes", Description="one\n Package: liar")
    + stanza("b", Priority="required")
    + stanza("a", "1")
)


def test_every_version_of_a_package_is_found(tmp_path: Path) -> None:
    index = parse(TEXT, tmp_path)
    assert [(package.name, package.version) for package in index.packages("a")] == [("a", "2"), ("a", "1")]
    assert index.packages("a")[0].depends == "b"
    assert index.packages("b")[0].priority == "required"
    assert index.packages("missing") == []


def test_folded_lines_are_not_fields(tmp_path: Path) -> None:
    assert "liar" not in set(parse(TEXT, tmp_path).names())


def test_providers_and_essential_packages_are_listed(tmp_path: Path) -> None:
    index = parse(TEXT, tmp_path)
    assert index.providers("virtual") == ["a"]
    assert index.providers("other") == ["a"]
    assert index.essential == ["a"]


def test_a_parsed_index_is_opened_without_its_source(tmp_path: Path) -> None:
    assert open_index(tmp_path, "ab" * 32, SEAL) is None
    parse(TEXT, tmp_path)
    again = open_index(tmp_path, "ab" * 32, SEAL)
    assert again is not None
    assert again.packages("b")[0].sha256 == hashlib.sha256(b"b 1").hexdigest()


def test_gzip_is_read_too(tmp_path: Path) -> None:
    index = parse(TEXT, tmp_path, packed=gzip.compress(TEXT.encode()))
    assert index.providers("virtual") == ["a"]


@pytest.mark.slow
def test_more_text_than_was_signed_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = lzma.compress(bytes(50_000_000))
    with pytest.raises(MismatchError, match="expected 1000 bytes"):
        parse("", tmp_path, packed=bomb, size=1000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut", [10, 60])
def test_a_cut_index_is_refused(tmp_path: Path, cut: int) -> None:
    with pytest.raises(MismatchError):
        parse(TEXT, tmp_path, packed=lzma.compress(TEXT.encode())[:cut])
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchError):
        parse(TEXT, tmp_path, packed=b"not an archive at all, but long enough to be tried")


@pytest.mark.parametrize("field", ["Version", "Filename", "Size", "SHA256"])
def test_a_stanza_without_a_needed_field_names_it(tmp_path: Path, field: str) -> None:
    text = "".join(line + "\n" for line in stanza("a").splitlines() if not line.startswith(field))
    with pytest.raises(MismatchError, match="a: missing or wrong field"):
        parse(text, tmp_path)


@pytest.mark.parametrize("suffix", ["records", "table"])
def test_a_parsed_index_that_somebody_wrote_to_is_parsed_anew(tmp_path: Path, suffix: str) -> None:
    parse(TEXT, tmp_path)
    (path,) = tmp_path.glob(f"*.{suffix}")
    path.write_bytes(path.read_bytes().replace(b"a", b"b"))
    assert open_index(tmp_path, "ab" * 32, SEAL) is None


def test_an_index_that_another_machine_parsed_is_parsed_anew(tmp_path: Path) -> None:
    parse(TEXT, tmp_path)
    assert open_index(tmp_path, "ab" * 32, Seal()) is None


def test_an_index_is_read_from_the_file_that_was_verified(tmp_path: Path) -> None:
    index = parse(TEXT, tmp_path)
    (path,) = tmp_path.glob("*.records")
    path.with_name("new").write_bytes(bytes(path.stat().st_size))
    path.with_name("new").replace(path)
    assert index.packages("b")[0].name == "b"


@pytest.mark.parametrize("size", ["9" * 30, "-1", "1_000", "\u00b2", "0x10", ""])
def test_a_size_that_is_none_is_refused(tmp_path: Path, size: str) -> None:
    with pytest.raises(MismatchError, match="wrong field"):
        parse(text := stanza("a", Size=size), tmp_path, size=len(text.encode()))


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_members_one_after_another_are_all_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """As pigz, a parallel xz and mirrors that append write them; the archive was told as broken."""
    data = TEXT.encode()
    packed = pack(data[:100]) + pack(b"") + pack(data[100:])
    index = parse(TEXT, tmp_path, packed=packed)
    assert [len(index.packages(name)) for name in ("a", "b")] == [2, 1]
    with pytest.raises(MismatchError, match=r"Packages.xz: (can't be unpacked|expected)"):
        parse(TEXT, tmp_path, packed=packed[:-9])
    with pytest.raises(MismatchError, match=r"Packages.xz: (can't be unpacked|expected)"):
        parse(TEXT, tmp_path, packed=packed + pack(b"Package: more\n"))
