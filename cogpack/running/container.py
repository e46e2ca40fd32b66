"""A container is a guest over the tree of a bundle, which the cache keeps: nothing that it writes there stays.

Of a project, /src is the project's directory itself: what is written there stays, and an edit is seen at once.
"""

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cogpack.config import Isolation
from cogpack.disk import UNFINISHED, write_whole, writing
from cogpack.errors import InputError
from cogpack.notes import Code, Note
from cogpack.planning.proot import find_proot
from cogpack.progress import Cancellation
from cogpack.project import ProjectFile
from cogpack.running.bundle import Bundle, Source, choose_rung, here
from cogpack.running.caches import kept_caches
from cogpack.running.gpus import Gpus, find_gpus
from cogpack.running.mount_points import mount_points
from cogpack.running.options import Address, ContainerOptions
from cogpack.running.root_tree import kept_tree, kept_trees
from cogpack.runtime import contract
from cogpack.sandbox.guest import Bind, Command, Guest
from cogpack.sandbox.inroot import find_in
from cogpack.sandbox.outside import Outside, outside
from cogpack.sandbox.run import Streams
from cogpack.sandbox.rungs.choice import Findings, Rung
from cogpack.sandbox.trees.directories import remove_tree
from cogpack.sandbox.trees.lay import TREE
from cogpack.sandbox.trees.store import StoredTree
from cogpack.sandbox.users import User, find_user
from cogpack.session import Session
from cogpack.trace import TRACE


class Container:
    """Runs commands over a bundle's files; one at a time."""

    def __init__(
        self, session: Session, bundle: Bundle, guest: Guest, user: User, environment: Mapping[str, str]
    ) -> None:
        self._session = session
        self._guest = guest
        self._user = user
        self._environment = environment
        self.bundle = bundle
        self.cancellation = session.cancellation

    def inside(self, address: Address) -> Address:
        """Say where a server listens that is to be asked at `address`: there, since the network is this machine's."""
        return address

    def run(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        streams: Streams,
        *,
        cancellation: Cancellation | None = None,
        ports: Mapping[Address, int] = {},  # noqa: ARG002 - they are this machine's
    ) -> int:
        """Run a command where the image's own would run, with `environment` added to the image's; return its exit
        status. `cancellation`: of this command, in place of the session's."""
        found = {"HOME": self._user.home} | dict(self._environment) | dict(environment)
        command = Command(tuple(argv), found, self.bundle.directory, self._user)
        return self._guest.run(command, streams, cancellation=cancellation or self._session.cancellation)


@contextmanager
def open_container(
    session: Session, bundle: Bundle, options: ContainerOptions, more: Sequence[Bind] = ()
) -> Iterator[Container]:
    """Lay what is to be seen, and `more` of this machine, for a `with`; at its end, all that ran there has ended."""
    scratch = session.cache / "trees"
    rung, emulated, findings = _choose(session, bundle)
    TRACE.decided(f"{bundle.name}: isolated by {rung}{f', {bundle.platform} emulated' if emulated else ''}")
    gpus = gpus_of(session, bundle, options) if bundle.platform == here() else None
    place = scratch / f"{UNFINISHED}{secrets.token_hex(8)}"
    session.kept.used(place)
    source = bundle.source
    overlaid, owned = rung in findings.overlays, not rung.one_user
    trees = kept_trees(session, bundle.name, bundle.layers, bundle.inputs, owned=owned, overlaid=overlaid)
    stored = trees[0]
    weights = _weights(session, source, owned=owned)
    lower = [one.root for one in trees] if overlaid else []
    with ExitStack() as stack:
        stack.callback(remove_tree, place)
        if not lower:
            root = stored.copy(place, owned=owned, jobs=session.settings.jobs, cancellation=session.cancellation).root
            root.chmod(0o755)
        else:
            with writing(place):
                place.mkdir(mode=0o700)
                root = place / TREE
                root.mkdir(mode=0o755)
        user = find_user(stored.root, bundle.user)
        binds = list(_schema_binds(bundle, place))
        if source is not None and rung is Rung.CHROOT:
            _copy(session, source, weights, root)
        elif source is not None:
            binds = _project_binds(source, weights, binds)
            if rung is not Rung.PROOT:
                stack.enter_context(mount_points(session.kept, source.project.root, binds))
        if options.caches and not options.isolated and rung is not Rung.CHROOT:
            binds += kept_caches(session, bundle.repository, stored.root, user, bundle.environment, owned=owned)
        binds += more
        network = _outside(session, bundle)
        environment = network.around(bundle.environment)
        if gpus is not None:
            binds += gpus.binds
            environment = gpus.with_image(environment)
        mirror = bundle.project.config.pack.debian_mirror if bundle.project else None
        guest = Guest(
            root,
            rung,
            owners=None,
            binds=binds,
            standins=(*network.standins, *(gpus.links if gpus else ())),
            lower=lower,
            proot=find_proot(session, mirror, root, place / "proot") if rung is Rung.PROOT else None,
            emulator=_emulator(session, mirror, place / "emulator") if emulated else None,
            shm_size=options.shm_size,
            last_process=300 + secrets.randbelow(30_000),
        )
        yield Container(session, bundle, stack.enter_context(guest), user, environment)


