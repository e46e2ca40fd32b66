"""What an object store's refusal means."""

from collections.abc import Mapping

from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError
from cogpack.http import RETRIED
from cogpack.remote import LaterError


def refused(
    where: str, status: int, headers: Mapping[str, str], *, pinned: bool, denied: bool, advice: str
) -> CogpackError:
    """`pinned`: one revision was asked for; `denied`: it is about credentials, where the status does not say so."""
    if status in (401, 403) or denied:
        return DeniedError(where, next_step=advice)
    if status == 412 or (status == 404 and pinned):
        return MismatchError(
            f"{where}: was replaced or deleted since it was pinned", next_step="run cogpack lock to take what is there"
        )
    if status >= 500 or status in RETRIED:
        return LaterError.of(where, headers)
    return InputError(where, next_step="correct the uri; that of a folder ends with /")
