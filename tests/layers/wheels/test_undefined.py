"""What a compiled extension wants of torch, and the torch of the lock does not have."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.wheels import make_wheel, wheel_file

from cogpack.elf.file import MACHINES
from cogpack.elf.linking import read_elf
from cogpack.elf.symbols import read_symbols
from cogpack.layers.wheels import undefined
from cogpack.layers.wheels.libraries import WheelLibraries
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.undefined import undefined_symbols

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")

TAG = "cp313-cp313-linux_x86_64"


def compiled(directory: Path, name: str, source: str, *options: str) -> bytes:
    (directory / "x.cc").write_text(source)
    made = directory / name
    libraries = [f"-L{directory}", *options]
    subprocess.run(
        ["g++", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", made, directory / "x.cc", *libraries], check=True
    )
    return made.read_bytes()


def made(tmp_path: Path, torch: str, *options: str) -> tuple[WheelFile, WheelFile]:
    """Make an extension that wants `at::sum` and `at::mean`, and a torch of this source, with which it is linked."""
    library = compiled(tmp_path, "libtorch_cpu.so", torch)
    files = {"torch/lib/libtorch_cpu.so": library}
    source = 'namespace at { void sum(int); void mean(int); }\nextern "C" void PyInit();\nvoid own() {}\n'
    source += "void run() { at::sum(1); at::mean(1); PyInit(); own(); }"
    extension = compiled(tmp_path, "ext.so", source, "-Wl,--no-as-needed", "-ltorch_cpu", *options)
    return (
        wheel_file(make_wheel(tmp_path, "ext", files={"ext/ext.so": extension}, tag=TAG)),
        wheel_file(make_wheel(tmp_path, "torch", files=files, tag=TAG)),
    )


def machine() -> int:
    found = read_elf(lambda offset, size: Path("/proc/self/exe").read_bytes()[offset : offset + size])
    return found.machine if found else 0


def test_symbols_of_c_plus_plus_that_the_locked_torch_lacks_are_named(tmp_path: Path) -> None:
    extension, torch = made(tmp_path, "namespace at { void sum(int) {} void mean(long) {} }")
    found = undefined_symbols(extension, [torch], WheelLibraries().of, machine())
    assert found == [("ext/ext.so", "_ZN2at4meanEi")]
    other = next(one for one in MACHINES.values() if one != machine())
    assert undefined_symbols(extension, [torch], WheelLibraries().of, other) == []


def test_an_extension_that_was_made_for_this_torch_lacks_nothing(tmp_path: Path) -> None:
    extension, torch = made(tmp_path, "namespace at { void sum(int) {} void mean(int) {} }")
    assert undefined_symbols(extension, [torch], WheelLibraries().of, machine()) == []


def test_nothing_is_told_of_an_extension_that_is_linked_with_what_nobody_can_read(tmp_path: Path) -> None:
    compiled(tmp_path, "libopencv.so", "")
    extension, torch = made(tmp_path, "namespace at { void sum(int) {} }", "-lopencv")
    assert undefined_symbols(extension, [torch], WheelLibraries().of, machine()) == []


def test_nvidias_libraries_are_not_read_where_torch_has_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = compiled(tmp_path, "libcublas.so", 'extern "C" void cublasCreate() {}')
    _, torch = made(tmp_path, "namespace at { void sum(int) {} void mean(int) {} }", "-lcublas")
    cublas = wheel_file(
        make_wheel(tmp_path, "nvidia-cublas-cu12", files={"nvidia/cublas/lib/libcublas.so": library}, tag=TAG)
    )
    read: list[object] = []
    monkeypatch.setattr(undefined, "read_symbols", lambda one: read.append(one) or read_symbols(one))
    libraries = ["-Wl,--no-as-needed", "-lcublas", "-ltorch_cpu"]
    first = compiled(tmp_path, "ext.so", "namespace at { void sum(int); }\nvoid run() { at::sum(1); }", *libraries)
    extension = wheel_file(make_wheel(tmp_path, "ext", files={"ext/ext.so": first}, tag=TAG))
    assert undefined_symbols(extension, [torch, cublas], WheelLibraries().of, machine()) == []
    assert len(read) == 2
