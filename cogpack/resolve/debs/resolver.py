"""Requests for packages are resolved against the current state of a Debian suite."""

import re

import msgspec

from cogpack.lockfile.base_kinds import DebianBase
from cogpack.notes import Code, Note
from cogpack.resolve.debs.archives.archive import debian_archives
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.suites import SuiteReader, indexes_of
from cogpack.resolve.debs.bases import base_names
from cogpack.resolve.debs.found import FoundDebs
from cogpack.resolve.debs.question import DebQuestion
from cogpack.resolve.debs.solving.universe import Universe
from cogpack.resolve.debs.standing import KeptBase, choose, outdated
from cogpack.text import count_text


def resolve_debs(
    question: DebQuestion,
    reader: SuiteReader,
    suite: str,
    mirror: DebianMirror,
    *,
    slim: bool = False,
    kept: KeptBase | None = None,
    snapshot: Snapshot | None = None,
) -> DebianBase:
    """Choose the base and what is asked for over it, of `suite`.

    `slim`: of the base there is only what Python needs; `kept`: is stood upon, where it can be; `snapshot`: all of
    Debian's is of that time, and not of the mirror's present.
    """
    question.check()
    progress = reader.http.progress
    task = reader.task(f"Debian {suite}: {', '.join(['Python', *question.requests])}")
    suites = reader.read(debian_archives(suite, mirror, snapshot), task)
    debian, security = Universe(*indexes_of(suites)), len(suites) - 1
    releases = tuple(one.locked for one in suites)
    suites += reader.read(question.archives, task)
    universe = Universe(*indexes_of(suites))
    question = question.of(universe, f"Debian {suite} has", progress)
    with question.placing():
        chosen = choose(
            universe,
            base_names(debian, slim=slim),
            question.requests,
            debian=debian,
            slim=slim,
            recommends=question.recommends,
            kept=kept,
            security=security,
        )
    task.done("resolved")
    if kept and kept.shared and (old := outdated(debian, kept.base.packages, security)):
        text = f"{kept.name}: the security archive has newer versions of {count_text(len(old), 'package')} of its base"
        progress.note(Note(Code.BASE_OUTDATED, f"{text}, {old[0].name} among them: lock that one anew"))
    there = {candidate.name for candidate in chosen.base}
    found = FoundDebs(question=question, suites=suites, solution=chosen.solution, there=there)
    asked = {request: universe.request(request).name for request in question.requests}
    requested = [one.name in asked.values() and one in chosen.solution for one in chosen.base]
    if kept and chosen.kept:
        own = tuple(
            msgspec.structs.replace(deb, requested=wanted, recommended=False)
            for deb, wanted in zip(kept.base.packages, requested, strict=True)
        )
    else:
        own = tuple(found.locked(one, requested=at) for one, at in zip(chosen.base, requested, strict=True))
    added = [candidate for candidate in chosen.solution if candidate not in chosen.base]
    over = found.system_packages(asked, added, chosen.left_out)
    versions = {package.name: package.version for package in (*own, *over.packages)}
    return DebianBase(
        suite=suite,
        slim=slim,
        arch=reader.arch,
        releases=kept.base.releases if kept and chosen.kept else releases,
        packages=own,
        system_packages=over,
        glibc=_short(versions.get("libc6", "")),
        python=_short(versions.get("python3", "")),
    )


def _short(version: str) -> str:
    """Shorten "3.13.5-1" to "3.13"."""
    matched = re.match(r"(?:\d+:)?(\d+\.\d+)", version)
    return matched[1] if matched else ""
