"""What git says when it fails becomes an error of ours."""

import pytest

from cogpack.errors import InputError, UnavailableError
from cogpack.git.program import GitFailedError, translated


def test_what_the_server_says_comes_before_what_git_makes_of_it() -> None:
    said = "remote: fatal: the disk is full\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n"
    error = translated(GitFailedError(said), "https://git.test/tools.git")
    assert isinstance(error, UnavailableError)
    assert error.message == "https://git.test/tools.git: git can't reach the repository: the disk is full"


@pytest.mark.parametrize(
    "said",
    [
        "remote: fatal: unable to read 0562c27\nfatal: early EOF\n",
        "remote: error: Could not read 0562c27\nremote: fatal: bad tree object 0562c27\nfatal: early EOF\n",
        "remote: fatal: could not fetch 0562c27 from promisor remote\nfatal: early EOF\n",
    ],
)
def test_a_server_that_lacks_an_object_is_not_asked_again_and_the_object_is_named(said: str) -> None:
    error = translated(GitFailedError(said), "https://git.test/tools.git")
    assert isinstance(error, InputError)
    assert error.message.startswith("https://git.test/tools.git: the server's repository has no 0562c27, which others")
