"""What modules of wheels are linked with, and nothing in the image has, is told with the packages that have it."""

from collections.abc import Iterator, Sequence

from cogpack.layers.wheels.libraries import Unresolved
from cogpack.notes import Code, Note
from cogpack.planning.plan import Plan
from cogpack.resolve.debs.names.libraries import PACKAGES_OF_LIBRARIES


def missing_libraries(plan: Plan, *, fetch: bool = False) -> Iterator[Note]:
    """Give a note for each wheel that lacks some. `fetch`: what has to be read for it is; else nothing is told where
    that is not here."""
    wheels: dict[str, list[Unresolved]] = {}
    for one in (plan.libraries.lacking(fetch=fetch) if plan.libraries else None) or ():
        if one.version:
            yield Note(Code.MISSING_LIBRARY, _older(one))
        else:
            wheels.setdefault(one.wheel, []).append(one)
    for lacks in wheels.values():
        yield Note(Code.MISSING_LIBRARY, _text(lacks))
    unsound: dict[str, list[Unresolved]] = {}
    for one in plan.libraries.unsound(fetch=fetch) if plan.libraries else ():
        unsound.setdefault(one.wheel, []).append(one)
    for first, *others in unsound.values():
        yield Note(Code.MISSING_LIBRARY, _other_torch(first, len(others)))


def _older(one: Unresolved) -> str:
    text = f"{one.wheel}: {one.by} wants {one.version} of {one.soname}, and the image has {one.has}: it will not load"
    return f"{text}; take a newer base, or a build of {one.wheel.partition(' ')[0]} for an older system"


def _other_torch(one: Unresolved, more: int) -> str:
    also = f" and {more} more" if more else ""
    text = f"{one.wheel}: {one.by} wants {one.symbol:.200}{also}, which neither torch nor another library that it is "
    advice = "it is for another torch, and will not load: pin a version of either that goes with the other"
    return f"{text}linked with has: {advice}"


def _text(lacks: Sequence[Unresolved]) -> str:
    packages = {one.soname: PACKAGES_OF_LIBRARIES.get(one.soname) for one in lacks}
    known = dict.fromkeys(package for package in packages.values() if package)
    unknown = [soname for soname, package in packages.items() if package is None]
    advice = [
        *([f"add system_packages: [{', '.join(known)}] under build"] if known else []),
        *([f"no package is known that has {' or '.join(unknown)}"] if unknown else []),
    ]
    by, *others = dict.fromkeys(one.by for one in lacks)
    more = f" (and {len(others)} more)" if others else ""
    text = f"{lacks[0].wheel}: {by}{more} is linked with {' and '.join(packages)}, which nothing in the image has"
    return f"{text}: {'; '.join(advice)}"
