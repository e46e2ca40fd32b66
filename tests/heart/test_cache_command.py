"""`cogpack cache`: what it shows, what it removes, and what it never touches."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.wheels import make_wheel
from support.world import World, ok

import cogpack
from cogpack.cache import Kept, foreign
from cogpack.cache.sweep import clean, items, prune

pytestmark = pytest.mark.slow

DAY = 24 * 3600.0


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def age(root: Path, days: float) -> None:
    """Make all that is in the cache as old as that, the records of its uses included."""
    then = time.time() - days * DAY
    for path in root.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)
    for record in (root / "used").iterdir():
        record.rename(record.with_name(time.strftime("%Y-%m-%d", time.gmtime(then))))


@pytest.fixture
def cache(world: World) -> Path:
    """One that a push has filled."""
    make_wheel(world.wheels, "mine", "1.0")
    project = world.project(requirements="mine\n", files={"model/w.bin": bytes(2_000_000)})
    ok(project.cogpack("push", project.target()))
    return world.directory / "cache"


def test_its_place_is_told_without_making_it(world: World) -> None:
    assert ok(world.cogpack("cache", "dir")).out == f"{world.directory}/cache\n"
    assert ok(world.cogpack("cache", "dir", "--json")).json["directory"] == f"{world.directory}/cache"
    assert ok(world.cogpack("cache", "dir", "--cache-dir", "x", COGPACK_CACHE_DIR="")).out == f"{world.directory}/x\n"
    found = ok(world.cogpack("cache", "size", "--json")).json
    assert (found["size"], found["files"], found["kinds"]) == (0, 0, [])
    ok(world.cogpack("cache", "prune"))
    ok(world.cogpack("cache", "clean"))
    assert not (world.directory / "cache").exists()


def test_a_user_without_a_place_is_told_what_to_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", missing)
    for verb in ("dir", "size", "prune", "clean"):
        done = world.cogpack("cache", verb, HOME="", COGPACK_CACHE_DIR="")
        assert (done.code, done.out) == (2, "")
        assert "next: name one by --cache-dir or $COGPACK_CACHE_DIR\n" in done.err


def test_its_size_is_that_of_its_files(world: World, cache: Path) -> None:
    found = ok(world.cogpack("cache", "size", "--json")).json
    ours = {path for path in files(cache) if path.split("/")[0] not in ("used", "running", ".lock", "CACHEDIR.TAG")}
    assert found["directory"] == str(cache)
    assert found["files"] == len(ours)
    assert found["size"] == sum((cache / path).stat().st_size for path in ours)
    assert [kind["name"] for kind in found["kinds"]] == ["downloads", "facts", "lists of bases", "package indexes"]
    assert sum(kind["size"] for kind in found["kinds"]) == found["size"]
    assert ok(world.cogpack("cache", "size")).out.splitlines()[-1].endswith(f"  {cache}")


def test_all_of_it_goes_and_nothing_that_is_not_ours(world: World, cache: Path) -> None:
    theirs = ["mine.txt", "artifacts/readme", "artifacts/sha256/ab/notes.txt", "uv/archive-v0/x", "facts/ab/x.json"]
    theirs += ["debs/a.deb", "resolve-metadata/keep.me", ".removed/x", "fingerprints/x", "homes/h/ab/x", "used/notes"]
    for name in theirs:
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("theirs")
    outside = world.directory / "outside" / ("ab" * 32)
    outside.parent.mkdir()
    outside.write_text("theirs")
    (cache / "artifacts" / "sha256" / "ff").symlink_to(outside.parent)
    (cache / "artifacts" / "sha256" / "ab" / ("cd" * 32)).symlink_to(outside)
    (cache / "facts" / "empty").mkdir()
    done = ok(world.cogpack("cache", "clean", "--json")).json
    assert done["left"] == done["busy"] == 0
    assert done["removed"] > 1000
    left = {path for path in files(cache) if not path.endswith(("CACHEDIR.TAG", ".lock"))}
    assert left == {*theirs, f"artifacts/sha256/ab/{'cd' * 32}"}
    assert (cache / "facts" / "empty").is_dir()
    assert outside.read_text() == "theirs"


def test_what_cogpack_keeps_is_foreign_in_no_cache(cache: Path) -> None:
    assert foreign(cache) == []
    places = set(
        re.findall(
            r'cache / "([a-z]+)"', "".join(path.read_text() for path in Path(cogpack.__file__).parent.rglob("*.py"))
        )
    )
    assert {"bases", "bytecode", "libraries"} < places
    for name in (*places, "theirs"):
        (cache / name).mkdir(exist_ok=True)
    assert foreign(cache) == ["theirs"]


def test_a_cleaned_cache_is_filled_again(world: World, cache: Path) -> None:
    before = ok(world.cogpack("push", "-C", "model", f"{world.registry}/me/model:v1")).digest
    ok(world.cogpack("cache", "clean"))
    ok(world.cogpack("cache", "clean"))
    assert ok(world.cogpack("push", "-C", "model", "--rebuild", f"{world.registry}/me/model:v1")).digest == before
    assert [item.kind for item in items(cache) if item.kind == "downloads"]


def test_what_was_used_stays_and_what_was_not_goes(world: World, cache: Path) -> None:
    age(cache, 40)
    other = world.project("other")
    ok(other.cogpack("build", "-o", "../out"))  # takes three of the four wheels
    done = ok(world.cogpack("cache", "prune", "--json")).json
    assert done["removed"] > 0
    wheels = [item for item in items(cache) if item.name.startswith("artifacts/")]
    assert len(wheels) == 3
    assert ok(world.cogpack("cache", "prune", "--json")).json["removed"] == 0


def test_thirty_days_are_the_age_that_counts(world: World, cache: Path) -> None:
    age(cache, 28)
    assert ok(world.cogpack("cache", "prune", "--json")).json["removed"] == 0
    age(cache, 32)
    assert ok(world.cogpack("cache", "prune", "--days", "40", "--json")).json["removed"] == 0
    assert ok(world.cogpack("cache", "prune", "--json")).json["left"] == 0


def test_a_size_is_kept_to_by_the_longest_unused(world: World, cache: Path) -> None:
    wheels = [item.name for item in items(cache) if item.name.startswith("artifacts/")]
    age(cache, 2)
    then = time.time() - 20 * DAY
    os.utime(cache / wheels[0], (then, then))
    (record,) = (cache / "used").iterdir()
    record.write_text("".join(f"{item.name}\n" for item in items(cache) if item.name != wheels[0]))
    total = ok(world.cogpack("cache", "size", "--json")).json["size"]
    done = ok(world.cogpack("cache", "prune", "--max-size", str(total - 1), "--json")).json
    assert done["left"] <= total - 1
    assert [item.name for item in items(cache) if item.name.startswith("artifacts/")] == wheels[1:]
    assert ok(world.cogpack("cache", "prune", "--max-size", "1.5GB", "--json")).json["removed"] == 0
    assert world.cogpack("cache", "prune", "--max-size", "much").code == 2


def test_what_a_running_process_has_asked_for_stays(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    names = [f"artifacts/sha256/{digit * 2}/{digit * 64}" for digit in "abc"]
    for name in names:
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"1234")
    for name in names[:2]:
        os.utime(root / name, (0, 0))
    running = Kept(root)
    running.used(root / names[0])
    swept = clean(root)
    assert (swept.removed, swept.busy, swept.left) == (4, 8, 8)  # names[2] was made on the day it started
    assert {item.name for item in items(root)} == {names[0], names[2]}
    assert (root / names[1]).parent.is_dir(), "a running process may be about to write there"
    running.close()
    assert clean(root).left == 0
    assert not (root / names[0]).parent.exists()


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    program = f"import os; from pathlib import Path; from cogpack.cache import Kept; k = Kept(Path({str(root)!r}))\n"
    program += "k.used(k.root / 'facts/ab/x'); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], check=False)
    assert len(list((root / "running").iterdir())) == 1
    (root / "artifacts/sha256/ab").mkdir(parents=True)
    (root / "artifacts/sha256/ab" / ("ab" * 32)).write_text("x")
    assert clean(root).removed == 1
    assert list((root / "running").iterdir()) == []


def test_uses_are_recorded_without_touching_the_files(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "cache")
    file = kept.root / "artifacts" / "sha256" / "ab" / ("ab" * 32)
    file.parent.mkdir(parents=True)
    file.write_text("x")
    os.utime(file, (0, 0))
    before = file.stat()
    for _ in range(3):
        kept.used(file)
    assert file.stat() == before
    (record,) = (kept.root / "used").iterdir()
    assert record.read_text() == f"artifacts/sha256/ab/{'ab' * 32}\n"
    (item,) = items(kept.root)
    assert item.last >= time.time() - 1
    kept.used(tmp_path / "elsewhere")
    assert len(record.read_text().splitlines()) == 1
    kept.close()


def test_records_of_uses_do_not_grow_with_the_runs(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    names = [f"artifacts/sha256/{digit * 2}/{digit * 64}" for digit in "ab"]
    for name in names:
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("x")
    for _ in range(3):
        kept = Kept(root)
        kept.used(root / names[0])
        kept.used(root / names[1])
        kept.close()
    (record,) = (root / "used").iterdir()
    assert record.read_text().splitlines() == names
    for day, told in (("2020-01-01", names), ("2020-01-02", names[:1])):
        record.with_name(day).write_text("".join(f"{name}\n" for name in told))
    record.write_text(f"{names[0]}\n")
    prune(root, days=36500, limit=None, now=time.time())
    assert sorted(path.name for path in (root / "used").iterdir()) == ["2020-01-01", record.name]


def test_left_over_scratch_goes_whatever_its_age(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    (root / "resolve-abcd1234").mkdir(parents=True)
    (root / "resolve-abcd1234" / "requirements.in").write_text("six\n")
    (root / f".removed-{'0' * 16}" / "deep").mkdir(parents=True)
    (root / f".removed-{'0' * 16}" / "deep" / "x").write_text("x")
    assert prune(root, days=30, limit=None, now=time.time()).files == 2
    assert files(root) == {".lock"}


def test_a_place_that_can_not_be_has_nothing_that_could_go(tmp_path: Path) -> None:
    assert clean(tmp_path / ("a" * 300)).left == 0
