"""CUDA's wheels are added for those that load its libraries and require none."""

from collections.abc import Sequence

import msgspec
import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from cogpack.config import Config, PackOptions
from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.cuda import WANTED, with_cuda
from cogpack.notes import Code
from cogpack.resolve.wheels.resolver import Resolved

GPU = Config(gpu=True)


def resolved(*wheels: str) -> Resolved:
    found = [one.split() for one in wheels]
    return Resolved(
        wheels=tuple(
            LockedWheel(name=name, version=version, filename=f"{name}-{version}.whl", sha256="a" * 64)
            for name, version in found
        ),
        addresses={},
    )


class Again:
    def __init__(self, *added: str) -> None:
        self.added = added
        self.asked: list[Sequence[str]] = []

    def __call__(self, lines: Sequence[str]) -> Resolved:
        self.asked.append(lines)
        return resolved("ctranslate2 4.5.0", *self.added)


def test_what_a_wheel_loads_is_added_and_told() -> None:
    again = Again("nvidia-cublas-cu12 12.9", "nvidia-cudnn-cu12 9.28")
    found = with_cuda(GPU, resolved("ctranslate2 4.5.0"), again)
    assert again.asked == [["nvidia-cublas-cu12", "nvidia-cudnn-cu12==9.*"]]
    assert [wheel.name for wheel in found.wheels] == ["ctranslate2", "nvidia-cublas-cu12", "nvidia-cudnn-cu12"]
    assert [note.code for note in found.notes] == [Code.CUDA_ADDED]
    assert found.notes[0].text == (
        "ctranslate2 4.5.0: loads libraries of CUDA and requires none: 2 wheels added: "
        "nvidia-cublas-cu12 12.9, nvidia-cudnn-cu12 9.28"
    )


def test_what_torch_brings_already_is_not_asked_for_again() -> None:
    again = Again()
    before = resolved("ctranslate2 4.5.0", "nvidia-cublas-cu12 12.4.5.8", "nvidia-cudnn-cu12 9.1.0.70")
    assert with_cuda(GPU, before, again) is before
    assert with_cuda(GPU, resolved("ctranslate2 4.4.0", "nvidia-cudnn-cu12 9.1.0.70"), again).notes == ()
    assert again.asked == [["nvidia-cublas-cu12", "nvidia-cudnn-cu12==8.*"]]


@pytest.mark.parametrize(
    "config", [Config(gpu=False), Config(gpu=True, pack=PackOptions(base="nvidia/cuda:12.4.1-runtime-ubuntu22.04"))]
)
def test_nothing_is_added_without_a_gpu_or_over_a_base_of_ones_own(config: Config) -> None:
    before, again = resolved("onnxruntime-gpu 1.22.0"), Again()
    assert with_cuda(config, before, again) is before
    assert again.asked == []


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("https://h.io/v0.3.2-cu124/llama_cpp_python-0.3.2.whl", [["nvidia-cublas-cu12", "nvidia-cuda-runtime-cu12"]]),
        ("https://h.io/v0.3.2/llama_cpp_python-0.3.2.whl", []),
        ("", []),
    ],
)
@pytest.mark.parametrize("of_index", [True, False])
def test_a_wheel_whose_name_does_not_tell_is_one_for_cuda_by_its_address(
    address: str, asked: list[list[str]], of_index: bool
) -> None:
    found = resolved("llama-cpp-python 0.3.2")
    if of_index:
        found = msgspec.structs.replace(found, addresses={found.wheels[0].sha256: address})
    else:
        found = msgspec.structs.replace(found, wheels=(msgspec.structs.replace(found.wheels[0], url=address or None),))
    again = Again("nvidia-cublas-cu12 12.9", "nvidia-cuda-runtime-cu12 12.9")
    with_cuda(GPU, found, again)
    assert again.asked == asked


def test_what_cant_be_added_beside_the_others_is_a_note() -> None:
    def again(_: Sequence[str]) -> Resolved:
        raise InputError("nvidia-cublas-cu12 contradicts requirements.txt:3", next_step="correct it")

    found = with_cuda(GPU, resolved("onnxruntime-gpu 1.22.0"), again)
    assert [note.code for note in found.notes] == [Code.CUDA_MISSING]
    assert "requirements.txt:3" in found.notes[0].text


@pytest.mark.parametrize("name", WANTED)
def test_a_version_is_in_one_row_of_the_table_at_most(name: str) -> None:
    for minor in range(10, 40):
        for version in (f"1.{minor}.0", f"4.{minor / 10:.1f}"[:3], f"{minor}.0.0"):
            assert sum(SpecifierSet(row.versions).contains(Version(version)) for row in WANTED[name]) <= 1
