"""Which programs a line begins commands with: what is text is none of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.run_lines.begun import begun


@pytest.mark.parametrize(
    "line",
    [
        'python -c "x = 1; make = 2"',
        "echo 'first (make sure; make)'",
        'echo "(make)" \\"; # make',
        "cat <<< make",
        "echo $((1 << 2))",
        "echo ${X:-;make}",
        "a 2>make >make <make >&2",
        "A=(make) git",
        "echo 'open; make",
        "for make in a; do git; done",
    ],
)
def test_text_is_no_command(line: str) -> None:
    found = list(begun(line))
    assert "make" not in found
    assert "git" in found or "git" not in line


@pytest.mark.parametrize(
    "line",
    [
        "CC=gcc make",
        "A=$(x) B='y z' make",
        "env X=1 make",
        "! make",
        "if make; then x; fi",
        "if x; then make; elif y; then z; fi",
        "while ! make; do x; done",
        "for x in y; do make; done",
        "case x in y) make;; esac",
        "f() { make; }",
        "(cd x && make)",
        "x && make -j$(nproc)",
        "x | y || make",
        "x & make",
        "2>/dev/null make",
        "x 2>&1 | make",
        'x "it\'s" && make',
        '"make"',
        'x="$(make)"',
        "x `make`",
        "x <(make)",
        "sudo -E make",
        "nice -n 10 make",
        "x | xargs -n 1 make",
        "find x -exec make {} +",
        "bash -c 'cd x && make'",
        "sh -ec make",
        "x $((1 << 2)); make",
        "(" * 5000 + "make",
    ],
)
def test_a_command_is_found_where_it_begins(line: str) -> None:
    assert list(begun(line)).count("make") == 1


@given(st.text("ab \t;&|()<>'\"\\$`{}#=-!1", max_size=60))
def test_any_line_is_read_to_its_end(line: str) -> None:
    list(begun(line))
    assert list(begun(f"{'x;' * 3}make; {line}")).count("make") == 1


@pytest.mark.parametrize("opening", ["$(", '"$(', "`", "A=(", "bash -c '"])
def test_what_is_in_itself_beyond_all_measure_is_left(opening: str) -> None:
    list(begun(opening * 5000))
