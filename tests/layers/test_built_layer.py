import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from support.clock import an_hour_later

from cogpack.digest import DiffID, Digest, sha256
from cogpack.errors import MismatchError
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.compression import Gzip, SplicedGzip, Uncompressed, Zstd
from cogpack.layers.content import Bytes, LocalFile
from cogpack.layers.entry import Directory, Entry, File
from cogpack.layers.facts import Facts
from cogpack.layers.files import FilesSource, Placed
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.layer import Body, Form, key_of
from cogpack.oci import Descriptor, LayerInfo
from cogpack.seal import Seal

ZERO = LayerInfo(Descriptor(media_type="x", digest=Digest("sha256:" + "0" * 64), size=3), DiffID("sha256:" + "1" * 64))


class Source:
    name = "test"

    def __init__(self, *contents: bytes, key: str = "k") -> None:
        self._contents = contents
        self._key = key
        self.calls = 0

    def key(self) -> str:
        return self._key

    def entries(self) -> Iterable[Entry]:
        data = self._contents[min(self.calls, len(self._contents) - 1)]
        self.calls += 1
        return [File("opt/x", Bytes(data))]


def drain(body: Body) -> None:
    for _ in body:
        pass


def test_the_answer_is_what_the_bytes_were() -> None:
    seen: list[bytes] = []
    info = BuiltLayer(Source(b"data"), Uncompressed()).copy_to(lambda body: seen.extend(body))
    assert info.descriptor.digest == info.diff_id == sha256(b"".join(seen))
    assert info.descriptor.size == len(b"".join(seen))


def test_each_iteration_is_a_whole_pass_and_half_ones_do_not_count() -> None:
    def consume(body: Body) -> None:
        next(iter(body))
        drain(body)
        drain(body)

    source = Source(b"data")
    BuiltLayer(source, Gzip()).copy_to(consume)
    assert source.calls == 3


def test_passes_that_differ_are_an_error() -> None:
    with pytest.raises(MismatchError, match="two readings"):
        BuiltLayer(Source(b"one", b"two"), Gzip()).copy_to(lambda body: (drain(body), drain(body)))


def test_a_pass_that_came_to_its_end_allows_the_key_though_another_goes_on() -> None:
    def cut(body: Body) -> None:
        held.append(iter(body))
        next(held[0])
        drain(body)

    held: list[Iterator[bytes]] = []
    layer = BuiltLayer(Source(b"data"), Gzip(), unread=lambda: bool(held))
    layer.copy_to(cut)
    assert key_of(layer) == BuiltLayer(Source(b"data"), Gzip()).key


def test_reading_nothing_is_no_answer() -> None:
    with pytest.raises(AssertionError):
        BuiltLayer(Source(b"x"), Gzip()).copy_to(lambda body: None)


def test_the_key_covers_source_codec_and_inherited_directories_directories() -> None:
    inherited = {"opt": Directory("opt", 0o775)}
    layers = [BuiltLayer(Source(b"x"), codec) for codec in (Uncompressed(), SplicedGzip(), Gzip(), Zstd())]
    layers += [
        BuiltLayer(Source(b"x", key="other"), Gzip()),
        BuiltLayer(Source(b"x"), Gzip(), inherited=inherited),
    ]
    assert len({layer.key for layer in layers}) == len(layers)
    assert BuiltLayer(Source(b"x"), Gzip()).key == BuiltLayer(Source(b"y"), Gzip()).key


def test_sizes_are_known_where_nothing_need_be_made() -> None:
    assert BuiltLayer(Source(b"x"), Gzip()).size(Form.STORED) is None
    for form, codec in ((Form.PLAIN, Gzip()), (Form.STORED, Uncompressed())):
        layer = BuiltLayer(Source(b"x"), codec)
        assert layer.size(form) == layer.copy_to(drain, form).descriptor.size


def base(data: bytes, diff_id: DiffID) -> BaseLayer:
    descriptor = Descriptor(media_type="x", digest=sha256(data), size=len(data))
    return BaseLayer("base", LayerInfo(descriptor, diff_id), lambda _: iter([data]), ())


def test_a_base_layer_is_passed_on_untouched_and_its_diff_id_checked() -> None:
    made: list[bytes] = []
    info = BuiltLayer(Source(b"data"), Gzip()).copy_to(lambda body: made.extend(body))
    data = b"".join(made)
    good = base(data, info.diff_id)
    assert good.copy_to(drain).descriptor.digest == sha256(data)
    assert good.copy_to(drain, Form.PLAIN).descriptor.digest == info.diff_id
    with pytest.raises(MismatchError, match="diff ID"):
        base(data, ZERO.diff_id).copy_to(drain, Form.PLAIN)


