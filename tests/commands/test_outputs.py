"""Where a verb writes: through links that the user laid, never through anybody else's, and nothing is left of what is
refused."""

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.fake_registry import FakeRegistry
from support.personalities import DIST3
from test_pull import LAYERS, put

from cogpack.commands.copy import copy
from cogpack.commands.pull import pull
from cogpack.commands.split_weights import join, split
from cogpack.digest import sha256
from cogpack.disk import DiskError, check_ours, sync_file_system, whole_file
from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.layout import Layout
from cogpack.progress import Cancellation
from cogpack.registry.pull.partial import Partial
from cogpack.session import Session, Settings
from cogpack.sinks.archive import ArchiveSink

pytestmark = pytest.mark.slow

Verb = Callable[[Session, str, Path], object]

VERBS = [
    pytest.param(lambda session, ref, out: pull(session, ref, out), id="pull"),
    pytest.param(lambda session, ref, out: copy(session, ref, str(out)), id="copy"),
]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as found:
        yield found


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(DIST3).running() as found:
        put(found, LAYERS)
        yield found


@pytest.mark.parametrize("verb", VERBS)
def test_a_link_is_an_output(session: Session, registry: FakeRegistry, tmp_path: Path, verb: Verb) -> None:
    """M15: to an empty directory, and to one that is yet to be made."""
    (tmp_path / "disk" / "empty").mkdir(parents=True)
    for name in ("empty", "new"):
        (tmp_path / name).symlink_to(f"disk/{name}")
        verb(session, f"{registry.address}/a/b:v1", tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert len(Layout.read(tmp_path / "disk" / name).names()) == 1


def test_an_archive_goes_where_its_link_leads(session: Session, registry: FakeRegistry, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "a.tar").symlink_to("disk/real.tar")
    pull(session, f"{registry.address}/a/b:v1", tmp_path / "a.tar")
    assert (tmp_path / "a.tar").is_symlink()
    (tmp_path / "b.tar").symlink_to("disk/built.tar")
    with ArchiveSink.write(tmp_path / "b.tar"):
        pass
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["built.tar", "real.tar"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", ["full", "file", "loop"])
def test_an_output_that_will_not_do_is_refused_before_a_registry_is_asked(
    session: Session, registry: FakeRegistry, tmp_path: Path, verb: Verb, kind: str
) -> None:
    if kind == "full":
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "mine").write_text("1")
    elif kind == "file":
        (tmp_path / "real").write_text("1")
    (tmp_path / "out").symlink_to("real" if kind != "loop" else "out")
    with pytest.raises(InputError):
        verb(session, f"{registry.address}/a/b:v1", tmp_path / "out" if kind != "loop" else tmp_path / "out" / ".")
    assert registry.kinds("GET manifest", "GET blob") == []
    assert {path.name for path in tmp_path.iterdir()} <= {"real", "out", "cache"}


def damage(registry: FakeRegistry) -> None:
    """One blob has other bytes."""
    registry.blobs["a/b"][sha256(LAYERS[0])] = bytes(len(LAYERS[0]))


def lose(registry: FakeRegistry) -> None:
    """One is gone."""
    del registry.blobs["a/b"][sha256(LAYERS[1])]


@pytest.mark.parametrize("wrong", [damage, lose])
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("there", [False, True])
def test_nothing_is_left_of_an_image_that_is_refused(
    session: Session,
    registry: FakeRegistry,
    tmp_path: Path,
    verb: Verb,
    wrong: Callable[[FakeRegistry], None],
    *,
    there: bool,
) -> None:
    """M11."""
    wrong(registry)
    if there:
        (tmp_path / "out").mkdir()
    with pytest.raises((InputError, MismatchError)):
        verb(session, f"{registry.address}/a/b:v1", tmp_path / "out")
    assert (tmp_path / "out").exists() == there
    assert {path.name for path in tmp_path.rglob("*")} - {"cache"} <= {"out"}


@pytest.mark.parametrize("wrong", [damage, lose])
def test_nothing_is_left_of_an_archive_that_is_refused(
    session: Session, registry: FakeRegistry, tmp_path: Path, wrong: Callable[[FakeRegistry], None]
) -> None:
    wrong(registry)
    with pytest.raises((InputError, MismatchError)):
        pull(session, f"{registry.address}/a/b:v1", tmp_path / "out.tar")
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == set()


def test_what_a_layout_has_stays_when_another_image_is_refused(
    session: Session, registry: FakeRegistry, tmp_path: Path
) -> None:
    put(registry, LAYERS[2:], tag="small")
    pull(session, f"{registry.address}/a/b:small", tmp_path / "out")
    damage(registry)
    with pytest.raises(MismatchError):
        pull(session, f"{registry.address}/a/b:v1", tmp_path / "out")
    found = Layout.read(tmp_path / "out")
    (name,) = found.names()
    assert name.endswith("/a/b:small")
    # Of another layer there may be a part, if it was still on its way: it is gone on with.
    assert not [path for path in found.root.rglob(f"{sha256(LAYERS[0])[7:]}*") if path.suffix == ".partial"]


@pytest.mark.parametrize("error", [DiskError("full", next_step="x"), UnavailableError("away", next_step="x")])
def test_what_may_come_again_keeps_what_has_come(tmp_path: Path, error: CogpackError) -> None:
    made = Layout.create(tmp_path / "out")
    made.add(b"1")
    with pytest.raises(type(error)), made.filling():
        raise error
    assert (made.root / "oci-layout").exists()


def test_a_layout_that_another_process_fills_stays(tmp_path: Path) -> None:
    one, other = Layout.create(tmp_path / "out"), Layout(tmp_path / "out")
    with other.filling():
        with pytest.raises(InputError), one.filling():
            raise InputError("no", next_step="x")
        digest = other.add(b"1")
    assert other.blob_path(digest).exists()


def test_a_file_that_changes_while_it_is_read_ends_no_layout(tmp_path: Path) -> None:
    """A build is run again, and finds what it had written."""
    made = Layout.create(tmp_path / "out")
    with pytest.raises(MismatchError), made.filling(again=True):
        raise MismatchError("changed while it was read", next_step="run it again")
    assert (made.root / "oci-layout").exists()


# Names that others can guess


@pytest.mark.parametrize("how", ["link", "pipe", "others may write", "theirs", "two names"])
def test_a_partial_file_that_is_not_ours_alone_is_not_written_into(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, precious = tmp_path / "x.partial", tmp_path / "precious"
    precious.write_text("mine")
    if how == "link":
        path.symlink_to(precious)
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "two names":
        path.hardlink_to(precious)
    else:
        path.write_text("")
        path.chmod(0o666 if how == "others may write" else 0o600)
    if how == "theirs":
        real = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with pytest.raises(InputError):
        Partial.open(path, {sha256(b"1"): 1}, Cancellation())
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_the_directory_of_unfinished_blobs_is_ours_alone(
    session: Session, registry: FakeRegistry, tmp_path: Path, mode: int
) -> None:
    """Who may write there could put other bytes in the place of those that were just verified."""
    made = Layout.create(tmp_path / "out")
    made.unfinished.mkdir()
    made.unfinished.chmod(mode)
    with pytest.raises(InputError, match="not ours alone"):
        pull(session, f"{registry.address}/a/b:v1", tmp_path / "out")


def test_a_journal_of_somebody_else_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = sha256(b"1")
    with Partial.open(tmp_path / "x.partial", {digest: 1}, Cancellation()) as partial:
        partial.write(0, b"1")
        partial.record(digest, [(0, 1)])
    with Partial.open(tmp_path / "x.partial", {digest: 1}, Cancellation()) as partial:
        assert not partial.is_new
    status, journal = os.fstat, (tmp_path / "x.journal").stat().st_ino

    def another(file: int) -> os.stat_result:
        found = list(status(file))
        if found[1] == journal:
            found[4] += 1  # st_uid
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", another)
    with Partial.open(tmp_path / "x.partial", {digest: 1}, Cancellation()) as partial:
        assert partial.is_new


def test_where_no_modes_are_kept_ours_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' drives in WSL say 0777 of everything."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(0o777)
    file = os.open(tmp_path / "d", os.O_RDONLY)
    try:
        with monkeypatch.context() as patched:
            patched.setattr(os, "fchmod", lambda file, mode: None)
            check_ours(file, tmp_path / "d")
        with pytest.raises(InputError, match="not ours alone"):
            check_ours(file, tmp_path / "d")
    finally:
        os.close(file)


def test_split_and_join_write_through_no_link_that_stood_there(session: Session, tmp_path: Path) -> None:
    header = (
        b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}'
    )
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"12345678")
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "parts").mkdir()
    for name in ("m.safetensors.index.json", "m-00001-of-00002.safetensors"):
        (tmp_path / "parts" / f".{name}.partial").symlink_to(precious)
    written = split(session, tmp_path / "m.safetensors", tmp_path / "parts", size=4)
    (tmp_path / ".again.safetensors.partial").symlink_to(precious)
    join(session, tmp_path / "parts" / written.files[-1], tmp_path / "again.safetensors")
    assert precious.read_text() == "mine"


def test_a_whole_file_has_a_name_that_nobody_can_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has one before it is whole."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    names = set()
    for _ in range(3):
        with whole_file(tmp_path / "x") as file:
            names.add(next(path.name for path in tmp_path.iterdir() if path.name != "x"))
            file.write(b"1")
    assert len(names) == 3


def test_a_file_system_is_synced_and_says_what_fails(tmp_path: Path) -> None:
    file = os.open(tmp_path, os.O_RDONLY)
    sync_file_system(file)
    os.close(file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync_file_system(file)
