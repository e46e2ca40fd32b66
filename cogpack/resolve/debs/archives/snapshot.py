"""Archives as they were at a time are kept by snapshot services, Debian's and Ubuntu's: a fleet that names one has one
base."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from cogpack.errors import InputError
from cogpack.lockfile.base_kinds import DebianRelease
from cogpack.resolve.debs.archives.urls import snapshot_url

ENVIRONMENT = "COGPACK_DEBIAN_SNAPSHOT"


class Snapshot(msgspec.Struct, frozen=True):
    """Is all that Debian and Ubuntu had at `moment`, a time of UTC."""

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

    def is_that_of(self, releases: Iterable[DebianRelease]) -> bool:
        """Tell whether all of these that a snapshot service keeps are of this time."""
        return all(release.snapshot in ("", self.stamp) for release in releases)

    def url(self, archive: str, path: str = "") -> str:
        """Give the address of an archive as it was, or of a file of it: of one that no service keeps, as it is."""
        return snapshot_url(archive, self.stamp, path) or (f"{archive}/{path}" if path else archive)


def _parse(value: str, where: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"{where}: expected a date or a time, found {value!r:.80}",
            next_step="write it like 2026-01-31 or 2026-01-31T00:00:00Z",
        ) from None
    if moment > now:
        raise InputError(f"{where}: {value} is to come", next_step="name a time that was")
    return moment
