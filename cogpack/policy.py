"""A policy says which notes end a command: each is allowed unless somebody denies it.

The strongest speaks first: the machine's file, which can only deny; `--deny` and `--allow` of one code; `cogpack.notes`
of cog.yaml for one code; `--deny all`; `all: deny` in cog.yaml; what CI denies by itself.
"""

import threading
from collections.abc import Mapping, Sequence

import msgspec

from cogpack.errors import InputError, together
from cogpack.notes import Code, Note
from cogpack.progress import Progress, Task
from cogpack.text import nearest


def in_ci(environment: Mapping[str, str]) -> bool:
    """Whether a machine reads the output and nobody can be asked: `CI` is set, and to neither `false` nor `0`."""
    return environment.get("CI", "").lower() not in ("", "0", "false")


ALL = "all"
"""Stands for every code, where notes are denied."""

DENIED_IN_CI = frozenset(
    {Code.CREDENTIALS_FILE, Code.ENVIRONMENT_FILE, Code.MISSPELT_KEY, Code.PRIVATE_KEY, Code.RELEASE_OLDER}
)
"""Nobody looks on there, and the image is for others: secrets of the project, a key that was to say something, and
packages that go back in time."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What one source denies and allows. `deny` may hold `ALL`.

    A code that there is not, or one that is both, is an `InputError`: it would have no effect, or nobody knows which.
    """

    deny: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for code in sorted({*self.deny, *self.allow} - set(Code)):
            if code != ALL or code in self.allow:
                raise InputError(unknown(code), next_step="see docs/notes.md for the codes that there are")
        if both := sorted({*self.deny} & {*self.allow}):
            raise InputError(f"{both[0]} is denied and allowed", next_step="keep one of the two")


NO_RULES = Rules()


class DeniedNoteError(InputError):
    """Raised of all notes that are denied, together, before anything moves wherever they are known by then."""

    code = "denied-note"


class Policy:
    """Judges notes by all rules. `machine`: of the file `machine_name`, where `allow` only takes from its own `all`;
    `given`: the command line's; `project`: cog.yaml's, once it is read."""

    def __init__(
        self, given: Rules = NO_RULES, *, machine: Rules = NO_RULES, machine_name: str = "", in_ci: bool = False
    ) -> None:
        self.project = NO_RULES
        self._given = given
        self._machine = machine
        self._machine_name = machine_name
        self._in_ci = in_ci

    def denial(self, code: Code) -> tuple[str, str] | None:
        """Return who denies a code, and how it is allowed; None where it is."""
        machine, given, project = self._machine, self._given, self.project
        allowing = f"or allow it: --allow {code}, or notes: {{{code}: allow}} under cogpack in cog.yaml"
        if code in machine.deny or (ALL in machine.deny and code not in machine.allow):
            return self._machine_name, f"which holds for all of this machine: ask who keeps {self._machine_name}"
        if code in given.deny:
            return f"--deny {code}", f"or leave out --deny {code}"
        if code in given.allow:
            return None
        if code in project.deny:
            return "cog.yaml", f"or write {code}: allow in cog.yaml, or run with --allow {code}"
        if code in project.allow:
            return None
        if ALL in given.deny:
            return "--deny all", allowing
        if ALL in project.deny:
            return "cog.yaml", allowing
        return ("CI", allowing) if self._in_ci and code in DENIED_IN_CI else None


_OF_THE_LOCK = frozenset({Code.CLASH, Code.DEPRECATED_KEY, Code.REQUIREMENT_BROKEN, Code.SUITE_OF_WHEEL})
"""What is the same in every run until cog.yaml or the lock changes: shown where these are looked at, not each time."""


class Noted:
    """Progress that keeps the notes, each once: what is decided again finds the same again. A denied one is held back
    until `check`, which makes an error of it; those of the lock are kept like all others, and shown after `show_all`
    only."""

    def __init__(self, progress: Progress, policy: Policy) -> None:
        self.policy = policy
        self.all: list[Note] = []
        self._known = set[Note]()
        self._progress = progress
        self._held: list[Note] = []
        self._unshown: list[Note] | None = []
        """None: all are shown."""
        self._lock = threading.Lock()

    def task(self, name: str, size: int | None, verb: str = "") -> Task:
        return self._progress.task(name, size, verb)

    def summary(self, text: str) -> None:
        self._progress.summary(text)

    def note(self, note: Note) -> None:
        """Keep and show it. Never raises: threads and timers call it that nobody listens to."""
        with self._lock:
            if not (known := note in self._known):
                self._known.add(note)
                self.all.append(note)
            if denied := self.policy.denial(note.code) is not None:
                self._held.append(note)
        if not (denied or known):
            self._show(note)

    def show_all(self) -> None:
        """Show the lock's notes, those so far and from now on: for who looks at the project or makes its lock."""
        with self._lock:
            waiting, self._unshown = self._unshown, None
        for note in waiting or ():
            self._progress.note(note)

    def _show(self, note: Note) -> None:
        with self._lock:
            if self._unshown is not None and note.code in _OF_THE_LOCK:
                self._unshown.append(note)
                return
        self._progress.note(note)

    def check(self) -> None:
        """Raise a `DeniedNoteError` of all notes so far that are denied; tell those that were held and are not."""
        with self._lock:
            held, self._held = self._held, []
        faults = []
        for note in dict.fromkeys(held):
            denial = self.policy.denial(note.code)
            if denial is None:
                self._show(note)
            else:
                who, how = denial
                faults.append(InputError(f"{note.text} ({note.code}, denied by {who})", next_step=f"change it, {how}"))
        if faults:
            found = together(faults)
            raise DeniedNoteError(found.message, next_step=found.next_step)


def rules(deny: Sequence[str], allow: Sequence[str], *, where: str) -> Rules:
    """Read codes as they were written; errors of `Rules` name `where`."""
    try:
        return Rules(deny=frozenset(deny), allow=frozenset(allow))
    except InputError as error:
        raise InputError(f"{where}: {error.message}", next_step=error.next_step) from None


def unknown(code: str) -> str:
    """Return what is said of a code that there is not, with the nearest one."""
    near = nearest(code, [*Code, ALL])
    return f"no note has the code {code!r:.80}" + (f"; did you mean {near}?" if near else "")
