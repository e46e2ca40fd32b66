"""An image tells which versions it has: by the lock that is attached to it, else by a label of Cog's, else by what lies
in its layers."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from cogpack.comparing.packages import frozen_packages
from cogpack.decompress import decompressed
from cogpack.errors import CogpackError, InputError
from cogpack.images.attached import attached_lock_of
from cogpack.images.image import FoundImage
from cogpack.images.root_file_system import RootFileSystem, is_whiteout, too_many
from cogpack.lockfile import Decisions, Lock
from cogpack.oci import Descriptor, Execution
from cogpack.opening import open_image
from cogpack.progress import counted
from cogpack.runtime.contract import FREEZE_LABEL
from cogpack.session import Session
from cogpack.text import count_text
from cogpack.threads import each
from cogpack.untar import Untar

_METADATA = re.compile(
    r"(?P<site>(?:.*/)?(?:site|dist)-packages)/(?P<name>[^/-]+)-(?P<version>[^/-]+)\.dist-info/METADATA"
)
_OURS = frozenset({"cog", "coglet", "pip"})
"""What every image gets as this cogpack has it, not as an old one had."""

_NAMED = 20


class ImagePins(msgspec.Struct, frozen=True):
    """Holds versions by package, of the `image`, and what told them: `source`."""

    image: str
    source: str
    versions: Mapping[str, str]


def read_image_pins(session: Session, target: str, platform: str) -> ImagePins:
    """Read which packages the image at `target` has; `InputError` where it tells of none."""
    image = open_image(session, target, platform)
    with suppress(CogpackError):  # of a newer cogpack, or no registry for such things
        if (told := attached_lock_of(image.images, image.digest)) and (pins := _pins(told.lock, platform)):
            return ImagePins(image.name, "its lock", pins)
    text = ((image.config().config or Execution()).labels or {}).get(FREEZE_LABEL, "")
    source, found = "its label pip_freeze", _sound(frozen_packages(text))
    if not found:
        source, found = "its layers", _sound(_installed(session, image))
    if not found:
        raise InputError(
            f"{image.name}: has no label {FREEZE_LABEL}, and no Python package lies in its layers",
            next_step="name an image that Cog made, or write the versions into the requirements",
        )
    return ImagePins(image.name, source, found)


def _pins(lock: Lock, platform: str) -> dict[str, str]:
    """Give the versions of an image's own lock; of wheels that lines of `build.run` lay, those before them."""
    decisions = lock.platforms.get(platform)
    return _sound({wheel.name: wheel.version for wheel in decisions.required}) if decisions else {}


def told_pins(pins: ImagePins, decisions: Decisions) -> Iterator[str]:
    """Tell of how many wheels the version is the image's, and of which it is another."""
    common = [wheel for wheel in decisions.required if wheel.name in pins.versions]
    moved = [wheel for wheel in common if str(Version(wheel.version)) != pins.versions[wheel.name]]
    same = count_text(len(common) - len(moved), "wheel")
    yield f"{same} of {len(common)} in the version that {pins.image} has, by {pins.source}"
    for wheel in moved[:_NAMED]:
        yield f"other    {wheel.name} {pins.versions[wheel.name]} there, {wheel.version} here"
    if len(moved) > _NAMED:
        yield f"other    and {len(moved) - _NAMED} more"


def _sound(found: Mapping[str, str]) -> dict[str, str]:
    """Leave out what is no version, as the address of a package that was installed from a repository."""
    versions: dict[str, str] = {}
    for name, text in found.items():
        try:
            version = Version(text)
        except InvalidVersion:
            continue
        if name not in _OURS:
            versions[name] = str(version)
    return versions


def _installed(session: Session, image: FoundImage) -> dict[str, str]:
    """Read all layers, for the metadata that lies beside what is installed: of the directory that has most of it, as
    Debian's own packages lie in another one."""

    def listed(layer: Descriptor) -> list[str]:
        task = session.progress.task(f"{image.name} {layer.digest[7:19]}", layer.size, "read")
        with image.images.blob(layer) as blocks:
            archive = Untar(decompressed(counted(blocks, task.advance)), where=f"layer {layer.digest}")
            paths = []
            for member in archive:
                session.cancellation.check()
                for _ in archive.content():
                    pass
                if _METADATA.fullmatch(member.path) or is_whiteout(member.path):
                    paths.append(member.path)
        task.done("read")
        return paths

    files: RootFileSystem[str] = RootFileSystem(too_many(image.name))
    layers = list(image.manifest.layers)
    for paths in each(listed, layers, jobs=session.settings.jobs, name="read", cancellation=session.cancellation):
        for path in sorted(paths, key=lambda path: not is_whiteout(path)):
            files.apply(path, path, directory=False)
    found = [match for path in files.entries if (match := _METADATA.fullmatch(path))]
    if not found:
        return {}
    (site, _), *_ = Counter(match["site"] for match in found).most_common(1)
    return {canonicalize_name(match["name"]): match["version"] for match in found if match["site"] == site}
