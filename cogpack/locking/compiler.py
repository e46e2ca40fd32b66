"""A compiler and Python's headers come into an image whose model compiles when it runs, as Cog's images have both:
triton compiles C, and torch.compile C++.

Read in triton 3.2.0, 2026-11-29 (runtime/build.py): `gcc` or `clang` of the PATH, and Python.h; torch's inductor wants
a C++ compiler for what runs on the processor (2.6.0, _inductor/cpp_builder.py).
"""

from cogpack.lockfile import Decisions
from cogpack.lockfile.unasked import LockedUnasked
from cogpack.locking.missing_packages import CLANG, has_one, installed_of, is_named, sources_of
from cogpack.project import Project

_COMPILING = ("fla-core", "liger-kernel", "unsloth", "vllm")
"""Wheels with functions for `triton.jit`: 0.6.0, 0.8.5, 2026.10.9, 0.21.0."""


def compiler_for(project: Project, decisions: Decisions) -> LockedUnasked | None:
    """Decide it for an image of these `decisions`; what they have of a compiler unasked doesn't count as there."""
    base, config = decisions.base, project.config
    asked = installed_of(base, but=base.system_packages.compiler)
    if asked is None or config.pack.compiler is False or config.pack.cuda_toolkit == "image":
        return None  # that brings one itself
    wanted: list[tuple[str, ...]] = [("g++", *CLANG)]
    if decisions.python.path.startswith("/usr/bin/"):  # another one than Debian's has its headers beside it
        wanted.append((f"libpython{decisions.python.minor}-dev",))
    lacking = tuple(
        packages[0] for packages in wanted if not (has_one(asked, packages) or is_named(packages[:1], config))
    )
    why = "" if not lacking else "cog.yaml wants it" if config.pack.compiler else _why(project, decisions)
    return LockedUnasked(packages=lacking, why=why) if why else None


def _why(project: Project, decisions: Decisions) -> str:
    wheels = {wheel.name: wheel for wheel in decisions.wheels}
    if wheels.keys().isdisjoint(("torch", "triton", *_COMPILING)):
        return ""
    sources = sources_of(project)
    if "torch" in wheels and sources.compiling:
        return f"{sources.compiling[0].path} names torch.compile, which compiles C++ when the model runs"
    if "triton" in wheels and (by := next((one for one in sources.modules if one.name == "triton"), None)):
        return f"{by.path} imports triton, which compiles C when the model runs"
    if found := next((wheels[name] for name in _COMPILING if name in wheels), None):
        return f"{found.name} {found.version} compiles C by triton when the model runs"
    return ""
