"""What `cogpack doctor` looks at beyond the machine: a project, and a registry that it is to be pushed to.

Each check says what was found and, where something is to be done, what. None resolves, builds or runs anything.
"""

import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cogpack.commands.gpu_check import check_gpus
from cogpack.commands.results import Check, CheckName
from cogpack.commands.source_checks import check_sources
from cogpack.disk import write_whole
from cogpack.errors import CogpackError, InputError, NoProjectError
from cogpack.http import redacted
from cogpack.lockfile import Decisions, Lock
from cogpack.locking import current
from cogpack.locking.missing_imports import local_modules, look_at_imports
from cogpack.notes import Note
from cogpack.opening import parse_reference, tell_of_hub
from cogpack.planning.describing import check_concurrency, describe_project, find_described
from cogpack.project import Project, each_platform
from cogpack.reference import Reference
from cogpack.resolve.interpreter import MIRROR
from cogpack.session import Session
from cogpack.text import size_text, time_text

_ROOM = 5_000_000_000
"""Bytes of a cache that holds what one image with torch and CUDA is made of."""
_SKEW = 300.0
"""Seconds by which a clock may differ before tokens of registries are taken for old or of the future."""
_PREDICT = re.compile(rb"""(["']?)predict\1(?=\s*:)""")


def check_project(session: Session, *, isolation: str | None, fix: bool, asking: bool) -> Iterator[Check]:
    """Look at the project that the session's directory is in, if there is one.

    `isolation`: how commands are run on this machine; `fix`: what is old in its cog.yaml is written anew;
    `asking`: a registry is asked besides, and the login for that one counts.
    """
    try:
        project = find_described(session)
    except NoProjectError:
        return
    except InputError as error:
        yield _failed("cog.yaml", error)
        return
    said = str(project.config_path)
    if line := project.config.line("predict"):
        place = f"{project.config_path.parent / str(project.config.places['predict'])}"
        if fix and _rename(project, line):
            yield Check(name="cog.yaml", verdict="ok", said=f"{place}: predict is called run now")
        else:
            yield Check(
                name="cog.yaml",
                verdict="advice",
                said=f"{place}: predict is the old name of run",
                next_step=f"write run: in its place{'' if fix else ', or run cogpack doctor --fix'}",
            )
    else:
        yield Check(name="cog.yaml", verdict="ok", said=said)
    yield from (_advice("keys", note) for note in project.config.notes)
    of_model = list(_check_model(project))
    yield from of_model
    try:
        yield from check_sources(project)
        are_here = True
    except InputError as error:
        are_here = False
        if all(check.verdict != "failed" for check in of_model):
            yield _failed("sources", error)
    lock = None
    try:
        project.requirements()
    except CogpackError as error:
        yield _failed("requirements", error)  # which no lock is made of, nor compared with
    else:
        lock, told = _check_lock(session, project)
        yield told
    yield _check_python(session, project, _first(project, lock))
    if lock is not None and are_here:
        yield from _check_imports(session, project, lock)
    yield from check_gpus(session, project, _first(project, lock))
    if project.config.run and isolation is None:
        yield Check(
            name="build.run",
            verdict="failed",
            said="this machine lets none of its commands be run",
            next_step="see what helps above, or run cogpack lock --run where they can be, and commit the lock",
        )
    if project.config.image and not asking:
        reference = Reference.parse(project.config.image)
        tell_of_hub(session, project.config.image, reference)
        yield _check_login(session, reference, alone=True)


def check_room(session: Session) -> Check:
    """Look at the room that there is where the cache is, or will be."""
    place = session.cache
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return Check(
        name="room",
        verdict="ok" if free >= _ROOM else "advice",
        said=f"{size_text(free)} free for the cache",
        next_step=None
        if free >= _ROOM
        else "free some (cogpack cache clean), or name another place: COGPACK_CACHE_DIR",
    )


def check_registry(session: Session, target: str) -> Iterator[Check]:
    """Ask a registry whether `target`, HOST/NAME, may be pushed to: an upload is opened, and given up."""
    reference = parse_reference(session, target)
    yield _check_login(session, reference, alone=False)
    try:
        requests = session.repository(reference, push=True).requests
        url = f"{requests.base}/blobs/uploads/"
        began = time.time()
        answer = requests.request("POST", url)
        requests.expect(answer, "POST", 200, 201, 202, 204)
        requests.cancel(requests.location(url, answer.headers.get("location", "")))
    except CogpackError as error:
        yield _failed("registry", error)
        return
    yield Check(name="registry", verdict="ok", said=f"{reference.name} takes pushes")
    if clock := clock_check(answer.headers.get("date", ""), began):
        yield clock


