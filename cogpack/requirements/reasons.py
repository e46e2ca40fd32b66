"""Why a line is no requirement, where its reader can't see it, or what the parser says of it helps nobody."""

from packaging.requirements import InvalidRequirement, Requirement

from cogpack.patterns import pattern
from cogpack.requirements.model import VARIABLE

_UNUSUAL = pattern(r"[^\t\x20-\x7e]")


class NoRequirementError(ValueError):
    """Says in its arguments what is wrong with a line, and what is to be done."""


def requirement_of(text: str) -> Requirement:
    """Read a requirement (PEP 508); `NoRequirementError` of what is none."""
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise NoRequirementError(*(_unseen(text) or (reason, "write NAME==VERSION"))) from error


def _unseen(text: str) -> tuple[str, str] | None:
    if found := VARIABLE.search(text):
        return f"{found[0]} is read in addresses alone", "write its value"
    if found := _UNUSUAL.search(text):
        return f"it has the character U+{ord(found[0]):04X}", "type it anew, in plain ASCII: NAME==VERSION"
    return None
