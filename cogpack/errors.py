"""Everything that can go wrong, as one tree.

    CogpackError
    |-- InputError        exit 2   change what you wrote
    |-- MismatchError     exit 3   what is pinned and what was found differ
    |-- DeniedError       exit 4   credentials
    |-- UnavailableError  exit 5   may work later
    `-- ModelError        exit 6   a model that was run failed

Each error states what was expected and found in `message` (one clause, no full stop, the place first)
and what to do about it in `next_step`; neither has a secret in it (`redaction`).
Any other exception is a bug of ours and exits with 1.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

_SHOWN = 50
"""Faults that one message names."""


class CogpackError(Exception):
    """The root of all errors. `next_step` is required: an error without advice can't be raised."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "bug"
    """For programs: stable."""

    def __init__(self, message: str, *, next_step: str) -> None:
        from cogpack.redaction import redact  # most commands end without an error, and --version at once

        message, next_step = redact(message), redact(next_step)
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class InputError(CogpackError):
    """Raised where the user's files, arguments or settings must change. `parts`: of one that stands for several."""

    exit_code = 2
    code = "input"
    parts: "tuple[InputError, ...]" = ()


def together(faults: Sequence[InputError]) -> InputError:
    """Make one error of all, each on a line with its own advice: who has several to mend wants to know them at once.
    What is told twice is told once, and so is an advice that is the same for all."""
    parts = tuple({part.message: part for fault in faults for part in fault.parts or (fault,)}.values())
    if len(parts) == 1:
        return parts[0]
    advice = {part.next_step for part in parts}
    error = InputError(listed(parts), next_step=advice.pop() if len(advice) == 1 else "change each of them as it says")
    error.parts = parts
    return error


def listed(parts: Sequence[InputError], below: Callable[[InputError], Sequence[str]] = lambda _part: ()) -> str:
    """Return the message of one error that stands for several; `below`: lines that are told after one of them."""
    told = len({part.next_step for part in parts}) == 1  # at the end
    rows, before = [], ""
    for part in parts[:_SHOWN]:
        advice = "the same" if part.next_step == before else part.next_step
        rows += [part.message if told else f"{part.message} (next: {advice})", *below(part)]
        before = part.next_step
    more = [f"and {len(parts) - _SHOWN} more"] if len(parts) > _SHOWN else []
    return "\n  ".join([f"{len(parts)} things must change:", *rows, *more])


class NoProjectError(InputError):
    """Raised where no directory upward has a cog.yaml."""


class MismatchError(CogpackError):
    """Raised where something pinned (a digest, a lock, a fact) differs from what is there."""

    exit_code = 3
    code = "mismatch"


def gone(path: object, now: object) -> MismatchError:
    """Make the error of a file or directory that was there when it was listed; `now`: what the system says of it."""
    return MismatchError(
        f"{path}: was there a moment ago, now: {now}", next_step="run it again when nothing writes there"
    )


class DeniedError(CogpackError):
    """Raised where a server refused our credentials, or wants some."""

    exit_code = 4
    code = "denied"


class UnavailableError(CogpackError):
    """Raised where a server or network failed after all retries; the same command may work later.

    `away`: the host that did not answer, or for which another one did; `wait`: seconds that a server asked for;
    `spent`: seconds that it was waited for.
    """

    exit_code = 5
    code = "unavailable"
    away: str | None = None
    wait: float | None = None
    spent: float = 0.0


class ModelError(CogpackError):
    """Raised where a model that was run here failed, in its setup or in a prediction: what it says is in `message`."""

    exit_code = 6
    code = "model"
