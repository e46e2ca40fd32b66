"""Whose keys a Release of the lock is held to."""

import base64
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cogpack.lockfile.base_kinds import LockedArchive
from cogpack.planning.signatures import _Reader

ADDRESS = "https://apt.example.com"


def archive(suite: str, key: bytes) -> LockedArchive:
    text = base64.b64encode(key).decode()
    return LockedArchive(uri=ADDRESS, suites=(suite,), components=("main",), key=text, fingerprints=("A" * 40,))


@pytest.mark.parametrize(("suite", "key"), [("stable", b"one"), ("nightly", b"two")])
def test_each_suite_of_one_archive_is_held_to_its_own_key(suite: str, key: bytes) -> None:
    packages = SimpleNamespace(archives=(archive("stable", b"one"), archive("nightly", b"two")))
    reader = _Reader.__new__(_Reader)
    reader._prepared = cast(
        "Any", SimpleNamespace(decisions=SimpleNamespace(base=SimpleNamespace(system_packages=packages)))
    )
    release = cast("Any", SimpleNamespace(archive=ADDRESS, suite=suite, keyring=None))
    assert reader.keys(release).data == key
