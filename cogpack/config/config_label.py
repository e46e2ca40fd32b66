"""The image label `run.cog.config` is made, by whose presence Cog knows an image as its own."""

from typing import Any

import msgspec

from cogpack.config.model import Config


def config_label(config: Config) -> str:
    """Write the effective config as JSON in Cog's own keys, sorted; the predictor stands under `predict`."""
    build = {
        "gpu": config.gpu,
        "python_version": config.python_version,
        "python_requirements": config.python_requirements,
        "python_packages": config.python_packages,
        "system_packages": config.system_packages,
        "run": [_step(step.command, [(s.id, s.target) for s in step.secrets]) for step in config.run],
        "cuda": config.cuda,
        "cudnn": config.cudnn,
        "sdk_version": config.sdk_version,
    }
    document = {
        "build": _written(build) | {"gpu": config.gpu},
        "predict": config.predict,
        "train": config.train,
        "image": config.image,
        "concurrency": {"max": config.concurrency} if config.concurrency else None,
        "environment": [f"{name}={value}" for name, value in config.environment],
        "weights": [
            {
                "name": weight.name,
                "target": weight.target,
                "source": [_written(msgspec.structs.asdict(s)) for s in weight.sources],
            }
            for weight in config.weights
        ],
        "observability": {"traces": {"enabled": True}} if config.traces else None,
    }
    return msgspec.json.encode(_written(document), order="sorted").decode()


def _step(command: str, secrets: list[tuple[str, str]]) -> Any:
    if not secrets:
        return command
    return {
        "command": command,
        "mounts": [{"type": "secret", "id": name, "target": target} for name, target in secrets],
    }


def _written(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was not written."""
    return {key: value for key, value in values.items() if value not in (None, False, (), [])}
