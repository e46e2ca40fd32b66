"""Repositories are fetched with what their user has set up for git, and their build has none of it."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.git_server import GitServer, git_server, plain_environment

from cogpack.errors import DeniedError
from cogpack.lockfile import GitSource
from cogpack.locking.sources.bring import Sources
from cogpack.project import find_project
from cogpack.session import Session, Settings

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="there is no git")

SECRET = "czNjcjN0"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with git_server(tmp_path / "served") as found:
        found.commit("pkg", {"setup.py": b"", "pkg.py": b"x = 1\n"})
        yield found


def brought(tmp_path: Path, line: str, environment: Mapping[str, str] = {}) -> GitSource:
    """Lock a line and write out its files, as a build is given them."""
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    (root / "cog.yaml").write_text("build: {python_version: '3.13', python_requirements: requirements.txt}\n")
    (root / "requirements.txt").write_text(f"{line}\n")
    project = find_project(root)
    known = plain_environment(tmp_path) | dict(environment)
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)
    with Session(Settings(environment=known, cache=tmp_path / "cache")) as session:
        sources = Sources(session, project)
        found = sources.pin(project.requirements().sources[0])
        sources.bring(found, tmp_path / "tree")
    assert isinstance(found, GitSource)
    assert (tmp_path / "tree/pkg.py").read_bytes() == b"x = 1\n"
    assert not (tmp_path / "tree/.git").exists()
    return found


def test_an_address_is_fetched_where_insteadof_leads_and_kept_as_it_is_written(
    server: GitServer, tmp_path: Path
) -> None:
    (tmp_path / ".gitconfig").write_text(f'[url "{server.address}/"]\n\tinsteadOf = https://github.com/o/\n')
    found = brought(tmp_path, "pkg @ git+https://github.com/o/pkg")
    assert (found.url, found.commit) == ("https://github.com/o/pkg", server.git("pkg", "rev-parse", "main"))


def test_credential_helpers_are_asked_and_what_they_say_is_in_no_lock_and_no_source(
    server: GitServer, tmp_path: Path
) -> None:
    server.secret = "YWxpY2U6" + SECRET  # alice:s3cr3t
    helper = """!f() { test \\"$1\\" = get && echo username=alice && echo password=s3cr3t; }; f"""
    with pytest.raises(DeniedError, match="git has no access"):
        brought(tmp_path, f"git+{server.address}/pkg")
    (tmp_path / ".gitconfig").write_text(f'[credential "{server.address}"]\n\thelper = "{helper}"\n')
    found = brought(tmp_path, f"git+{server.address}/pkg")
    assert "s3cr3t" not in str(found)
    for path in [*(tmp_path / "tree").rglob("*"), *(tmp_path / "cache").rglob("*")]:
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes(), path


def test_a_login_of_a_requirement_stands_in_no_command_that_is_started(server: GitServer, tmp_path: Path) -> None:
    """Who else is on the machine can read these."""
    server.secret = "YWxpY2U6" + SECRET
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 1\n".encode()
    server.commit("pkg", {"large.bin": pointer, ".gitattributes": b"*.bin filter=lfs\n"})
    git, said = tmp_path / "bin/git", tmp_path / "said"
    git.parent.mkdir()
    git.write_text(f'#!/bin/sh\necho "$*" >> {said}\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    variables = {"PATH": f"{git.parent}:{os.environ['PATH']}", "TOKEN": "s3cr3t"}
    brought(tmp_path, f"git+{server.address.replace('://', '://alice:${TOKEN}@')}/pkg", variables)
    assert "ls-remote --get-url" in said.read_text()
    assert "s3cr3t" not in said.read_text()


SSH = """#!/bin/sh
# As sshd: who has the key may run git's command over the files there.
ssh-add -l > /dev/null || { echo 'git@git.example: Permission denied (publickey).' >&2; exit 255; }
for command; do :; done
case "$command" in "git-upload-pack '/pkg'") exec git-upload-pack SERVED/pkg ;; esac
exit 1
"""


@pytest.mark.skipif(not shutil.which("ssh-agent"), reason="there is no ssh-agent")
@pytest.mark.parametrize("line", ["git+ssh://git@git.example/pkg", "git+https://git.example/pkg"])
def test_an_ssh_agent_logs_in(server: GitServer, tmp_path: Path, line: str) -> None:
    """By a real agent, with a program in place of ssh and its server; an address of https by `insteadOf`."""
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(SSH.replace("SERVED", str(tmp_path / "served")))
    program.chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        '[url "ssh://git@git.example/"]\n\tinsteadOf = https://git.example/\n[safe]\n\tdirectory = *\n'
    )
    environment = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    with pytest.raises(DeniedError, match="Permission denied"):
        brought(tmp_path, line, environment)
    key, place = tmp_path / "key", tmp_path / "agent"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL)
    try:
        environment["SSH_AUTH_SOCK"] = str(place)
        _await(place)
        subprocess.run(["ssh-add", "-q", str(key)], env={**os.environ, **environment}, check=True)
        found = brought(tmp_path, line, environment)
    finally:
        agent.kill()
        agent.wait()
    assert found.commit == server.git("pkg", "rev-parse", "main")
    assert found.url == line.removeprefix("git+")


def _await(place: Path) -> None:
    for _ in range(1000):
        with socket.socket(socket.AF_UNIX) as tried:
            if tried.connect_ex(str(place)) == 0:
                return
    pytest.fail("the agent does not answer")
