"""What was compiled against torch wants nothing that this torch does not have."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from support.wheels import make_wheel, wheel_file

from cogpack.errors import InputError
from cogpack.locking.wheels.building import Source
from cogpack.planning.building.compiled_code import check_symbols
from cogpack.session import Session, Settings

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")

ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")


def compiled(directory: Path, name: str, source: str, *options: str) -> bytes:
    (directory / "x.cc").write_text(source)
    soname = f"-Wl,-soname,{name}"
    command: list[str | Path] = [
        "g++",
        "-shared",
        "-fPIC",
        soname,
        "-o",
        directory / name,
        directory / "x.cc",
        f"-L{directory}",
    ]
    subprocess.run([*command, *options], check=True)
    return (directory / name).read_bytes()


def test_an_extension_that_wants_what_the_locked_torch_has_not_is_refused(tmp_path: Path) -> None:
    library = compiled(tmp_path, "libtorch_cpu.so", "namespace at { void sum(int) {} }")
    source = "namespace at { void sum(int); void mean(int); } void run() { at::sum(1); at::mean(1); }"
    files = {"ext.so": compiled(tmp_path, "ext.so", source, "-Wl,--no-as-needed", "-ltorch_cpu")}
    built = wheel_file(make_wheel(tmp_path, "ext", files=files, tag="cp313-cp313-linux_x86_64"))
    torch = wheel_file(
        make_wheel(tmp_path, "torch", files={"torch/lib/libtorch_cpu.so": library}, tag="cp313-cp313-any")
    )
    other = wheel_file(make_wheel(tmp_path, "other"))
    one = Source(title="ext 1.0", path=tmp_path)
    with Session(Settings(directory=tmp_path, cache=tmp_path / "cache", environment={})) as session:
        with pytest.raises(
            InputError, match=r"ext 1\.0: ext\.so of its wheel wants _ZN2at4meanEi, which neither torch"
        ):
            check_symbols(session, one, built, [torch, other], ARCH)
        check_symbols(session, one, built, [other], ARCH)
