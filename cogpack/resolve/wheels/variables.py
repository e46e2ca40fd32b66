"""Addresses of requirements files have `${NAME}` (pip docs, "Using environment variables"): secrets stay out of
them."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from cogpack.errors import InputError
from cogpack.requirements.model import VARIABLE, UnexpandedAddress


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """Put the values of its variables into `text`; those that are not set stay as they are."""
    return VARIABLE.sub(lambda found: environment.get(found[1], found[0]), text)


def hidden(text: str, addresses: Iterable[str], environment: Mapping[str, str]) -> str:
    """Put `${NAME}` back in place of the value of each variable that `addresses` use."""
    names = {name for address in addresses for name in VARIABLE.findall(address) if environment.get(name)}
    for name in sorted(names, key=lambda name: (-len(environment[name]), name)):
        text = text.replace(environment[name], f"${{{name}}}")
    return text


def check_address(address: UnexpandedAddress, environment: Mapping[str, str]) -> None:
    """Raise `InputError` where a variable is not set, or the whole is no address then. No value is shown."""
    where = f"{address.path}:{address.line}: {address.what}"
    unset = sorted({name for name in VARIABLE.findall(address.text) if not environment.get(name)})
    if unset:
        raise InputError(f"{where}: {' and '.join(unset)} is not set", next_step="set it in the environment")
    if address.what == "--find-links" and "://" not in expanded(address.text, environment):
        return  # a directory
    try:
        parts = urlsplit(expanded(address.text, environment))
        sound = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        sound = False
    if not sound:
        shown = VARIABLE.search(address.text)
        raise InputError(
            f"{where}: with the value of {shown[0] if shown else 'its variables'} it is no http or https address",
            next_step="correct the value, https://HOST/PATH",
        )
