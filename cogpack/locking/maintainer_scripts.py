"""Maintainer scripts of packages are looked at before anything is locked: packages whose can't be stood in for are left
to dpkg, which is told at `cogpack lock`, with who brings them, and not when layers have moved.

A package's scripts are in its first kilobytes, which are read by range from the mirror. They are not verified, so what
they say is only a reason to run them: the layer is made of the whole package, which is.
"""

import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from cogpack.artifacts import Artifact
from cogpack.digest import Digest
from cogpack.errors import CogpackError, InputError, UnavailableError
from cogpack.layers.content import LocalFile
from cogpack.layers.debs.deb.package import DebFile
from cogpack.lockfile.base_kinds import LockedDeb
from cogpack.locking.recommended import LEAVES_OUT
from cogpack.notes import Code, Note
from cogpack.session import Session
from cogpack.text import count_text
from cogpack.threads import each
from cogpack.trace import TRACE

if TYPE_CHECKING:
    from cogpack.resolve.debs.question import BroughtDeb


_HEAD = 16 * 1024
"""Bytes of a package that are read first; most control archives end within."""
_LIMIT = 1024 * 1024
"""Of one answer."""
_JOBS = 16
_NAMED = 3
"""Packages that are named where nothing needs them."""


def deb_artifact(deb: LockedDeb) -> Artifact:
    return Artifact(deb.path.rpartition("/")[2], Digest(f"sha256:{deb.sha256}"), deb.size)


def deb_file(deb: LockedDeb, locate: Callable[[], LocalFile]) -> DebFile:
    """Say what a layer reads of it; `locate` has it here."""
    return DebFile(
        name=deb.name,
        version=deb.version,
        arch=deb.arch,
        size=deb.size,
        sha256=deb.sha256,
        foreign=deb.is_foreign,
        locate=locate,
    )


class _Mirror(Protocol):
    """Says where archives are asked for."""

    def url(self, archive: str, path: str) -> str: ...


def left_to_dpkg(
    session: Session, mirror: _Mirror, packages: "Sequence[BroughtDeb]", places: Mapping[str, str]
) -> Collection[str]:
    """Give those of `packages` whose scripts do more than is known, and say of each that is needed what. `places`: by
    requested package."""
    from cogpack.layers.debs.configure import check_scripts, check_upgrade, is_stood_in_for

    unknown = [found for found in packages if found.old or found.deb.is_foreign or not is_stood_in_for(found.deb.name)]
    if not unknown:
        return ()
    task = session.progress.task(f"maintainer scripts of {count_text(len(unknown), 'package')}", None, "read")

    def look(found: "BroughtDeb") -> InputError | str:
        try:
            control = _control(session, found.deb, mirror)
        except CogpackError as error:
            return error.message
        try:
            if old := found.old:
                versions, controls = (old.version, found.deb.version), (old.scripts, control)
                check_upgrade(found.deb.name, versions, controls, foreign=found.deb.is_foreign)
            else:
                check_scripts(found.deb.name, found.deb.version, control)
        except InputError as error:
            return error
        return ""

    answers = each(look, unknown, jobs=_JOBS, name="scripts", cancellation=session.cancellation)
    task.done("read")
    left = [(found, answer) for found, answer in zip(unknown, answers, strict=True) if isinstance(answer, InputError)]
    for found, fault in left:
        if not found.deb.recommended:
            session.progress.summary(f"{_placed(fault, found, places)}: dpkg installs it, in the sandbox")
        elif TRACE.level:
            TRACE.decided(_placed(fault, found, places))
    if recommended := [found.deb.name for found, _ in left if found.deb.recommended]:
        more = len(recommended[_NAMED:])
        names = ", ".join(recommended[:_NAMED]) + (f" and {more} more" if more else "")
        text = f"only recommended, and installed by dpkg, in the sandbox: {names}; {LEAVES_OUT} leaves them out"
        session.progress.summary(text)
    if unread := [answer for answer in answers if isinstance(answer, str) and answer]:
        text = f"maintainer scripts of {count_text(len(unread), 'package')} could not be read, and are when the layer"
        session.progress.note(Note(Code.SCRIPTS_UNREAD, f"{text} is made: {unread[0]}"))
    return [found.deb.name for found, _ in left]


def _placed(error: InputError, found: "BroughtDeb", places: Mapping[str, str]) -> str:
    asked, *brought = found.chain
    where = f"{places.get(asked, 'build.system_packages')}: "
    way = f"{asked} brings {', which brings '.join(brought)}: " if brought else ""
    return f"{where}{way}{error.message.removeprefix('build.system_packages: ')}"


def fetched_control(session: Session, deb: LockedDeb, urls: Iterable[str]) -> bytes:
    """Give the control file of a package that is fetched whole, and so verified."""
    from cogpack.layers.debs.deb.archive import read_control

    with session.store.fetch(deb_artifact(deb), lambda: urls).open("rb") as stream:
        return read_control(stream, where=f"package {deb.name} {deb.version}")["control"]


def _control(session: Session, deb: LockedDeb, mirror: _Mirror) -> dict[str, bytes]:
    from cogpack.layers.debs.deb.archive import control_end, read_control

    where = f"package {deb.name} {deb.version}"
    artifact = deb_artifact(deb)
    if session.store.find(artifact):
        with session.store.verified(artifact, tuple)[0].open("rb") as stream:
            return read_control(stream, where=where)
    url = mirror.url(deb.archive, deb.path)
    head = _read(session, url, 0, min(_HEAD, deb.size))
    if (end := min(control_end(head), deb.size)) > len(head):
        head += _read(session, url, len(head), end)
    return read_control(io.BytesIO(head), where=where)


def _read(session: Session, url: str, start: int, end: int) -> bytes:
    """Read a range, or all of a small file from a server that knows no ranges (RFC 9110 14.2).

    Whole answers are read, so that their connection serves the next.
    """
    answer = session.http.request(
        "GET", url, origin=url, headers={"Range": f"bytes={start}-{end - 1}"}, limit=_LIMIT, tries="few", follow=True
    )
    if answer.status == 206 and answer.headers.get("content-range", "").startswith(f"bytes {start}-"):
        return answer.body
    if answer.status == 200:
        return answer.body[start:end]
    raise UnavailableError(f"{session.http.shown(url)}: HTTP {answer.status}", next_step="use another Debian mirror")
