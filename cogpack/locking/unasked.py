"""What an image has of Debian though nobody asked for it: what its sources and wheels want and Cog's own image has, so
that a project which runs there runs here, and a compiler where one is wanted.

Sources are no input of a lock: what they want by now is compared with what it has.
"""

from collections.abc import Iterator, Sequence

import msgspec
from packaging.utils import canonicalize_name

from cogpack.lockfile import Decisions, LockedInterpreter, LockedWheel
from cogpack.lockfile.base_kinds import Base, LockedDeb, RegistryBase
from cogpack.lockfile.unasked import LockedUnasked
from cogpack.locking.compiler import compiler_for
from cogpack.locking.missing_packages import Wish, has_one, installed_of, is_added, is_named, sources_of, wishes
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.text import count_text, size_text


class Unasked(msgspec.Struct, frozen=True):
    """Is both, as the lock has them."""

    compiler: LockedUnasked | None = None
    tools: tuple[LockedUnasked, ...] = ()

    @property
    def compiler_packages(self) -> tuple[str, ...]:
        return self.compiler.packages if self.compiler else ()

    @property
    def tool_packages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.tools for name in one.packages))

    @property
    def packages(self) -> frozenset[str]:
        return frozenset((*self.compiler_packages, *self.tool_packages))

    def is_like(self, other: "Unasked") -> bool:
        """Tell whether both are the same packages, whatever the reasons."""
        return (self.compiler_packages, self.tool_packages) == (other.compiler_packages, other.tool_packages)


def unasked_of(decisions: Decisions | None) -> Unasked:
    """Give what a lock has."""
    return Unasked(decisions.compiler, decisions.tools) if decisions else Unasked()


def kept_with(kept: Decisions | None, unasked: Unasked) -> Decisions | None:
    """Give `kept` for an image with this `unasked`: which packages came with what is known no more where that is
    another; but over an image of a registry, to which what is new comes beside what is there."""
    if kept is None or unasked_of(kept).is_like(unasked):
        return kept
    if isinstance(kept.base, RegistryBase) and unasked_of(kept).packages <= unasked.packages:
        return kept
    over = msgspec.structs.replace(kept.base.system_packages, compiler=(), tools=())
    return msgspec.structs.replace(kept, base=msgspec.structs.replace(kept.base, system_packages=over))


def unasked_for(project: Project, decisions: Decisions) -> Unasked:
    """Decide it for an image of these `decisions`. What they have of tools unasked stays as long as anything wants
    it."""
    return Unasked(compiler_for(project, decisions), tuple(_tools(project, decisions)))


def foreseen(project: Project, base: Base, interpreter: LockedInterpreter | None) -> Unasked:
    """Guess it by sources and the names of what is required, before it is known which wheels these come to: all is
    decided over what there is, and sources are built over it, so a right guess saves all of that once."""
    names = {canonicalize_name(line.name) for line in project.requirements().required}
    wheels = tuple(
        LockedWheel(name=name, version="0", filename=f"{name}-0-py3-none-linux.whl", sha256="0" * 64)
        for name in sorted(names)
    )
    return unasked_for(project, Decisions(base=base, interpreter=interpreter, wheels=wheels, clashes=()))


def _tools(project: Project, decisions: Decisions) -> Iterator[LockedUnasked]:
    config, over = project.config, decisions.base.system_packages
    installed = installed_of(decisions.base, but=(*over.tools, *over.compiler))
    if installed is None or config.pack.tools:
        return
    before = unasked_of(decisions).tool_packages
    found: dict[tuple[str, ...], Wish] = {}
    for wish in wishes(config, decisions, sources_of(project)):
        lacking = (one for one in wish.packages if one[0] in before or not has_one(installed, one))
        names = tuple(one[0] for one in lacking if not is_named(one, config, to_install=wish.by_command))
        if names and is_added(names, config):
            found.setdefault(names, wish)
    told: set[str] = set()
    for names, wish in found.items():
        if not told.issuperset(names):
            told.update(names)
            where = f"{wish.place.partition(':')[0]} " if wish.place else ""
            yield LockedUnasked(packages=names, why=f"{where}{wish.does}")


def other_unasked(project: Project, decisions: Decisions) -> Sequence[str]:
    """Name what an image of these `decisions` is to have otherwise by now."""
    needed, has = unasked_for(project, decisions), unasked_of(decisions)
    compiler = set(needed.compiler_packages) != set(has.compiler_packages)
    tools = set(needed.tool_packages) != set(has.tool_packages)
    return [*(["compiler"] if compiler else []), *(["set of tools"] if tools else [])]


def unasked_notes(project: Project, decisions: Decisions) -> Iterator[Note]:
    """Tell of what lacks, by sources that are newer than the lock."""
    needed, has = unasked_for(project, decisions), unasked_of(decisions).packages
    for one in (*([needed.compiler] if needed.compiler else []), *needed.tools):
        if lacking := sorted(set(one.packages).difference(has)):
            text = f"{one.why}, and the lock has no {' and '.join(lacking)} for it: cogpack lock adds it"
            yield Note(Code.MISSING_PACKAGE, text)


def unasked_lines(decisions: Decisions) -> list[str]:
    """Tell each, with what it takes."""
    over = decisions.base.system_packages
    lines: list[str] = []
    if one := decisions.compiler:
        lines += _lines([one], [deb for deb in over.packages if deb.name in over.compiler], "compiler: false")
    if decisions.tools:
        lines += _lines(decisions.tools, [deb for deb in over.packages if deb.name in over.tools], "tools: none")
    return lines


def _lines(added: Sequence[LockedUnasked], debs: Sequence[LockedDeb], no: str) -> Iterator[str]:
    """Tell of those that are there: the archives of an image may lack one."""
    from cogpack.resolve.debs.names.renamed import answering

    versions = {deb.name: deb.version for deb in debs}
    there = {name: one.why for one in added for name in one.packages if answering([name], versions) is not None}
    if there:
        took = f"{count_text(len(debs), 'package')}, {size_text(sum(deb.size for deb in debs))}"
        why = "; ".join(dict.fromkeys(there.values()))
        *first, last = there
        names = f"{', '.join(first)} and {last}" if first else last
        yield f"{names} added ({took}): {why}; cogpack: {{{no}}} leaves that out"
