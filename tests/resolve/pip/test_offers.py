"""Which files of a package pip would take, and in which order it would try them."""

import pytest
from packaging.specifiers import SpecifierSet

from cogpack.resolve.pip import Offer, Taste, applicable, candidates
from cogpack.resolve.wheels.target import TargetPython

TARGET = TargetPython(python="3.11", glibc="2.36", arch="amd64")
TAGS = TARGET.tags()
ANY = Taste()


def tried(
    *filenames: str, specifier: str = "", taste: Taste = ANY, yanked: tuple[str, ...] = (), python: str = ""
) -> list[str]:
    offers = [
        Offer(filename=name, url=f"https://h.example/{name}", yanked=name in yanked, requires_python=python)
        for name in filenames
    ]
    found = candidates("pkg", offers, tags=TAGS, python="3.11.0", taste=taste)
    return [one.offer.filename for one in applicable(found, SpecifierSet(specifier), taste)]


def test_of_one_version_the_best_wheel_is_tried_before_worse_ones_and_sources() -> None:
    best = "pkg-1.0-cp311-cp311-manylinux_2_17_x86_64.whl"
    rest = ("pkg-1.0.tar.gz", "pkg-1.0-py3-none-any.whl", "pkg-1.0-cp311-cp311-manylinux1_x86_64.whl")
    assert tried(*rest, best) == [best]
    assert tried("pkg-1.0.tar.gz", "pkg-1.0-cp310-cp310-manylinux1_x86_64.whl", "pkg-1.0-py3-none-win32.whl") == [
        "pkg-1.0.tar.gz"
    ]
    assert tried("pkg-1.0-1-py3-none-any.whl", "pkg-1.0-2-py3-none-any.whl") == ["pkg-1.0-2-py3-none-any.whl"]


def test_a_newer_source_goes_before_an_older_wheel_unless_wheels_are_preferred() -> None:
    names = ("pkg-1.0-py3-none-any.whl", "pkg-2.0.tar.gz")
    assert tried(*names) == ["pkg-2.0.tar.gz", "pkg-1.0-py3-none-any.whl"]
    assert tried(*names, taste=Taste(prefer_binary=True)) == ["pkg-1.0-py3-none-any.whl", "pkg-2.0.tar.gz"]
    assert tried(*names, taste=Taste(only_binary=("pkg",))) == ["pkg-1.0-py3-none-any.whl"]
    assert tried(*names, taste=Taste(no_binary=(":all:",))) == ["pkg-2.0.tar.gz"]
    assert tried(*names, taste=Taste(no_binary=(":all:",), only_binary=("pkg",))) == ["pkg-1.0-py3-none-any.whl"]


def test_pre_releases_count_where_they_are_asked_for_or_nothing_else_fits() -> None:
    names = ("pkg-1.0-py3-none-any.whl", "pkg-2.0rc1-py3-none-any.whl")
    assert tried(*names) == ["pkg-1.0-py3-none-any.whl"]
    assert tried(*names, taste=Taste(pre=True))[0] == "pkg-2.0rc1-py3-none-any.whl"
    assert tried(*names, specifier=">=2.0rc1") == ["pkg-2.0rc1-py3-none-any.whl"]
    assert tried(*names, specifier=">1.0") == ["pkg-2.0rc1-py3-none-any.whl"]


def test_a_local_version_is_newer_than_its_public_one_and_is_meant_by_it() -> None:
    names = ("pkg-1.0-py3-none-any.whl", "pkg-1.0+cu118-py3-none-any.whl")
    assert tried(*names, specifier="==1.0")[0] == "pkg-1.0+cu118-py3-none-any.whl"


def test_a_yanked_release_is_taken_only_where_it_alone_is_pinned() -> None:
    names = ("pkg-1.0-py3-none-any.whl", "pkg-2.0-py3-none-any.whl")
    yanked = names[1:]
    assert tried(*names, yanked=yanked) == list(names[:1])
    assert tried(*names, yanked=yanked, specifier=">=2") == []
    assert tried(*names, yanked=yanked, specifier="==2.*") == []
    assert tried(*names, yanked=yanked, specifier="==2.0") == list(yanked)


@pytest.mark.parametrize("python", [">=3.12", "<3.11", "==3.10.*"])
def test_what_a_page_keeps_from_this_python_is_not_tried(python: str) -> None:
    assert tried("pkg-1.0-py3-none-any.whl", python=python) == []


@pytest.mark.parametrize("python", ["", ">=3.8", "no specifier"])
def test_what_it_gives_this_python_is(python: str) -> None:
    assert tried("pkg-1.0-py3-none-any.whl", python=python) == ["pkg-1.0-py3-none-any.whl"]


def test_files_of_other_packages_and_files_that_are_no_packages_are_passed_over() -> None:
    others = ("pkg_more-1.0.tar.gz", "pkg-more-1.0.zip", "pkg.html", "pkg-1.0.exe", "pkg-1.0.whl", "Pkg-x.tar.gz")
    assert tried(*others) == []
    assert tried("PKG-1.0.ZIP", "pkg-1.1-py3.10.tar.gz", "pkg-1.2-py2.tar.gz") == ["PKG-1.0.ZIP"]
