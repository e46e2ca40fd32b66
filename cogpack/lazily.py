"""Names of a package that are loaded when somebody asks for them: who wants one of them waits for no other."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def on_demand(package: str, modules: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Make the `__getattr__` (PEP 562) of `package`: `modules` says which of its modules has which names."""
    places = {name: module for module, names in modules.items() for name in names}

    def found(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return found
