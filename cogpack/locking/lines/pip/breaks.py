"""What pip lines broke: people put pip into `build.run` because not all requirements can hold together, and pip goes on
with a word. So it is a note."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from cogpack.config.steps import step_places
from cogpack.lockfile import Decisions, LockedBreak, LockedPipLine, LockedWheel
from cogpack.locking.wheels.outlines import Outlines
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.session import Session
from cogpack.text import count_text
from cogpack.threads import each

if TYPE_CHECKING:
    from cogpack.resolve.pip import Metadata


_JOBS = 16


def find_breaks(
    session: Session,
    outlines: Outlines,
    wheels: Sequence[LockedWheel],
    lines: Sequence[LockedPipLine],
    taken: Mapping[str, LockedWheel],
    environment: Mapping[str, str],
) -> tuple[LockedBreak, ...]:
    """Find, as `pip check` does, what `wheels` require and don't have, by package; `taken`: all wheels of `lines`.

    What is broken is laid at the door of the last line that touched one side of it.
    """
    from cogpack.resolve.pip import Metadata, UnforeseenError, read_metadata

    if not any(line.wheels or line.removed for line in lines):
        return ()
    task = session.progress.task(f"what {count_text(len(wheels), 'wheel')} require", None, "look for")

    def said(wheel: LockedWheel) -> "Metadata":
        try:
            return read_metadata(outlines.of(wheel)[1].metadata())
        except UnforeseenError:  # pip skips it, with a warning
            return Metadata()

    metadata = each(said, wheels, jobs=_JOBS, name="wheel", cancellation=session.cancellation)
    task.done("looked for")
    versions = {wheel.name: wheel.version for wheel in wheels}
    touched = {
        name: line.step for line in lines for name in (*line.removed, *(taken[file].name for file in line.wheels))
    }
    found = []
    for wheel, own in zip(wheels, metadata, strict=True):
        for requirement in own.needed(environment):
            name = canonicalize_name(requirement.name)
            there = versions.get(name)
            if there is not None and requirement.specifier.contains(Version(there), prereleases=True):
                continue
            step = max(touched.get(wheel.name, -1), touched.get(name, -1))
            if step >= 0:
                text = str(requirement).partition(";")[0].strip()
                found.append(LockedBreak(step=step, name=wheel.name, requires=text, found=there or ""))
    return tuple(found)


def break_notes(project: Project, decisions: Decisions) -> Iterator[Note]:
    """Give a note of each."""
    versions = {wheel.name: wheel.version for wheel in decisions.wheels}
    places = step_places(project.config)
    for one in decisions.breaks:
        there = f"has {one.found}" if one.found else "has none"
        text = f"{one.name} {versions.get(one.name, '')} requires {one.requires}, and the image {there}"
        place = places[one.step] if one.step < len(places) else project.lock_path.name
        yield Note(Code.REQUIREMENT_BROKEN, f"{place}: {text}")
