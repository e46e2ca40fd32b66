"""Variables say where a model goes, as Cog has them: in place of `model` of cog.yaml, or of a part of it.

`COG_MODEL` is all of it; `COG_MODEL_REGISTRY`, `COG_MODEL_REPO` and `COG_MODEL_TAG` are parts. What has no tag gets the
time, as `20260131T120000Z` (replicate/cog, pkg/model/resolve.go).
"""

import time
from collections.abc import Mapping

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.reference import HOST, TAG, Reference
from cogpack.registry.credentials import replicate

MODEL, REGISTRY, REPOSITORY, TAGGED = "COG_MODEL", "COG_MODEL_REGISTRY", "COG_MODEL_REPO", "COG_MODEL_TAG"
_RESERVED = "cog-"
"""What tags begin with that Cog makes itself."""


def model_reference(environment: Mapping[str, str], config: Config) -> Reference | None:
    """Give the reference that the variables name, with what cog.yaml has of it; None where they name none."""
    named = next((name for name in (MODEL, REGISTRY, REPOSITORY, TAGGED) if environment.get(name)), None)
    if named is None:
        return None
    base = Reference.parse(config.image, where=config.where("model")) if config.image and _is_model(config) else None
    if whole := environment.get(MODEL):
        found = Reference.parse(whole, where=MODEL)
    else:
        repository = _part(environment, REPOSITORY, bad=":@") or (base.repository if base else "")
        if not repository:
            return None
        default = base.registry if base else replicate.default_host(environment)
        registry = _part(environment, REGISTRY, bad="/@") or default
        if not HOST.fullmatch(registry):
            name = REGISTRY if environment.get(REGISTRY) else replicate.VARIABLE
            raise _wrong(name, registry, "a host, as in ghcr.io")
        found = Reference.parse(f"{registry}/{repository}", where=REPOSITORY)
    if config.image and not _is_model(config):
        raise InputError(
            f"{config.where('image')}: image: {config.image} stands beside {named}, which is for model",
            next_step=f"write model: in place of image:, or unset {named}",
        )
    if found.tag or found.digest:
        return found
    return found.with_tag(_tag(environment) or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))


def _is_model(config: Config) -> bool:
    return "model" in config.places


def _part(environment: Mapping[str, str], name: str, *, bad: str) -> str:
    text = environment.get(name, "")
    if any(sign in text for sign in bad):
        raise _wrong(name, text, "a host alone" if name == REGISTRY else "a repository alone, as in me/model")
    return text


def _tag(environment: Mapping[str, str]) -> str:
    tag = environment.get(TAGGED, "")
    if tag.startswith(_RESERVED):
        raise _wrong(TAGGED, tag, f"a tag that does not begin with {_RESERVED}, which Cog keeps for itself")
    if tag and not TAG.fullmatch(tag):
        raise _wrong(TAGGED, tag, "a tag of letters, digits, '.', '_' and '-'")
    return tag


def _wrong(name: str, text: str, expected: str) -> InputError:
    return InputError(f"{name}: expected {expected}, found {text!r:.200}", next_step="correct or unset it")
