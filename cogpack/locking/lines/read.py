"""The lines of `build.run` are read: what is known of them is taken out of the sandbox, and the rest is run there."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from cogpack.config import Config, RunStep
from cogpack.images.assemble import BaseImage, environment_of
from cogpack.layers.tar import EPOCH
from cogpack.lockfile import Decisions, LockedSandboxed
from cogpack.lockfile.base_kinds import Base, RegistryBase
from cogpack.oci import read_config
from cogpack.run_lines import (
    Effect,
    KnownStep,
    ReadStep,
    StepEffect,
    Surroundings,
    classify,
    settled_steps,
)
from cogpack.runtime import contract

E = TypeVar("E", bound=Effect)

SETTINGS = (
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("SOURCE_DATE_EPOCH", str(EPOCH)),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("PYTHONHASHSEED", "0"),
    ("PIP_NO_CACHE_DIR", "1"),
    ("CFLAGS", "-g0"),  # debug data holds the random name of pip's build directory
)
"""What makes the same commands do the same, and is in no image. The project's own variables win."""


class Remaining(msgspec.Struct, frozen=True):
    """Is a step that is run, and its index among all of cog.yaml."""

    index: int
    step: RunStep


class Lines(msgspec.Struct, frozen=True, kw_only=True):
    """Is what is known of all lines. `steps`: one a step of cog.yaml; `effects`: of those that are taken out, settled,
    in order; `remaining`: those that are run."""

    surroundings: Surroundings = Surroundings()
    steps: tuple[ReadStep, ...] = ()
    effects: tuple[StepEffect, ...] = ()
    remaining: tuple[Remaining, ...] = ()

    def of(self, kind: type[E]) -> tuple[tuple[int, E], ...]:
        """Give the effects of one kind, each with the index of its step."""
        return tuple((one.step, one.effect) for one in self.effects if isinstance(one.effect, kind))


def read_lines(config: Config, base: Base, python: str, sandboxed: Sequence[LockedSandboxed]) -> Lines:
    """Read them over `base`, in an environment of `python`, "3.13"; those of `sandboxed` are run, and what follows them
    as if they weren't known."""
    where = _surroundings(config, base, python)
    steps = classify(config.run, where, {one.step: one.why for one in sandboxed})
    known = [(index, one) for index, one in enumerate(steps) if isinstance(one, KnownStep)]
    return Lines(
        surroundings=where,
        steps=steps,
        effects=settled_steps(StepEffect(index, effect) for index, one in known for effect in one.effects),
        remaining=tuple(
            Remaining(index, step)
            for index, (step, one) in enumerate(zip(config.run, steps, strict=True))
            if not isinstance(one, KnownStep)
        ),
    )


def locked_lines(config: Config, decisions: Decisions) -> Lines:
    """Read them as a lock has them."""
    return read_lines(config, decisions.base, decisions.python.minor, decisions.sandboxed)


def _surroundings(config: Config, base: Base, python: str) -> Surroundings:
    image = image_of(base)
    return Surroundings(
        environment=dict(SETTINGS) | environment_of(image, f"/{contract.VENV}/bin", config.environment),
        architecture="arm64" if config.pack.platform == "linux/arm64" else "amd64",
        directory=((image.config.get("config") or {}).get("WorkingDir") if image else None) or "/",
        project=f"/{contract.SOURCE}",
        python=python,
    )


def image_of(base: Base) -> BaseImage | None:
    """Give the image that `base` is, where it is one."""
    if not isinstance(base, RegistryBase):
        return None
    return BaseImage(config=read_config(base.config.encode(), dict, where="the base's config"))
