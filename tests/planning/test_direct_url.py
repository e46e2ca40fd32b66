"""What direct_url.json says (PEP 610) is what pip writes."""

import json
from typing import Any

import pytest

from cogpack.digest import Digest
from cogpack.lockfile import BuildSource, GitSource, IndexSource, ProjectSource, UrlSource
from cogpack.planning.recipes.direct_url import direct_url

HEX = "a" * 64
COMMIT = "b" * 40
HASH = {"hash": f"sha256={HEX}", "hashes": {"sha256": HEX}}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            GitSource(url="https://h/r.git", commit=COMMIT, requested="main", subdirectory="a/b"),
            {
                "url": "https://h/r.git",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"},
                "subdirectory": "a/b",
            },
        ),
        (
            GitSource(url="ssh://git@h/r", commit=COMMIT),
            {"url": "ssh://git@h/r", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        ),
        (
            GitSource(url="https://h/r", commit=COMMIT, editable=True),
            {"url": "file:///opt/venv/src/pkg", "dir_info": {"editable": True}},
        ),
        (
            GitSource(url="https://h/r", commit=COMMIT, clone="opt/r x", subdirectory="s"),
            {"url": "file:///opt/r%20x/s", "dir_info": {}},
        ),
        (UrlSource(url="https://h/x.zip", sha256=HEX), {"url": "https://h/x.zip", "archive_info": HASH}),
        (
            ProjectSource(path="x.tar.gz", digest=Digest(f"sha256:{HEX}")),
            {"url": "file:///src/x.tar.gz", "archive_info": HASH},
        ),
        (
            ProjectSource(path="lib", digest=Digest(f"sha256:{HEX}"), editable=True),
            {"url": "file:///src/lib", "dir_info": {"editable": True}},
        ),
    ],
)
def test_what_a_wheel_was_made_of_is_said_as_pip_says_it(source: BuildSource, said: dict[str, Any]) -> None:
    assert json.loads(direct_url(source, "pkg")) == said


def test_of_what_an_index_has_nothing_is_said() -> None:
    assert direct_url(IndexSource(filename="x-1.tar.gz", sha256=HEX), "x") == b""
