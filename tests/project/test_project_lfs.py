"""git-lfs pointers (git-lfs docs/spec.md)."""

import pytest

from cogpack.project import LfsPointer, lfs_pointer

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
