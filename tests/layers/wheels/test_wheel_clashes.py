"""Which of two wheels has a path, and where nobody could care."""

from pathlib import Path

import pytest
from support.wheels import make_wheel

from cogpack.errors import InputError, MismatchError
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.clashes import ClashesSource, find_clashes, matters
from cogpack.layers.wheels.groups import is_hidden
from cogpack.layers.wheels.outline import Outline
from cogpack.layers.wheels.source import WheelFile
from cogpack.lockfile import LockedClash

SITE = "opt/venv/lib/python/site-packages"
STUB = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"


def outline(wheel: Path) -> Outline:
    data = wheel.read_bytes()
    return Outline(wheel.name, lambda offset, size: data[offset : offset + size], len(data))


def wheel(directory: Path, name: str, *requires: str, **more: object) -> Outline:
    """`more`: arguments of `make_wheel`."""
    return outline(make_wheel(directory, name, requires=requires, **more))  # type: ignore[arg-type]


def clashes(*outlines: Outline) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """(winner, losers, paths in site-packages), wheels by their names."""
    found = find_clashes(outlines, {"python_version": "3.13", "sys_platform": "linux"})
    assert found == find_clashes(outlines[::-1], {"python_version": "3.13", "sys_platform": "linux"})
    return [
        (
            clash.wheel.partition("-")[0],
            tuple(name.partition("-")[0] for name in clash.over),
            tuple(path.removeprefix(f"{SITE}/") for path in clash.paths),
        )
        for clash in found
    ]


def test_the_wheel_that_pip_installs_last_has_the_path(tmp_path: Path) -> None:
    one = wheel(tmp_path / "1", "one", files={"m/a": b"1", "m/b": b"1", "m/same": b"s"})
    two = wheel(tmp_path / "1", "two", files={"m/a": b"2", "m/b": b"2", "m/same": b"s"})
    assert clashes(one, two) == [("one", ("two",), ("m/a", "m/b"))]
    two = wheel(tmp_path / "2", "two", "between", files={"m/a": b"2", "m/b": b"2", "m/same": b"s"})
    assert clashes(one, two, wheel(tmp_path / "2", "between", "one")) == [("two", ("one",), ("m/a", "m/b"))]
    two = wheel(tmp_path / "3", "two", "one; sys_platform == 'win32'", files={"m/a": b"2"})
    assert clashes(one, two) == [("one", ("two",), ("m/a",))]


def test_of_several_those_that_hold_what_the_last_one_holds_give_way_to_nobody(tmp_path: Path) -> None:
    wheels = [wheel(tmp_path, name, files={"m/a": data}) for name, data in (("x", b"1"), ("y", b"2"), ("z", b"1"))]
    assert clashes(*wheels) == [("x", ("y",), ("m/a",))]


def test_each_set_of_wheels_is_told_apart(tmp_path: Path) -> None:
    wheels = [
        wheel(tmp_path, "x", files={"m/a": b"1", "m/b": b"1", "n/c": b"1"}),
        wheel(tmp_path, "y", files={"m/a": b"2", "n/c": b"2"}),
        wheel(tmp_path, "z", files={"m/a": b"3", "m/b": b"3"}),
    ]
    assert clashes(*wheels) == [("x", ("y",), ("n/c",)), ("x", ("z",), ("m/b",)), ("x", ("z", "y"), ("m/a",))]


def test_scripts_and_data_meet_where_they_are_installed(tmp_path: Path) -> None:
    tool = "[console_scripts]\ntool = {}:main\n"
    one = wheel(tmp_path, "one", entry_points=tool.format("one"), files={"one-1.0.data/data/etc/x": b"1"})
    two = wheel(tmp_path, "two", entry_points=tool.format("two"), files={"two-1.0.data/data/etc/x": b"2"})
    (found,) = find_clashes([one, two], {})
    assert (found.paths, found.wheel[:3]) == (("opt/venv/bin/tool", "opt/venv/etc/x"), "one")
    three = wheel(tmp_path, "three", entry_points=tool.format("one"))
    assert clashes(one, three) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (STUB, f"{STUB}\n"),
        (STUB, f"# a namespace\n\n{STUB}"),
        (
            "__import__('pkg_resources').declare_namespace(__name__)\n",
            '__import__("pkg_resources").declare_namespace(__name__)',
        ),
        ("", "# empty\n"),
    ],
)
def test_namespaces_that_differ_by_comments_and_blanks_are_the_same(tmp_path: Path, one: str, other: str) -> None:
    found = [
        wheel(tmp_path, name, files={"google/__init__.py": text.encode(), f"google/{name}.py": b""})
        for name, text in (("a", one), ("b", other))
    ]
    assert clashes(*found) == []


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("google/__init__.py", STUB, "__version__ = '1'\n"),
        ("google/__init__.py", STUB, "not python ("),
        ("google/__init__.py", "", "#" * 5000),
        ("google/__init__.py", "x = '\\d'", "x = '\\w'"),
        ("google/tool.py", "", "# other\n"),
    ],
)
def test_other_sources_differ_as_their_bytes_do(tmp_path: Path, path: str, one: str, other: str) -> None:
    found = [wheel(tmp_path, name, files={path: text.encode()}) for name, text in (("a", one), ("b", other))]
    assert clashes(*found) == [("a", ("b",), (path,))]


