"""`cogpack init`: a project to begin with, and files by which a CI pushes it; none needs Docker or a privilege."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import msgspec

from cogpack import __version__
from cogpack.commands.deployment import EXAMPLE, NAME, deployment
from cogpack.disk import writing
from cogpack.errors import InputError
from cogpack.reference import Reference

Ci: TypeAlias = Literal["github", "gitlab", "tekton", "argo", "kubernetes"]
CIS: tuple[Ci, ...] = get_args(Ci)

_PLACE = Path(__file__).parent.parent / "templates"
_IMAGES = {"github": "ghcr.io/${{ github.repository }}", "gitlab": "$CI_REGISTRY_IMAGE"}
"""What their own registry is called, where a CI has one."""
_ASIDE = ".template"
"""What a template's name ends with that would be a module of ours without."""
_MODEL = ("run.py", "requirements.txt")
"""What a cog.yaml that is there already has no use for: it names its own."""
_REPOSITORY = "https://git.example.com/me/model.git"


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """Tells what was written, and what was there already and stayed as it is: paths in the directory."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def init(directory: Path, *, ci: Collection[Ci] = (), image: str | None = None, kubernetes: bool = False) -> Begun:
    """Write a project into `directory`, which is made if it is not there, and what each `ci` needs to push it.

    `image`: where to, HOST/NAME; `kubernetes`: what serves it in a cluster, too. What is there already stays as it is.
    """
    if image is not None:
        reference = Reference.parse(image, where="--tag")
        if reference.tag or reference.digest:
            raise InputError(f"--tag {image}: the files add a tag", next_step=f"write {reference.name}")
    written: list[str] = []
    kept: list[str] = []
    theirs = os.path.exists(directory / "cog.yaml")  # noqa: PTH110 - a name may be too long for a Path to ask
    for source in ("project", *ci):
        for template in sorted(path for path in (_PLACE / source).rglob("*") if path.is_file()):
            name = template.relative_to(_PLACE / source).parent / template.name.removesuffix(_ASIDE)
            if theirs and str(name) in _MODEL:
                continue
            text = template.read_text(encoding="utf-8")
            text = text.replace("@IMAGE@", image or _IMAGES.get(source, EXAMPLE))
            text = text.replace("@VERSION@", __version__).replace("@REPOSITORY@", _REPOSITORY)
            if source == "project" and image:
                text = text.replace(f"# image: {EXAMPLE}", f"image: {image}")
            (written if _write(directory / name, text) else kept).append(str(name))
    if kubernetes:
        text = deployment(directory, image)
        (written if _write(directory / NAME, text) else kept).append(NAME)
    return Begun(written=tuple(written), kept=tuple(kept))


def _write(path: Path, text: str) -> bool:
    """Write a file that is not there; tell whether it was not."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError:
            return False
    return True
