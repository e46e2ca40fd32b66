"""Image and coglet have a contract: environment, command, labels, paths (observed on cog and coglet 0.23.1).

Everything here is a pure function of the config and the schema.
"""

from pathlib import Path

import msgspec

from cogpack.config import Config, config_label

VENV = "opt/venv"
SOURCE = "src"
SCHEMA_PATH = f"{SOURCE}/.cog/openapi_schema.json"
WORKING_DIRECTORY = f"/{SOURCE}"
COMMAND = ("python", "-m", "cog.server.http")
TRAINS = ("--x-mode", "train")
"""What is added to the command to serve trainings, and by the image where there is nothing else to serve."""
PORT = "5000/tcp"
STATE = "var/lib/cogpack"
"""Where the image has files in parts, and where they are joined. `inside/join.py` stands alone and says it itself."""
JOIN = ("python", "-I", f"/{STATE}/join.py")
"""Entrypoint of images with files in parts (`inside/join.py`): it ends by becoming the command."""
PROBE = f"{VENV}/lib/cogpack/probe.py"
"""Says by its exit status how the model is (`inside/probe.py`). A directory that all bases have may be another's."""

CONFIG_LABEL = "run.cog.config"
DRIVER_LABEL = "dev.cogpack.minimum_driver"
FREEZE_LABEL = "run.cog.pip_freeze"
SCHEMA_LABEL = "run.cog.openapi_schema"
"""Label, and annotation of the manifest where it is short enough."""

_INSIDE = Path(__file__).with_name("inside")
_SDK = ">=0.23.1,<0.24"
"""What `build.sdk_version` unset means: the series whose run-time contract is known here."""

ANNOTATION_LIMIT = 256 * 1024
LABEL_LIMIT = 3_500_000
"""Bytes of schema: a manifest stays far below registries' limit, a config below the engines'."""


def project_path(path: str) -> str:
    """Say how a path of the image is called in rules and messages: relative to the project where it is in it."""
    return path.removeprefix(f"{SOURCE}/")


def join_program() -> bytes:
    return (_INSIDE / "join.py").read_bytes()


def probe_program() -> bytes:
    return (_INSIDE / "probe.py").read_bytes()


def sdk_requirement(config: Config) -> str:
    """Write the requirement (PEP 508) for the `cog` wheel."""
    name = "cog[tracing]" if config.traces else "cog"
    if config.sdk_version == "prerelease":
        return f"{name}>=0.23.1.dev0"
    return f"{name}{f'=={config.sdk_version}' if config.sdk_version else _SDK}"


def command(config: Config) -> tuple[str, ...]:
    """Give the command of the image: the server of predictions, or of trainings where the model makes no predictions
    (coglet would end at once)."""
    return COMMAND if config.predict or not config.train else (*COMMAND, *TRAINS)


def server_of(command: tuple[str, ...]) -> tuple[str, ...] | None:
    """Give the command without the words by which it serves trainings; None where it does not start coglet."""
    bare = command[: -len(TRAINS)] if command[-len(TRAINS) :] == TRAINS else command
    return bare if bare[-len(COMMAND) :] == COMMAND else None


def environment(config: Config, *, concurrency: int | None) -> tuple[tuple[str, str], ...]:
    """Give the variables of the image besides PATH, in a fixed order; the user's own last.

    `concurrency`: of the `@concurrent` decorator; `concurrency.max` of cog.yaml wins over it.
    """
    variables = [("PYTHONUNBUFFERED", "1")]
    if config.predict:
        variables.append(("COG_PREDICT_TYPE_STUB", config.predict))
    if config.train:
        variables.append(("COG_TRAIN_TYPE_STUB", config.train))
    slots = config.concurrency or concurrency
    if slots and slots > 1:
        variables.append(("COG_MAX_CONCURRENCY", str(slots)))
    if config.traces:
        variables.append(("COG_TRACE_CONFIGURED", "true"))  # where to, and whether at all, a container is told
    if config.gpu:
        # Without NVIDIA_VISIBLE_DEVICES, runtimes that read the environment hand over no GPU.
        variables += [("NVIDIA_VISIBLE_DEVICES", "all"), ("NVIDIA_DRIVER_CAPABILITIES", "all")]
    return (*variables, *config.environment)


def labels(
    config: Config,
    *,
    concurrency: int | None,
    schema: bytes,
    sdk_version: str,
    pip_freeze: str,
    has_init: bool,
    driver: str,
) -> dict[str, str]:
    """Give the labels by which Cog's tools recognise an image and learn its inputs; `driver`: NVIDIA's that it wants,
    empty where it wants none."""
    init = {"run.cog.has_init": "true"} if has_init else {}
    wanted = {DRIVER_LABEL: driver} if driver else {}
    return (
        init
        | wanted
        | {
            "run.cog.version": sdk_version,
            CONFIG_LABEL: config_label(msgspec.structs.replace(config, concurrency=config.concurrency or concurrency)),
            SCHEMA_LABEL: schema.decode(),
            FREEZE_LABEL: pip_freeze,
        }
    )
