"""Files that are as they were are not looked up one by one, and a layer of them has the key that it had."""

from pathlib import Path

import pytest
from support.clock import an_hour_later

from cogpack.layers.content import LocalFile
from cogpack.layers.files import FilesSource, Placed
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.listed import ListedFiles
from cogpack.project import find_project
from cogpack.project.files import listing_digest, newest
from cogpack.seal import Seal

SEAL = Seal()


def listed(root: Path, prints: Fingerprints, made: list[str]) -> ListedFiles:
    files = find_project(root).files()

    def make() -> FilesSource:
        made.append("made")
        placed = [Placed(one.path, prints.of(root / one.path, one.stat)) for one in files if one.kind == "file"]
        return FilesSource("project", placed)

    return ListedFiles(prints, "project", listing_digest(files), lambda: newest(files), make)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "cog.yaml").touch()
    for name in ("a", "b", "data/c"):
        (root / name).write_text(name)
    return root


def prints(root: Path, **options: object) -> Fingerprints:
    return Fingerprints(root.parent / "store", SEAL, **{"clock": an_hour_later, **options})  # type: ignore[arg-type]


def key(root: Path, **options: object) -> tuple[str | None, list[str]]:
    made: list[str] = []
    known = prints(root, **options)
    found = listed(root, known, made).key()
    known.save()
    return found, made


def test_what_has_not_changed_is_not_looked_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, made = key(root)
    assert made
    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "whole", lambda _: pytest.fail("a file is read"))
        assert key(root) == (first, [])
    assert key(root, trusting=False) == (first, ["made"])


@pytest.mark.parametrize("change", ["write", "add", "remove", "move", "chmod"])
def test_what_has_changed_is(root: Path, change: str) -> None:
    first, _ = key(root)
    match change:
        case "write":
            (root / "a").write_text("A")
        case "add":
            (root / "d").write_text("d")
        case "remove":
            (root / "a").unlink()
        case "move":
            (root / "a").rename(root / "z")
        case _:
            (root / "a").chmod(0o755)
    found, made = key(root)
    assert made
    assert (found == first) == (change == "chmod"), "this source knows no modes"


def test_of_a_young_file_no_key_is_remembered(root: Path) -> None:
    known = Fingerprints(root.parent / "store", SEAL)
    assert listed(root, known, []).key()
    known.save()
    assert key(root)[1]


def test_another_user_s_word_does_not_count(root: Path) -> None:
    key(root)
    made: list[str] = []
    listed(root, Fingerprints(root.parent / "store", Seal(), clock=an_hour_later), made).key()
    assert made


def test_what_is_remembered_of_files_stays_where_none_was_looked_up(root: Path) -> None:
    key(root)
    known = prints(root)
    assert listed(root, known, []).key()
    assert known.remember(LocalFile.of(root / "a"), "size", lambda: "1") == "1"
    known.save()
    after = prints(root)
    for name in ("a", "b", "data/c"):
        assert after.when_read(LocalFile.of(root / name)).blake3 is not None
    assert key(root)[1] == []


def test_a_file_that_is_gone_is_forgotten_with_the_next_listing(root: Path) -> None:
    key(root)
    gone = LocalFile.of(root / "b")
    (root / "b").unlink()
    key(root)
    assert prints(root).when_read(gone).blake3 is None
