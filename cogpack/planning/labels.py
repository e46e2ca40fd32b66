"""What is written on an image besides what it is made of: labels and annotations of the user, and the commit.

Keys of the commit are those of the image-spec (annotations.md, "Pre-Defined Annotation Keys"); labels have them too,
since GitHub and others look there.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cogpack.config.model import is_lock
from cogpack.encodings import is_utf8
from cogpack.errors import InputError
from cogpack.images.assemble import Marks
from cogpack.lockfile import Lock, parse_lock
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.project.files import has_config
from cogpack.session import Session
from cogpack.text import utc

if TYPE_CHECKING:
    from cogpack.project.git import Commit

_OURS = ("run.cog.", "dev.cogpack.")
_SHOWN = 3


def read_marks(session: Session, project: Project, lock: Lock) -> Marks:
    labels, annotations = _given(session)
    if not _wants_commit(session, project):
        return Marks(labels=labels, annotations=annotations)
    from cogpack.project.git import read_commit

    commit = read_commit(project.root, counts=_counts(session, project, lock), environment=session.environment)
    _tell(session, commit)
    words = _words(commit)
    return Marks(labels=words | labels, annotations=words | annotations, created=commit.created)


def check_marks(session: Session, project: Project) -> None:
    """What `read_marks` would refuse should be known before the work of a resolution."""
    _given(session)
    if _wants_commit(session, project):
        from cogpack.project.git import check_commit

        check_commit(project.root, session.environment)


def _given(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    return _pairs("--label", session.settings.labels), _pairs("--annotation", session.settings.annotations)


def _wants_commit(session: Session, project: Project) -> bool:
    return session.settings.git or project.config.pack.git


def _words(commit: "Commit") -> dict[str, str]:
    """What the image-spec calls it. Of a changed tree, the revision says so, and there is no version."""
    words = {
        "created": utc(commit.created),
        "revision": f"{commit.revision}-dirty" if commit.changed else commit.revision,
        "source": commit.source,
        "version": None if commit.changed else commit.version,
    }
    return {f"org.opencontainers.image.{name}": text for name, text in words.items() if text}


def _counts(session: Session, project: Project, lock: Lock) -> Callable[[str, bool], bool]:
    """Whether a path that differs from the commit makes another image.

    What a push writes into the lock's results decides nothing, nor does the lock of another config; a new file counts
    if the image or the lock is made of it, a changed or deleted one always.
    """
    used = {*project.files().all_paths(), *project.inputs()}
    its = project.lock_path.name

    def counts(path: str, tracked: bool) -> bool:
        if path == its:
            return not tracked or not _same_decisions(session, project, lock)
        if is_lock(path) and has_config(str(project.root), path):  # of another config of the directory
            return False
        return tracked or path in used

    return counts


def _same_decisions(session: Session, project: Project, lock: Lock) -> bool:
    from cogpack.project.git import committed

    before = committed(project.root, project.lock_path.name, session.environment)
    try:
        old = parse_lock(before) if before is not None else None
    except InputError:
        return False
    return old is not None and old.decisions == lock.decisions


def _tell(session: Session, commit: "Commit") -> None:
    if commit.changed:
        more = len(commit.changed) - _SHOWN
        named = ", ".join(commit.changed[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        text = f"the image says revision {commit.revision[:12]}-dirty: these differ from the commit: {named}"
        session.progress.note(Note(Code.DIRTY_TREE, text))
    if commit.source is None:
        text = "the image says no source: git knows no remote that is on a server (git remote add origin URL)"
        session.progress.note(Note(Code.NO_SOURCE, text))


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` again and again. Keys of ours can't be given; one key has one value."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key or not key.isprintable() or " " in key:
            raise InputError(f"{option} {text!r:.200}: expected KEY=VALUE", next_step=f"write {option} team=vision")
        if not is_utf8(value):
            raise InputError(f"{option} {key:.200}: the value is not UTF-8 text", next_step="write it in UTF-8")
        if key.startswith(_OURS):
            raise InputError(
                f"{option} {key:.200}: keys that begin with {key[: key.index('.', 4) + 1]} say what the image is",
                next_step="choose a key of a domain of yours, as com.example.team",
            )
        if found.get(key, value) != value:
            raise InputError(f"{option} {key:.200}: is given twice, with two values", next_step="keep one of them")
        found[key] = value
    return found
