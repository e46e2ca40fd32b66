"""Locked wheels are found again on the indexes of today."""

from collections.abc import Sequence

from cogpack.disk import DiskError
from cogpack.errors import InputError, MismatchError, UnavailableError
from cogpack.lockfile import LockedWheel
from cogpack.resolve.wheels.choice import filename_of
from cogpack.resolve.wheels.compile import Uv, WheelQuestion


def wheel_urls(wheels: Sequence[LockedWheel], uv: Uv) -> dict[str, list[str]]:
    """Find, by sha256, addresses of locked wheels on the indexes that are configured now; name and hash must agree.

    A wheel that they don't list is missing in the answer. Addresses may hold credentials: not to be shown or kept.
    """
    if not wheels:
        return {}
    indexes = uv.indexes
    lines = [f"{wheel.name}=={wheel.version}" for wheel in wheels]
    of_torch = indexes.torch.names(lines, uv.target.environment()) if indexes.torch else ()
    try:
        packages, _ = uv.compile(WheelQuestion(requirements=lines, of_torch=of_torch, dependencies=False))
    except DiskError:
        raise
    except InputError as error:
        raise UnavailableError(
            f"a package index no longer has what the lock names: {error.message}",
            next_step="configure the index that the lock was made with, or run cogpack lock --upgrade",
        ) from error
    listed = {filename_of(wheel): wheel for package in packages for wheel in package.wheels or () if wheel.url}
    urls: dict[str, list[str]] = {}
    for wheel in wheels:
        if (there := listed.get(wheel.filename)) is None:
            continue
        if (found := there.hashes.get("sha256")) != wheel.sha256:
            raise MismatchError(
                f"the lock pins {wheel.filename} to sha256:{wheel.sha256}, the index has sha256:{found}",
                next_step="restore the lock from git; if the file was replaced, ask its publisher",
            )
        urls[wheel.sha256] = [indexes.authorised(str(there.url))]
    return urls
