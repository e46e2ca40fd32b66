"""`.dockerignore`, as Docker's documentation describes it."""

import contextlib
import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cogpack.errors import InputError
from cogpack.project.ignore import parse_globs, parse_ignore


def ignored(text: str, path: str) -> bool:
    return parse_ignore(text, path=".dockerignore").matches(path)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*/temp*", ["a/temporary.txt", "a/temp", "a/temp/x"], ["temp", "a/b/temp"]),
        ("*/*/temp*", ["a/b/temporary.txt"], ["a/temp", "a/b/c/temp"]),
        ("temp?", ["tempa", "tempb/x"], ["temp", "tempab", "a/tempa"]),
        ("**/*.go", ["a.go", "a/b.go", "a/b/c.go"], ["a.gox", "go"]),
        ("/foo/bar", ["foo/bar", "foo/bar/x"], ["a/foo/bar", "foo/barx"]),
        ("foo/bar/", ["foo/bar"], ["foo"]),
        ("./foo//bar/../baz", ["foo/baz"], ["foo/bar"]),
        ("abc", ["abc", "abc/x/y"], ["x/abc"]),
        ("**/abc", ["abc", "x/abc", "x/y/abc/z"], ["xabc", "x/yabc"]),
        ("**abc", ["abc", "xabc", "x/yabc"], ["abcx"]),
        ("abc/**", ["abc/x", "abc/x/y"], ["abc", "abcd/x"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("a**b", ["ab", "ax/b", "a/x/b"], ["axb"]),
        ("**", ["a", "a/b"], []),
        ("*", ["a", "a/b", ".hidden"], []),
        ("[a-c]x", ["ax", "cx"], ["dx", "ABx"]),
        ("[^a-c]x", ["dx"], ["ax", "/x"]),
        ("a[\\]]", ["a]"], ["a\\"]),
        ("\\#a", ["#a"], ["a"]),
        ("\\!a", ["!a"], ["a"]),
        ("a\\*", ["a*"], ["ab"]),
        ("a.b+(c)|{d}^$", ["a.b+(c)|{d}^$"], ["axb+(c)|{d}^$"]),
        ("*.*.*", ["a.b.c", "a..c", "..."], ["a.b"]),
        ("ü?", ["üü"], ["ü"]),
        ("a b ", ["a b"], ["a"]),
        ("../x", [], ["x"]),
        ("/", [], ["a"]),
        (".", [], ["a"]),
    ],
)
def test_a_pattern_matches_as_documented(pattern: str, yes: list[str], no: list[str]) -> None:
    assert [path for path in yes if not ignored(pattern, path)] == []
    assert [path for path in no if ignored(pattern, path)] == []


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("*.md\n!README.md", "README.md", False),
        ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", True),
        ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", False),
        ("*\n!src", "src/a/b.py", False),
        ("*\n!src\nsrc/a", "src/a/b.py", True),
        ("src\n!src/keep", "src/keep/x", False),
        ("src\n!src/keep", "src/other", True),
        ("# *\n#a", "a", False),
        (" # a", "# a", True),
        ("\ufeffa", "a", True),
        ("a\r\nb\r\n", "b", True),
        ("a\n! /a ", "a", False),
    ],
)
def test_the_last_pattern_that_matches_decides(text: str, path: str, expected: bool) -> None:
    assert ignored(text, path) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n!", "2: ! stands alone"),
        ("a\n[a", "2: [a: a [ is not closed"),
        ("[]", "1: []: a [ is not closed or empty"),
        ("[]a]", "1: []a]: a [ is not closed or empty"),
        ("[a-]", "is not closed or empty"),
        ("[b-a]", "range b-a is empty"),
        ("a\\", "ends with a backslash"),
        ("**/a/**/b/**/c/**/d", "too complex"),
        ("x" * 5000, "too complex"),
        ("a\n" * 20_000, "more than 10000 lines"),
    ],
)
def test_a_pattern_that_cant_be_is_named_by_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_ignore(text, path=".dockerignore")
    assert message in caught.value.message
    assert caught.value.message.startswith(".dockerignore:")


def test_globs_have_no_comments_and_no_negation() -> None:
    globs = parse_globs(["#a", "!b"], where="x")
    assert globs.matches("#a")
    assert globs.matches("!b")
    assert not globs.matches("b")


def test_directories_that_a_negation_may_reach_are_entered() -> None:
    patterns = parse_ignore("*\n!src/models/*.bin\n!docs", path=".dockerignore")
    assert patterns.may_keep_below("src")
    assert patterns.may_keep_below("src/models")
    assert patterns.may_keep_below("docs/a")
    assert not patterns.may_keep_below("src/other")
    assert not patterns.may_keep_below("srcs")
    assert parse_ignore("a\n!**/x", path=".dockerignore").may_keep_below("anything")


def fits(pattern: str, path: str) -> bool:
    """An oracle: the documented meaning of `*`, `?` and whole-component `**`, by trying all."""
    if not pattern:
        return not path
    if pattern == "**":
        return True
    if pattern.startswith("**/"):
        rest = pattern[3:]
        return fits(rest, path) or any(fits(rest, path[at + 1 :]) for at, mark in enumerate(path) if mark == "/")
    if pattern[0] == "*":
        ends = range(len(path.partition("/")[0]) + 1)
        return any(fits(pattern[1:], path[end:]) for end in ends)
    return (
        bool(path) and (pattern[0] == path[0] or (pattern[0] == "?" and path[0] != "/")) and fits(pattern[1:], path[1:])
    )


