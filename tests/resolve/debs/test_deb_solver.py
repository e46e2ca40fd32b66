import lzma
from pathlib import Path

import pytest
from support.debs import stanza

from cogpack.errors import InputError
from cogpack.resolve.debs.index import parse_index
from cogpack.resolve.debs.solver import Universe, solve
from cogpack.seal import Seal


def universe(directory: Path, *texts: str) -> Universe:
    return Universe(
        [
            parse_index(
                lzma.compress(text.encode()),
                url="http://m/Packages.xz",
                size=len(text),
                directory=directory,
                sha256=f"{number:064}",
                seal=Seal(),
            )
            for number, text in enumerate(texts)
        ]
    )


def solved(directory: Path, text: str, *requests: str) -> list[str]:
    return [f"{found.name}={found.package.version}" for found in solve(universe(directory, text), requests)]


def test_dependencies_come_along(tmp_path: Path) -> None:
    text = stanza("app", Depends="lib (>= 1)", Pre_Depends="early") + stanza("lib", Depends="deep") + stanza("deep")
    assert solved(tmp_path, text + stanza("early") + stanza("unused"), "app") == ["app=1", "deep=1", "early=1", "lib=1"]


def test_recommendations_do_not(tmp_path: Path) -> None:
    assert solved(tmp_path, stanza("app", Recommends="extra") + stanza("extra"), "app") == ["app=1"]


def test_the_newest_version_of_all_indexes_is_taken(tmp_path: Path) -> None:
    found = solve(universe(tmp_path, stanza("a", "1.0"), stanza("a", "1.0+deb1"), stanza("a", "0.9")), ["a"])
    assert [(one.package.version, one.index) for one in found] == [("1.0+deb1", 1)]


def test_the_first_alternative_that_exists_is_taken(tmp_path: Path) -> None:
    text = stanza("app", Depends="gone | second | third") + stanza("second") + stanza("third")
    assert solved(tmp_path, text, "app") == ["app=1", "second=1"]


def test_an_alternative_that_was_asked_for_is_enough(tmp_path: Path) -> None:
    text = stanza("app", Depends="first | second") + stanza("first") + stanza("second")
    assert solved(tmp_path, text, "app", "second") == ["app=1", "second=1"]


def test_an_alternative_that_clashes_is_passed_over(tmp_path: Path) -> None:
    text = stanza("app", Depends="first | second") + stanza("first", Conflicts="old") + stanza("second") + stanza("old")
    assert solved(tmp_path, text, "old", "app") == ["app=1", "old=1", "second=1"]


def test_a_real_package_is_preferred_to_a_provider(tmp_path: Path) -> None:
    text = stanza("pretender", Provides="mta") + stanza("app", Depends="mta") + stanza("mta")
    assert solved(tmp_path, text, "app") == ["app=1", "mta=1"]


def test_of_providers_the_one_of_higher_priority_is_taken(tmp_path: Path) -> None:
    text = (
        stanza("app", Depends="awk")
        + stanza("gawk", Provides="awk")
        + stanza("mawk", Provides="awk", Priority="required")
    )
    assert solved(tmp_path, text, "app") == ["app=1", "mawk=1"]


def test_a_versioned_dependency_needs_a_versioned_provider(tmp_path: Path) -> None:
    text = stanza("app", Depends="abi (>= 2)") + stanza("one", Provides="abi") + stanza("two", Provides="abi (= 3)")
    assert solved(tmp_path, text, "app") == ["app=1", "two=1"]


def test_dependency_circles_end(tmp_path: Path) -> None:
    assert solved(tmp_path, stanza("a", Depends="b") + stanza("b", Depends="a"), "a") == ["a=1", "b=1"]


def test_a_package_may_conflict_with_a_name_it_provides_itself(tmp_path: Path) -> None:
    text = stanza("postfix", Provides="mta", Conflicts="mta", Replaces="mta")
    assert solved(tmp_path, text, "postfix") == ["postfix=1"]


def test_a_pinned_version_is_taken_as_it_is(tmp_path: Path) -> None:
    text = stanza("a", "1") + stanza("a", "2")
    assert solved(tmp_path, text, "a=1") == ["a=1"]


def test_usrmerge_is_never_taken(tmp_path: Path) -> None:
    text = (
        stanza("init-system-helpers", Depends="usrmerge | usr-is-merged") + stanza("usrmerge") + stanza("usr-is-merged")
    )
    assert solved(tmp_path, text, "init-system-helpers") == ["init-system-helpers=1", "usr-is-merged=1"]


def test_a_misspelt_name_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no package 'libsndfle1'") as caught:
        solved(tmp_path, stanza("libsndfile1") + stanza("unrelated"), "libsndfle1")
    assert "libsndfile1" in caught.value.next_step


def test_a_version_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no version 3; the archive has 2, 1"):
        solved(tmp_path, stanza("a", "1") + stanza("a", "2"), "a=3")


def test_a_virtual_package_with_several_providers_is_a_question(tmp_path: Path) -> None:
    text = stanza("exim", Provides="mta") + stanza("postfix", Provides="mta")
    with pytest.raises(InputError, match="virtual package, provided by exim, postfix"):
        solved(tmp_path, text, "mta")
    assert solved(tmp_path, stanza("exim", Provides="mta"), "mta") == ["exim=1"]


def test_requests_that_exclude_each_other_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="b and a can't be installed together"):
        solved(tmp_path, stanza("a", Conflicts="b") + stanza("b"), "a", "b")


def test_a_dependency_that_nothing_meets_says_who_needs_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"app 1 needs lib \(>= 9\)"):
        solved(tmp_path, stanza("app", Depends="lib (>= 9)") + stanza("lib"), "app")


def test_two_versions_of_one_package_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="asked for as 1 and as 2"):
        solved(tmp_path, stanza("a", "1") + stanza("a", "2"), "a=1", "a=2")
