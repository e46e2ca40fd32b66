"""A bundle of a model without files, for what is told of it and asked of its server."""

from cogpack.running.bundle import Bundle


def make_bundle(*, name: str = "model", schema: str | None = None, user: str = "") -> Bundle:
    return Bundle(
        platform="linux/amd64",
        name=name,
        layers=(),
        environment={},
        directory="/src",
        command=("python",),
        user=user,
        schema=schema,
        gpu=False,
        repository="model",
    )
