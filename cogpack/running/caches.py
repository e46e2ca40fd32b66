"""What models download is kept from container to container: the user's cache directory (XDG_CACHE_HOME), where
Hugging Face's hub, torch and pip have theirs, too.

Each project has one of its own, and each image's repository, since who writes there decides what the next one loads.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from blake3 import blake3

from cogpack.disk import writing
from cogpack.runtime import contract
from cogpack.sandbox.guest import Bind
from cogpack.sandbox.inroot import find_in
from cogpack.sandbox.users import User
from cogpack.session import Session

_KNOWN = ("huggingface", "torch", "clip", "whisper", "pip", "datalab", "suno", "easyocr", "insightface", "paddle")
"""Names below the cache directory that are kept where the image has that directory already."""
_VARIABLES = ("XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "TORCH_HOME")


def kept_caches(
    session: Session, owner: str, tree: Path, user: User, environment: Mapping[str, str], *, owned: bool
) -> list[Bind]:
    """Say which directories of a container are kept for `owner`, and where.

    `tree`: what the image has: what lies there is not hidden. `owned`: files have owners of their own.
    """
    name = blake3(f"{owner} {user.uid if owned else 0}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    place = session.cache / "kept" / name
    session.kept.used(place)
    binds = []
    with writing(place):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for target in _targets(tree, user, environment):
            source = place / blake3(target.encode("utf-8", "surrogateescape")).hexdigest()[:16]
            source.mkdir(mode=0o700, parents=True, exist_ok=True)
            if owned:
                os.chown(source, user.uid, user.gid)
            binds.append(Bind(source, target, writable=True))
    return binds


def _targets(tree: Path, user: User, environment: Mapping[str, str]) -> Sequence[str]:
    """Give the directories, the outer ones alone."""
    found = [environment[name] for name in _VARIABLES if name in environment]
    found.append(str(PurePosixPath(user.home, ".cache")))
    source = PurePosixPath(contract.WORKING_DIRECTORY)
    chosen: list[PurePosixPath] = []
    for path in sorted({PurePosixPath(os.path.normpath(one)) for one in found if one.startswith("/")}):
        if len(path.parts) < 2 or path.is_relative_to(source) or any(path.is_relative_to(one) for one in chosen):
            continue
        chosen += _free(tree, path)
    return list(map(str, chosen))


def _free(tree: Path, path: PurePosixPath) -> Iterator[PurePosixPath]:
    """Give `path` where the image has nothing there, else what of it is free."""
    names: list[str] = []
    with suppress(OSError):
        names = os.listdir(find_in(tree, str(path)))  # noqa: PTH208 - names
    if not names:
        yield path
    elif path.name == ".cache":
        yield from (path / name for name in _KNOWN if name not in names)
