import time

from cogpack.comparing.packages import compare_packages, dpkg_packages, frozen_packages


def test_what_pip_freeze_writes_is_read() -> None:
    text = "Foo_Bar==1.0\n# comment\n-e git+https://h/x#egg=x\none @ https://h/one.whl\n\nbroken\n"
    assert frozen_packages(text) == {"foo-bar": "1.0", "one": "https://h/one.whl"}


def test_packages_that_dpkg_has_and_only_these_are_read() -> None:
    text = (
        "Package: a\nStatus: install ok installed\nDescription: x\n Package: no\nVersion: 1:2-3\n\n"
        "Package: b\nStatus: deinstall ok config-files\nVersion: 1\n\n"
        "Package: c\nVersion: 4\n\nPackage: d\nStatus: purge ok not-installed\n"
    )
    assert dpkg_packages(text) == {"a": "1:2-3", "c": "4"}
    assert dpkg_packages("") == dpkg_packages("\0" * 99) == {}
    assert dpkg_packages("Package: a \t\nVersion:  1 \n") == {"a": "1"}


def test_blanks_without_end_in_a_file_of_dpkg_hold_nothing_up() -> None:
    began = time.process_time()
    version = f"1{' ' * 100_000}2"
    assert dpkg_packages(f"Package: a\nVersion: {version}\n") == {"a": version}
    assert time.process_time() - began < 2  # it was twenty


def test_only_what_differs_is_told() -> None:
    found = compare_packages("python", {"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})
    assert [(one.name, one.before, one.after) for one in found] == [("b", "1", "2"), ("c", "1", None), ("d", None, "1")]