def decided(lines: list[str], path: str) -> bool:
    parts = path.split("/")
    paths = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    result = False
    for line in lines:
        if any(fits(line.removeprefix("!"), candidate) for candidate in paths):
            result = not line.startswith("!")
    return result


PARTS = st.text("ab*?", min_size=1, max_size=5).filter(lambda part: "**" not in part)
GLOBS = st.lists(PARTS | st.just("**"), min_size=1, max_size=4).map("/".join).filter(lambda glob: glob.count("**") < 4)
LINES = st.lists(st.tuples(st.sampled_from(["", "!"]), GLOBS).map("".join), min_size=1, max_size=4)
PATHS = st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@given(LINES, PATHS)
def test_patterns_decide_as_an_exhaustive_search_does(lines: list[str], path: str) -> None:
    assert ignored("\n".join(lines), path) is decided([_collapsed(line) for line in lines], path)


def _collapsed(line: str) -> str:
    while "**/**" in line:
        line = line.replace("**/**", "**")
    return line


@given(LINES, PATHS)
def test_what_is_taken_back_is_always_reached(lines: list[str], path: str) -> None:
    patterns = parse_ignore("\n".join(lines), path="x")
    if patterns.matches(path):
        return
    directory = path.rpartition("/")[0]
    while directory:
        assert not patterns.matches(directory) or patterns.may_keep_below(directory)
        directory = directory.rpartition("/")[0]


@given(st.text(max_size=60), st.text(min_size=1, max_size=20))
def test_any_text_is_patterns_or_an_input_error(text: str, path: str) -> None:
    with contextlib.suppress(InputError):
        parse_ignore(text, path="x").matches(path)


def test_many_stars_take_bounded_time() -> None:
    start = time.monotonic()
    assert not ignored("*a" * 40 + "*b", "a" * 255)
    assert not ignored("*a" * 40 + "*/**/" + "*b" * 40, "a" * 255 + "/" + "b" * 39)
    assert time.monotonic() - start < 2


def plain_regex(pattern: str) -> str:
    """What a cleaned pattern without classes and quotes means, spelled out: the definition, whatever it costs."""
    if pattern.startswith("**") and not set(pattern[2:]) & set("*?") and pattern[2:3] not in ("/", ""):
        return f".*{re.escape(pattern[2:])}"
    out = ""
    while pattern:
        if pattern.startswith("**"):
            pattern = pattern[2:].removeprefix("/")
            if not pattern:
                return f"{out}.*"
            out += "(?:.*/)?"
        else:
            out += {"*": "[^/]*", "?": "[^/]"}.get(pattern[0], re.escape(pattern[0]))
            pattern = pattern[1:]
    return out


PIECES = st.lists(st.sampled_from(["**", "**", "/", "/", "a", "b", "*", "?", "ab"]), min_size=1, max_size=9)


@pytest.mark.slow
@settings(max_examples=2000)
@given(PIECES.map("".join), st.lists(st.sampled_from(["a", "b", "ab", "aab", "ba", "abab"]), min_size=1, max_size=6))
@example("**/a/**/b/**/ab", ["a", "b", "a", "b", "ab"])
@example("a/**/a/**/a", ["a", "a", "a"])
@example("a/**/*a*b*/**", ["a", "b", "ab", "b"])
@example("**a/**/b", ["ba", "b", "b"])
def test_spans_mean_what_they_say_however_they_are_matched(pattern: str, names: list[str]) -> None:
    """Against all ways to match, on paths where that is quick."""
    try:
        patterns = parse_globs([pattern], where="here")
    except InputError:
        assert pattern.count("**") > 2
        return
    parts: list[str] = []
    for part in filter(None, pattern.split("/")):
        parts += [] if part == "**" == "".join(parts[-1:]) else [part]
    clean = "/".join(parts)
    path = "/".join(names)
    assert bool(patterns.match(path)) == bool(re.fullmatch(plain_regex(clean), path, re.DOTALL))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("**/x/**/y/**/z", "x/" * 2000 + "q", False),
        ("**/x/**/y/**/z", "x/y/" * 1000 + "z", True),
        ("**/x/**/x/**", "x/" * 2000 + "x", True),
        ("x/**/x*x/**/*y", "xx/" * 1300 + "q", False),
        ("a**b**c", "ab/" * 1300 + "q", False),
        ("**/*a*a*/**/*a*a*b/**/z", ("a" * 60 + "/") * 60 + "q", False),
    ],
)
def test_a_deep_path_is_matched_at_once(pattern: str, path: str, *, expected: bool) -> None:
    """M10: three `**` took the cube of the depth; a path of 2,000 names was not done in ten minutes."""
    assert bool(parse_globs([pattern], where="here").match(path)) == expected


def test_spans_inside_of_names_are_few() -> None:
    with pytest.raises(InputError, match="too complex"):
        parse_globs(["a**b**c**d"], where="here")
