"""git-lfs pointers (git-lfs docs/spec.md)."""

from pathlib import Path

import pytest

from cogpack.project import LfsPointer, lfs_pointer
from cogpack.project.lfs import LfsAttributes

OID = "sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid {OID}\nsize 12345\n".encode()


def test_a_pointer_says_what_should_be_there() -> None:
    assert lfs_pointer(POINTER) == LfsPointer(OID, 12345)


def test_extension_lines_and_windows_line_ends_are_taken() -> None:
    text = POINTER.replace(b"oid", b"ext-0-foo sha256:" + b"0" * 64 + b"\noid").replace(b"\n", b"\r\n")
    assert lfs_pointer(text) == LfsPointer(OID, 12345)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"version 1\n",
        POINTER[1:],
        POINTER.replace(b"size", b"sise"),
        POINTER.replace(b"sha256", b"sha1"),
        POINTER * 10,
    ],
)
def test_anything_else_is_no_pointer(head: bytes) -> None:
    assert lfs_pointer(head) is None


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project in a directory of a git repository."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "models" / "one" / "deep").mkdir(parents=True)
    (tmp_path / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n# *.txt filter=lfs\n")
    return tmp_path


def test_attributes_above_the_project_count(repository: Path) -> None:
    found = LfsAttributes(repository / "models" / "one")
    assert found.tracked("a.bin")
    assert found.tracked("deep/a.bin")
    assert not found.tracked("a.txt")


def test_nearer_attributes_and_later_lines_win(repository: Path) -> None:
    (repository / "models/one/.gitattributes").write_text(
        "/deep/** filter=lfs\n*.bin -filter\n*.pt filter=lfs\nx.pt !filter\n[ filter=lfs\n"
    )
    found = LfsAttributes(repository / "models" / "one")
    assert [found.tracked(path) for path in ("a.bin", "deep/x", "x", "a.pt", "x.pt")] == [
        False,
        True,
        False,
        True,
        False,
    ]


def test_outside_of_git_the_projects_own_attributes_count(tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_text("*.pt filter=lfs\n")
    assert LfsAttributes(tmp_path).tracked("a.pt")
    assert not LfsAttributes(tmp_path).tracked("a.bin")
