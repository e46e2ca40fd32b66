"""A compiler and Python's headers come into an image whose model compiles when it runs, as Cog's images have both:
triton compiles C, and torch.compile C++.

Read in triton 3.2.0, 2026-11-29 (runtime/build.py): `gcc` or `clang` of the PATH, and Python.h; torch's inductor wants
a C++ compiler for what runs on the processor (2.6.0, _inductor/cpp_builder.py). What an image of a registry has nobody
knows here, and nothing is added to it.
"""

import fnmatch
from collections.abc import Iterator

from cogpack.lockfile import Decisions
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.lockfile.compiler import LockedCompiler
from cogpack.locking.missing_packages import is_named, sources_of
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.text import count_text, size_text

_COMPILING = ("fla-core", "liger-kernel", "unsloth", "vllm")
"""Wheels with functions for `triton.jit`: 0.6.0, 0.8.5, 2026.10.9, 0.21.0."""


def compiler_for(project: Project, decisions: Decisions) -> LockedCompiler | None:
    """Decide it for an image of these `decisions`; what they have of a compiler unasked doesn't count as there."""
    base, config = decisions.base, project.config
    if not isinstance(base, DebianBase) or config.pack.compiler is False or config.pack.cuda_toolkit == "image":
        return None  # that brings one itself
    wanted = [("g++", "clang*")]
    if decisions.interpreter is None:  # another one has its headers beside it
        wanted.append((f"libpython{decisions.python.minor}-dev", ""))
    asked = {deb.name for deb in base.installed}.difference(base.system_packages.compiler)
    lacking = tuple(
        package
        for package, other in wanted
        if not (package in asked or fnmatch.filter(asked, other) or is_named(package, config))
    )
    why = "" if not lacking else "cog.yaml wants it" if config.pack.compiler else _why(project, decisions)
    return LockedCompiler(packages=lacking, why=why) if why else None


def other_compiler(project: Project, decisions: Decisions) -> bool:
    """Tell whether an image of these `decisions` is to have another one by now: sources are no input of the lock."""
    needed = compiler_for(project, decisions)
    return _packages(needed) != _packages(decisions.compiler)


def compiler_notes(project: Project, decisions: Decisions) -> Iterator[Note]:
    """Tell of what lacks, by sources that are newer than the lock."""
    needed = compiler_for(project, decisions)
    if needed and (lacking := set(needed.packages).difference(_packages(decisions.compiler))):
        names = " and ".join(sorted(lacking))
        yield Note(Code.MISSING_PACKAGE, f"{needed.why}, and the lock has no {names} for it: cogpack lock adds it")


def _packages(compiler: LockedCompiler | None) -> tuple[str, ...]:
    return compiler.packages if compiler else ()


def compiler_line(decisions: Decisions) -> str:
    """Tell it, with what it takes; "" where there is none unasked."""
    if decisions.compiler is None:
        return ""
    over = decisions.base.system_packages
    sizes = [deb.size for deb in over.packages if deb.name in over.compiler]
    names = " and ".join(decisions.compiler.packages)
    took = f"{count_text(len(sizes), 'package')}, {size_text(sum(sizes))}"
    return f"{names} added ({took}): {decisions.compiler.why}; cogpack: {{compiler: false}} leaves that out"


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