def test_facts_are_kept_by_key_and_half_a_file_is_none(tmp_path: Path) -> None:
    facts = Facts(tmp_path)
    key = "sha256:" + "a" * 64
    assert facts.get(key) is None
    facts.record(key, ZERO)
    assert Facts(tmp_path).get(key) == ZERO
    (path,) = tmp_path.rglob("*.fact")
    path.write_bytes(path.read_bytes()[:20])
    assert facts.get(key) is None
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


def test_a_fact_that_another_machine_wrote_is_doubtful_and_no_fact(tmp_path: Path) -> None:
    key = "sha256:" + "a" * 64
    Facts(tmp_path, Seal()).record(key, ZERO)
    mine = Facts(tmp_path, Seal())
    assert mine.get(key) is None
    assert mine.doubtful(key)
    assert not mine.doubtful("sha256:" + "b" * 64)
    mine.record(key, ZERO)
    assert mine.get(key) == ZERO
    assert not mine.doubtful(key)


def test_a_fact_counts_for_its_own_key_only(tmp_path: Path) -> None:
    facts = Facts(tmp_path)
    facts.record("sha256:" + "a" * 64, ZERO)
    (path,) = tmp_path.rglob("*.fact")
    other = tmp_path / "bb" / f"{'b' * 64}.fact"
    other.parent.mkdir()
    other.write_bytes(path.read_bytes())
    assert facts.get("sha256:" + "b" * 64) is None


def test_hashes_of_files_that_another_machine_wrote_do_not_count(tmp_path: Path) -> None:
    path, store = tmp_path / "f", tmp_path / "store"
    path.write_bytes(b"one")
    prints = Fingerprints(store, Seal(), clock=an_hour_later)
    prints.of(path)
    prints.save()
    assert Fingerprints(store, prints._seal).when_read(LocalFile.of(path)).blake3 is not None
    assert Fingerprints(store, Seal()).when_read(LocalFile.of(path)).blake3 is None


def test_a_store_that_can_not_be_written_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "f").write_bytes(b"x")
    notes: list[str] = []
    fingerprints = Fingerprints(tmp_path / "store", clock=an_hour_later, note=lambda note: notes.append(note.text))
    fingerprints.of(tmp_path / "f")
    fingerprints.save()
    (note,) = notes
    assert note.startswith(f"{tmp_path}/store: can't write")


def fingerprint(
    store: Path,
    path: Path,
    reads: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    clock: Callable[[], int] = time.time_ns,
) -> str:
    fingerprints = Fingerprints(store, clock=clock)
    read = LocalFile.whole

    def counting(self: LocalFile) -> bytes:
        reads.append(path)
        return read(self)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "whole", counting)
        digest = fingerprints.of(path).blake3
    fingerprints.save()
    assert digest is not None
    return digest


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store, reads = tmp_path / "f", tmp_path / "store", list[Path]()
    path.write_bytes(b"one")
    first = fingerprint(store, path, reads, monkeypatch, an_hour_later)
    assert fingerprint(store, path, reads, monkeypatch, an_hour_later) == first
    assert len(reads) == 1
    path.write_bytes(b"two")
    assert fingerprint(store, path, reads, monkeypatch, an_hour_later) != first
    assert len(reads) == 2


def test_a_file_as_young_as_its_hash_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, store, reads = tmp_path / "f", tmp_path / "store", list[Path]()
    path.write_bytes(b"one")
    for _ in range(2):
        fingerprint(store, path, reads, monkeypatch)
    assert len(reads) == 2


def test_a_torn_store_of_fingerprints_is_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").write_bytes(b"\x81")
    (tmp_path / "f").write_bytes(b"x")
    fingerprint(tmp_path / "store", tmp_path / "f", [], monkeypatch)


@pytest.mark.parametrize(("most", "passes"), [(1 << 20, 1), (10, 2)])
def test_bytes_that_are_kept_are_not_made_again_and_too_many_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, passes: int
) -> None:
    monkeypatch.setattr("cogpack.layers.spool._MOST", most)
    (tmp_path / "f").write_bytes(b"text" * 1000)
    source = FilesSource("files", [Placed("f", Fingerprints(tmp_path / "store").of(tmp_path / "f"))])
    read: list[str] = []
    whole = LocalFile.whole
    monkeypatch.setattr(LocalFile, "whole", lambda self: read.append(str(self.path)) or whole(self))
    layer = BuiltLayer(source, Gzip(), spool=tmp_path / "spool")
    made: list[bytes] = []
    infos = [layer.copy_to(lambda body: made.append(b"".join(body))) for _ in range(2)]
    assert (infos[0], made[0]) == (infos[1], made[1])
    assert len(read) == passes
    assert list((tmp_path / "spool").iterdir()) == [], "it has no name"
