"""Where wheels lie beside the index is a table, of which each address follows from the torch that they are for."""

from pathlib import Path

import pytest
from packaging.version import Version
from support.wheels import make_wheel

from cogpack.errors import UnavailableError
from cogpack.layers.wheels import Outline
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.elsewhere import ElsewhereWheels
from cogpack.locking.wheels.outlines import local_reader
from cogpack.locking.wheels.torch_build import torch_build
from cogpack.project import find_project
from cogpack.resolve.wheels import Neighbours, TargetPython
from cogpack.resolve.wheels.elsewhere import TorchBuild, is_elsewhere, places, wants_torch
from cogpack.session import Session, Settings

TARGET = TargetPython(python="3.11", glibc="2.36", arch="amd64")
RELEASES = "https://github.com/Dao-AILab/flash-attention/releases/download"
OLD = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKSs"
NEW = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_string"


@pytest.mark.parametrize(
    ("name", "version", "torch", "addresses"),
    [
        (
            "flash-attn",
            "2.8.3",
            TorchBuild("2.8.0+cu128", "12.8", cxx11_abi=True),
            [f"{RELEASES}/v2.8.3/flash_attn-2.8.3+cu12torch2.8cxx11abiTRUE-cp311-cp311-linux_x86_64.whl"],
        ),
        (
            "flash-attn",
            "2.5.9.post1",
            TorchBuild("2.3.1", "12.1", cxx11_abi=False),
            [
                f"{RELEASES}/v2.5.9.post1/flash_attn-2.5.9.post1+cu{cuda}torch2.3cxx11abiFALSE-cp311-cp311-linux_x86_64.whl"
                for cuda in ("122", "121")
            ],
        ),
        ("flash-attn", "2.8.3", TorchBuild("2.8.0+cpu", "", cxx11_abi=True), []),
        ("flash-attn", "1.0.9", TorchBuild("2.1.0", "12.1", cxx11_abi=False), []),
        (
            "mmcv",
            "2.1.0",
            TorchBuild("2.1.2+cu118", "11.8", cxx11_abi=False),
            ["https://download.openmmlab.com/mmcv/dist/cu118/torch2.1.0/index.html"],
        ),
        (
            "torch-scatter",
            "2.1.2",
            TorchBuild("2.4.1+cpu", "", cxx11_abi=False),
            ["https://data.pyg.org/whl/torch-2.4.0+cpu.html"],
        ),
        *(
            (
                "llama-cpp-python",
                "0.3.2",
                TorchBuild("0", cuda, cxx11_abi=True),
                [f"https://abetlen.github.io/llama-cpp-python/whl/{build}/llama-cpp-python/"] if build else [],
            )
            for cuda, build in (("12.4", "cu124"), ("12.8", "cu125"), ("12.0", "cu121"), ("", "cpu"), ("13.0", ""))
        ),
        (
            "tensorrt-cu12-libs",
            "10.9.0.34",
            TorchBuild("0", "12.4", cxx11_abi=True),
            ["https://pypi.nvidia.com/tensorrt-cu12-libs/"],
        ),
    ],
)
def test_an_address_follows_from_version_and_torch(
    name: str, version: str, torch: TorchBuild, addresses: list[str]
) -> None:
    assert is_elsewhere(name)
    assert [one.address for one in places(name, Version(version), torch, TARGET)] == addresses


def test_only_names_of_the_table_are_looked_for() -> None:
    assert not is_elsewhere("numpy")
    assert (wants_torch("flash-attn"), wants_torch("llama-cpp-python")) == (True, False)


@pytest.mark.parametrize(
    ("says", "library", "found"),
    [
        (b"cuda: Optional[str] = '12.4'\n", OLD, ("12.4", False)),
        (b"from x import y\n__all__ = ['cuda', 'hip']\ncuda = '13.0'\n", NEW, ("13.0", True)),
        (b"cuda: Optional[str] = None\n", NEW, ("", True)),
        (b"nothing\n", NEW, None),
        (b"cuda = None\n", b"neither", None),
        (b"cuda = None\n", OLD + b"\0" + NEW, None),
    ],
)
def test_a_build_of_torch_is_read_in_two_files_of_its_wheel(
    tmp_path: Path, says: bytes, library: bytes, found: tuple[str, bool] | None
) -> None:
    wheel = make_wheel(tmp_path, "torch", "2.1", files={"torch/version.py": says, "torch/lib/libc10.so": library})
    build = torch_build(Outline(wheel.name, *local_reader(wheel)), "2.1")
    assert (build and (build.cuda, build.cxx11_abi)) == found


def test_a_publisher_that_is_away_is_told_with_the_ways_out(tmp_path: Path) -> None:
    (tmp_path / "cog.yaml").write_text("predict: predict.py:Predictor\n")
    torch = make_wheel(tmp_path, "torch", files={"torch/version.py": b"cuda = '12.4'\n", "torch/lib/libc10.so": OLD})
    wheel = LockedWheel(name="torch", version="1.0", filename=torch.name, sha256="0" * 64, path=torch.name)
    environment = {"COGPACK_URL_MAP": f"{RELEASES}=http://127.0.0.1:9"}
    with Session(
        Settings(directory=tmp_path, cache=tmp_path / "cache", environment=environment), backoff=lambda *_: 0.0
    ) as session:
        found = ElsewhereWheels(session, find_project(tmp_path), TARGET)
        with pytest.raises(UnavailableError, match=r"flash-attn 2\.8\.3: the index has no wheel of it") as caught:
            found.find("flash-attn", Version("2.8.3"), Neighbours(wheels=(wheel,), address=str))
    assert f"COGPACK_URL_MAP ({RELEASES}/v2.8.3=https://mirror.example.com/...)" in caught.value.next_step
