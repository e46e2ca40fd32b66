"""What git says when it fails becomes an error of ours."""

from cogpack.errors import UnavailableError
from cogpack.git.program import GitFailedError, translated


def test_what_the_server_says_comes_before_what_git_makes_of_it() -> None:
    said = "remote: fatal: unable to read 0562c27\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n"
    error = translated(GitFailedError(said), "https://git.test/tools.git")
    assert isinstance(error, UnavailableError)
    assert error.message == "https://git.test/tools.git: git can't reach the repository: unable to read 0562c27"
