"""Nothing of a listing is believed before it was looked at."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.config import WeightSource
from cogpack.errors import InputError
from cogpack.resolve.weights import listing
from cogpack.resolve.weights.listing import FoundFile, ListedObject, below, choose

SOURCE = WeightSource(uri="s3://bucket/p/")


def files(*paths: str) -> list[FoundFile]:
    return [FoundFile(path=path, file=path, size=1) for path in paths]


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (["../../etc/passwd"], r"names the file '\.\./\.\./etc/passwd'"),
        (["a/../b"], "names the file"),
        (["/etc/passwd"], "names the file"),
        (["a//b"], "names the file"),
        (["./a"], "names the file"),
        (["a\0b"], "names the file"),
        (["\ud800"], "names the file"),
        (["a" * 256], "names the file"),
        (["a", "b", "a"], "lists 'a' twice"),
        (["a", "a/b/c"], "'a' is a file and the directory of another"),
        ([], "no file is left of 0"),
    ],
)
def test_a_listing_that_can_not_be_a_directory_is_refused(paths: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        choose(SOURCE, files(*paths))


def test_what_is_excluded_may_be_called_anything() -> None:
    source = WeightSource(uri="s3://bucket", exclude=("..*",))
    assert choose(source, files("../x", "b", "a")) == files("a", "b")


@given(st.lists(st.text("ab./\0", max_size=6)))
def test_every_path_that_is_chosen_stays_below_the_target(paths: list[str]) -> None:
    try:
        chosen = choose(SOURCE, files(*paths))
    except InputError:
        return
    for file in chosen:
        assert posixpath.normpath(f"/t/{file.path}") == f"/t/{file.path}"


def test_an_enormous_listing_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LISTED", 50)
    asked: list[str] = []

    def read(token: str) -> tuple[list[ListedObject], str]:
        asked.append(token)
        return [ListedObject(f"p/{len(asked)}-{n}", 1) for n in range(20)], "more"

    with pytest.raises(InputError, match="more than 50 files"):
        choose(SOURCE, below("s3://bucket/p/", "p/", read))
    assert asked == ["", "more", "more"]


def test_a_listing_of_empty_pages_without_end_is_given_up() -> None:
    with pytest.raises(InputError, match="does not end"):
        list(below("s3://bucket", "", lambda token: ([], "more")))


def test_a_listing_of_other_names_than_were_asked_for_is_refused() -> None:
    with pytest.raises(InputError, match="lists 'q/a'"):
        list(below("s3://bucket/p/", "p/", lambda token: ([ListedObject("q/a", 1)], "")))