def _check_model(project: Project) -> Iterator[Check]:
    config = project.config
    if project.schema is None and config.predict is None and config.train is None:
        yield Check(
            name="model",
            verdict="failed",
            said="cog.yaml names no predictor",
            next_step='write run: "run.py:Runner"',
        )
        return
    try:
        described = describe_project(project, sdk_version="unlocked", python=config.python_minor)
        more = check_concurrency(project, described, sdk_version=config.sdk_version)
    except InputError as error:
        yield _failed("model", error)
        return
    for note in (*described.notes, *more):
        yield _advice("model", note)
    yield Check(name="model", verdict="ok", said="its schema can be made of its source")


def _check_lock(session: Session, project: Project) -> tuple[Lock | None, Check]:
    """Give the lock, too, if it fits."""
    try:
        if current.own_lock(project) is None:
            none = f"there is no {project.lock_path.name}"
            return None, Check(name="lock", verdict="advice", said=none, next_step="run cogpack lock")
        found = current.check_lock(session, project)
    except CogpackError as error:
        return None, _failed("lock", error)
    return found, Check(name="lock", verdict="ok", said=f"{project.lock_path.name} was made from what is here")


def _check_python(session: Session, project: Project, decisions: Decisions | None) -> Check:
    """Say where the image's Python comes from, since not all have it."""
    config = project.config
    if decisions is not None:
        origin = f"python-build-standalone {decisions.interpreter.version}" if decisions.interpreter else "the base"
        return Check(name="python", verdict="ok", said=f"{decisions.python.minor}, of {origin}, as locked")
    if config.pack.base is not None or config.python_minor in config.debian_pythons:
        origin = "the base, if that has it" if config.pack.base is not None else "Debian"
        return Check(name="python", verdict="ok", said=f"{config.python_minor}, of {origin}")
    mirror = session.environment.get(MIRROR)
    other = " or ".join(f'"{one}"' for one in config.debian_pythons)
    return Check(
        name="python",
        verdict="advice",
        said=f"{config.python_minor} is none of Debian's: it comes from python-build-standalone, at "
        f"{redacted(mirror) if mirror else 'releases.astral.sh or GitHub'}",
        next_step=f"nothing, where that can be reached; else write {other}, which come from Debian, or set {MIRROR}",
    )


def _first(project: Project, lock: Lock | None) -> Decisions | None:
    """Give the decisions of the first platform, as far as requirements differ by it that of most GPUs."""
    return lock.platforms[project.config.pack.platforms[0]] if lock is not None else None


def _check_imports(session: Session, project: Project, lock: Lock) -> Iterator[Check]:
    """Look for what the sources import, by wheels that are here."""
    for one in each_platform(project):
        decisions = lock.platforms[one.config.pack.platform]
        looked = look_at_imports(one, decisions, local_modules(session, one))
        for note in looked.notes:
            yield _advice("imports", note)
        if looked.unseen:
            yield Check(name="imports", verdict="advice", said=f"what sources import was not seen: {looked.unseen}")
        elif not looked.notes:
            yield Check(name="imports", verdict="ok", said="what sources import at their beginning is there")


def _check_login(session: Session, image: Reference, *, alone: bool) -> Check:
    """Look for credentials of who pushes `image`. `alone`: the registry itself is not asked whether it wants some."""
    host = image.registry.lower()
    found = session.credentials.explain(host, image.repository)
    if found.failed:
        step = f"mend what is named there, or take it out; then cogpack login {host}"
        return Check(name="login", verdict="failed", said=f"{host}: {found.failed}", next_step=step)
    if found.source is None:
        said, step = f"{host}: no credentials are found", f"cogpack login {host}, unless it takes pushes of anybody"
        return Check(name="login", verdict="advice" if alone else "ok", said=said, next_step=step if alone else None)
    return Check(name="login", verdict="ok", said=f"{host}: {found.who}")


def clock_check(date: str, now: float) -> Check | None:
    """Compare the clock with that of a server (RFC 9110, 6.6.1); None where it tells none."""
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return None
    skew = (datetime.fromtimestamp(now, UTC) - theirs.replace(tzinfo=theirs.tzinfo or UTC)).total_seconds()
    if abs(skew) < _SKEW:
        return Check(name="clock", verdict="ok", said="it agrees with the registry's")
    return Check(
        name="clock",
        verdict="advice",
        said=f"it is {time_text(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the registry's",
        next_step="set it: logins and signatures of archives go by it",
    )


def _rename(project: Project, line: int) -> bool:
    """Write `run` for the key `predict`; tell whether it stands as a word at the beginning of `line`, in a file that is
    the project's own and no link."""
    path = project.config_path
    if path.is_symlink():
        return False
    lines = path.read_bytes().splitlines(keepends=True)
    if line > len(lines) or not _PREDICT.match(lines[line - 1]):
        return False
    lines[line - 1] = _PREDICT.sub(rb"\1run\1", lines[line - 1], count=1)
    write_whole(path, lines, mode=path.stat().st_mode & 0o777)
    return True


def _failed(name: CheckName, error: CogpackError) -> Check:
    return Check(name=name, verdict="failed", said=error.message, next_step=error.next_step)


def _advice(name: CheckName, note: Note) -> Check:
    return Check(name=name, verdict="advice", said=note.text)
