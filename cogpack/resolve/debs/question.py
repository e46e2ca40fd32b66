"""What is asked of archives of Debian packages, and what is said of each request alone."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from cogpack.errors import InputError, together
from cogpack.lockfile.base_kinds import LockedDeb
from cogpack.notes import Code, Note
from cogpack.progress import Progress
from cogpack.resolve.debs.archives.archive import Archive
from cogpack.resolve.debs.names.elsewhere import of_wheels
from cogpack.resolve.debs.over.installed import Installed
from cogpack.resolve.debs.solving.request import is_request, parse_request
from cogpack.resolve.debs.solving.universe import Universe

_KEY = "build.system_packages"


class BroughtDeb(msgspec.Struct, frozen=True):
    """Says who brings a package that the base alone has not: `chain`, from the one that was asked for to itself, each
    because the one before it needs or recommends it. `old`: what it takes the place of in an image that others made."""

    deb: LockedDeb
    chain: tuple[str, ...]
    old: Installed | None = None


Examine = Callable[[Sequence[BroughtDeb], Mapping[str, str]], Collection[str]]
"""Looks at what was resolved before it counts, raises what is wrong with it, and names those that dpkg itself must
install. The second argument tells the place of each package that was asked for."""


class DebQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for packages. `requests`: the user's, as `Request` has them; `places`: by request, where it stands, for
    errors; `unasked`: those that nobody wrote; `recommends`: what they recommend comes, too; `archives`: have packages
    beside the base's own, for all but the base; `examine` looks at what was chosen."""

    requests: Sequence[str]
    places: Mapping[str, str] = {}
    unasked: Collection[str] = ()
    recommends: bool = False
    archives: Sequence[Archive] = ()
    examine: Examine = lambda _brought, _places: ()

    @property
    def fixed(self) -> Collection[str]:
        """Name the packages that stay as they are: a request names a version or a suite."""
        return {wanted.name for wanted in map(parse_request, self.requests) if not wanted.is_any}

    def check(self) -> None:
        """Refuse what are no requests."""
        wrong = [
            InputError(
                f"{self.places.get(request, _KEY)}: {request!r:.80} is not a package name",
                next_step="write the name of a Debian package, name=version, name>=version or name/suite",
            )
            for request in self.requests
            if not is_request(request)
        ]
        if wrong:
            raise together(wrong)

    def of(self, universe: Universe, whose: str, progress: Progress) -> "DebQuestion":
        """Give it as the packages of `universe` have it: without what is left to wheels, and with what took the place
        of packages that there are not. `whose`: begins what is told of that, as in "Debian trixie has", but of those
        that are `unasked`. `InputError` names all requests that mean nothing there."""
        found: list[str] = []
        places = dict(self.places)
        for request in self.requests:
            if of_wheels(request) and not universe.candidates(parse_request(request).name):
                continue
            names = universe.successors(request)
            found += names or [request]
            if names:
                places |= {name: places[request] for name in names if request in places and name not in places}
            if names and request not in self.unasked:
                text = f"{self.places.get(request, _KEY)}: {whose} no {request}, but {' and '.join(names)}"
                progress.note(Note(Code.PACKAGE_RENAMED, f"{text}: taken instead"))
        wrong: list[InputError] = []
        for request in dict.fromkeys(found):
            try:
                universe.request(request)
            except InputError as error:
                wrong.append(_placed(error, [request], places))
        if wrong:
            raise together(wrong)
        return msgspec.structs.replace(self, requests=found, places=places)

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Begin what is raised with the place of the first request that it names."""
        try:
            yield
        except InputError as error:
            raise _placed(error, self.requests, self.places) from error


def _placed(error: InputError, requests: Sequence[str], places: Mapping[str, str]) -> InputError:
    words = set(re.split(r"[^a-z0-9+.-]+", error.message)) if len(requests) > 1 else set()
    for request in requests:
        if request in places and (len(requests) == 1 or parse_request(request).name in words):
            text = f"{places[request]}: {error.message.removeprefix(f'{_KEY}: ')}"
            return InputError(text, next_step=error.next_step)
    return error
