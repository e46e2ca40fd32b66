"""What commands answer, in types that are also their JSON: each field is documented in docs/json.md.

Names are ours in snake_case. What the OCI specs name keeps their spelling, wherever it stands: `mediaType`, `diff_id`.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from cogpack.digest import DiffID, Digest
from cogpack.lockfile import Decisions, Lock
from cogpack.oci import Image, Platform
from cogpack.planning.delivery.transfer import Moved


class ImageLayer(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of one layer of an image that was pushed or built.

    `size`: bytes as stored; `sent`: bytes that went out for it, retries included; `vouched`: on whose word it was
    reused unread, as "cogpack.lock", and empty where its bytes were made in this run or are a base's.
    """

    name: str
    key: str
    media_type: str = msgspec.field(name="mediaType")
    digest: Digest
    size: int
    diff_id: DiffID
    sent: int
    vouched: str

    @classmethod
    def of(cls, moved: Moved, *, sent: int | None = None) -> "ImageLayer":
        found = moved.info.descriptor
        return cls(
            name=moved.name,
            key=moved.key,
            media_type=found.media_type,
            digest=found.digest,
            size=found.size,
            diff_id=moved.info.diff_id,
            sent=moved.sent if sent is None else sent,
            vouched=moved.known_from,
        )


class PlatformImage(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of the image for one platform: `digest` of its manifest, `config` of its config."""

    platform: str
    digest: Digest
    config: Digest

    @classmethod
    def of(cls, platform: Platform, image: Image) -> "PlatformImage":
        return cls(platform=str(platform), digest=image.descriptor.digest, config=image.config_descriptor.digest)


class WheelBuild(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of a wheel that nobody publishes: its name and version, and the `source` that it was built of."""

    wheel: str
    source: str

    @classmethod
    def all_of(cls, decisions: Decisions) -> "tuple[WheelBuild, ...]":
        return tuple(cls(wheel=wheel, source=source) for wheel, source in decisions.built_of.items())

    @classmethod
    def all_of_each(cls, lock: Lock, platforms: Iterable[str]) -> "tuple[WheelBuild, ...]":
        """Tell of those of several platforms, each once."""
        return tuple(dict.fromkeys(one for name in platforms for one in cls.all_of(lock.platforms[name])))

    def __str__(self) -> str:
        return f"{self.wheel} is built of {self.source}"


Verdict: TypeAlias = Literal["ok", "advice", "failed"]


CheckName: TypeAlias = Literal[
    "room", "cog.yaml", "keys", "model", "sources", "predictor", "pydantic", "requirements",
    "lock", "python", "imports", "gpu", "build.run", "login", "registry", "clock", "url map",
]  # fmt: skip


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Tells of one thing that was looked at. `advice`: it works, but may be better; `next_step`: what to do."""

    name: CheckName
    verdict: Verdict
    said: str
    next_step: str | None = None
