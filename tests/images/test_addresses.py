"""What a user may write for an image, and directories that are none: a text, never a traceback, and nothing hangs."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cogpack.cli import run
from cogpack.commands.pull import PulledBlob, pulled
from cogpack.digest import Digest, sha256
from cogpack.disk import is_directory
from cogpack.errors import InputError, MismatchError
from cogpack.images.address import Address
from cogpack.images.unfinished import check_free
from cogpack.layout import Layout
from cogpack.oci import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor
from cogpack.opening import open_image
from cogpack.session import Session, Settings

LONG = "a" * 256


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as found:
        yield found


@given(st.text(st.characters(codec="utf-8"), max_size=40) | st.text("ab/.:@-_ s", max_size=300))
@example(LONG)
@example("./" + LONG)
@example("a/" * 3000)
@example("x\0y")
@example("h.io/a@sha256:" + "0" * 64)
def test_a_text_is_a_reference_or_a_directory_or_refused(text: str) -> None:
    """M12: a name of 256 letters was a traceback."""
    try:
        found = Address.parse(text)
    except InputError:
        return
    name = text.partition(":")[0]
    assert name
    assert (found.reference is None) == (
        text.startswith((".", "/")) or is_directory(Path(name)) or is_directory(Path(text))
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", [LONG, f"./{LONG}", f"{LONG}:v1", "d/" * 3000, "h.io/" + LONG])
@pytest.mark.parametrize(
    "verb",
    [["inspect", "{}"], ["copy", "{}", "./x"], ["copy", "./x", "{}"], ["weights", "pull", "{}", "-o", "x"],
     ["weights", "verify", "{}", "--against", "{}"], ["weights", "join", "{}", "-o", "x"],
     ["weights", "split", "{}", "-o", "x"], ["weights", "pull", "./x", "-o", "{}"], ["pull", "h.io/a", "-o", "{}.tar"],
     ["pull", "{}", "-o", "x"]],
)  # fmt: skip
def test_no_verb_ends_in_a_traceback_for_a_name_that_no_file_can_have(
    tmp_path: Path, verb: list[str], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("cogpack.http.guard.resolve", nowhere)
    monkeypatch.setattr("cogpack.http.client.resolve", nowhere)
    assert run([word.replace("{}", name) for word in verb]) in (2, 5)
    assert "Traceback" not in capsys.readouterr().err


def nowhere(name: str, port: int) -> list[str]:
    raise OSError(f"{name}:{port} has no address here")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Who is root may look everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("below", ["", "x", "x/y", "x/y:name"])
def test_a_directory_that_may_not_be_searched_is_told_as_that(
    tmp_path: Path, session: Session, below: str, monkeypatch: pytest.MonkeyPatch, *, absolute: bool
) -> None:
    """M12."""
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "closed" / "x" / "y").mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    try:
        name = str(Path("closed", below)) if not absolute else str(tmp_path / "closed" / below)
        with as_nobody(), pytest.raises(InputError, match=r"closed.*Permission denied"):
            open_image(session, name)
    finally:
        (tmp_path / "closed").chmod(0o755)


def layout(root: Path) -> tuple[Layout, Descriptor]:
    made = Layout.create(root)
    data = b"a blob"
    made.add(data)
    return made, Descriptor(media_type=OCI_LAYER, digest=sha256(data), size=len(data))


@pytest.mark.parametrize("kind", ["pipe", "directory", "link to nothing", "loop"])
@pytest.mark.parametrize("file", ["oci-layout", "index.json", "blob"])
def test_files_of_a_layout_that_are_no_files_are_refused_and_not_waited_for(
    tmp_path: Path, session: Session, file: str, kind: str
) -> None:
    made, blob = layout(tmp_path / "in")
    made.publish({"x": blob})
    path = made.blob_path(blob.digest) if file == "blob" else made.root / file
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to("nothing" if kind == "link to nothing" else path.name)

    def drained() -> None:
        with Layout(made.root).blob(blob) as blocks:
            list(blocks)

    acts: list[Callable[[], object]] = [lambda: open_image(session, str(made.root))]
    if file == "blob":
        acts += [drained, lambda: Layout(made.root).blob_bytes(blob)]
    elif file == "index.json" and kind != "link to nothing":
        acts += [lambda: Layout(made.root).entries(), lambda: Layout.create(made.root).publish({})]
    for act in acts:
        with pytest.raises(InputError):
            act()


def test_a_pipe_among_what_writers_leave_is_not_waited_for(tmp_path: Path) -> None:
    made, _ = layout(tmp_path / "in")
    os.mkfifo(made.root / ".cogpack-1")
    Layout.create(made.root)


def test_a_blob_that_goes_on_behind_its_size_is_not_read_to_its_end(tmp_path: Path) -> None:
    made, blob = layout(tmp_path / "in")
    os.truncate(made.blob_path(blob.digest), 1 << 40)

    def drained() -> None:
        with made.blob(blob) as blocks:
            list(blocks)

    with pytest.raises(MismatchError):
        drained()


@given(st.binary(max_size=60), st.sampled_from(["oci-layout", "index.json"]))
def test_any_bytes_in_a_layout_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, file: str
) -> None:
    made, blob = layout(tmp_path_factory.mktemp("in"))
    made.publish({"x": blob})
    (made.root / file).write_bytes(data)
    with suppress(InputError):
        Layout.read(made.root).image()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=4) | st.just("sha256:" + "0" * 64),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["schemaVersion", "mediaType", "manifests", "layers", "config", "digest", "size", "platform",
                         "annotations", "os", "architecture", "subject", "urls"]),
        inner,
        max_size=6,
    ),
    max_leaves=15,
)  # fmt: skip


@given(JSON, st.sampled_from([OCI_MANIFEST, OCI_INDEX, "", "application/json"]))
def test_any_document_is_an_image_or_refused(
    tmp_path_factory: pytest.TempPathFactory, document: object, media_type: str
) -> None:
    data = json.dumps(document).encode()
    root = tmp_path_factory.mktemp("in")
    made = Layout.create(root)
    made.add(data)
    entry = {"mediaType": media_type, "digest": sha256(data), "size": len(data)}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with Session(Settings(cache=root / "cache", environment={"HOME": "/nonexistent"})) as session:
        with suppress(InputError, MismatchError):
            open_image(session, str(root))


def test_what_came_twice_is_not_taken_from_what_was_reused() -> None:
    """M17: "reused -73410560 B"."""
    blobs = [
        PulledBlob(digest=Digest("sha256:" + "1" * 64), size=100, fetched=173),
        PulledBlob(digest=Digest("sha256:" + "2" * 64), size=50, fetched=0),
    ]

    class Image:
        by_digest = "h.io/a@sha256:" + "3" * 64
        digest = Digest("sha256:" + "3" * 64)

    told = pulled(Image(), "out", blobs)  # type: ignore[arg-type]
    assert (told.fetched, told.reused) == (173, 50)


@pytest.mark.parametrize(
    "arguments",
    [["inspect", ""], ["inspect", ":v1"], ["copy", "./in", ""], ["copy", "", "./out"], ["build", "-o", ""],
     ["weights", "pull", "./in", "-o", ""], ["pull", "h.io/a", "-o", ""], ["push", "-C", "", "h.io/a"],
     ["weights", "split", "w", "-o", ""]],
)  # fmt: skip
def test_a_variable_that_is_not_set_is_not_the_current_directory(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in `cogpack weights pull "$IMAGE" -o "$OUT"`."""
    made, blob = layout(tmp_path / "in")
    made.publish({"x": blob})
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    try:
        code = run(arguments)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert "found '" in capsys.readouterr().err
    assert list((tmp_path / "empty").iterdir()) == []


def test_an_output_that_leads_to_what_can_not_be_asked_is_told(tmp_path: Path) -> None:
    """`Path.is_dir` raises before Python 3.14 where a name is too long, or a directory can't be entered."""
    (tmp_path / "out").symlink_to("x" * 300)
    with pytest.raises(InputError, match=r"out: can't write: File name too long"):
        check_free(tmp_path / "out", "mark")
    (tmp_path / "d").mkdir()
    deep = Path(f"{tmp_path}/" + "d/../" * ((4090 - len(str(tmp_path))) // 5) + "d")
    assert deep.is_dir()
    with pytest.raises(InputError, match=r"can't write: File name too long"):
        Layout.check(deep)
