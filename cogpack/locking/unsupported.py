"""What a cog.yaml asks for and this version can't pack is an error."""

from cogpack.config import Config
from cogpack.errors import InputError


def refuse_unsupported(config: Config) -> None:
    if config.traces:
        raise InputError(
            f"{config.where('observability.traces')}: not supported by this version of cogpack",
            next_step="leave it out; tracing can be switched on in the predictor",
        )