@pytest.mark.parametrize(
    "path",
    [
        *("LICENSE", "LICENSE.txt", "license.MIT", "LICENCE", "COPYING.LESSER", "NOTICE", "README", "README.rst"),
        *("CHANGELOG.md", "CHANGES", "HISTORY.rst", "AUTHORS.md", "setup.py", "pyproject.toml", "requirements-dev.txt"),
        *("tests/__init__.py", "test/a/b.py", "docs/conf.py", "examples/x.py", "benchmarks/run.py"),
    ],
)
def test_papers_and_tests_at_the_top_do_not_matter(tmp_path: Path, path: str) -> None:
    found = [wheel(tmp_path, name, files={path: name.encode()}) for name in ("a", "b")]
    assert clashes(*found) == []
    assert not matters(f"opt/venv/{path}")


@pytest.mark.parametrize(
    "path",
    [
        *(
            "cv2/LICENSE",
            "history.py",
            "readme/__init__.py",
            "license.so",
            "news.json",
            "pkg/tests/a.py",
            "testing/a.py",
        ),
        *("tests.py", "utils/__init__.py", "licenses.pth", "tests", "scripts/a.py", "changes.toml"),
    ],
)
def test_anything_else_matters(path: str) -> None:
    assert matters(f"{SITE}/{path}")


@pytest.mark.parametrize("prefix", ["", "a/"])
def test_a_file_where_another_wheel_has_a_directory_is_refused_and_both_are_named(tmp_path: Path, prefix: str) -> None:
    one = wheel(tmp_path, "one", files={f"{prefix}cv2": b"x"})
    two = wheel(tmp_path, "two", files={f"{prefix}cv2/__init__.py": b""})
    with pytest.raises(InputError, match=rf"/{SITE}/{prefix}cv2 is a file in one-1\.0.* and a directory in two-1\.0"):
        clashes(one, two)


@pytest.mark.parametrize(
    ("groups", "hidden"),
    [
        ([["a"], ["b"]], True),
        ([["b"], ["a"]], False),
        ([["c"], ["a", "b"]], False),
        ([["a"], ["b", "c"]], True),
        ([["b"], ["a", "c"], ["d"]], False),
    ],
)
def test_only_what_lies_below_is_hidden(groups: list[list[str]], hidden: bool) -> None:
    assert is_hidden(LockedClash(wheel="a", over=("b",), paths=("p",)), groups) is hidden


def test_within_a_layer_the_first_by_name_is_seen() -> None:
    assert is_hidden(LockedClash(wheel="b", over=("a",), paths=("p",)), [["a", "b"]])


def test_a_layer_of_clashes_is_named_by_its_wheels_and_paths_and_holds_these_paths(tmp_path: Path) -> None:
    made = LocalFile.of(make_wheel(tmp_path, "a", files={"m/a": b"1", "m/b": b"2"}))
    a, b, c = (WheelFile(f"{name}-1-py3-none-any.whl", name * 64, lambda: made) for name in "abc")
    path, other = f"{SITE}/m/a", f"{SITE}/m/b"
    source = ClashesSource([(a, [b, c], [path, other])])
    assert [entry.path for entry in source.entries()] == [path, other]
    assert source.key() == ClashesSource([(a, [c, b], [other, path])]).key()
    others = ([(a, [b], [path, other])], [(b, [a, c], [path, other])], [(a, [b, c], [path])])
    assert source.key() not in {ClashesSource(clashes).key() for clashes in others}
    with pytest.raises(MismatchError, match="has no /x, which the lock says it has"):
        list(ClashesSource([(a, [b], ["x"])]).entries())
