"""Managed weights that lie on servers are pinned here: what each file is, and how it is cut."""

from collections.abc import Callable, Sequence

from cogpack.config import Config
from cogpack.formats import ImageRules
from cogpack.layers.weights import layer_size
from cogpack.lockfile import RemoteWeight
from cogpack.locking.managed import (
    Found,
    LocalWeight,
    find_remote,
    local_weights,
    pin_remote,
    read_document,
    shown,
)
from cogpack.project import Project, ProjectFile
from cogpack.session import Session


def cut_size(
    project: Project, own: Sequence[ProjectFile], local: Sequence[LocalWeight], remote: int, rules: ImageRules
) -> int:
    """Tell to how many bytes layers are cut: cog.yaml's word, or what follows from all weights together."""
    total = sum(file.size for file in own) + sum(weight.size for weight in local) + remote
    return project.config.pack.weights.layer_size or layer_size(total, rules)


def pin_weights(
    session: Session, project: Project, pinned: Sequence[RemoteWeight], rules: ImageRules
) -> tuple[RemoteWeight, ...]:
    """Pin for the lock the managed weights that lie on servers."""
    found = find_remote(session, project, pinned)
    if not found:
        return ()
    own = [file for file in project.files() if project.is_weight(file)]
    local = local_weights(project)
    size = cut_size(project, own, local, sum(item.file.size for item in found), rules)
    documents: dict[str, Callable[[], bytes]] = {shown(weight.path): weight.file.read_bytes for weight in local}
    documents |= {shown(item.path): _document(session, item) for item in found}
    return pin_remote(session, found, project.split_rules(documents), size, pinned, probing=probing(project.config))


def _document(session: Session, item: Found) -> Callable[[], bytes]:
    return lambda: read_document(session, item)


def probing(config: Config) -> bool:
    """Tell whether the content of weights decides how they are stored."""
    return config.pack.weights.compression == "zstd"
