"""How containers of the image start: environment, command, user, and the labels that tell Cog's tools of it."""

from collections.abc import Sequence

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.images.assemble import Run
from cogpack.lockfile import Decisions, LockedSteps, LockedWheel
from cogpack.locking.image_cuda import with_cuda
from cogpack.locking.minimum_driver import minimum_driver
from cogpack.runtime import contract
from cogpack.runtime.schema import Described


def plan_run(
    config: Config, decisions: Decisions, described: Described, *, steps: LockedSteps | None, joins: bool
) -> Run:
    """Say how containers start. `steps`: what commands left, where that is known; `joins`: files are put together
    before.

    Raises `InputError` where the schema fits in no label.
    """
    if len(described.document) > contract.LABEL_LIMIT:
        raise InputError(
            f"the OpenAPI schema has {len(described.document)} bytes; {contract.LABEL_LIMIT} fit in an image",
            next_step="shorten the choices and descriptions of the predictor's inputs",
        )
    driver = minimum_driver(decisions)
    return Run(
        environment=(*_of_toolkit(decisions), *contract.environment(config, concurrency=described.concurrency)),
        path=f"/{contract.VENV}/bin" + "".join(f":{home}/bin" for _, home in _of_toolkit(decisions)[:1]),
        entrypoint=(*_init(config, decisions), *(contract.JOIN if joins else ())),
        user=config.pack.user,
        command=contract.command(config),
        working_directory=contract.WORKING_DIRECTORY,
        ports=(contract.PORT,),
        labels=contract.labels(
            with_cuda(config, decisions),
            concurrency=described.concurrency,
            schema=described.document,
            sdk_version=decisions.sdk_version,
            pip_freeze=_freeze(decisions.wheels, steps),
            has_init=bool(_init(config, decisions)),
            driver=driver.version if driver else "",
        ),
    )


def _of_toolkit(decisions: Decisions) -> tuple[tuple[str, str], ...]:
    """Give the variables of a compiler of CUDA that is in the image."""
    toolkit = decisions.toolkit
    return tuple(toolkit.variables.items()) if toolkit and toolkit.packages is None else ()


def _init(config: Config, decisions: Decisions) -> tuple[str, ...]:
    """Give the words before the command by which the first process reaps others and hands signals on."""
    return (decisions.base.init, "--") if config.pack.init and decisions.base.init else ()


def _freeze(wheels: Sequence[LockedWheel], steps: LockedSteps | None) -> str:
    """List what the environment has, as steps leave it."""
    found: dict[str, str | None] = {wheel.name: wheel.version for wheel in wheels}
    if steps is not None:
        found |= {one.name: one.version for one in steps.distributions}
    return "\n".join(sorted(f"{name}=={version}" for name, version in found.items() if version is not None))
