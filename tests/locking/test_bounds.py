"""Versions that break beside one another are resolved again with the bound that their publishers left out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.locking.missing_imports import imported_at
from cogpack.locking.wheels.bounds import within_bounds
from cogpack.project import find_project
from cogpack.resolve.wheels.bounds import broken_bounds
from cogpack.resolve.wheels.resolver import Resolved


def nothing(_: str) -> str:
    """Says that sources import none."""
    return ""


class Index:
    """Has versions of packages, the first that fits being taken; `asked`: with which constraints."""

    def __init__(self, **versions: Sequence[str]) -> None:
        self._versions = {name.replace("_", "-"): found for name, found in versions.items()}
        self.asked: list[list[str]] = []

    def resolve(self, constraints: Sequence[str]) -> Resolved:
        self.asked.append(list(constraints))
        limits = {
            name: [Requirement(one).specifier for one in constraints if Requirement(one).name == name]
            for name in self._versions
        }
        return Resolved(tuple(self._wheel(name, limits[name]) for name in self._versions), {})

    def _wheel(self, name: str, limits: Sequence[SpecifierSet]) -> LockedWheel:
        for version in self._versions[name]:
            if all(limit.contains(version) for limit in limits):
                return LockedWheel(
                    name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", sha256="0" * 64, size=1
                )
        raise InputError(f"no {name}", next_step="")


def versions(resolved: Resolved) -> Mapping[str, str]:
    return {wheel.name: wheel.version for wheel in resolved.wheels}


def test_the_newest_that_works_is_taken_and_said_of_each() -> None:
    index = Index(
        diffusers=["0.24.0"],
        torch=["2.0.1+cu118"],
        huggingface_hub=["1.3.0", "0.26.0", "0.25.2"],
        numpy=["2.4.6", "1.26.4"],
    )
    resolved = within_bounds(index.resolve, "3.11", nothing)
    assert versions(resolved) == {
        "diffusers": "0.24.0",
        "torch": "2.0.1+cu118",
        "huggingface-hub": "0.25.2",
        "numpy": "1.26.4",
    }
    first, second = (str(note.text) for note in resolved.notes)
    assert first == (
        "huggingface-hub 0.25.2 instead of 1.3.0: "
        "diffusers 0.24.0 imports cached_download, which huggingface-hub 0.26 has no more"
    )
    assert second.startswith("numpy 1.26.4 instead of 2.4.6: torch 2.0.1+cu118 is compiled against NumPy 1")
    assert {note.code for note in resolved.notes} == {"bound-added"}


def test_what_goes_together_is_resolved_once() -> None:
    index = Index(diffusers=["0.29.0"], torch=["2.3.0"], huggingface_hub=["1.3.0"], numpy=["2.4.6"])
    assert within_bounds(index.resolve, "3.11", nothing).notes == ()
    assert index.asked == [[]]


@pytest.mark.parametrize(
    ("index", "asked"),
    [
        ({"torch": ["2.0.1"], "numpy": ["2.4.6", "1.26.4"]}, [["numpy<2"]]),
        (
            {
                "torch": ["2.0.1"],
                "numpy": ["2.4.6", "1.26.4"],
                "diffusers": ["0.24.0"],
                "huggingface_hub": ["1.3.0", "0.25.2"],
                "tensorboardx": ["1.8"],
                "protobuf": ["7.36.2", "3.20.3"],
            },
            [["numpy<2", "huggingface-hub<0.26", "protobuf<4"]],
        ),
        ({"torch": ["2.3.1"], "transformers": ["5.24.0", "5.0.0"]}, [["transformers<5.1"]]),
        (  # of the second nobody knows before the first is kept
            {"torch": ["2.0.1"], "numpy": ["2.4.6", "1.26.4"], "pyarrow": ["26.0.1", "25.0.1"]},
            [["numpy<2"], ["numpy<2", "pyarrow<26"]],
        ),
        (  # one is pinned, and the others are kept without it
            {"torch": ["2.0.1"], "numpy": ["2.4.6", "1.26.4"], "tensorboardx": ["1.8"], "protobuf": ["7.36.2"]},
            [["numpy<2", "protobuf<4"], ["numpy<2"], ["numpy<2", "protobuf<4"]],
        ),
    ],
)
def test_bounds_that_are_broken_at_once_are_added_at_once(
    index: Mapping[str, Sequence[str]], asked: list[list[str]]
) -> None:
    found = Index(**index)
    within_bounds(found.resolve, "3.11", nothing)
    assert [sorted(one) for one in found.asked] == [[], *map(sorted, asked)]


def test_a_bound_that_another_one_makes_needless_is_not_added() -> None:
    asked: list[list[str]] = []

    def resolve(constraints: Sequence[str]) -> Resolved:
        asked.append(list(constraints))
        if not constraints:
            return of(torch="2.0.1", diffusers="0.24.0", huggingface_hub="1.3", numpy="2.1.0")
        numpy = "1.26.4" if "numpy<2" in constraints else "2.1.0"  # which that torch need not have
        return of(torch="2.3.0", diffusers="0.24.0", huggingface_hub="0.25.2", numpy=numpy)

    resolved = within_bounds(resolve, "3.11", nothing)
    assert asked == [[], ["huggingface-hub<0.26", "numpy<2"], ["huggingface-hub<0.26"]]
    assert versions(resolved)["numpy"] == "2.1.0"
    assert [note.text.split(":")[0] for note in resolved.notes] == ["huggingface-hub 0.25.2 instead of 1.3"]


def test_what_a_project_pins_stays_and_other_bounds_hold() -> None:
    index = Index(diffusers=["0.24.0"], torch=["2.0.1"], huggingface_hub=["0.30.0"], numpy=["2.4.6", "1.26.4"])
    resolved = within_bounds(index.resolve, "3.11", nothing)
    assert versions(resolved)["huggingface-hub"] == "0.30.0"
    assert versions(resolved)["numpy"] == "1.26.4"
    added, broken = resolved.notes
    assert added.text.startswith("numpy 1.26.4 instead of 2.4.6: ")
    assert broken.code == "bound-broken"
    assert broken.text == (
        "huggingface-hub 0.30.0 stays: diffusers 0.24.0 imports cached_download, which huggingface-hub 0.26 has no more"
    )


def test_of_two_that_are_pinned_one_reason_is_told() -> None:
    index = Index(torch=["2.2.1"], transformers=["5.24.0"], numpy=["1.26.4"])
    (note,) = within_bounds(index.resolve, "3.11", nothing).notes
    assert note.text == (
        "transformers 5.24.0 stays: torch 2.2.1 is too old for transformers 5.1, which has no models then"
    )


def test_a_bound_that_another_makes_necessary_is_added_too() -> None:
    index = Index(torch=["2.0.1"], numpy=["2.4.6", "1.26.4"], pyarrow=["26.0.1", "25.0.1"])
    resolved = within_bounds(index.resolve, "3.11", nothing)
    assert versions(resolved) == {"torch": "2.0.1", "numpy": "1.26.4", "pyarrow": "25.0.1"}
    assert [note.text.split(":")[0] for note in resolved.notes] == [
        "numpy 1.26.4 instead of 2.4.6",
        "pyarrow 25.0.1 instead of 26.0.1",
    ]


def test_of_a_package_that_two_bounds_hold_back_one_note_tells_both_reasons() -> None:
    index = Index(torch=["2.0.1"], numpy=["1.26.4"], datasets=["2.13.0"], pyarrow=["26.0.1", "25.0.1", "20.0.0"])
    (note,) = within_bounds(index.resolve, "3.11", nothing).notes
    assert note.text == (
        "pyarrow 20.0.0 instead of 26.0.1: numpy 1.26.4 is too old for pyarrow 26, which fails when it is imported; "
        "datasets 2.13.0 imports PyExtensionType, which pyarrow 21 has no more"
    )


def of(**found: str) -> Resolved:
    return Index(**{name: [version] for name, version in found.items()}).resolve(())


def test_what_another_bound_has_moved_or_taken_away_is_told_as_it_came_or_not_at_all() -> None:
    def resolve(constraints: Sequence[str]) -> Resolved:
        if not constraints:
            return of(torch="2.0.1", diffusers="0.24.0", huggingface_hub="1.3", numpy="2.1.0")
        return of(torch="2.0.1", diffusers="0.22.0", huggingface_hub="0.24.0", numpy="1.26")

    first, second = (note.text for note in within_bounds(resolve, "3.11", nothing).notes)
    assert first.startswith("huggingface-hub 0.24.0 instead of 1.3: diffusers 0.22.0 imports ")
    assert second.startswith("numpy 1.26 instead of 2.1.0: torch 2.0.1 ")

    def without(constraints: Sequence[str]) -> Resolved:
        return of(torch="2.0.1") if constraints else of(torch="2.0.1", numpy="2.1.0", pandas="3.0")

    assert within_bounds(without, "3.11", nothing).notes == ()

    def other(constraints: Sequence[str]) -> Resolved:
        return of(torch="2.3.0", numpy="1.26") if constraints else of(torch="2.0.1", numpy="2.1.0")

    assert within_bounds(other, "3.11", nothing).notes == (), "that torch goes with any"


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        ({"torch": "2.2.2", "numpy": "2.0.0"}, ["numpy<2"]),
        ({"torch": "2.3.0", "numpy": "2.0.0"}, []),
        ({"torch": "2.0.1"}, []),
        ({"opencv-python": "4.9.0.80", "opencv-python-headless": "4.10.0.84", "numpy": "2.1"}, ["numpy<2"]),
        ({"diffusers": "0.28.2", "huggingface-hub": "0.26.0"}, ["huggingface-hub<0.26"]),
        ({"diffusers": "0.28.2", "huggingface-hub": "0.25.2"}, []),
        ({"diffusers": "0.32.0.dev0", "transformers": "5.24.0"}, ["transformers<5"]),
        ({"diffusers": "0.35.2", "transformers": "5.0.0"}, []),
        ({"diffusers": "0.35.1", "transformers": "4.57.6"}, []),
        ({"numpy": "1.26.4", "pyarrow": "26.0.0"}, ["pyarrow<26"]),
        ({"numpy": "1.26.4", "pyarrow": "25.0.1"}, []),
        ({"numpy": "2.0.0", "pyarrow": "26.0.0"}, []),
        ({"datasets": "2.14.6", "pyarrow": "21.0.0"}, ["pyarrow<21"]),
        ({"datasets": "2.14.7", "pyarrow": "21.0.0"}, []),
        ({"torch": "2.0.1", "torchaudio": "2.11.0"}, ["torchaudio<2.11"]),
        ({"torch": "2.10.0", "torchaudio": "2.10.0"}, []),
        ({"torch": "2.11.0", "torchaudio": "2.11.0"}, []),
        ({"controlnet-aux": "0.0.10", "mediapipe": "0.10.30"}, ["mediapipe<0.10.30"]),
        ({"controlnet-aux": "0.0.10", "mediapipe": "0.10.21"}, []),
        ({"torch": "2.2.2", "diffusers": "0.36.0"}, ["diffusers<0.36"]),
        ({"torch": "2.3.0", "diffusers": "0.36.0"}, []),
        ({"torch": "2.5.1", "diffusers": "0.41.0"}, ["diffusers<0.41"]),
        ({"torch": "2.5.1", "diffusers": "0.40.0"}, []),
        ({"torch": "2.4.1", "diffusers": "0.40.0"}, ["diffusers<0.37"]),
        ({"torch": "2.4.1", "diffusers": "0.36.0"}, []),
        ({"torch": "2.6.0", "diffusers": "0.41.0"}, []),
        ({"torch": "2.0.1", "transformers": "4.52.1"}, ["transformers<4.52"]),
        ({"torch": "2.1.2", "transformers": "4.57.1"}, []),
        ({"torch": "2.3.1", "transformers": "5.24.0"}, ["transformers<5.1", "transformers<5.14", "transformers<5.20"]),
        ({"torch": "2.6.0", "transformers": "5.24.0"}, []),
        ({"torchao": "0.11.0", "peft": "0.21.2"}, ["peft<0.19"]),
        ({"tensorboardx": "1.8", "protobuf": "7.36.2"}, ["protobuf<4"]),
        ({"tensorboardx": "1.8", "protobuf": "3.20.3"}, []),
        ({"torchao": "0.16.0", "peft": "0.21.2"}, []),
    ],
)
def test_the_table_says_what_breaks(found: dict[str, str], broken: list[str]) -> None:
    assert [bound.needs for bound in broken_bounds(found, "3.11", (), nothing)] == broken


def test_nothing_is_bound_to_what_has_no_wheel_for_that_python() -> None:
    assert not list(broken_bounds({"opencv-python": "4.9.0.80", "numpy": "2.1"}, "3.13", (), nothing))


def test_a_version_that_has_what_sources_import_is_taken_and_said_of_the_place(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Predictor")
    (tmp_path / "predict.py").write_text("import helper\n")
    (tmp_path / "helper.py").write_text("import os\nfrom moviepy import editor as mpy\n")
    imported = imported_at(find_project(tmp_path))
    resolved = within_bounds(Index(moviepy=["2.2.1", "1.0.3"]).resolve, "3.11", imported)
    assert versions(resolved) == {"moviepy": "1.0.3"}
    (note,) = resolved.notes
    assert note.text == (
        "moviepy 1.0.3 instead of 2.2.1: helper.py:2:1 imports moviepy.editor, which moviepy 2 has no more"
    )


def test_an_older_version_that_has_what_sources_import_stays() -> None:
    index = Index(moviepy=["0.2.3.5", "1.0.3"])
    resolved = within_bounds(index.resolve, "3.11", lambda module: f"predict.py:1:8 {module}")
    assert (versions(resolved), resolved.notes) == ({"moviepy": "0.2.3.5"}, ())
    assert index.asked == [[]]


@pytest.mark.parametrize(
    "source",
    [
        "import moviepy",
        "try:\n    import moviepy.editor\nexcept ImportError:\n    pass",
        "def f():\n    import moviepy.editor",
    ],
)
def test_what_sources_may_do_without_binds_nothing(tmp_path: Path, source: str) -> None:
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Predictor")
    (tmp_path / "predict.py").write_text(source)
    index = Index(moviepy=["2.2.1", "1.0.3"])
    assert versions(within_bounds(index.resolve, "3.11", imported_at(find_project(tmp_path)))) == {"moviepy": "2.2.1"}
