"""`cogpack.cuda_toolkit`: NVIDIA's compiler and headers, of the CUDA that the image's torch is for, with the newest C++
compiler that this nvcc takes. From CUDA 13 on they are wheels of the index, which builds require; the image, and builds
for an older CUDA, have them as Debian packages of NVIDIA's archive."""

import re

import msgspec

from cogpack.config import AptArchive, Config
from cogpack.errors import InputError
from cogpack.lockfile import Decisions, LockedToolkit
from cogpack.lockfile.base_kinds import Base, DebianBase
from cogpack.lockfile.toolkit import ENVIRONMENT
from cogpack.locking.archives import read_archives
from cogpack.locking.asked_base import is_left, named_packages
from cogpack.locking.base_question import BaseQuestion
from cogpack.locking.beside import more_is_of
from cogpack.locking.decide_base import decide_base, take_on_beside
from cogpack.project import Project
from cogpack.resolve.debs.archives.archive import locked_archive
from cogpack.resolve.debs.names.renamed import answering

REPOSITORIES = "https://developer.download.nvidia.com/compute/cuda/repos"
_KEY = "3bf863cc.pub"
_FINGERPRINT = "eb693b3035cd5710e231e123a4b469963bf863cc"
_ARCHIVES = {"amd64": "ubuntu2204/x86_64", "arm64": "ubuntu2204/sbsa"}
"""The one with the most versions of CUDA, 11.7 and later. Its packages ask little of a distribution."""

_COMPILER = re.compile(r"cuda-minimal-build-(\d+)-(\d+)")
_LIBRARIES = ("cublas", "cufft", "curand", "cusolver", "cusparse")
"""Whose headers those of torch include (ATen/cuda/CUDAContextLight.h, CUDASparse.h, cpp_extension's users)."""

_FIRST_OF_WHEELS = 13
"""The CUDA whose wheels have nvcc: those of 12 have no more of it than ptxas, libnvvm and libdevice (cuda-toolkit
13.0.2, nvidia-cuda-nvcc-cu12 12.9.86, read 2026-11-29)."""
_WHEELS = ("cccl", "crt", *_LIBRARIES, "cudart", "nvcc", "nvml", "nvrtc", "nvtx", "nvvm", "profiler")
"""Extras of cuda-toolkit: what the packages below have."""

_COMPILERS: tuple[tuple[tuple[int, int], int], ...] = (
    ((13, 0), 15),
    ((12, 8), 14),
    ((12, 4), 13),
    ((12, 0), 12),
    ((11, 5), 11),
)
"""The newest GCC that nvcc takes since a CUDA (CUDA Installation Guide for Linux, host compilers)."""
_OLDEST = 9
"""Of GCC, for C++17, in which torch's headers are."""
_OF_SUITE = {"bookworm": (11, 12), "trixie": (12, 13, 14)}
"""GCC as Debian has it."""

_ARCHITECTURES: tuple[tuple[tuple[int, int], str], ...] = (
    ((13, 0), "7.5;8.0;8.6;8.9;9.0;10.0;12.0+PTX"),
    ((12, 8), "7.0;7.5;8.0;8.6;8.9;9.0;10.0;12.0+PTX"),
    ((11, 8), "7.0;7.5;8.0;8.6;8.9;9.0+PTX"),
    ((11, 1), "7.0;7.5;8.0;8.6+PTX"),
)
"""What code is made for where `environment` does not say it: from V100 to the newest that this CUDA knows."""
ARCHITECTURES = "TORCH_CUDA_ARCH_LIST"


class Toolkit(msgspec.Struct, frozen=True, kw_only=True):
    """Is the `base` with the compiler over it, and what the lock says of that."""

    base: Base
    locked: LockedToolkit


def decide_toolkit(question: BaseQuestion, project: Project, base: Base, cuda: str, kept: Decisions | None) -> Toolkit:
    """Lay the compiler over `base`, which stays where builds alone have it. `kept`: what a lock has of both;
    `question`: that of the base."""
    config = question.config
    compilers = _compilers(config, base, cuda)
    before = base
    if kept and kept.toolkit and kept.toolkit.cuda == cuda:
        before, pinned = kept.build_base, kept.toolkit.compiler
        compilers.sort(key=lambda name: name != pinned)
    wheels = _wheels(config, cuda)
    more = _with_toolkit(config, base, "" if wheels else cuda, compilers[0])
    archives = read_archives(question.session, project, before, more)
    in_image, newer = config.pack.cuda_toolkit == "image", question.upgrade_system
    question = msgspec.structs.replace(
        question,
        config=more,
        archives=archives,
        compiler=(),
        instead={compilers[0]: compilers[1:]},
        upgrade_system=newer and in_image,
        building=not in_image,
    )
    laid = None
    if not in_image and kept and (newer or kept.base == base) and _has(before, kept.base, question):
        laid = take_on_beside(question, before, kept.base, base) if newer else before
    try:
        with_it = laid or decide_base(question, before if in_image else base)
    except InputError as error:
        if not wheels and (told := _not_there(question, base.arch, cuda)):
            raise told from error
        raise
    over = with_it.system_packages
    there = {deb.name for deb in over.packages} | {one.name for one in over.present}
    locked = LockedToolkit(
        cuda=cuda,
        architectures=dict(config.environment).get(ARCHITECTURES) or _of(_ARCHITECTURES, cuda, config),
        compiler=next((name for name in compilers if name in there), compilers[0]),
        packages=over if config.pack.cuda_toolkit == "build" else None,
        wheels=wheels,
        environment=ENVIRONMENT,
    )
    return Toolkit(base=with_it, locked=locked)


