"""What a user gives a container in variables (`-e`): weights that lie in a file of this machine, and secrets, which no
log is to have."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cogpack.errors import InputError
from cogpack.redaction import learn_environment
from cogpack.runtime.contract import STATE
from cogpack.sandbox.guest import Bind

WEIGHTS = "COG_WEIGHTS"
"""What coglet hands to `setup(weights)`, as it is: it fetches nothing, whatever type is written there."""


class Given(NamedTuple):
    """Is what becomes of them. `binds`: files of this machine that the container sees for it."""

    environment: Mapping[str, str]
    binds: tuple[Bind, ...] = ()


def given(environment: Mapping[str, str]) -> Given:
    """Have the weights that `environment` names seen in the container, if they are a file or directory of this machine:
    `@PATH` has to be, a mere path may be the container's. An address is the model's to fetch."""
    learn_environment(environment)
    named = environment.get(WEIGHTS, "")
    path = Path(named.removeprefix("@"))
    try:
        if not named.startswith("@") and ("://" in named or not named or not path.exists()):
            return Given(environment)
        found = path.resolve(strict=True)
    except (OSError, ValueError) as error:
        if not named.startswith("@"):
            return Given(environment)  # too long for a path, say: a data URL
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"-e {WEIGHTS}={named:.200}: {reason}", next_step="name a file of this machine, or leave out the @"
        ) from error
    name = path.name if path.name not in ("", "..") else found.name
    target = f"/{STATE}/given/{name or 'root'}"
    return Given({**environment, WEIGHTS: target}, (Bind(found, target),))
