"""Very many files in rows of bytes are what a sorted list of objects would be."""

from hypothesis import given
from hypothesis import strategies as st

from cogpack.file_stat import pack
from cogpack.project import Files, ProjectFile

paths = st.text(st.sampled_from("ab/é.-"), min_size=1, max_size=4)


def a_file(path: str, size: int, time: int, *, executable: bool) -> ProjectFile:
    return ProjectFile(path=path, kind="file", executable=executable, size=size, stat=pack(size, time, 1, 2, 3))


plain = st.builds(a_file, paths, st.integers(0, 3), st.integers(-1, 2), executable=st.booleans())
others = st.builds(ProjectFile, path=paths, kind=st.just("directory")) | st.builds(
    ProjectFile, path=paths, kind=st.just("symlink"), target=paths
)
many = st.lists(plain | others, max_size=12, unique_by=lambda file: file.path)


def rows(files: list[ProjectFile]) -> Files:
    found = [file for file in files if file.kind == "file"]
    return Files.found(
        [file.path for file in found],
        [file.stat for file in found if file.stat is not None],
        [int(file.executable) for file in found],
        [file for file in files if file.kind != "file"],
    )


def in_order(files: list[ProjectFile]) -> list[ProjectFile]:
    return sorted(files, key=lambda file: file.path.encode("utf-8", "surrogatepass"))


@given(many, paths)
def test_they_are_all_there_sorted_and_found_by_their_paths(files: list[ProjectFile], other: str) -> None:
    found, expected = rows(files), in_order(files)
    assert list(found) == expected
    assert len(found) == len(expected)
    assert all(file in found and found.find(file.path) == file for file in expected)
    assert found.find(other) == next((file for file in files if file.path == other), None)
    assert found.all_paths() == [file.path for file in expected]
    assert found.all_paths(directories=False) == [file.path for file in expected if file.kind != "directory"]
    touched = [2 if file.stat == pack(file.size, 2, 1, 2, 3) else 1 for file in files if file.kind == "file"]
    assert found.newest() == max(touched, default=0)


@given(many, st.integers(0, 4))
def test_those_are_found_that_are_large_or_end_so(files: list[ProjectFile], least: int) -> None:
    found = rows(files)
    plain_ones = [file for file in in_order(files) if file.kind == "file"]
    assert [found.file(number) for number in found.large(least)] == [one for one in plain_ones if one.size >= least]
    for end in (".a", ".", "b"):
        assert list(found.with_ends([end])) == [one for one in plain_ones if one.path[one.path.rfind(".") :] == end]


@given(many, st.sets(paths, max_size=3))
def test_some_are_left_out_or_others_in_their_place(files: list[ProjectFile], gone: set[str]) -> None:
    found = rows(files)
    assert list(found.without(gone)) == [file for file in in_order(files) if file.path not in gone]
    changed = {
        number: ProjectFile(path=found.path(number), kind="file", size=9)
        for number in range(found.plain)
        if found.path(number) in gone
    }
    instead = {file.path: file for file in changed.values()}
    assert list(found.replacing(changed)) == [instead.get(file.path, file) for file in in_order(files)]


@given(many, many)
def test_digests_are_the_same_of_the_same_files_alone(one: list[ProjectFile], other: list[ProjectFile]) -> None:
    assert (rows(one).digest(b"x") == rows(other).digest(b"x")) == (in_order(one) == in_order(other))
    assert rows(one).digest(b"x") != rows(one).digest(b"y")
