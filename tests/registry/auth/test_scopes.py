import pytest

from cogpack.registry.auth.scopes import MOST, merged, right


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([["repository:a/b:pull,push"], ["repository:a/b:pull"]], ("repository:a/b:pull,push",)),
        ([["repository:a/b:pull"], ["repository:a/b:push,pull"]], ("repository:a/b:pull,push",)),
        ([["repository:a:pull,push"], ["repository:c:pull"]], ("repository:a:pull,push", "repository:c:pull")),
        ([["repository:a:pull"], ["registry:catalog:*"]], ("repository:a:pull", "registry:catalog:*")),
        ([["repository:h:5000/a:pull"]], ("repository:h:5000/a:pull",)),
        ([[], ["nonsense", ""]], ()),
    ],
)
def test_scopes_of_one_resource_become_one_and_ours_comes_first(
    groups: list[list[str]], expected: tuple[str, ...]
) -> None:
    assert merged(*groups) == expected


def test_a_token_has_four_scopes_at_most_and_ours_is_among_them() -> None:
    found = merged(["repository:mine:pull,push"], [f"repository:r{number}:pull" for number in range(100)])
    assert len(found) == MOST
    assert found[0] == "repository:mine:pull,push"


def test_a_scope_in_words() -> None:
    assert right("repository:a/b:pull,push") == ("push to", "a/b")
    assert right("repository:a/b:pull") == ("pull from", "a/b")
