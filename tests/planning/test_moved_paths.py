"""What two results of the same commands have differently is told by path, with its likely cause."""

import pytest
from support.archives import archive, directory, file, symlink

from cogpack.planning.steps.moved_paths import MovedPath, moved_paths, told
from cogpack.planning.steps.moved_paths import listing as listing_of


def moved(first: list[object], second: list[object]) -> dict[str, MovedPath]:
    one, other = (listing_of(archive(*members).read(), "layer") for members in (first, second))  # type: ignore[arg-type]
    return {found.path: found for found in moved_paths(one, other)}


def test_what_is_equal_did_not_move() -> None:
    same = [directory("etc"), file("etc/a", b"1"), symlink("etc/b", "a")]
    assert moved(same, same) == {}


@pytest.mark.parametrize(
    ("first", "second", "how"),
    [
        (file("a", b"1"), file("a", b"2"), "content"),
        (symlink("a", "b"), symlink("a", "c"), "content"),
        (file("a", mode=0o644), file("a", mode=0o600), "mode"),
        (file("a", uid=1), file("a", uid=2), "owner"),
        (file("a"), directory("a"), "type"),
    ],
)
def test_it_is_said_in_what_they_differ(first: object, second: object, how: str) -> None:
    assert moved([first], [second])["a"].how == how


def test_a_directory_of_one_result_is_told_by_what_is_in_it() -> None:
    found = moved([], [directory("opt"), file("opt/x")])
    assert {path: one.how for path, one in found.items()} == {"opt/x": "only in the second"}
    assert moved([directory("empty")], [])["empty"].how == "only in the first"


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("opt/venv/lib/python3.13/site-packages/a/__pycache__/b.cpython-313.pyc", "bytecode"),
        ("src/x/.git/index", "git keeps times"),
        ("src/x/.git/logs/HEAD", "git keeps times"),
        ("etc/machine-id", "at random"),
        ("etc/ssh/ssh_host_ed25519_key.pub", "a key made at random"),
        ("var/log/fontconfig.log", "a log"),
        ("root/.wget-hsts", "history"),
        ("var/lib/dpkg/status", "packages of another version"),
        ("opt/venv/lib/python3.13/site-packages/a-1.dist-info/RECORD", "a package of another version"),
        ("usr/lib/libx.so.1", "compiled"),
        ("opt/data.tar.gz", "an archive"),
        ("root/.cache/huggingface/x", "a cache"),
        ("opt/weights.bin", "fetched"),
    ],
)
def test_a_path_tells_the_likely_cause(path: str, cause: str) -> None:
    assert cause in moved([file(path, b"1")], [file(path, b"2")])[path].cause


@pytest.mark.parametrize(
    ("first", "second", "cause"),
    [
        (b"built 2026-11-28 10:00:01", b"built 2026-11-29 23:59:59", "a date or time"),
        (b"at 1764324000", b"at 1764324007", "a date or time"),
        (b"id=6f0c3c38-0d6a-4d2c-9a5e-0d5f6f3c2b1a", b"id=7f0c3c38-0d6a-4d2c-9a5e-0d5f6f3c2b1b", "at random"),
        (b"version 1", b"version 2", "fetched"),
    ],
)
def test_small_files_tell_it_by_their_bytes(first: bytes, second: bytes, cause: str) -> None:
    assert cause in moved([file("opt/info", first)], [file("opt/info", second)])["opt/info"].cause


def test_a_message_names_so_many_and_counts_the_rest() -> None:
    found = moved([], [file(f"x{number}") for number in range(5)])
    text = told(list(found.values()), 3)
    assert text.count("\n") == 3
    assert text.endswith("and 2 other paths")
