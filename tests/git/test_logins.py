"""What an address says of a login is told to git, which asks its helpers as the user has set them up."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.git_server import plain_environment

from cogpack.errors import InputError
from cogpack.git.logins import login_variables


def filled(home: Path, url: str, **more: str) -> dict[str, str]:
    """Give what git would log in with (git-credential(1))."""
    environment = plain_environment(home) | {"GIT_TERMINAL_PROMPT": "0"} | more
    done = subprocess.run(
        ["git", "credential", "fill"],
        env=environment | login_variables(url, environment),
        input=b"protocol=https\nhost=h.test\n\n",
        capture_output=True,
        check=True,
    )
    pairs = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    return {name: pairs[name] for name in ("username", "password")}


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
@pytest.mark.parametrize(
    ("user", "username", "password"),
    [
        ("alice", "alice", "of-alice"),
        ("alice:other", "alice", "other"),
        ("alice:", "alice", ""),
        ("t0ken", "t0ken", ""),
        ("a%40b:p%3Aw", "a@b", "p:w"),
    ],
)
def test_a_user_alone_is_who_the_users_own_helpers_are_asked_for(
    tmp_path: Path, user: str, username: str, password: str
) -> None:
    knows = """!f() { test "$1" = get && grep -qx username=alice && echo password=of-alice; }; f"""
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "credential.helper", "GIT_CONFIG_VALUE_0": knows}
    assert filled(tmp_path, f"https://{user}@h.test/r", **settings) == {"username": username, "password": password}


@pytest.mark.parametrize("count", ["two", "-1", "1_0", "9" * 5000])
def test_a_count_of_settings_that_is_none_is_named(count: str) -> None:
    with pytest.raises(InputError, match=r"^GIT_CONFIG_COUNT: '.{1,40} is no number"):
        login_variables("https://a:b@h.test/r", {"GIT_CONFIG_COUNT": count})
    assert login_variables("https://h.test/r", {"GIT_CONFIG_COUNT": count}) == {}
    assert login_variables("http://[::1", {"GIT_CONFIG_COUNT": count}) == {}
