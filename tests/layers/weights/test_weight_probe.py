"""A probe looks at little, judges by content alone, and never for numbers that are packed already."""

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import gguf_files
from support.clock import an_hour_later
from support.safetensors_files import bf16
from support.safetensors_files import holding as safetensors

from cogpack.layers.content import LocalFile, Slices
from cogpack.layers.files import Placed
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.weights.arrangement import Arrangement, Weight, arrange
from cogpack.layers.weights.pieces import peek
from cogpack.layers.weights.probe import LENGTH, NOTHING, PROFILE, SAMPLES, WORTH, probe, probe_bytes, probe_local
from cogpack.layers.weights.safetensors import read_header
from cogpack.layers.weights.shards import Piece
from cogpack.model_files import Rule

pytestmark = pytest.mark.slow

MiB = 1024 * 1024


def probed(path: Path, data: bytes) -> int:
    path.write_bytes(data)
    file = LocalFile.of(path)
    return probe_local(file, peek(path.name, file))


def test_numbers_of_a_trained_model_in_bf16_leave_about_four_fifths(tmp_path: Path) -> None:
    assert 770 <= probed(tmp_path / "w.bin", bf16(8 * MiB)) <= 800


def test_random_bytes_leave_all(tmp_path: Path) -> None:
    assert probed(tmp_path / "w.bin", random.Random(0).randbytes(5 * MiB)) == NOTHING


@pytest.mark.parametrize("dtype", ["F8_E4M3", "I32", "U8"])
def test_packed_numbers_are_not_even_looked_at(tmp_path: Path, dtype: str) -> None:
    assert probed(tmp_path / "w.safetensors", safetensors(("w", dtype, bytes(4 * MiB)))) == NOTHING
    assert probed(tmp_path / "w.bin", bytes(4 * MiB)) < 10


def test_packed_numbers_count_for_their_share(tmp_path: Path) -> None:
    both = safetensors(("a", "BF16", bf16(4 * MiB)), ("b", "F8_E4M3", bytes(8 * MiB)))
    assert 880 <= probed(tmp_path / "w.safetensors", both) <= 900


