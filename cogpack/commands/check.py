"""One thing that `cogpack doctor` looked at."""

from typing import Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["ok", "advice", "failed"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of one thing that was looked at. `advice`: it works, but may be better; `next_step`: what to do."""

    name: str
    verdict: Verdict
    said: str
    next_step: str | None = None
