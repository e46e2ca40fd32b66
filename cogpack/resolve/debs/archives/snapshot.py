"""Debian's archives as they were at a time are kept by its snapshot service: a fleet that names one has one base."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from cogpack.errors import InputError
from cogpack.resolve.debs.archives.mirror import MAIN, SECURITY, DebianMirror
from cogpack.resolve.debs.archives.urls import snapshot_url

ENVIRONMENT = "COGPACK_DEBIAN_SNAPSHOT"


class Snapshot(msgspec.Struct, frozen=True):
    """Is all that Debian had at `moment`, a time of UTC."""

    moment: datetime

    @classmethod
    def choose(cls, setting: str | None, environment: Mapping[str, str], *, now: datetime) -> "Snapshot | None":
        """Take the time that was set, else that of the environment; None where neither says one."""
        for where, value in (("cogpack.debian_snapshot", setting), (ENVIRONMENT, environment.get(ENVIRONMENT))):
            if value:
                return cls(_parse(value, where, now))
        return None

    @property
    def stamp(self) -> str:
        """Write the time as the service does."""
        return self.moment.strftime("%Y%m%dT%H%M%SZ")

    @property
    def mirror(self) -> DebianMirror:
        return DebianMirror(main=snapshot_url(MAIN, self.stamp), security=snapshot_url(SECURITY, self.stamp))


def _parse(value: str, where: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise InputError(
            f"{where}: expected a date or a time, found {value!r:.80}",
            next_step="write it like 2026-01-31 or 2026-01-31T00:00:00Z",
        ) from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > now:
        raise InputError(f"{where}: {value} is to come", next_step="name a time that was")
    return moment
