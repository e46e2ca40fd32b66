"""What is remembered of very many files, in rows of bytes, is what a dictionary would have remembered."""

from hypothesis import given
from hypothesis import strategies as st

from cogpack.file_stat import Stat, pack
from cogpack.layers.hashes import Hashes, Rows

Files = dict[str, tuple[Stat, bytes | None]]
"""Status and hash by name."""

names = st.text(st.sampled_from("ab/é.-"), min_size=1, max_size=3)
stats = st.integers(1, 3).map(lambda size: pack(size, 0, 0, 0, 0))
hashes = st.none() | st.sampled_from([b"1" * 32, bytes(32)])
files = st.dictionaries(names, st.tuples(stats, hashes), max_size=12).map(lambda found: dict(sorted(found.items())))


def listed(paths: list[str], stats: list[Stat]) -> Hashes:
    return Hashes("\0".join(paths).encode(), b"".join(stats))


def held(found: Files) -> Hashes:
    made = listed(list(found), [stat for stat, _ in found.values()])
    for number, (_, digest) in enumerate(found.values()):
        if digest is not None:
            made.learn(number, digest)
    return made


def told(found: Hashes, paths: Files) -> dict[str, str | None]:
    return {path: found.get(number) for number, path in enumerate(paths)}


@st.composite
def changed(draw: st.DrawFn) -> tuple[Files, Files]:
    """Files, and the same after a few changes."""
    before: Files = draw(files)
    gone = draw(st.sets(st.sampled_from(sorted(before)))) if before else set()
    return before, dict(sorted(({name: its for name, its in before.items() if name not in gone} | draw(files)).items()))


@given(changed() | st.tuples(files, files))
def test_what_is_taken_over_is_what_has_the_same_name_and_status(both: tuple[Files, Files]) -> None:
    before, after = both
    found = listed(list(after), [stat for stat, _ in after.values()])
    same = found.take_over(held(before).rows())
    expected = {
        path: digest.hex() if path in before and before[path][0] == stat and (digest := before[path][1]) else None
        for path, (stat, _) in after.items()
    }
    assert told(found, after) == expected
    if same:
        assert [(path, stat) for path, (stat, _) in before.items()] == [(p, s) for p, (s, _) in after.items()]
    assert {list(after)[number] for number in found.unknown()} == {
        p for p, digest in expected.items() if digest is None
    }


@given(st.integers(0, 1200), st.sets(st.integers(0, 1200)))
def test_of_very_many_those_that_changed_are_found(count: int, gone: set[int]) -> None:
    before = {f"{number:04d}": (pack(1, number, 0, 0, 0), b"%032d" % number) for number in range(count)}
    after = {name: (pack(1, -1, 0, 0, 0) if int(name) in gone else its[0], None) for name, its in before.items()}
    found = listed(list(after), [stat for stat, _ in after.values()])
    found.take_over(held(before).rows())
    assert list(found.unknown()) == sorted(gone & set(range(count)))


def test_an_empty_file_is_known_unread() -> None:
    found = listed(["a", "b"], [pack(0, 1, 1, 1, 1), pack(1, 1, 1, 1, 1)])
    assert list(found.unknown()) == [1]
    assert found.get(0) == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_what_is_young_is_known_to_this_run_alone() -> None:
    found = held({"a": (pack(1, 1, 1, 1, 1), None)})
    found.learn(0, b"1" * 32, young=True)
    assert found.get(0)
    assert found.rows().known == b"\0"


def test_rows_that_do_not_fit_each_other_tell_nothing() -> None:
    stat = pack(1, 1, 1, 1, 1)
    for rows in (Rows(b"a", stat, b"1" * 32, b"\1\1"), Rows(b"a", stat[1:], b"1" * 32, b"\1"), Rows(known=b"\1")):
        found = listed(["a"], [stat])
        assert not found.take_over(rows)
        assert found.get(0) is None
