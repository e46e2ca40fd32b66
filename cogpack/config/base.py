"""What `cogpack.base` names is read: packages of Debian, or an image of a registry."""

from collections.abc import Mapping
from typing import get_args

from cogpack.config.document import Value
from cogpack.config.model import DebianChoice, Suite
from cogpack.config.steps import filled
from cogpack.reference import Reference

_DEBIANS: Mapping[str, DebianChoice] = {
    "debian": DebianChoice(),
    "debian:slim": DebianChoice(slim=True),
    **{f"debian:{suite}": DebianChoice(suite=suite) for suite in get_args(Suite)},
    **{f"debian:{suite}-slim": DebianChoice(suite=suite, slim=True) for suite in get_args(Suite)},
}


def read_base(value: Value) -> tuple[str | None, DebianChoice]:
    """Read what names Debian's packages, which have no reference, else a reference."""
    text = filled(value)
    if text in _DEBIANS:
        return None, _DEBIANS[text]
    if text.startswith("debian:") and "@" not in text:
        ours = ", ".join(_DEBIANS)
        step = f"write one of these for Debian's packages, or docker.io/library/{text} for the image of Docker Hub"
        value.expected(f"one of {ours}", next_step=step)
    Reference.parse(text, where=value.where)
    return text, DebianChoice()