def test_quantised_gguf_stays_raw_and_its_floats_do_not(tmp_path: Path) -> None:
    quantised = gguf_files.made([("blk.0.w", "Q4_K", [64, 256])])
    at = read_gguf_data(quantised)
    assert probed(tmp_path / "q.gguf", quantised[:at] + bytes(len(quantised) - at)) == NOTHING
    floats = gguf_files.made([("blk.0.w", "BF16", [1024, 1024])])
    at = read_gguf_data(floats)
    assert 770 <= probed(tmp_path / "f.gguf", floats[:at] + bf16((len(floats) - at) // 2)) <= 800


def read_gguf_data(data: bytes) -> int:
    from cogpack.layers.weights.gguf import read_gguf

    return read_gguf(io.BytesIO(data), len(data), where="f.gguf").data


def test_an_unsound_header_says_nothing(tmp_path: Path) -> None:
    assert probed(tmp_path / "w.safetensors", bytes(100_000)) < 10
    assert probed(tmp_path / "w.gguf", b"GGUF" + bytes(100_000)) < 10


def test_nothing_is_judged_as_nothing_to_gain() -> None:
    assert probe_bytes(b"") == NOTHING


@given(st.integers(0, 40 * LENGTH), st.lists(st.integers(1, 9), max_size=5))
def test_only_ranges_of_the_piece_are_read_and_never_much(size: int, shares: Sequence[int]) -> None:
    ranges, at = [], 0
    for number, share in enumerate(shares):
        length = size * share // sum(shares)
        if length:
            ranges.append((at + 7 * number, length))
        at += length + 7
    piece = Piece("", tuple(ranges), b"head")
    total = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal total
        total += length
        assert any(start <= offset and offset + length <= start + long for start, long in ranges)
        return bytes(length)

    assert 0 <= probe(piece, read, None) <= NOTHING
    assert total <= SAMPLES * LENGTH


def test_a_cut_is_judged_like_a_file_of_the_same_bytes(tmp_path: Path) -> None:
    data = bf16(3 * MiB) + random.Random(1).randbytes(3 * MiB)
    whole = tmp_path / "whole.bin"
    whole.write_bytes(data)
    for start, length in ((0, 5 * MiB), (5 * MiB, 2 * MiB), (8 * MiB, MiB // 2)):
        cut = probe_local(Slices(LocalFile.of(whole), ((start, length),)), None)
        assert cut == probed(tmp_path / "cut.bin", data[start : start + length])


def arranged(
    root: Path, rule: Rule, data: bytes, *, name: str = "model.safetensors", prints: Fingerprints
) -> Arrangement:
    path = root / name
    if not path.exists():
        path.write_bytes(data)
    weight = Weight(f"src/{name}", name, LocalFile.of(path), len(data), rule)
    return arrange(
        [weight],
        2 * MiB,
        prints.when_read,
        b"program",
        lambda content, header: int(prints.remember(content, PROFILE, lambda: str(probe_local(content, header)))),
    )


def mixed() -> bytes:
    return safetensors(
        ("layers.0.w", "BF16", bf16(MiB)),
        ("layers.1.w", "F8_E4M3", bytes(2 * MiB)),
        ("layers.2.w", "BF16", bf16(MiB, seed=1)),
        ("layers.3.w", "BF16", random.Random(0).randbytes(2 * MiB)),
    )


def test_each_layer_is_judged_for_itself(tmp_path: Path) -> None:
    layers = arranged(tmp_path, "tensor", mixed(), prints=Fingerprints(tmp_path / "store")).layers
    assert [layer.ratio is not None and layer.ratio <= WORTH for layer in layers] == [True, False, True, False, True]


def test_an_unchanged_file_is_not_probed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = Fingerprints(tmp_path / "store", clock=an_hour_later)
    before = arranged(tmp_path, "opaque", bf16(4 * MiB), name="b.pt", prints=prints)
    for part in before.parts["src/b.pt"]:
        with part.content.open() as stream:
            stream.read(part.content.size)
    prints.save()

    def refuse(*arguments: object) -> int:
        raise AssertionError("probed again")

    monkeypatch.setattr(f"{__name__}.probe_local", refuse)
    after = arranged(tmp_path, "opaque", bf16(4 * MiB), name="b.pt", prints=Fingerprints(tmp_path / "store"))
    assert [layer.ratio for layer in after.layers] == [layer.ratio for layer in before.layers]
    assert [layer.source.key() for layer in after.layers] == [layer.source.key() for layer in before.layers]


@pytest.mark.parametrize("rule", ["tensor", "opaque", "none"])
def test_a_probe_changes_no_source_key(tmp_path: Path, rule: Rule) -> None:
    def keys(look: Callable[[], Arrangement]) -> list[str | None]:
        found = look()
        for part in [part for parts in found.parts.values() for part in parts]:
            read(part)
        return [layer.source.key() for layer in found.layers]

    def read(part: Placed) -> None:
        with part.content.open() as stream:
            while stream.read(MiB):
                pass

    prints = Fingerprints(tmp_path / "store")
    data = mixed()
    with_probe = keys(lambda: arranged(tmp_path, rule, data, prints=prints))
    weight = Weight("src/model.safetensors", "m", LocalFile.of(tmp_path / "model.safetensors"), len(data), rule)
    assert with_probe == keys(lambda: arrange([weight], 2 * MiB, prints.when_read, b"program"))


def test_a_head_of_ours_weighs_nothing_beside_what_it_leads() -> None:
    noise = random.Random(0).randbytes(10_000)

    def read(offset: int, length: int) -> bytes:
        return noise[offset : offset + length]

    assert probe(Piece("", ((0, 10_000),), bytes(10_000)), read, None) == NOTHING
    assert probe(Piece("", (), bytes(10_000)), read, None) < 10


def test_headers_say_what_is_packed_at_each_border(tmp_path: Path) -> None:
    from cogpack.layers.weights.probe import _is_packed

    data = safetensors(("a", "BF16", bytes(10)), ("b", "U8", bytes(3)), ("c", "BF16", bytes(4)))
    header = read_header(io.BytesIO(data), len(data), where="w")
    found = [_is_packed(header, header.data + offset) for offset in range(17)]
    assert found == [False] * 10 + [True] * 3 + [False] * 4
