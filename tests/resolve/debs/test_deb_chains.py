"""Who brings which package, and names that Debian has dropped."""

from pathlib import Path

from resolve.debs.test_deb_solver import universe
from support.debs import stanza

from cogpack.resolve.debs.names.renamed import RENAMED
from cogpack.resolve.debs.solving.chains import chains
from cogpack.resolve.debs.solving.solver import solve


def test_a_package_is_brought_by_the_shortest_way_and_none_of_the_bases_own(tmp_path: Path) -> None:
    text = stanza("app", Depends="a, b (>= 1), base") + stanza("a", Depends="deep") + stanza("b", Depends="c")
    text += stanza("c", Depends="virtual") + stanza("deep", Depends="c") + stanza("real", Provides="virtual")
    text += stanza("base", Depends="low") + stanza("low") + stanza("other", Pre_Depends="low, deep")
    solution = solve(universe(tmp_path, text), ["app", "other", "base"])
    assert chains(solution.packages, ["app", "other"], {"base", "low"}) == {
        "app": ("app",),
        "other": ("other",),
        "a": ("app", "a"),
        "b": ("app", "b"),
        "c": ("app", "b", "c"),
        "deep": ("other", "deep"),
        "real": ("app", "b", "c", "real"),
    }


def test_what_is_recommended_is_a_way_where_that_is_asked_for(tmp_path: Path) -> None:
    text = stanza("app", Recommends="more") + stanza("more", Depends="deep") + stanza("deep")
    solution = solve(universe(tmp_path, text), ["app"], recommends=True).packages
    assert chains(solution, ["app"], set()) == {"app": ("app",)}
    assert chains(solution, ["app"], set(), recommends=True)["deep"] == ("app", "more", "deep")


def test_a_dropped_name_stands_for_what_took_its_place_only_where_nothing_has_it(tmp_path: Path) -> None:
    glx = stanza("libgl1") + stanza("libglx-mesa0")
    gone = universe(tmp_path, glx)
    assert gone.successors("libgl1-mesa-glx") == ["libgl1", "libglx-mesa0"]
    assert list(gone.successors("libgl1-mesa-gl")) == list(gone.successors("libgl1-mesa-glx=1")) == []
    there = universe(tmp_path / "2", glx + stanza("libgl1-mesa-glx"))
    assert list(there.successors("libgl1-mesa-glx")) == []
    provided = universe(tmp_path / "3", glx + stanza("other", Provides="libgl1-mesa-glx"))
    assert list(provided.successors("libgl1-mesa-glx")) == []


def test_the_table_names_no_dropped_package_as_a_successor() -> None:
    assert not {name for names in RENAMED.values() for name in names} & RENAMED.keys()
    assert list(RENAMED) == sorted(RENAMED, key=list(RENAMED).index)
