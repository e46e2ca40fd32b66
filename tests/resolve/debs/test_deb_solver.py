import lzma
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.debs import stanza

from cogpack.errors import InputError
from cogpack.resolve.debs.archives.index import parse_index
from cogpack.resolve.debs.solving.solver import LeftOut, solve
from cogpack.resolve.debs.solving.universe import Universe
from cogpack.seal import Seal


def universe(directory: Path, *texts: str, suites: Sequence[str] = ()) -> Universe:
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
        ],
        suites,
    )


def solved(directory: Path, text: str, *requests: str, base: Sequence[str] = (), recommends: bool = False) -> list[str]:
    packages = universe(directory, text)
    there = [packages.request(name) for name in base]
    found = solve(packages, requests, base=there, recommends=recommends).packages
    return [f"{one.name}={one.package.version}" for one in found]


def test_dependencies_come_along(tmp_path: Path) -> None:
    text = stanza("app", Depends="lib (>= 1)", Pre_Depends="early") + stanza("lib", Depends="deep") + stanza("deep")
    assert solved(tmp_path, text + stanza("early") + stanza("unused"), "app") == ["app=1", "deep=1", "early=1", "lib=1"]


def test_recommendations_come_along_where_they_are_asked_for(tmp_path: Path) -> None:
    text = stanza("app", Recommends="extra") + stanza("extra", Depends="more") + stanza("more", Suggests="no")
    assert solved(tmp_path, text, "app") == ["app=1"]
    assert solved(tmp_path, text + stanza("no"), "app", recommends=True) == ["app=1", "extra=1", "more=1"]


def test_what_is_recommended_and_cant_be_had_is_left_out_and_told(tmp_path: Path) -> None:
    text = stanza("app", Depends="lib", Recommends="gone, rival, lame | halt, fine") + stanza("lib", Conflicts="rival")
    text += stanza("rival") + stanza("fine") + stanza("halt", Depends="gone") + stanza("lame", Depends="part, halt")
    found = solve(universe(tmp_path, text + stanza("part")), ["app"], recommends=True)
    assert [one.name for one in found.packages] == ["app", "fine", "lib"]
    assert found.left_out == (
        LeftOut("app", "gone", "no package of the suite is that"),
        LeftOut("app", "rival", "rival can't be installed beside lib"),
        LeftOut(
            "app",
            "lame | halt",
            "lame 1 needs halt: halt 1 needs gone: no package of the suite is that; "
            "halt 1 needs gone: no package of the suite is that",
        ),
    )


def test_what_the_base_recommends_is_not_wanted(tmp_path: Path) -> None:
    text = stanza("base", Recommends="extra") + stanza("extra") + stanza("app", Depends="base")
    assert solved(tmp_path, text, "app", "base", base=["base"], recommends=True) == ["app=1"]


def test_packages_of_the_base_are_not_told_again(tmp_path: Path) -> None:
    text = stanza("app", Depends="libc, lib") + stanza("libc") + stanza("lib", Depends="libc")
    assert solved(tmp_path, text, "app", "libc", base=["libc"]) == ["app=1", "lib=1"]


def test_one_choice_of_several_leaves_for_what_a_request_cant_do_without(tmp_path: Path) -> None:
    text = (
        stanza("app", Depends="codec | codec-extra")
        + stanza("codec", Depends="small")
        + stanza("codec-extra", Conflicts="codec")
        + stanza("extra", Depends="codec-extra (= 1)")
        + stanza("small")
    )
    expected = ["app=1", "codec-extra=1", "extra=1"]
    assert solved(tmp_path, text, "app", "extra") == solved(tmp_path, text, "extra", "app") == expected


def test_a_package_that_another_has_driven_out_is_replaced_by_its_alternative(tmp_path: Path) -> None:
    text = (
        stanza("app", Depends="first | second")
        + stanza("first")
        + stanza("second")
        + stanza("other", Depends="enemy | nothing")
        + stanza("enemy", Breaks="first")
    )
    assert solved(tmp_path, text, "app", "other") == ["app=1", "enemy=1", "other=1", "second=1"]


def test_a_package_in_an_older_version_gets_the_older_one_that_it_needs(tmp_path: Path) -> None:
    text = stanza("app", "1", Depends="lib (= 1)") + stanza("app", "2", Depends="lib (= 2)")
    assert solved(tmp_path, text + stanza("lib", "1") + stanza("lib", "2"), "app=1") == ["app=1", "lib=1"]


def test_a_chain_of_any_length_is_followed(tmp_path: Path) -> None:
    text = "".join(stanza(f"link{number}", Depends=f"link{number + 1}") for number in range(2000)) + stanza("link2000")
    assert len(solved(tmp_path, text, "link0")) == 2001


def test_the_newest_version_of_all_indexes_is_taken(tmp_path: Path) -> None:
    found = solve(universe(tmp_path, stanza("a", "1.0"), stanza("a", "1.0+deb1"), stanza("a", "0.9")), ["a"]).packages
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


def test_of_equal_providers_the_last_of_the_index_is_taken(tmp_path: Path) -> None:
    text = stanza("app", Depends="terminal") + stanza("blackbox", Provides="terminal")
    assert solved(tmp_path, text + stanza("zutty", Provides="terminal"), "app") == ["app=1", "zutty=1"]


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


def test_a_version_may_be_a_pattern(tmp_path: Path) -> None:
    text = stanza("a", "1.1") + stanza("a", "1.2") + stanza("a", "2")
    assert solved(tmp_path, text, "a=1.*") == ["a=1.2"]


def test_a_suite_may_be_named(tmp_path: Path) -> None:
    packages = universe(
        tmp_path, stanza("a", "1") + stanza("b"), stanza("a", "2"), suites=["trixie", "trixie-security"]
    )
    assert [one.package.version for one in solve(packages, ["a/trixie"]).packages] == ["1"]
    with pytest.raises(InputError, match="b is not in trixie-security, but in trixie") as caught:
        solve(packages, ["b/trixie-security"])
    assert caught.value.next_step == "write b/trixie, or b alone for the newest"


def test_of_a_request_for_a_version_or_later_the_newest_is_taken(tmp_path: Path) -> None:
    text = stanza("a", "1.0") + stanza("a", "2.0")
    assert solved(tmp_path, text, "a>=1.5") == ["a=2.0"]
    with pytest.raises(InputError, match=r"a has no version 3 or later; the archive has 2.0, 1.0"):
        solved(tmp_path, text, "a>=3")


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
