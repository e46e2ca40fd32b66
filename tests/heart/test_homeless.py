"""A user whom nobody knows, a home that can't be written, a directory that is gone: the work goes on."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.privileges import read_only, unprivileged
from support.wheels import make_wheel
from support.world import World, noise, ok

pytestmark = pytest.mark.slow

NO_PLACE = {"HOME": "", "COGPACK_CACHE_DIR": "", "XDG_CACHE_HOME": "", "XDG_STATE_HOME": ""}


@pytest.fixture
def temporary(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary directories are made; nothing is left there at the end."""
    directory = world.directory / "tmp"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    yield directory
    assert list(directory.iterdir()) == []


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows this user: as in a container that an arbitrary uid runs."""

    def missing(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", missing)


def notes(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("note: ") and "cache" in line]


VERBS = ["lock", "plan", "push REF", "build -o ../out", "build -o ../out.tar", "weights ls", "verify REF"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_user_without_a_home_gets_by_without_a_kept_cache(
    world: World, temporary: Path, unknown: None, verb: str
) -> None:
    project = world.project(files={"model/w.pt": noise(2_000_000)})
    ok(project.cogpack("push", project.target()))
    done = ok(project.cogpack(*verb.replace("REF", project.target()).split(), **NO_PLACE))
    (note,) = notes(done.err)
    assert note == (
        f"note: no place for a cache: HOME is not set, and user {os.geteuid()} has no home; "
        "this run keeps nothing, and the next one has to fetch and learn the same again"
    )


CACHELESS = ["schema", "inspect REF", "copy REF ../copied", "pull REF -o ../pulled", "auth explain h.io"]


@pytest.mark.parametrize("verb", CACHELESS)
def test_what_needs_no_cache_does_not_miss_it(world: World, temporary: Path, unknown: None, verb: str) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    done = ok(project.cogpack(*verb.replace("REF", project.target()).split(), **NO_PLACE))
    assert notes(done.err) == []


@pytest.mark.parametrize("place", ["HOME", "COGPACK_CACHE_DIR", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("there", [True, False])
def test_a_place_that_cannot_be_written_is_told_once(world: World, temporary: Path, place: str, there: bool) -> None:
    project = world.project()
    shut = world.directory / "shut"
    (shut / ".cache" / "cogpack" if there else shut).mkdir(parents=True)
    for directory in (shut, shut / ".cache", shut / ".cache" / "cogpack"):
        if directory.exists():
            directory.chmod(0o555)
    named = shut if place == "HOME" else shut / ".cache" if place == "XDG_CACHE_HOME" else shut / ".cache" / "cogpack"
    with unprivileged():
        done = ok(project.cogpack("push", project.target(), **NO_PLACE | {place: str(named)}))
    (note,) = notes(done.err)
    assert note.startswith(f"note: {shut}/.cache/cogpack: Permission denied; this run keeps nothing")
    assert world.has("me/model", "v1")


def test_an_empty_home_is_none_and_the_user_database_is_asked(
    world: World, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        pw_dir = str(world.directory / "registered")

    monkeypatch.setattr("pwd.getpwuid", lambda uid: Entry())
    ok(world.project().cogpack("lock", **NO_PLACE))
    assert (world.directory / "registered" / ".cache" / "cogpack" / "CACHEDIR.TAG").is_file()


def test_what_a_cache_that_cannot_be_written_holds_is_used(world: World, temporary: Path) -> None:
    project = world.project(requirements="mine\n")
    wheel = make_wheel(world.wheels, "mine", "1.0")
    ok(project.cogpack("push", project.target("one")))
    wheel.unlink()
    project.write("cogpack.lock", (project.root / "cogpack.lock").read_text().partition("[results]")[0])
    cache = world.directory / "cache"
    for directory in cache.rglob("*/"):
        directory.chmod(0o555)
    with read_only(cache):
        done = ok(project.cogpack("build", "-o", "../out", "--rebuild", "--locked"))
    assert notes(done.err)


def test_no_directory_at_all_is_told_in_two_lines(world: World, unknown: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    project = world.project()
    done = project.cogpack("lock", **NO_PLACE)
    assert (done.code, done.out) == (2, "")
    assert "there is no temporary directory either" in done.err
    assert "next: name a directory that can be written, by --cache-dir or $TMPDIR\n" in done.err
    ok(project.cogpack("schema", **NO_PLACE))


def test_a_login_is_found_where_the_user_database_says(
    world: World, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = world.directory / "registered"

    class Entry:
        pw_dir = str(home)

    monkeypatch.setattr("pwd.getpwuid", lambda uid: Entry())
    (home / ".docker").mkdir(parents=True)
    (home / ".docker" / "config.json").write_text('{"auths": {"h.io": {"username": "me", "password": "x"}}}')
    assert ok(world.cogpack("auth", "explain", "h.io", **NO_PLACE)).out.startswith(
        f"h.io: password of me from {home}/.docker/config.json"
    )


def test_a_login_needs_a_place_to_be_kept_in(world: World, unknown: None) -> None:
    done = world.cogpack("logout", world.registry, **NO_PLACE)
    assert done.code == 0
    assert "Traceback" not in done.err


GONE = ["plan", "lock", "push h.io/a/b:c", "build -o out", "load", "schema", "weights ls", "verify h.io/a/b:c"]


@pytest.mark.parametrize("verb", [*GONE, "plan -C below", "plan -C . --cache-dir x"])
def test_a_current_directory_that_is_gone_is_said(world: World, verb: str) -> None:
    done = world.cogpack(*verb.split(), gone=True)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "error: the current directory is gone\nnext: change to one that is there, or name one with -C /DIR\n"
    )


@pytest.mark.parametrize(
    "verb", ["plan -C ROOT", "schema -C ROOT", "inspect REF", "weights ls -C ROOT", "pull REF -o OUT"]
)
def test_a_current_directory_that_is_gone_is_not_missed_by_who_needs_none(world: World, verb: str) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    words = verb.replace("ROOT", str(project.root)).replace("REF", project.target())
    done = world.cogpack(*words.replace("OUT", str(world.directory / "out")).split(), gone=True)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    "verb", ["copy REF x", "pull REF -o out", "weights pull REF -o out", "inspect ./x", "registry probe REF"]
)
def test_other_verbs_in_a_directory_that_is_gone_end_without_a_traceback(world: World, verb: str) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    done = world.cogpack(*verb.replace("REF", project.target()).split(), gone=True)
    assert done.code in (0, 2)
    assert "Traceback" not in done.err
