"""The order that decides who has a path: pip's own."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wheels import make_wheel

from cogpack.layers.wheels.order import Needs, install_order, needed_names, parse_needs

ENVIRONMENT = {"python_version": "3.13", "sys_platform": "linux"}


def order(python: str = "", **requires: list[str]) -> list[str]:
    found = {name: Needs(tuple(lines), ">=3" if name in python else "") for name, lines in requires.items()}
    return install_order(found, ENVIRONMENT)


def test_what_is_needed_comes_first_and_else_names_go_from_z_to_a() -> None:
    assert order(a=[], b=[], c=[]) == ["c", "b", "a"]
    assert order(a=[], b=["a"], c=[]) == ["c", "a", "b"]
    assert order(a=["c>=1"], b=[], c=["B"]) == ["b", "c", "a"]


def test_a_python_that_is_named_counts_as_needed() -> None:
    assert order("b", a=[], b=[], c=[]) == ["c", "a", "b"]


def test_markers_are_those_of_the_target() -> None:
    assert order(a=["b; sys_platform == 'win32'"], b=[]) == ["b", "a"]
    assert order(a=[], b=["a; sys_platform == 'win32'"], c=["a; python_version >= '3.13'"]) == ["b", "a", "c"]


def test_an_extra_needs_its_package_and_what_it_brings() -> None:
    assert order(a=["d[x]"], b=[], c=[], d=["c; extra == 'x'"]) == ["d", "c", "b", "a"]
    assert order(d=["c; extra == 'x'"], c=[], e=["d"], f=["d[x]"]) == ["d", "c", "e", "f"]


def test_packages_that_need_each_other_share_a_round() -> None:
    assert order(a=["b"], b=["a"], c=[], d=["a"]) == ["c", "b", "a", "d"]
    assert order(a=["a[x]"], b=[]) == ["b", "a"]


def test_what_nobody_locked_or_can_read_counts_as_nothing() -> None:
    assert order(a=["elsewhere", "???"], b=["a"]) == ["a", "b"]


def test_metadata_tells_what_is_needed() -> None:
    text = (
        "Metadata-Version: 2.1\nName: a\nVersion: 1\nRequires-Python: >=3.9\nRequires-Dist: B.c[x] (>1); extra == 'y'\n"
    )
    needs = parse_needs(text)
    assert (needs.python, list(needed_names(needs))) == (">=3.9", ["b-c"])


NAMES = ("a", "b", "c", "d", "e")


@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=3), min_size=2))
def test_every_package_comes_once_and_after_what_it_needs_where_it_can(requires: dict[str, list[str]]) -> None:
    found = order(**requires)
    assert sorted(found) == sorted(requires)
    assert found == order(**dict(reversed(requires.items())))
    for name, needed in requires.items():
        for other in needed:
            cyclic = any(name in requires.get(step, ()) for step in requires)
            assert other not in requires or other == name or cyclic or found.index(other) < found.index(name)


@pytest.mark.slow
def test_pip_installs_in_this_order(tmp_path: Path) -> None:
    pytest.importorskip("pip", reason="this Python has no pip to compare with")
    requires = {
        "alpha": (">=3.8", ["delta", "omega[more]"]),
        "beta": ("", []),
        "delta": (">=3.8", []),
        "gamma": ("", ["beta", "zeta; python_version < '3'"]),
        "kappa": (">=3.8", ["gamma"]),
        "omega": ("", ["beta; extra == 'more'", "kappa; extra == 'more'"]),
        "zeta": ("", []),
    }
    for name, (python, lines) in requires.items():
        raw = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nProvides-Extra: more\n"
        raw += f"Requires-Python: {python}\n" * bool(python) + "".join(f"Requires-Dist: {line}\n" for line in lines)
        make_wheel(tmp_path / "wheels", name, raw={f"{name}-1.0.dist-info/METADATA": raw.encode()})
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(tmp_path / "wheels")]
    command += ["--target", str(tmp_path / "site"), "--disable-pip-version-check", "--no-cache-dir", *requires]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (line,) = [line for line in said.splitlines() if line.startswith("Installing collected packages: ")]
    found = install_order(
        {name: Needs(tuple(lines), python) for name, (python, lines) in requires.items()}, ENVIRONMENT
    )
    assert line.removeprefix("Installing collected packages: ").split(", ") == found
