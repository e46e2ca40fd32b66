"""What packages a project has over an image that others made is decided: kept, or resolved by the image's own
archives."""

import fnmatch
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Final

import msgspec

from cogpack.errors import InputError, UnavailableError
from cogpack.images.ground import ground_of
from cogpack.layers.debs.over.installed import DpkgDatabase, installed_names
from cogpack.layers.debs.tree import Tree
from cogpack.lockfile.base_kinds import RegistryBase, SystemPackages, is_package_name
from cogpack.locking.base_question import BaseQuestion
from cogpack.locking.missing_packages import may_be_wanted
from cogpack.notes import Code, Note
from cogpack.resolve.base_image import BaseFiles
from cogpack.resolve.debs.archives.archive import locked_archive
from cogpack.resolve.debs.found import ImagePackages
from cogpack.resolve.debs.names.elsewhere import of_wheels
from cogpack.resolve.debs.names.programs import PROGRAMS
from cogpack.resolve.debs.names.renamed import answering, is_answered
from cogpack.resolve.debs.over.installed import Installed
from cogpack.resolve.debs.over.resolver import resolve_over
from cogpack.resolve.debs.over.sources import read_archives
from cogpack.resolve.debs.over.upgrade import upgrade_over
from cogpack.resolve.debs.solving.request import parse_request

_WAYS_OUT: Final = {"tools": "tools: none", "compiler": "compiler: false"}


def decide_packages(
    question: BaseQuestion,
    base: RegistryBase,
    kept: SystemPackages | None,
    files: Callable[[], BaseFiles],
) -> RegistryBase:
    """Give `base` with the packages that are asked for. `kept`: packages that a lock has over just this image; `files`
    gives what is in it. Of those of the image that the last lock took on, none goes back."""
    config, compiler, tools = question.config, question.compiler, question.tools
    archives, snapshot, building = question.archives, question.snapshot, question.building
    image = _Image(question, base, files)
    if base.has is None:
        base = msgspec.structs.replace(base, has=image.has())
    wanted = list(dict.fromkeys((*config.system_packages, *tools, *compiler)))
    tools = () if config.pack.tools == "cog" else tools
    same = isinstance(question.last, RegistryBase) and question.last.digest == base.digest
    last = question.last.system_packages if question.last and same else None
    unasked = [name for name in (*tools, *compiler) if name not in config.system_packages]
    lacking = tuple(name for name in (kept.lacking if kept else ()) if name in unasked)
    missing = [name for name in unasked if name not in lacking and not (kept and _answered(name, kept))]
    newer = {deb.name for one in (kept, last) if one for deb in one.packages if deb.instead_of}
    if kept is not None and (
        building
        or (
            newer.issubset(deb.name for deb in kept.packages)
            and kept.archives == tuple(map(locked_archive, archives))
            and _answers(
                kept, [name for name in wanted if name not in (*lacking, *missing)], recommends=config.pack.recommends
            )
            and (snapshot is None or snapshot.is_that_of(kept.releases))
        )
    ):
        found = kept if kept.lacking == lacking else msgspec.structs.replace(kept, lacking=lacking)
        if missing or building:
            found = image.split(compiler, tools, wanted, newer, kept=found)
    else:
        found = image.split(compiler, tools, wanted, newer)
    if question.upgrade_system:
        found = image.upgraded(found, wanted)
    return base if found == base.system_packages else msgspec.structs.replace(base, system_packages=found)


def _answers(kept: SystemPackages, wanted: Sequence[str], *, recommends: bool) -> bool:
    there = kept.requested
    answered = [name for name in wanted if not of_wheels(name) or parse_request(name).name in there]
    return kept.recommends == (recommends and bool(answered)) and is_answered(answered, there)


def _answered(request: str, packages: SystemPackages) -> bool:
    return answering([request], packages.requested) is not None


