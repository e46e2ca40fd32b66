"""A bundle of a model without files, for what is told of it and asked of its server."""

from cogpack.config import Arch
from cogpack.running.bundle import Bundle


def make_bundle(*, name: str = "model", schema: str | None = None, platform: Arch = "linux/amd64") -> Bundle:
    return Bundle(
        platform=platform,
        name=name,
        layers=(),
        environment={},
        directory="/src",
        command=("python",),
        user="",
        schema=schema,
        gpu=False,
        repository="model",
    )
