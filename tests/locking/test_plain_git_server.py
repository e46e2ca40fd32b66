"""A repository that a plain file server gives (git's dumb HTTP, `git update-server-info`)."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.git_server import GitServer, mirrors_in, plain_environment
from support.serving import served

from cogpack.git.mirror import pack_name
from cogpack.git.program import Git, NoDepthError
from cogpack.lockfile.builds import GitSource
from cogpack.locking.sources.repositories import Repositories
from cogpack.progress import Cancellation


def test_its_sources_are_brought_with_their_history_and_a_short_clone_is_refused_at_once(tmp_path: Path) -> None:
    repositories = GitServer(tmp_path / "served")
    commit = repositories.commit("tools", {"a.txt": b"a"})
    repositories.git("tools", "update-server-info")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp_path / "served"))
    git = Git(plain_environment(tmp_path), Cancellation())
    with served(server):
        url = f"http://127.0.0.1:{server.server_port}/tools/.git"
        mirrors = mirrors_in(git, tmp_path / "mirrors")
        with pytest.raises(NoDepthError, match="plain files"):
            mirrors.directory(url, [commit], 1)
        pin = GitSource(url=url, commit=commit, requested="")
        sources = Repositories(git, mirrors, None)  # type: ignore[arg-type]
        sources.write(pin, tmp_path / "tree")
        pack = b"".join(sources.pack(pin))
    assert (tmp_path / "tree/a.txt").read_bytes() == b"a"
    packs = {pack_name([commit], 1): pack}
    offline = mirrors_in(git, tmp_path / "offline", packed=lambda name: iter([packs[name]]))
    Repositories(git, offline, None).write(pin, tmp_path / "again")  # type: ignore[arg-type]
    assert (tmp_path / "again/a.txt").read_bytes() == b"a"
