"""Where a push goes: `HOST/NAME[:TAG]` again and again, and tags for all of them, as repositories with their tags."""

from collections.abc import Sequence

import msgspec

from cogpack.config import Config
from cogpack.errors import InputError
from cogpack.opening import tell_of_hub
from cogpack.project import Project
from cogpack.reference import DEFAULT_TAG, TAG, Reference
from cogpack.session import Session


class PushTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One repository, without tag or digest, and the `tags` to move there in the order in which they were named."""

    repository: Reference
    tags: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """`HOST/NAME:TAG` of each tag."""
        return tuple(f"{self.repository.name}:{tag}" for tag in self.tags)


def push_targets(
    session: Session, texts: Sequence[str], tags: Sequence[str], project: Project
) -> tuple[PushTarget, ...]:
    """The targets, one a repository. `tags` are for each of them, besides its own; where there is no tag, `latest`.

    Without `texts` it is what `COG_MODEL` and its like name, else `image` of cog.yaml.
    """
    for tag in no_text(tags):
        if not TAG.fullmatch(tag):
            advice = f"name it as a target: cogpack push {tag:.200}" if "/" in tag or ":" in tag else "write it as v1"
            raise InputError(
                f"--tag {tag!r:.200}: expected a tag of letters, digits, '.', '_' and '-'", next_step=advice
            )
    found: dict[Reference, list[str]] = {}
    for text in texts or (None,):
        reference = registry_reference(session, text, project)
        own = [reference.tag] if reference.tag else []
        repository = Reference(reference.registry, reference.repository)
        found.setdefault(repository, []).extend([*own, *tags] or [DEFAULT_TAG])
    return tuple(PushTarget(repository=where, tags=tuple(dict.fromkeys(named))) for where, named in found.items())


def no_text(tags: Sequence[str]) -> Sequence[str]:
    """`tags` as they are; a `TypeError` where one text is given, which to Python is a sequence of letters."""
    if isinstance(tags, str):
        raise TypeError(f"tags: expected a list of names, found the text {tags!r:.200}")
    return tags


def push_reference(target: str | None, project: Project) -> Reference:
    """What a target names, else `image` of cog.yaml."""
    if target:
        reference = Reference.parse(target)
    elif project.config.image:
        reference = Reference.parse(project.config.image, where=image_place(project.config))
    else:
        raise InputError(
            "no target: none was given and cog.yaml has no image",
            next_step="run cogpack push HOST/NAME:TAG, or write image: HOST/NAME into cog.yaml",
        )
    if reference.digest:
        raise InputError(f"{reference}: a push makes its own digest", next_step="leave out the part from @ on")
    return reference


def registry_reference(session: Session, target: str | None, project: Project) -> Reference:
    """As `push_reference`, and somebody's to push to: Docker Hub's official images are not."""
    named = None
    if not target:
        from cogpack.planning.delivery.model_variables import model_reference

        named = model_reference(session.environment, project.config)
    reference = named or push_reference(target, project)
    written = target or (str(named) if named else project.config.image or "")
    if is_bare(reference):
        if target:
            raise InputError(f"{written}: names no registry", next_step="write HOST/NAME:TAG")
        raise InputError(
            f"{image_place(project.config)}: {written} names no registry",
            next_step=f"run cogpack push HOST/NAME:TAG, or write image: HOST/NAME into {project.config_path.name}",
        )
    tell_of_hub(session, written, reference)
    return reference


def image_place(config: Config) -> str:
    """Say what messages about the image that cog.yaml names begin with."""
    return config.where("model" if "model" in config.places else "image")


def is_bare(reference: Reference) -> bool:
    """A name without a registry and without an owner: enough for this machine, and nobody's to push to."""
    return reference.name.startswith("docker.io/library/")
