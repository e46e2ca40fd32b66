"""Wheels of `-e` are the same whatever machine makes them."""

import os
import zipfile
from pathlib import Path

import pytest

from cogpack.lockfile import GitSource
from cogpack.locking.sources.editable import leading_wheel
from cogpack.locking.sources.repositories import Repositories

COMMIT = "a" * 40
NAME = "a-1-py3-none-any.whl"
SOURCE = GitSource(url="https://h.example/a", commit=COMMIT, describe="v1-0-gaaaaaaaaa", editable=True)


def built(directory: Path) -> Path:
    files = {
        "a.py": "",
        "a-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: a\nVersion: 1\n",
        "a-1.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "a-1.dist-info/RECORD": "".join(f"{name},,\n" for name in ("a.py", "a-1.dist-info/METADATA")),
    }
    with zipfile.ZipFile(directory / NAME, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return directory / NAME


def test_a_cache_from_which_nothing_may_be_run_gives_the_same_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a file system that is mounted so, the system says of each program that it may not be run."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.py").write_text("")
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o755)
    wheel = built(tmp_path)
    usual = b"".join(leading_wheel(wheel, NAME, SOURCE, tree))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert b"".join(leading_wheel(wheel, NAME, SOURCE, tree)) == usual
    (tmp_path / "made.whl").write_bytes(usual)
    with zipfile.ZipFile(tmp_path / "made.whl") as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes["a-1.data/data/src/a/run.sh"] == 0o100755
    assert modes["a-1.data/data/src/a/a.py"] == 0o100644


@pytest.mark.parametrize(("time", "date"), [(10**15, "9999-12-31"), (-(10**15), "1970-01-01"), (1, "1970-01-01")])
def test_a_commit_may_be_of_any_time(tmp_path: Path, time: int, date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Commits:
        def read(self, *_: str) -> bytes:
            return f"tree {COMMIT}\ncommitter A <a@b> {time} +0000\n\nx\n".encode()

    (tmp_path / "tree").mkdir()
    monkeypatch.setattr(Repositories, "_write", lambda *_: None)
    monkeypatch.setattr(Repositories, "_objects", lambda *_: Commits())
    Repositories(None, None, None).write(SOURCE, tmp_path / "tree")  # type: ignore[arg-type]
    assert f"node-date: {date}T" in (tmp_path / "tree/.git_archival.txt").read_text()
