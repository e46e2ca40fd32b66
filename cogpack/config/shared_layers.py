"""`cogpack.shared_layers` of a cog.yaml names the repositories in which models find each other's layers."""

from typing import Literal

from cogpack.config.document import Value
from cogpack.config.model import SharedLayers
from cogpack.config.steps import filled
from cogpack.reference import Reference


def shared_layers(value: Value) -> SharedLayers:
    fields = value.fields(("from", "publish", "keys", "trust"), strict=True)
    keys = tuple(filled(item) for item in fields["keys"].items()) if "keys" in fields else ()
    return SharedLayers(
        source=_repository(fields["from"]) if "from" in fields else None,
        publish=_repository(fields["publish"]) if "publish" in fields else None,
        keys=keys,
        trust=_trust(fields["trust"]) if "trust" in fields else "keys",
    )


def _repository(value: Value) -> str:
    text = filled(value)
    reference = Reference.parse(text, where=value.where)
    if reference.tag or reference.digest or reference.name.startswith("docker.io/library/"):
        value.expected("a repository alone, as in HOST/NAME")
    return reference.name


def _trust(value: Value) -> Literal["keys", "repository"]:
    match value.text():
        case "keys":
            return "keys"
        case "repository":
            return "repository"
    value.expected("keys or repository")
