"""Where wheels lie beside the index is a table, of which each address follows from the torch that they are for."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from packaging.version import Version
from support.fake_http import Answer, Request, serving
from support.wheels import make_wheel

from cogpack.disk import DiskError
from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.layers.wheels.outline import Outline
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels import elsewhere
from cogpack.locking.wheels.elsewhere import ElsewhereWheels
from cogpack.locking.wheels.outlines import local_reader
from cogpack.locking.wheels.torch_build import cuda_of, torch_build
from cogpack.project import find_project
from cogpack.resolve.wheels.elsewhere import CudaBuild, TorchBuild, is_elsewhere, places, wants_torch
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython
from cogpack.session import Session, Settings

TARGET = TargetPython(python="3.11", glibc="2.36", arch="amd64")
RELEASES = "https://github.com/Dao-AILab/flash-attention/releases/download"
OLD = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKSs"
NEW = b"_ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_string"


@pytest.mark.parametrize(
    ("name", "version", "build", "addresses"),
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
        (
            "flashinfer-python",
            "0.2.5",
            TorchBuild("2.6.0", "12.4", cxx11_abi=False),
            ["https://flashinfer.ai/whl/cu124/torch2.6/flashinfer-python/"],
        ),
        ("flashinfer-python", "0.4.1", TorchBuild("2.8.0", "12.8", cxx11_abi=True), []),
        *(
            (
                "llama-cpp-python",
                "0.3.2",
                CudaBuild(cuda),
                [f"https://abetlen.github.io/llama-cpp-python/whl/{build}/llama-cpp-python/"] if build else [],
            )
            for cuda, build in (("12.4", "cu124"), ("12.8", "cu125"), ("12.0", "cu121"), ("", "cpu"), ("13.0", ""))
        ),
        (
            "tensorrt-cu12-libs",
            "10.9.0.34",
            CudaBuild("12.4"),
            ["https://pypi.nvidia.com/tensorrt-cu12-libs/"],
        ),
    ],
)
def test_an_address_follows_from_version_and_torch(
    name: str, version: str, build: TorchBuild | CudaBuild, addresses: list[str]
) -> None:
    assert [one.address for one in places(name, Version(version), build, TARGET)] == addresses


def test_only_names_and_versions_of_the_table_are_looked_for() -> None:
    versions = {"numpy": "2.0", "mmcv": "1.7.0", "flash-attn": "1.0.9"}
    assert not any(is_elsewhere(name, Version(version)) for name, version in versions.items())
    versions = {"mmcv": "2.1.0", "mmcv-full": "1.7.0", "flash-attn": "2.8.3+cu12torch2.8cxx11abiTRUE"}
    assert all(is_elsewhere(name, Version(version)) for name, version in versions.items())
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


CUDA_OF_TORCH = b"cuda: Optional[str] = '12.4'\n"


def beside(directory: Path, says: bytes = CUDA_OF_TORCH) -> Neighbours:
    torch = make_wheel(directory, "torch", files={"torch/version.py": says, "torch/lib/libc10.so": OLD})
    wheel = LockedWheel(name="torch", version="1.0", filename=torch.name, sha256="0" * 64, path=torch.name)
    return Neighbours(wheels=(wheel,), address=str)


@contextmanager
def looking(directory: Path, answer: Callable[[Request], Answer] | None, config: str = "") -> Iterator[ElsewhereWheels]:
    """Have all pages answered so; None: by nobody."""
    (directory / "cog.yaml").write_text(config or "predict: predict.py:Predictor\n")
    with serving(answer or (lambda request: (404, {}, b""))) as server:
        away = "http://127.0.0.1:9" if answer is None else server.url
        pages = (RELEASES, "https://abetlen.github.io/llama-cpp-python/whl")
        environment = {"COGPACK_URL_MAP": " ".join(f"{page}={away}" for page in pages)}
        settings = Settings(directory=directory, cache=directory / "cache", environment=environment)
        with Session(settings, backoff=lambda *_: 0.0) as session:
            yield ElsewhereWheels(session, find_project(directory), TARGET)


def test_a_publisher_that_is_away_is_told_with_the_ways_out(tmp_path: Path) -> None:
    with (
        looking(tmp_path, None) as found,
        pytest.raises(UnavailableError, match=r"flash-attn 2\.8\.3: the index has no wheel of it") as caught,
    ):
        found.find("flash-attn", Version("2.8.3"), beside(tmp_path))
    assert f"COGPACK_URL_MAP ({RELEASES}/v2.8.3=https://mirror.example.com/...)" in caught.value.next_step


@pytest.mark.parametrize(
    ("status", "error"), [(404, None), (410, None), (403, DeniedError), (400, InputError), (200, InputError)]
)
def test_only_a_server_that_says_so_means_that_there_is_no_such_wheel(
    tmp_path: Path, status: int, error: type[CogpackError] | None
) -> None:
    with looking(tmp_path, lambda request: (status, {"Content-Type": "text/html"}, b"a page")) as found:
        if error is None:
            assert found.find("flash-attn", Version("2.8.3"), beside(tmp_path)) is None
            assert "there is no wheel of it for torch 1.0 for CUDA 12.4" in found.missed["flash-attn"].message
        else:
            with pytest.raises(error):
                found.find("flash-attn", Version("2.8.3"), beside(tmp_path))


def test_a_full_disk_does_not_mean_that_there_is_no_such_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskError("/cache: No space left on device", next_step="make room")

    monkeypatch.setattr(elsewhere, "bring", full)
    with looking(tmp_path, None) as found, pytest.raises(DiskError):
        found.find("flash-attn", Version("2.8.3"), beside(tmp_path))


def test_a_wheel_with_none_of_the_hashes_that_are_named_is_told_with_the_one_that_it_has(tmp_path: Path) -> None:
    data = make_wheel(tmp_path / "made", "flash_attn", "2.8.3", tag="cp311-cp311-linux_x86_64").read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    kind = {"Content-Type": "application/octet-stream"}
    with looking(tmp_path, lambda request: (200, kind, data)) as found:
        version, torch = Version("2.8.3"), beside(tmp_path)
        assert found.find("flash-attn", version, torch, {"flash-attn": frozenset(["ab" * 32])}) is None
        assert f"has sha256:{sha256}, which is none of the hashes named" in found.missed["flash-attn"].message
        assert f"add --hash=sha256:{sha256}" in found.missed["flash-attn"].next_step
        taken = found.find("flash-attn", version, torch, {"flash-attn": frozenset([sha256])})
        assert taken is not None
        assert (taken.wheel.sha256, found.missed) == (sha256, {})


@pytest.mark.parametrize(
    ("says", "config", "told"),
    [
        (None, "build: {gpu: true}", "for CUDA 12.4, "),
        (None, "build: {gpu: false}", "for CPU, "),
        (b"nothing\n", "build: {gpu: true}", "for CUDA 12.4, "),
        (b"cuda = '12.1'\n", "build: {gpu: true}", "for CUDA 12.1, "),
    ],
)
def test_what_is_linked_with_no_torch_is_for_cuda_alone(
    tmp_path: Path, says: bytes | None, config: str, told: str
) -> None:
    wheel = make_wheel(tmp_path / "made", "llama_cpp_python", "0.3.2", tag="cp311-cp311-linux_x86_64")

    def answer(request: Request) -> Answer:
        if request.path.endswith("/"):
            return 200, {"Content-Type": "text/html"}, f'<a href="{wheel.name}">{wheel.name}</a>'.encode()
        return 200, {"Content-Type": "application/octet-stream"}, wheel.read_bytes()

    with looking(tmp_path, answer, f"{config}\npredict: predict.py:Predictor\n") as found:
        neighbours = Neighbours(wheels=(), address=str) if says is None else beside(tmp_path, says)
        taken = found.find("llama-cpp-python", Version("0.3.2"), neighbours)
    assert taken is not None
    assert taken.note is not None
    assert f"the index has its source alone: {told}https://" in taken.note.text


@pytest.mark.parametrize(
    ("name", "pack", "alone"),
    [
        ("flash-attn", "", True),
        ("flash-attn", "cogpack: {base: nvidia/cuda:12.4.1-devel-ubuntu22.04}\n", False),
        ("flash-attn", "cogpack: {cuda_toolkit: build}\n", False),
        ("torch-scatter", "", False),
        ("mmcv", "", False),
    ],
)
def test_what_can_be_built_without_a_wheel_is_not_refused_where_none_is_found(
    tmp_path: Path, name: str, pack: str, alone: bool
) -> None:
    config = f"build: {{gpu: true}}\npredict: predict.py:Predictor\n{pack}"
    with looking(tmp_path, None, config) as found:
        nothing = Neighbours(wheels=(), address=str)
        if alone:
            with pytest.raises(InputError, match="none is among the requirements"):
                found.find(name, Version("2.8.3"), nothing)
            assert found.is_alone(name)
        else:
            assert found.find(name, Version("2.8.3"), nothing) is None
            assert "none is among the requirements" in found.missed[name].message
            assert not found.is_alone(name)


@pytest.mark.parametrize(
    ("said", "cuda"),
    [("'12.4'", "12.4"), ('"11.8.1"', "11.8.1"), ("None", ""), ("'12'", None), ("'12..4'", None), ("'12.4\"", None)],
)
def test_the_cuda_of_a_torch_has_two_numbers_or_is_not_said(said: str, cuda: str | None) -> None:
    """One of another form was an error within, where its numbers were read."""
    torch = Mock(content=lambda *_: f"cuda: Optional[str] = {said}\n".encode())
    assert cuda_of(torch) == cuda