class _Image:
    """Is the image that packages are laid over, whose files are read where they are asked for."""

    def __init__(self, question: BaseQuestion, base: RegistryBase, files: Callable[[], BaseFiles]) -> None:
        self._question = question
        self._base = base
        self._files = files

    @cached_property
    def _where(self) -> str:
        return f"{self._question.config.where('cogpack.base')}: {self._base.reference}"

    @cached_property
    def _tree(self) -> Tree:
        return Tree(ground_of(self._files().members))

    @cached_property
    def _database(self) -> DpkgDatabase:
        return DpkgDatabase(self._tree, self._base.arch, where=self._where)

    def has(self) -> tuple[str, ...]:
        """Name what it has of the packages that a model may want unasked."""
        try:
            installed = filter(is_package_name, installed_names(self._tree, self._base.arch, where=self._where))
        except InputError:  # who asks for packages is told
            return ()
        files, path = self._files(), self._base.variables.get("PATH", "/usr/local/bin:/usr/bin:/bin")
        directories = [directory.strip("/") for directory in path.split(":") if directory.startswith("/")]
        programs = {
            package
            for program, package in PROGRAMS.items()
            if any(files.resolve(f"{directory}/{program}") for directory in directories)
        }
        wanted = may_be_wanted()
        packages = {name for name in installed if any(fnmatch.fnmatchcase(name, one) for one in wanted)}
        return tuple(sorted(packages | programs))

    def split(
        self,
        compiler: Sequence[str],
        tools: Sequence[str],
        wanted: Sequence[str],
        newer: Collection[str],
        *,
        kept: SystemPackages | None = None,
    ) -> SystemPackages:
        """Resolve what is `wanted`, and tell what of it has come for `compiler` and for `tools`. `kept`: stays, so that
        only what lacks is resolved, beside it."""
        asked = [
            name for name in wanted if name in self._question.config.system_packages or name not in (*compiler, *tools)
        ]
        if kept:
            lacks = [name for name in asked if not _answered(name, kept)]
            found = self.resolved(lacks, (), kept=kept) if lacks else kept
        else:
            found = self.resolved(asked, newer)
        unasked = {"tools": [one for one in tools if one not in asked], "compiler": compiler}
        for key, names in unasked.items():
            more = [name for name in names if name not in asked]
            if kept:
                more = [name for name in more if name not in kept.lacking and not _answered(name, found)]
            if not more:
                continue
            asked = [*asked, *more]
            try:
                with_more = (
                    self.resolved(more, (), optional=more, kept=found)
                    if kept
                    else self.resolved(asked, newer, optional=more)
                )
            except InputError as error:  # the image's way of having packages, or what its archives have by now
                text = f"{' and '.join(more)} can't be added over {self._base.reference}: {error.message}"
                self._question.session.progress.note(Note(Code.MISSING_PACKAGE, f"{text}; {error.next_step}"))
                found = msgspec.structs.replace(found, lacking=(*found.lacking, *more))
                continue
            except UnavailableError as error:
                if not self._question.building:
                    error.next_step += f"; or leave {' and '.join(more)} out: cogpack: {{{_WAYS_OUT[key]}}}"
                raise
            lacking = [name for name in more if not _answered(name, with_more)]
            if lacking and key == "compiler":  # of a tool it is told who wants it
                text = f"the archives of {self._base.reference} have no {' and '.join(lacking)}"
                wants = "what is built with it fails" if self._question.building else "what compiles when it runs fails"
                self._question.session.progress.note(Note(Code.MISSING_PACKAGE, f"{text}: {wants}"))
            before = {deb.name for deb in found.packages}
            new = {deb.name for deb in with_more.packages if deb.name not in before}
            split = {"tools": found.tools, "compiler": found.compiler, "lacking": (*found.lacking, *lacking)}
            split[key] = tuple(sorted(new.union(split[key])))
            found = msgspec.structs.replace(with_more, **split)
        return found

    @cached_property
    def _packages(self) -> ImagePackages:
        base, database = self._base, self._database
        return ImagePackages(
            name=base.reference,
            where=self._where,
            archives=read_archives(
                self._tree, base.arch, self._question.mirror, where=self._where, snapshot=self._question.snapshot
            ),
            installed={
                name: Installed(
                    name=name,
                    version=package.version,
                    control=package.text.encode("utf-8", "surrogateescape"),
                    scripts=database.control(package),
                )
                for name, package in database.own.items()
            },
        )

    def resolved(
        self,
        wanted: Sequence[str],
        newer: Collection[str],
        *,
        optional: Collection[str] = (),
        kept: SystemPackages | None = None,
    ) -> SystemPackages:
        """Resolve what is `wanted`. `newer`: those of the image that a lock has newer; `optional`: where an archive has
        them; `kept`: packages beside which it comes."""
        question = self._question
        if not (wanted or question.archives or newer):
            return SystemPackages()
        return resolve_over(
            question.debs(wanted),
            question.reader(self._base.arch),
            self._packages,
            upgraded=sorted(newer),
            instead=question.instead,
            optional=optional,
            kept=kept,
        )

    def upgraded(self, kept: SystemPackages, wanted: Sequence[str]) -> SystemPackages:
        question = self._question
        return upgrade_over(question.debs(wanted), question.reader(self._base.arch), self._packages, kept)
