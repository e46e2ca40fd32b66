"""What the clouds' sources have in common."""

import logging
import time
from datetime import UTC, datetime

from cogpack.registry.credentials.findings import Finding

_MARGIN = 300.0


def not_installed(extra: str) -> Finding:
    return Finding(f"cogpack[{extra}] is not installed", advice=f"pip install 'cogpack[{extra}]'")


def silence(*loggers: str) -> None:
    """The SDKs log whatever they try in vain; without a handler that ends on standard error."""
    for name in loggers:
        logging.getLogger(name).addHandler(logging.NullHandler())


def monotonic(moment: datetime) -> float:
    """A moment of the wall clock by the monotonic one, five minutes early: a request may be long."""
    return time.monotonic() + (moment - datetime.now(UTC)).total_seconds() - _MARGIN
