"""What is tried again, and when."""

import email.utils
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

ATTEMPTS = 4
BUDGET = 600.0
"""Seconds that may go by without progress."""
PATIENT_ATTEMPTS = 600
"""Of a host that was there before and is away, in that time; with our own waits between them it is fewer."""
RETRIED = frozenset({408, 429, 499, 500, 502, 503, 504, 522, 524})
DOWN = frozenset({502, 503, 504, 522})
"""Of these, what a proxy says of a server that is away. (One that throttles says for how long, or means it.)"""
_LONGEST_WAIT = 300.0

Backoff: TypeAlias = Callable[[int], float]
"""attempt -> seconds before attempt + 1."""


def backoff(attempt: int) -> float:
    """Seconds before attempt + 1: half a second doubled each time, at most 30, with full jitter."""
    return _usual(attempt)


def _usual(attempt: int) -> float:
    return random.uniform(0, min(30.0, 0.5 * 2**attempt))  # noqa: S311 - spreads load, keeps no secret


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header (RFC 9110 10.2.3), five minutes at most."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if text.strip().isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter for the zone of a moment that is none
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.fromtimestamp(time.time(), UTC)).total_seconds()), _LONGEST_WAIT)
