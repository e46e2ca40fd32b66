"""Trees of strangers are laid only where each name stays where it is."""

import pytest

from cogpack.errors import MismatchError
from cogpack.git.objects import (
    Commit,
    NotExactError,
    check_oid,
    checked_entries,
    hasher,
    is_special_link,
    parse_commit,
    parse_tag,
    raw_entries,
)

OID = bytes(range(20))


def tree(*entries: tuple[str, str]) -> bytes:
    return b"".join(
        b"%s %s\0%s" % (mode.encode(), name.encode("utf-8", "surrogateescape"), OID) for mode, name in entries
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (tree(("100644", ".GiT")), "which git refuses"),
        (tree(("40000", ".git")), "which git refuses"),
        (tree(("100644", "git~1")), "which git refuses"),
        (tree(("100644", ".git. ..")), "which git refuses"),
        (tree(("100644", ".git::$INDEX_ALLOCATION")), "which git refuses"),
        (tree(("100644", ".g\u200cit")), "which git refuses"),
        (tree(("100644", "x\\.git")), "which git refuses"),
        (tree(("40000", "..")), "is called"),
        (tree(("40000", ".")), "is called"),
        (tree(("100644", "a/b")), "is called"),
        (tree(("120000", "a"), ("40000", "a")), "two files"),
        (tree(("100644", ".wh.a")), "deletion"),
        (tree(("100644", "\udcff")), "UTF-8"),
        (tree(("60644", "a")), "mode"),
        (tree(("100644", "a"))[:-1], "damaged"),
        (b"100644 \0" + OID, "damaged"),
        (b"x" + tree(("100644", "a")), "damaged"),
    ],
)
def test_a_tree_that_leaves_its_directory_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(NotExactError, match=why):
        list(checked_entries(data))


@pytest.mark.parametrize("name", [".github", ".gitignore", "git", "git-1", "a.git", ".gitmodules", "é", "a b", "~"])
def test_usual_names_are_laid(name: str) -> None:
    (entry,) = checked_entries(tree(("100644", name)))
    assert (entry.mode, entry.name.decode(), entry.oid) == (0o100644, name, OID.hex())


def test_modes_of_old_repositories_are_those_that_git_checks_out() -> None:
    data = tree(("100664", "a"), ("100775", "b"), ("040000", "c"), ("160000", "d"), ("120000", "e"))
    assert [entry.mode for entry in checked_entries(data)] == [0o100644, 0o100755, 0o40000, 0o160000, 0o120000]
    assert len(raw_entries(data)) == 5


@pytest.mark.parametrize(
    ("name", "special"), [(".gitmodules", True), (".GITATTRIBUTES ", True), ("gitmod~1", True), ("a", False)]
)
def test_links_that_git_reads_as_its_own_files_are_known(name: str, special: bool) -> None:
    (entry,) = checked_entries(tree(("120000", name)))
    assert is_special_link(entry) == special


def test_a_commit_is_read_whatever_its_message_says() -> None:
    head = f"tree {'a' * 40}\nparent {'b' * 40}\nparent {'c' * 40}\nauthor x <y> 5 +0100\ncommitter x > <y> 17 -0330\n"
    data = f"{head}gpgsig committer z <z> 9 +0000\n\nparent {'d' * 40}\n".encode()
    assert parse_commit(data) == Commit("a" * 40, ("b" * 40, "c" * 40), 17)
    with pytest.raises(NotExactError):
        parse_commit(b"tree x\n\n")
    assert parse_commit(f"tree {'a' * 40}\ncommitter x <y> {'1' * 5000} +0000\n\n".encode()).time == 0


def test_a_tag_names_its_object() -> None:
    assert parse_tag(f"object {'a' * 40}\ntype commit\ntag x\n".encode()) == ("a" * 40, "commit")
    with pytest.raises(NotExactError):
        parse_tag(b"object x\n")


def test_an_object_is_held_to_its_name() -> None:
    name = hasher("blob", 3)
    name.update(b"abc")
    check_oid("f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f", name.hexdigest())
    with pytest.raises(MismatchError, match="has the contents"):
        check_oid("a" * 40, name.hexdigest())
