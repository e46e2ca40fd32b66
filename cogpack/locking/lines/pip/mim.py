"""`mim install` is `pip install` with one more page of links: wheels of mmcv for the torch that is there.

(openmim, `commands/install.py`.) What it asks for besides, for OpenMMLab's other packages, depends on pip's version.
"""

from collections.abc import Iterable, Mapping

import msgspec

from cogpack.lockfile import LockedWheel
from cogpack.locking.lines.pip.files import Said
from cogpack.locking.wheels.outlines import Outlines
from cogpack.locking.wheels.torch_build import cuda_of
from cogpack.resolve.pip import UnforeseenError

_KNOWN = "0.3.9"
_LINKS = "https://download.openmmlab.com/mmcv/dist"
_PATCHED = frozenset(
    {"mmaction2", "mmagic", "mmcls", "mmdet", "mmdet3d", "mmedit", "mmflow", "mmgen", "mmocr", "mmpose", "mmpretrain"}
    | {"mmrotate", "mmsegmentation", "mmselfsup", "mmtrack", "mmyolo"}
)
"""Packages of which mim changes what they require."""


def with_links(said: Said, before: Mapping[str, LockedWheel], outlines: Outlines) -> Said:
    """Add the page of the torch that is among the wheels `before` the line."""
    if (mim := before.get("openmim")) is None or mim.version != _KNOWN:
        there = mim.version if mim else "none"
        raise UnforeseenError(f"openmim {_KNOWN} is known, and the wheels before it have {there}")
    if (torch := before.get("torch")) is None:
        raise UnforeseenError("mim looks for a torch, and none is among the wheels before it")
    if (cuda := cuda_of(outlines.of(torch)[1])) is None:
        raise UnforeseenError(f"which CUDA torch {torch.version} is for is not said where mim looks")
    major, minor = torch.version.partition("+")[0].split(".")[:2]
    built = "cu" + cuda.replace(".", "") if cuda else "cpu"
    page = f"{_LINKS}/{built}/torch{major}.{minor}.0/index.html"
    options = msgspec.structs.replace(said.effect.options, find_links=(*said.effect.options.find_links, page))
    effect = msgspec.structs.replace(said.effect, options=options)
    return msgspec.structs.replace(said, effect=effect, indexed=True)


def check_names(names: Iterable[str]) -> None:
    """Refuse packages of which mim changes what they require."""
    if changed := sorted(_PATCHED.intersection(names)):
        raise UnforeseenError(f"mim changes what {changed[0]} requires")
