"""What was compiled is looked at before a model's import fails: is there code for GPUs where torch's CUDA is linked
with, or did the build find no compiler and go on without; and has torch all that is called of it?"""

from collections.abc import Iterator, Sequence

from cogpack.elf.file import MACHINES
from cogpack.elf.linking import read_elf
from cogpack.errors import InputError
from cogpack.layers.content import LocalFile, read_anywhere
from cogpack.layers.wheels.archive import read_members
from cogpack.layers.wheels.libraries import LIBRARY
from cogpack.layers.wheels.source import WheelFile
from cogpack.layers.wheels.undefined import undefined_symbols
from cogpack.layers.wheels.zipped import ZipContent
from cogpack.locking.wheels.building import Source
from cogpack.resolve.wheels.torch import BUILT
from cogpack.session import Session
from cogpack.sizes import BLOCK

_LINKED = ("libc10_cuda.so", "libtorch_cuda.so", "libcudart.so")
"""What torch's CUDAExtension links with (torch/utils/cpp_extension.py)."""
_SECTION = b".nv_fatbin"
"""Where nvcc puts the code of GPUs, by the name of the ELF section."""


def check_device_code(file: LocalFile, filename: str, source: Source) -> None:
    """Refuse a wheel whose extensions are for a GPU, none of which has code for one."""
    extensions = [content for content in _objects(file, filename) if _is_of_cuda(content)]
    if extensions and not any(map(_has_code, extensions)):
        raise InputError(
            f"{source.title}: {extensions[0].member.name} of its wheel is linked with CUDA and has no code for a GPU",
            next_step="see what its build says (-v): some look for a GPU, which none has here, or for a variable, as "
            "FORCE_CUDA=1, to compile for one",
        )


def _objects(file: LocalFile, filename: str) -> Iterator[ZipContent]:
    for member in read_members(file, where=filename):
        if LIBRARY.fullmatch(member.name):
            yield ZipContent(file, filename, member)


def _is_of_cuda(content: ZipContent) -> bool:
    with read_anywhere(content) as read:
        elf = read_elf(read)
    return elf is not None and any(name.startswith(_LINKED) for name in elf.needed)


def _has_code(content: ZipContent) -> bool:
    rest = b""
    with content.open() as stream:
        while block := stream.read(BLOCK):
            if _SECTION in rest + block:
                return True
            rest = block[-len(_SECTION) :]
    return False


def check_symbols(session: Session, source: Source, built: WheelFile, beside: Sequence[WheelFile], arch: str) -> None:
    """Refuse a wheel that was built with torch `beside` it and wants what neither that nor another of them has."""
    if built.filename.endswith("-any.whl") or not any(wheel.filename.partition("-")[0] in BUILT for wheel in beside):
        return
    found = undefined_symbols(built, beside, session.wheel_libraries.of, MACHINES[arch])
    if found:
        (by, symbol), *others = found
        more = f" and {len(others)} more" if others else ""
        raise InputError(
            f"{source.title}: {by} of its wheel wants {symbol:.200}{more}, which neither torch nor "
            "another library that it is linked with has",
            next_step="its sources are for another torch: pin a version of it that is for this one, or that torch",
        )
