"""Whether an image has bytecode of its Python files is decided here, from what the image is and never from what this
machine has."""

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.lockfile import LockedInterpreter
from cogpack.lockfile.base_kinds import Base, DebianBase, RegistryBase


def decide_bytecode(config: Config, base: Base, interpreter: LockedInterpreter | None) -> str | None:
    """Give the release whose bytecode the image has, "cpython-3.13.5"; None where it has none. `InputError` where the
    project insists on it and it can't have any. Of an image's own Python it is made for who insists alone: a machine
    that has no such release must fetch that whole image to make it."""
    if config.pack.bytecode is False:
        return None
    if not config.pack.bytecode and interpreter is None and isinstance(base, RegistryBase):
        return None
    release, why = _release(base, interpreter)
    if release is None and config.pack.bytecode:
        raise InputError(
            f"{config.where('cogpack.bytecode')}: true, but {why}", next_step="take the line out: there is none, then"
        )
    return release


def wants_release(config: Config, base: Base) -> bool:
    """Tell whether a lock has the release of an image's own CPython: bytecode is insisted on, and by its minor version
    that one may run. Else it has none, since what is known of it decides more: whether another is laid over it."""
    own = config.python_version is None or config.python_minor == base.python
    return own and bool(config.pack.bytecode) and isinstance(base, RegistryBase)


def _release(base: Base, interpreter: LockedInterpreter | None) -> tuple[str | None, str]:
    if interpreter is not None:
        return f"cpython-{interpreter.version}", ""
    own = base.own_python
    assert own is not None  # where none is laid over it
    minor, version = own.minor, own.release if isinstance(base, DebianBase) else base.release
    parts = {f"python{minor}", f"python{minor}-minimal", f"libpython{minor}-stdlib", f"libpython{minor}-minimal"}
    if own.path.startswith("/usr/bin/") and parts & {deb.name for deb in base.system_packages.packages}:
        return None, f"packages over {base.title} replace {own.path}"
    if version:
        return f"cpython-{version}", ""
    return None, f"{own.path} of {base.title} does not say which final release of CPython it is"
