"""A base is decided here: which kind the project asks for, and what is resolved or kept of it, one function a kind."""

from collections.abc import Callable, Sequence

import msgspec

from cogpack.config import PYTHONS
from cogpack.errors import InputError, UnavailableError
from cogpack.images.interface import trying
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb, RegistryBase, SystemPackages
from cogpack.locking.asked_base import is_left, named_packages
from cogpack.locking.base_question import BaseQuestion
from cogpack.locking.beside import lay_beside
from cogpack.locking.decide_bytecode import wants_release
from cogpack.locking.decide_packages import decide_packages
from cogpack.locking.maintainer_scripts import fetched_control
from cogpack.locking.shared_base import SharedBase, SharedImage, is_shared
from cogpack.notes import Code, Note
from cogpack.reference import Reference
from cogpack.resolve.base_image import BaseFiles, list_base_image, resolve_base_image
from cogpack.resolve.debs.archives.archive import locked_archive
from cogpack.resolve.debs.archives.urls import deb_urls
from cogpack.resolve.debs.names.renamed import is_answered
from cogpack.resolve.debs.names.tools import COG_TOOLS
from cogpack.resolve.debs.resolver import resolve_debs
from cogpack.resolve.debs.security import upgrade_security
from cogpack.resolve.debs.standing import KeptBase
from cogpack.text import count_text


def decide_base(question: BaseQuestion, kept: Base | None) -> Base:
    """Give the base that is asked for: `kept`, where it still is that one, else resolved anew."""
    if question.config.pack.tools == "cog":
        question = msgspec.structs.replace(question, tools=COG_TOOLS)
    if (name := question.config.pack.base) is not None:
        return _registry(question, name, kept if isinstance(kept, RegistryBase) else None)
    debian = kept if isinstance(kept, DebianBase) else None
    if question.building and debian:
        return lay_beside(question, debian)
    found = _debian(question, debian)
    over, compiler, tools = found.system_packages, question.compiler, question.tools
    is_split = (bool(over.compiler), bool(over.tools)) == (bool(compiler), bool(tools))
    if is_split and (found is debian or not (compiler or tools)):
        return found  # as it is in the lock: nobody is asked
    less = msgspec.structs.replace(question, compiler=(), upgrade_system=False)
    without = {deb.name for deb in (_debian(less, found) if compiler else found).installed}
    alone = {deb.name for deb in _debian(less, found, asked=()).installed} if tools else ()
    over = msgspec.structs.replace(
        over,
        compiler=tuple(deb.name for deb in over.packages if deb.name not in without),
        tools=tuple(deb.name for deb in over.packages if deb.name in alone),
    )
    return found if over == found.system_packages else msgspec.structs.replace(found, system_packages=over)


def take_on_beside(question: BaseQuestion, kept: Base, below: Base, base: Base) -> Base | None:
    """Take `kept`, a base of a lock with what builds had beside it, on to what security archives have newer, as
    `below`, that base alone, has become `base`. None where it is no more beside that; where an archive is away and
    nothing has moved below, it stays."""
    if not _of_one(kept, base) or kept.system_packages.archives != tuple(map(locked_archive, question.archives)):
        return None
    try:
        found = decide_base(msgspec.structs.replace(question, upgrade_system=True), kept)
    except UnavailableError as error:
        if below != base:
            raise
        text = f"{error.message}: what wheels are built with stays as the lock has it"
        question.session.progress.note(Note(Code.BUILD_TOOLS_KEPT, text))
        return kept
    except InputError:  # security updates that do not go with it: the newest of all do
        return None
    over = found.system_packages
    own, there = base.system_packages.packages, over.packages
    if isinstance(base, DebianBase) and isinstance(found, DebianBase):
        own, there = (*base.packages, *own), (*found.packages, *there)
    if not {deb.sha256 for deb in own}.issubset(deb.sha256 for deb in there):
        return None
    return msgspec.structs.replace(base, system_packages=over)


def _of_one(kept: Base, base: Base) -> bool:
    """Tell whether they are of one image, or of one suite of Debian."""
    if isinstance(kept, DebianBase) and isinstance(base, DebianBase):
        return (kept.suite, kept.slim, kept.arch) == (base.suite, base.slim, base.arch)
    if isinstance(kept, RegistryBase) and isinstance(base, RegistryBase):
        return (kept.reference, kept.digest) == (base.reference, base.digest)
    return False


def _check_upgrade(question: BaseQuestion, shared: str = "") -> None:
    """Refuse to take on what somebody else says. `shared`: the name of the lock that does, if one does."""
    if (question.snapshot or shared) and question.upgrade_system:
        raise InputError(
            f"--upgrade-system: the base is that of {shared or 'a time that is named'}",
            next_step="lock that one anew, and then this one" if shared else "name a later time (debian_snapshot)",
        )


