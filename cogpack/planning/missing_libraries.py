"""What modules of wheels are linked with, and nothing in the image has, is told with the package that has it."""

from collections.abc import Iterator

from cogpack.layers.wheels.libraries import Unresolved
from cogpack.notes import Code, Note
from cogpack.planning.plan import Plan
from cogpack.resolve.debs import PACKAGES_OF_LIBRARIES


def missing_libraries(plan: Plan, *, fetch: bool = False) -> Iterator[Note]:
    """Give a note for each. `fetch`: what has to be read for it is; else nothing is told where that is not here."""
    for one in (plan.libraries.lacking(fetch=fetch) if plan.libraries else None) or ():
        yield Note(Code.MISSING_LIBRARY, _text(one))


def _text(one: Unresolved) -> str:
    if one.version:
        text = (
            f"{one.wheel}: {one.by} wants {one.version} of {one.soname}, and the image has {one.has}: it will not load"
        )
        return f"{text}; take a newer base, or a build of {one.wheel.partition(' ')[0]} for an older system"
    package = PACKAGES_OF_LIBRARIES.get(one.soname)
    advice = f"add {package} to build.system_packages" if package else "no package is known that has it"
    return f"{one.wheel}: {one.by} is linked with {one.soname}, which nothing in the image has: {advice}"
