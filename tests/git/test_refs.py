"""What a clone begins with is told by what the server advertises."""

import pytest

from cogpack.git.objects import NotExactError
from cogpack.git.refs import Refs

A, B, C = "a" * 40, "b" * 40, "c" * 40
SAID = f"""ref: refs/heads/main\tHEAD
{A}\tHEAD
{A}\trefs/heads/main
{B}\trefs/heads/v1
{B}\trefs/pull/1/head
{C}\trefs/tags/v1
{A}\trefs/tags/v1^{{}}
{B}\trefs/tags/light
""".encode()


@pytest.mark.parametrize(
    ("wanted", "begins"), [("", ("main", A)), ("v1", ("v1", B)), ("light", ("", B)), ("main", ("main", A))]
)
def test_a_branch_goes_before_a_tag_of_its_name(wanted: str, begins: tuple[str, str]) -> None:
    assert Refs.parse(SAID).cloned(wanted) == begins


def test_an_annotated_tag_is_of_the_commit_that_it_names() -> None:
    refs = Refs.parse(SAID)
    assert (refs.tags["v1"], refs.target("v1"), refs.target("light")) == (C, A, B)


def test_a_head_on_no_branch_is_cloned_as_it_is() -> None:
    assert Refs.parse(f"{A}\tHEAD\n{B}\trefs/heads/x\n".encode()).cloned("") == ("", A)


@pytest.mark.parametrize(
    ("said", "wanted", "why"),
    [
        (b"", "", "empty"),
        (SAID, "nowhere", "no branch or tag nowhere"),
        (f"{'a' * 64}\tHEAD\n".encode(), "", "another kind than SHA-1"),
        (f'ref: refs/heads/-"x\tHEAD\n{A}\trefs/heads/-"x\n'.encode(), "", "has the name"),
        (f"ref: refs/heads/gone\tHEAD\n{B}\trefs/heads/x\n".encode(), "", "empty"),
    ],
)
def test_what_git_would_do_otherwise_is_refused(said: bytes, wanted: str, why: str) -> None:
    with pytest.raises(NotExactError, match=why):
        Refs.parse(said).cloned(wanted)


@pytest.mark.parametrize("name", ["a\u2028b", "a\u3000b", "a\u0085b"])
def test_a_name_with_what_others_take_for_a_break_hides_no_other(name: str) -> None:
    """As git-check-ref-format(1) allows them."""
    refs = Refs.parse(f"{A}\tHEAD\n{A}\trefs/heads/main\n{B}\trefs/heads/{name}\n".encode())
    assert refs.heads == {"main": A, name: B}
