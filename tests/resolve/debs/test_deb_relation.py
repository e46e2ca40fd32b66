import time

import pytest

from cogpack.errors import InputError
from cogpack.resolve.debs.solving.relation import Relation, parse_relations


def test_groups_and_alternatives_are_told_apart() -> None:
    assert parse_relations("a (>= 1), b:any | c (<< 2~) , d") == (
        (Relation("a", ">=", "1"),),
        (Relation("b"), Relation("c", "<<", "2~")),
        (Relation("d"),),
    )


def test_an_empty_field_asks_for_nothing() -> None:
    assert parse_relations("") == ()


@pytest.mark.parametrize(
    ("operator", "below", "same", "above"),
    [
        ("<<", 1, 0, 0),
        ("<=", 1, 1, 0),
        ("=", 0, 1, 0),
        (">=", 0, 1, 1),
        (">>", 0, 0, 1),
        ("<", 1, 1, 0),
        (">", 0, 1, 1),
    ],
)
def test_operators_compare_versions(operator: str, below: int, same: int, above: int) -> None:
    relation = Relation("a", operator, "2")
    assert [relation.allows(version) for version in ("1", "2", "3")] == [bool(below), bool(same), bool(above)]


def test_a_provided_name_without_a_version_meets_only_an_unversioned_relation() -> None:
    assert Relation("mta").allows_provided(Relation("mta"))
    assert not Relation("mta", ">=", "1").allows_provided(Relation("mta"))
    assert Relation("mta", ">=", "1").allows_provided(Relation("mta", "=", "2"))


@pytest.mark.parametrize("field", ["a (>= )", "a b", "(>= 1)", "a (~ 1)", "a | | b", "$x"])
def test_damaged_relations_are_refused(field: str) -> None:
    with pytest.raises(InputError):
        parse_relations(field)


def test_a_relation_of_blanks_takes_the_time_of_its_length() -> None:
    """An image's own package database may have any: 20,000 took more than a second, and a million an hour."""
    began = time.process_time()
    with pytest.raises(InputError):
        parse_relations("a" + " " * 500_000 + "b")
    assert time.process_time() - began < 2
