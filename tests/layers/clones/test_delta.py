"""A delta gives its target back, by the rules of gitformat-pack(5)."""

from hypothesis import example, given
from hypothesis import strategies as st

from cogpack.layers.clones.delta import delta


def applied(base: bytes, change: bytes) -> bytes:
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = change[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    assert number() == len(base)
    size = number()
    out = bytearray()
    while at < len(change):
        head = change[at]
        at += 1
        if head & 0x80:
            place = length = 0
            for bit in range(4):
                if head & 1 << bit:
                    place |= change[at] << 8 * bit
                    at += 1
            for bit in range(3):
                if head & 0x10 << bit:
                    length |= change[at] << 8 * bit
                    at += 1
            assert place + (length or 0x10000) <= len(base)
            out += base[place : place + (length or 0x10000)]
        else:
            assert head
            out += change[at : at + head]
            at += head
    assert len(out) == size
    return bytes(out)


LINES = st.lists(
    st.sampled_from([b"\n", b"a line of some length\n", b"another line that is longer than a copy\n", b"x"])
)
TEXT = LINES.map(b"".join)


@given(TEXT, TEXT)
@example(b"a" * 200_000, b"a" * 200_001)
@example(b"a" * 20 + b"b" + b"c" * 20, b"a" * 20 + b"c" * 20)
def test_a_delta_gives_its_target(base: bytes, target: bytes) -> None:
    change = delta(base, target, tree=False)
    if change is not None:
        assert len(change) <= len(target) // 2
        assert applied(base, change) == target


ENTRIES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40).map(
    lambda found: b"".join(b"100644 file-%d\0%s" % (name, bytes([name, of]) * 10) for name, of in sorted(set(found)))
)


@given(ENTRIES, ENTRIES)
def test_a_delta_of_trees_gives_its_target(base: bytes, target: bytes) -> None:
    change = delta(base, target, tree=True)
    if change is not None:
        assert applied(base, change) == target


def test_small_changes_of_large_files_take_few_bytes() -> None:
    base = b"".join(b"line %d\n" % number for number in range(20_000))
    target = base.replace(b"line 7\n", b"").replace(b"line 15000\n", b"other\n")
    change = delta(base, target, tree=False)
    assert change is not None
    assert len(change) < 60
    assert applied(base, change) == target