def _registry(question: BaseQuestion, name: str, kept: RegistryBase | None) -> RegistryBase:
    session, config = question.session, question.config
    shared = question.shared if isinstance(question.shared, SharedImage) else None
    reference = Reference.parse(name, where=config.where("cogpack.base"))
    if shared and shared.base.reference != str(reference):
        if shared.wanted:
            raise InputError(
                f"{config.where('cogpack.debian_base_from')}: the base of {shared.name} is {shared.base.reference}, "
                f"and this project's is {reference}",
                next_step="name the same image in both, or take the base of another lock",
            )
        shared = None
    _check_upgrade(question)

    def decided(base: RegistryBase, packages: SystemPackages | None, files: Callable[[], BaseFiles]) -> RegistryBase:
        program = base.interpreter if wants_release(config, base) else None
        release = (base.release or files().release(program)) if program else None  # of what a lock had, none stays
        if release != base.release:
            base = msgspec.structs.replace(base, release=release)
        return decide_packages(question, base, packages, files)

    if kept and kept.reference != str(reference):
        kept = None
    if shared and (kept is None or not is_shared(kept, shared)):
        kept = msgspec.structs.replace(shared.base, system_packages=SystemPackages())
        session.progress.summary(f"same base as {shared.name}: {reference}@{kept.digest[:19]}")
    if kept:
        base, layers = kept, kept.layers

        def files() -> BaseFiles:
            images = session.images(reference)
            found = trying(
                lambda: list_base_image(reference, layers, images, session.progress, session.listings), images
            )
            question.listed(found)
            return found

        return decided(base, kept.system_packages, files)
    images = session.images(reference)
    read: list[BaseFiles] = []
    try:
        base = trying(
            lambda: resolve_base_image(
                reference, question.platform, images, session.progress, listed=read.append, listings=session.listings
            ),
            images,
        )
    except InputError as error:  # of the image: who looks at that knows no line
        text = error.message.removeprefix("cogpack.base: ")
        raise InputError(f"{config.where('cogpack.base')}: {text}", next_step=error.next_step) from error
    question.listed(read[-1])
    return decided(base, None, lambda: read[-1])


def _debian(question: BaseQuestion, kept: DebianBase | None, asked: Sequence[str] | None = None) -> DebianBase:
    """Decide it. `asked`: packages instead of `build.system_packages`."""
    config, suite, arch = question.config, question.debian_suite, question.platform.architecture
    shared = question.shared if isinstance(question.shared, SharedBase) else None
    slim = config.pack.debian.slim
    fits = shared is None or (shared.base.suite, shared.base.slim) == (suite, slim)
    if shared and not fits and not shared.wanted:
        shared = None
    elif shared and not fits:
        its, own = _named(shared.base.suite, slim=shared.base.slim), _named(suite, slim=slim)
        raise InputError(
            f"{config.where('cogpack.debian_base_from')}: the base of {shared.name} is Debian {its}, and "
            f"this project's is {own}, for Python {config.python_minor}",
            next_step=f"take the base of another lock, or write base: debian:{its} under cogpack",
        )
    if kept and (kept.suite, kept.slim, kept.arch) != (suite, slim, arch):
        kept = None
    named = named_packages(config, PYTHONS[suite]) if asked is None else asked
    wanted = list(dict.fromkeys([*named, *question.tools, *question.compiler]))
    requested = kept.requested if kept else {}
    answered = [name for name in wanted if not is_left(name, requested)]
    mirror = question.mirror
    _check_upgrade(question, shared.name if shared else "")
    if (
        kept
        and is_answered(answered, requested)
        and kept.system_packages.recommends == (config.pack.recommends and bool(answered))
        and kept.system_packages.archives == tuple(map(locked_archive, question.archives))
        and _is_of(kept, question, shared)
    ):
        if not question.upgrade_system:
            return kept
        return upgrade_security(question.debs(wanted), question.reader(arch), kept, mirror)
    found = resolve_debs(
        question.debs(wanted),
        question.reader(arch, shared.base.releases if shared else ()),
        suite,
        mirror,
        slim=slim,
        kept=_stood_upon(question, kept, shared),
        snapshot=question.snapshot,
    )
    if shared:
        of = f"Debian {_named(suite, slim=slim)}, {count_text(len(found.packages), 'package')}"
        question.session.progress.summary(f"same base as {shared.name}: {of}")
    return found


def _is_of(kept: DebianBase, question: BaseQuestion, shared: SharedBase | None) -> bool:
    """Tell whether it is of that time and has that base, where they are asked for."""
    snapshot, releases = question.snapshot, kept.system_packages.releases if shared else kept.releases
    if snapshot and not snapshot.is_that_of(releases):
        return False
    return shared is None or is_shared(kept, shared)


def _stood_upon(question: BaseQuestion, kept: DebianBase | None, shared: SharedBase | None) -> KeptBase | None:
    """Give the base that is kept if it can be: that of a time is what it was then."""
    base = shared.base if shared else kept if question.snapshot is None else None
    if base is None:
        return None
    mirror = question.mirror

    def read(deb: LockedDeb) -> bytes:
        return fetched_control(question.session, deb, deb_urls(deb, mirror, base.releases))

    return KeptBase(base=base, name=shared.name if shared else "", read=read)


def _named(suite: str, *, slim: bool) -> str:
    return f"{suite}-slim" if slim else suite
