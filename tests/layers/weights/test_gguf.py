"""GGUF headers are believed in nothing; the parts that a file is split into hold it bit for bit."""

import io
import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import gguf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gguf_files import contents, entry, files, made, raw, text

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile, Slices
from cogpack.layers.tar import read as read_content
from cogpack.layers.weights.gguf import MAX_HEADER, TYPES, GgufHeader, read_gguf
from cogpack.layers.weights.pieces import split_gguf
from cogpack.layers.weights.shards import Piece

KiB = 1024


def read(data: bytes) -> GgufHeader:
    return read_gguf(io.BytesIO(data), len(data), where="model.gguf")


def parts(data: bytes, target: int) -> dict[str, bytes]:
    """By name, in the order of layers."""
    return {piece.name: bytes_of(piece, data) for piece in split_gguf(read(data), "model.gguf", target)}


def bytes_of(piece: Piece, data: bytes) -> bytes:
    return piece.head + b"".join(data[offset : offset + length] for offset, length in piece.ranges)


def test_types_are_those_of_the_reference_package() -> None:
    known = {int(kind): (kind.name, *size) for kind, size in gguf.GGML_QUANT_SIZES.items()}
    assert {number: found for number, found in known.items() if number in TYPES} == TYPES


@pytest.mark.slow
@settings(deadline=None)
@given(data=files(), target=st.sampled_from([1, 100, 1000, 10**9]))
def test_any_file_reads_back_bit_exact_from_its_parts(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, target: int
) -> None:
    root = tmp_path_factory.mktemp("gguf")
    (root / "model.gguf").write_bytes(data)
    pairs, tensors = contents(root / "model.gguf")
    found: dict[str, Any] = {}
    made_parts = parts(data, target)
    count = len(made_parts)
    for name, part in made_parts.items():
        (root / name).write_bytes(part)
        keys, held = contents(root / name)
        number = int(name[-len("00001-of-00001.gguf") :][:5]) - 1
        assert name == f"model-{number + 1:05d}-of-{count:05d}.gguf"
        assert keys.pop("split.no")[1] == struct.pack("<H", number)
        assert keys.pop("split.count")[1] == struct.pack("<H", count)
        assert keys.pop("split.tensors.count")[1] == struct.pack("<i", len(tensors))
        assert keys == (pairs if number == 0 else {k: v for k, v in pairs.items() if k == "general.alignment"})
        assert bool(held) == (number > 0)
        assert not held.keys() & found.keys()
        found |= held
    assert found == tensors


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(data=files())
def test_the_slices_of_a_file_are_the_part(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("slices") / "model.gguf"
    path.write_bytes(data)
    for piece in split_gguf(read(data), "model.gguf", 100):
        content = Slices(LocalFile.of(path), piece.ranges, piece.head)
        assert content.size == piece.size
        assert b"".join(read_content(content)) == bytes_of(piece, data)


@given(data=files())
def test_every_part_is_itself_a_sound_file(data: bytes) -> None:
    whole = read(data)
    for part in parts(data, 1).values():
        header = read(part)
        assert header.split is not None
        assert header.split.tensors == len(whole.tensors)
        assert header.alignment == whole.alignment


def model(*, seed: int = 0, template: str = "{{ x }}") -> bytes:
    tensors = [("token_embd.weight", "F16", [64, 512]), *((f"blk.{n}.w", "Q8_0", [64, 16]) for n in range(32))]
    return made(tensors, pairs={"tokenizer.chat_template": template}, seed=seed)


def test_a_changed_template_changes_the_first_part_alone() -> None:
    before, after = parts(model(), 128 * KiB), parts(model(template="{{ something else }}"), 128 * KiB)
    assert before.keys() == after.keys()
    (changed,) = [name for name in before if before[name] != after[name]]
    assert "-00001-of-" in changed
    assert len(after[changed]) < 1 * KiB


def test_changed_numbers_change_one_part_and_no_name() -> None:
    data = model()
    changed = bytearray(data)
    changed[-1] ^= 1
    before, after = parts(data, 128 * KiB), parts(bytes(changed), 128 * KiB)
    assert before.keys() == after.keys()
    assert len([name for name in before if before[name] != after[name]]) == 1


def test_parts_are_of_about_equal_size() -> None:
    data = made([(f"blk.{n}.w", "Q8_0", [64, 16]) for n in range(100)])
    _, *sizes = sorted(len(part) for part in parts(data, 300 * KiB).values())
    assert len(sizes) == round(100 * 64 * 16 * 34 / (300 * KiB))
    assert max(sizes) - min(sizes) <= 64 * 16 * 34 + KiB


def test_a_part_is_not_cut_again() -> None:
    for part in parts(model(), 128 * KiB).values():
        with pytest.raises(InputError, match="a part of a split file already"):
            parts(part, 128 * KiB)


def test_what_a_join_of_other_tools_left_behind_is_replaced() -> None:
    """llama-gguf-split --merge sets split.count to 0 and leaves the rest."""
    left = [
        text("split.no") + struct.pack("<IH", 2, 0),
        text("split.count") + struct.pack("<IH", 2, 0),
        text("split.tensors.count") + struct.pack("<Ii", 5, 1),
    ]
    found = parts(raw(pairs=left, tensors=[entry("a")], data=bytes(32)), 1000)
    assert [read(part).split is not None for part in found.values()] == [True, True]
    assert all(part.count(b"split.count") == 1 for part in found.values())


def test_the_last_tensor_may_lack_its_zeros() -> None:
    data = raw(tensors=[entry("a", (3,)), entry("b", (3,), offset=32)], data=bytes(44))
    assert [len(part) for part in parts(data, 1).values()][-2] % 32 == 12
    assert sum(tensor.size for part in parts(data, 1).values() for tensor in read(part).tensors) == 24


ARRAY = 9
HUGE = 1 << 63


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "its header ends behind byte 0"),
        (b"GGML" + bytes(100), "it begins otherwise"),
        (raw(version=1), "version 1"),
        (b"GGUF\0\0\0\x03" + bytes(16), "version 50331648"),  # big-endian
        (raw(counts=(HUGE, 0)), f"{HUGE} tensors"),
        (raw(counts=(0, HUGE)), f"{HUGE} pairs"),
        (raw(counts=(5, 0)), "its header ends behind"),
        (raw(counts=(0, 5)), "its header ends behind"),
        (raw(counts=(0, 1)) + struct.pack("<Q", HUGE), "its header ends behind"),
        (raw(pairs=[text(b"\xff") + struct.pack("<IB", 0, 1)]), "not UTF-8"),
        (raw(pairs=[text("k") + struct.pack("<I", 13)]), "'k' has a value of type 13"),
        (raw(pairs=[text("k") + struct.pack("<IQ", 8, HUGE)]), "its header ends behind"),
        (raw(pairs=[text("k") + struct.pack("<IIQ", ARRAY, 4, HUGE)]), "its header ends behind"),
        (raw(pairs=[text("k") + struct.pack("<IIQ", ARRAY, 8, HUGE)]), "texts up to the key 'k'"),
        (raw(pairs=[text("k") + struct.pack("<IIQ", ARRAY, ARRAY, 1)]), "an array of type 9"),
        (raw(pairs=[text("k") + struct.pack("<IB", 0, 1)] * 2), "'k' stands twice"),
        (raw(pairs=[text("general.alignment") + struct.pack("<IQ", 10, 32)]), "has another type"),
        (raw(pairs=[text("general.alignment") + struct.pack("<II", 4, 24)]), "alignment of 24"),
        (raw(pairs=[text("general.alignment") + struct.pack("<II", 4, 0)]), "alignment of 0"),
        (raw(pairs=[text("general.alignment") + struct.pack("<II", 4, 1 << 31)]), f"alignment of {1 << 31}"),
        (raw(pairs=[text("split.count") + struct.pack("<IH", 2, 3)]), "split.no is missing"),
        (raw(tensors=[entry("a"), entry("a", offset=32)], data=bytes(64)), "'a' stands twice"),
        (raw(tensors=[entry("a", (1,) * 5)], data=bytes(32)), "5 dimensions"),
        (raw(tensors=[entry("a", kind=4)], data=bytes(32)), "unknown type 4"),
        (raw(tensors=[entry("a", kind=12)], data=bytes(32)), "blocks of 256"),
        (raw(tensors=[entry("a", (HUGE, HUGE))], data=bytes(32)), "tensor 'a' of"),
        (raw(tensors=[entry("a", offset=32)], data=bytes(64)), "'a' leaves a hole"),
        (raw(tensors=[entry("a"), entry("b")], data=bytes(64)), "'b' overlaps"),
        (raw(tensors=[entry("a"), entry("b", offset=HUGE)], data=bytes(64)), "'b' leaves a hole"),
        (raw(tensors=[entry("a")], data=bytes(31)), "tensors of 32 bytes, data of 31"),
        (raw(tensors=[entry("a")], data=bytes(33)), "tensors of 32 bytes, data of 33"),
        (raw(tensors=[entry("a")])[:-20], "its header ends behind"),
        (raw() + bytes(64), "tensors of 0 bytes, data of 56"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_an_unsound_file_is_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(InputError, match=r"model\.gguf: not a sound GGUF file") as caught:
        read(data)
    assert why in caught.value.message


class Endless(io.RawIOBase):
    """A file whose header would cost its reader dearly: `start`, then `again` and again."""

    def __init__(self, start: bytes, again: bytes) -> None:
        self.rest = memoryview(start)
        self.again = memoryview(again * (KiB * KiB // len(again)))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.rest = self.rest or self.again
        taken = self.rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self.rest = self.rest[len(taken) :]
        return len(taken)


TEXTS = struct.pack("<IIQ", ARRAY, 8, 500_000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "again"),
    [
        (raw(counts=(0, 1)) + text("k") + struct.pack("<IQ", 8, 1 << 40), b"x"),
        (raw(counts=(0, 1)) + struct.pack("<Q", 1 << 40), b"x"),
        (raw(counts=(0, 1)) + text("k") + TEXTS, struct.pack("<Q", 248) + bytes(248)),
        (raw(counts=(0, 65_536)), text("k" * 2000) + struct.pack("<IB", 0, 1)),
        (raw(counts=(100_000, 0)), text("k" * 1000) + bytes(16)),
    ],
    ids=["giant text", "giant key", "millions of texts", "thousands of keys", "thousands of names"],
)
def test_a_hostile_header_is_refused_in_bounded_memory(start: bytes, again: bytes) -> None:
    tracemalloc.start()
    try:
        with io.BufferedReader(Endless(start, again)) as stream, pytest.raises(InputError):
            read_gguf(stream, 1 << 45, where="model.gguf")
        assert tracemalloc.get_traced_memory()[1] < 2.5 * MAX_HEADER
    finally:
        tracemalloc.stop()


def test_names_are_those_that_llama_cpp_looks_for() -> None:
    names = list(parts(model(), 128 * KiB))
    assert names[-1] == f"model-00001-of-{len(names):05d}.gguf"
    assert all(re.fullmatch(r"model-\d{5}-of-\d{5}\.gguf", name) for name in names)
    assert Path(names[0]).name == f"model-00002-of-{len(names):05d}.gguf"
