"""Which base a project asks for, and which packages of it, is told by its cog.yaml."""

from collections.abc import Collection, Sequence

from cogpack.config import PYTHONS, Config, Suite
from cogpack.lockfile.base_kinds import Base, DebianBase, RegistryBase
from cogpack.reference import Reference
from cogpack.resolve.debs.names.elsewhere import of_interpreter, of_wheels
from cogpack.resolve.debs.names.renamed import answering
from cogpack.resolve.debs.names.tools import COG_TOOLS
from cogpack.resolve.debs.solving.request import parse_request


def is_asked_for(base: Base, config: Config, suite: Suite | None) -> bool:
    """Tell whether `base` is of the image, or the suite of Debian, that `config` asks for. `suite`: as `suite_of`
    has it."""
    match base:
        case RegistryBase(reference=reference):
            asked = config.pack.base
            return asked is not None and reference == str(Reference.parse(asked, where=config.where("cogpack.base")))
        case DebianBase():
            return config.pack.base is None and (base.suite, base.slim) == (
                suite_of(config, suite),
                config.pack.debian.slim,
            )


def has_named(base: Base, config: Config, unasked: Sequence[str]) -> bool:
    """Tell whether `base` has, beside what is there `unasked` as far as it could be had, the packages that `config`
    names, and no others but a CUDA toolkit's."""
    requested, lacking = base.requested, base.system_packages.lacking
    if (added := answering([name for name in unasked if name not in lacking], requested)) is None:
        return False
    others = {name: version for name, version in requested.items() if name not in added}
    own = base.own_python
    named = [
        *named_packages(config, own.minor if own else config.python_minor),
        *(COG_TOOLS if config.pack.tools == "cog" else ()),
    ]
    found = answering([name for name in named if not is_left(name, others)], others)
    return found is not None and (found == set(others) or config.pack.cuda_toolkit == "image")


def named_packages(config: Config, python: str) -> Sequence[str]:
    """Give those of `build.system_packages` but what comes with another Python than the suite's own `python`."""
    if python == config.python_minor:
        return config.system_packages
    return [name for name in config.system_packages if not of_interpreter(name, config.python_minor)]


def is_left(name: str, requested: Collection[str]) -> bool:
    """Tell whether it is left to wheels."""
    return of_wheels(name) is not None and parse_request(name).name not in requested


def suite_of(config: Config, suite: Suite | None) -> Suite:
    """Give the one that is named, else `suite`, where another than usual has to be, else the usual one."""
    return config.pack.debian.suite or suite or usual_suite(config)


def usual_suite(config: Config) -> Suite:
    """Choose the suite whose own python3 is the one that is asked for, else the oldest with a newer one: what runs on
    that Python was made when the suite was."""
    own: dict[Suite, tuple[int, ...]] = {suite: _order(version) for suite, version in PYTHONS.items()}
    newer = [suite for suite in own if own[suite] >= _order(config.python_minor)]
    return min(newer, key=own.__getitem__) if newer else max(own, key=own.__getitem__)


def _order(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