def _not_there(question: BaseQuestion, arch: str, cuda: str) -> InputError | None:
    """Tell that no archive has the compiler of `cuda`, and which these have; None where one has it."""
    reader = question.reader(arch)
    task = reader.task("which CUDA there is")
    names = {name for suite in reader.read(question.archives, task) for name in suite.index.names()}
    task.done("")
    there = sorted((int(found[1]), int(found[2])) for name in names if (found := _COMPILER.fullmatch(name)))
    if cuda in (versions := [f"{major}.{minor}" for major, minor in there]):
        return None
    return InputError(
        f"{question.config.where('cogpack.cuda_toolkit')}: there is no compiler of CUDA {cuda}: "
        f"{', '.join(archive.name for archive in question.archives)} has {', '.join(versions) or 'none'}",
        next_step="take a torch for one of these, or name an archive that has it under cogpack.apt",
    )


def _has(base: Base, below: Base, question: BaseQuestion) -> bool:
    """Tell whether it has the packages that are asked for, of these archives, and what it has more than `below` is of
    that time and with what is recommended, where that is asked for."""
    config = question.config
    over, own = base.system_packages, base.own_python
    there = {deb.name: deb.version for deb in base.installed} | {one.name: one.version for one in over.present}
    named = named_packages(config, own.minor if own else config.python_minor)
    named = [name for name in named if not is_left(name, there)]
    if answering(named, there) is None or over.archives != tuple(map(locked_archive, question.archives)):
        return False
    if over.packages == below.system_packages.packages:  # nothing had to come
        return True
    return over.recommends == config.pack.recommends and more_is_of(base, below, question.snapshot)


def _wheels(config: Config, cuda: str) -> str:
    """Give the requirement that builds have nvcc by; "" where it comes as packages."""
    if config.pack.cuda_toolkit != "build" or int(cuda.partition(".")[0]) < _FIRST_OF_WHEELS or _names_archive(config):
        return ""
    return f"cuda-toolkit[{','.join(sorted(_WHEELS))}]=={cuda}.*"


def _names_archive(config: Config) -> bool:
    """Tell whether one of cog.yaml's archives is NVIDIA's, or a copy of it."""
    return any(f"/{REPOSITORIES.partition('.com/')[2]}/" in f"{archive.uri}/" for archive in config.pack.apt)


def _with_toolkit(config: Config, base: Base, cuda: str, compiler: str) -> Config:
    """Give what to ask for, as if it stood in cog.yaml. `cuda`: "" where nothing of NVIDIA's is among it."""
    version = cuda.replace(".", "-")
    wanted = [compiler, "ninja-build"]
    if cuda:
        names = ["cuda-minimal-build", *(f"lib{name}-dev" for name in _LIBRARIES)]
        names += ["cuda-nvrtc-dev", "cuda-profiler-api", "cuda-nvtx", "cuda-nvml-dev"]
        wanted = [*(f"{name}-{version}" for name in names), *wanted]
    if isinstance(base, DebianBase):
        wanted.append(f"libpython{base.python}-dev")
    wanted = [name for name in wanted if name not in config.system_packages]
    own = not cuda or _names_archive(config)
    uri = f"{REPOSITORIES}/{_ARCHIVES[base.arch]}"
    archive = AptArchive(uri=uri, suites=("./",), key=f"{uri}/{_KEY}", fingerprint=_FINGERPRINT)
    archives = config.pack.apt if own else (*config.pack.apt, archive)
    first = len(config.system_packages)
    last = f"cogpack.apt[{len(archives) - 1}]"
    unwritten = [f"build.system_packages[{first + index}]" for index in range(len(wanted))]
    unwritten += [] if own else [last, f"{last}.key"]
    return msgspec.structs.replace(
        config,
        system_packages=(*config.system_packages, *wanted),
        pack=msgspec.structs.replace(config.pack, apt=archives),
        meant=dict.fromkeys(unwritten, "cogpack.cuda_toolkit"),
    )


def _compilers(config: Config, base: Base, cuda: str) -> list[str]:
    """Give those of C++ that will do, the best first."""
    newest = int(_of(tuple((since, str(gcc)) for since, gcc in _COMPILERS), cuda, config))
    if not isinstance(base, DebianBase):  # only its archives tell which there are
        return [f"g++-{gcc}" for gcc in range(newest, _OLDEST - 1, -1)]
    there = _OF_SUITE[base.suite]
    fitting = [gcc for gcc in there if gcc <= newest]
    if not fitting:
        raise InputError(
            f"{config.where('cogpack.cuda_toolkit')}: the compiler of CUDA {cuda} takes GCC up to {newest}, and the "
            f"base has {there[0]} and later",
            next_step="take an older Debian (cogpack: {base: debian:bookworm}), or a torch for a newer CUDA",
        )
    return [f"g++-{fitting[-1]}"]


def _of(rows: tuple[tuple[tuple[int, int], str], ...], cuda: str, config: Config) -> str:
    major, minor = map(int, cuda.split("."))
    found = next((value for since, value in rows if (major, minor) >= since), None)
    if found is None:
        raise InputError(
            f"{config.where('cogpack.cuda_toolkit')}: the compiler of CUDA {cuda} is older than NVIDIA's archive has",
            next_step="take a torch for a newer CUDA",
        )
    return found