@contextmanager
def files_for_engine(session: Session, bundle: Bundle) -> Iterator[Sequence[Bind]]:
    """Have what an engine's container sees of this machine, for a `with`."""
    place = session.cache / "trees" / f"{UNFINISHED}{secrets.token_hex(8)}"
    session.kept.used(place)
    source = bundle.source
    with ExitStack() as stack:
        stack.callback(remove_tree, place)
        with writing(place):
            place.mkdir(mode=0o700, parents=True)
        binds = list(_schema_binds(bundle, place))
        if source is not None:
            binds = _project_binds(source, _weights(session, source, owned=False), binds)
            stack.enter_context(mount_points(session.kept, source.project.root, binds))
        yield binds


def gpus_of(session: Session, bundle: Bundle, options: ContainerOptions) -> Gpus | None:
    """Find the GPUs that the user wants, or else the image: those are all that there are, or a note."""
    if options.gpus == "0" or (options.gpus is None and not bundle.gpu):
        return None
    found = find_gpus(options.gpus or "all")
    if found is not None:
        TRACE.decided(f"GPUs: {found.found}")
    elif options.gpus is not None:
        raise InputError(
            f"--gpus {options.gpus}: this machine has none: no CDI file of one, and no libcuda.so.1 with device nodes",
            next_step="install NVIDIA's driver, and write the file by nvidia-ctk cdi generate; or leave --gpus out",
        )
    else:
        session.progress.note(Note(Code.NO_GPU, f"{bundle.name} wants a GPU, and this machine has none: run without"))
    return found


def _outside(session: Session, bundle: Bundle) -> Outside:
    """Say how programs reach the outside where that takes more than on other machines: by a proxy, or believing
    `COG_CA_CERT`. The password of a proxy is for no image that others may have made."""
    environment = session.environment
    if not outside(environment, None).variables and not environment.get("COG_CA_CERT"):
        return Outside({})
    return outside(environment, session.authorities, logins=bundle.project is not None)


def _emulator(session: Session, mirror: str | None, place: Path) -> Path:
    from cogpack.planning.emulator import find_emulator  # which few runs need

    return find_emulator(session, mirror, place)


def _choose(session: Session, bundle: Bundle) -> tuple[Rung, bool, Findings]:
    isolation: Isolation = session.settings.isolation or "auto"
    if bundle.project is not None and session.settings.isolation is None:
        isolation = bundle.project.config.pack.isolation
    rung, emulated, findings = choose_rung(session, bundle.platform, isolation)
    if bundle.project is None and isolation == "auto" and not rung.hides:
        raise InputError(
            f"{bundle.name}: isolation {rung} is all that works here, and hides none of your files from an image that "
            "others may have made",
            next_step=f"add --isolation {rung} if you trust it, or run it where namespaces can be made",
        )
    return rung, emulated, findings


def _weights(session: Session, source: Source | None, *, owned: bool) -> StoredTree | None:
    return kept_tree(session, "managed weights", source.weights, (), owned=owned) if source and source.weights else None


def _schema_binds(bundle: Bundle, place: Path) -> Iterator[Bind]:
    if bundle.shown is not None:
        schema = place / "openapi_schema.json"
        write_whole(schema, [bundle.shown.encode()], mode=0o644)
        yield Bind(schema, f"{bundle.directory.rstrip('/')}/.cog/openapi_schema.json")


def _project_binds(source: Source, weights: StoredTree | None, others: Sequence[Bind]) -> list[Bind]:
    """Give the project's directory first, then what lies within it."""
    project = Bind(source.project.root, contract.WORKING_DIRECTORY, writable=True)
    found = [] if weights is None else [Bind(weights.root / target.strip("/"), target) for target in source.targets]
    return [project, *others, *found]


def _copy(session: Session, source: Source, weights: StoredTree | None, root: Path) -> None:
    """Copy the project where nothing can be mounted."""
    session.progress.note(
        Note(
            Code.PROJECT_COPIED,
            "isolation chroot: nothing can be mounted here, so /src is a copy of the project: what is written there is "
            "lost at the end",
        )
    )
    with writing(root / contract.SOURCE):
        place = _emptied(root, contract.SOURCE)
        for file in source.project.files():
            _copy_file(source.project.root, place, file)
        if weights is not None:
            for name in (target.strip("/") for target in source.targets):
                shutil.copytree(weights.root / name, _emptied(root, name), dirs_exist_ok=True)


def _emptied(root: Path, path: str) -> Path:
    """Make an empty directory in a tree, in place of what the image has there, as where it is mounted. No link that the
    image has laid leads out."""
    above, _, name = path.rpartition("/")
    try:
        place = find_in(root, above or ".") / name
    except FileNotFoundError:
        place = _emptied(root, above) / name
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    place.unlink(missing_ok=True)
    place.mkdir()
    return place


def _copy_file(project: Path, place: Path, file: ProjectFile) -> None:
    target = place / file.path
    target.parent.mkdir(parents=True, exist_ok=True)
    match file.kind:
        case "file":
            shutil.copy(project / file.path, target)
        case "directory":
            target.mkdir(exist_ok=True)
        case "symlink":
            target.symlink_to(file.target or "")
