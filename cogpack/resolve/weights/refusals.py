"""An object store's refusal is told as one of our errors."""

from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import RETRIED


def refused(where: str, status: int, *, pinned: bool, denied: bool, advice: str) -> CogpackError:
    """Make the error. `pinned`: one revision was asked for; `denied`: it is about credentials, where the status does
    not say so."""
    if status in (401, 403) or denied:
        return DeniedError(where, next_step=advice)
    if status == 412 or (status == 404 and pinned):
        return MismatchError(
            f"{where}: was replaced or deleted since it was pinned", next_step="run cogpack lock to take what is there"
        )
    if status >= 500 or status in RETRIED:
        return UnavailableError(where, next_step="run it again later")
    return InputError(where, next_step="correct the uri; that of a folder ends with /")
