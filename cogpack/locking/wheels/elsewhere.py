"""Wheels that lie beside the index are found for the torch of the image: on pages of releases, and of publishers."""

from collections.abc import Collection, Iterator, Mapping
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from cogpack.artifacts import NoSuchFileError, NotAFileError, bring
from cogpack.config import Config
from cogpack.errors import InputError, UnavailableError
from cogpack.layers.wheels.outline import Outline
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.outlines import Outlines, address_reader, local_reader, wheel_artifact
from cogpack.locking.wheels.torch_build import cuda_of, torch_build
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.remote import NoRangesError
from cogpack.resolve.pip import Offer, Pages, Taste, candidates
from cogpack.resolve.wheels.elsewhere import (
    CudaBuild,
    Elsewhere,
    TorchBuild,
    is_elsewhere,
    places,
    wants_nvcc,
    wants_torch,
)
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython
from cogpack.session import Session

_USUAL_CUDA = "12.4"
"""Of what is linked with no torch, where nothing says another one."""


class FoundWheel(msgspec.Struct, frozen=True, kw_only=True):
    """Is a wheel beside the index, with its `metadata`. `note`: None of one that the lock has."""

    wheel: LockedWheel
    metadata: str
    note: Note | None


class ElsewhereWheels:
    """Looks for wheels, each once. `kept`: those of the lock; `missed`: by name, why there is none of the version that
    was looked for last."""

    def __init__(
        self, session: Session, project: Project, target: TargetPython, kept: Collection[LockedWheel] = ()
    ) -> None:
        self._session = session
        self._project = project
        self._target = target
        self._tags = target.tags()
        own = (wheel for wheel in kept if wheel.url and is_elsewhere(wheel.name, Version(wheel.version)))
        self._kept = {wheel.url: wheel for wheel in own}
        self._pages = Pages(session.http, Indexes())
        self._known: dict[tuple[str, str, str], FoundWheel | InputError] = {}
        self.missed: dict[str, InputError] = {}

    @property
    def kept(self) -> Collection[LockedWheel]:
        """Give the wheels of the lock that lie so."""
        return self._kept.values()

    def find(
        self, name: str, version: Version, neighbours: Neighbours, hashes: Mapping[str, frozenset[str]] = {}
    ) -> FoundWheel | None:
        """Give the wheel for these `neighbours`; None where there is none, or they don't say which it is: `missed` has
        why. `InputError` where they don't and nothing else may be had, `UnavailableError` where its publisher can't
        be asked. `hashes`: of which it must have one, by the name of its package."""
        self.missed.pop(name, None)
        if not is_elsewhere(name, version) and not self.is_alone(name):
            return None
        build = self._build(name, neighbours)
        if isinstance(build, InputError):
            if self.is_alone(name):
                raise build
            found: FoundWheel | InputError = build
        else:
            key = name, version.public, str(build)
            if key not in self._known:
                self._known[key] = self._found(name, Version(version.public), build)
            found = self._known[key]
        if isinstance(found, FoundWheel) and found.wheel.sha256 not in hashes.get(name, {found.wheel.sha256}):
            found = InputError(
                f"{name} {version.public}: {found.wheel.url} has sha256:{found.wheel.sha256}, which is none of the "
                "hashes named for it",
                next_step=f"if this is the file you mean, add --hash=sha256:{found.wheel.sha256}",
            )
        if isinstance(found, InputError):
            self.missed[name] = found
            return None
        return found

    def is_alone(self, name: str) -> bool:
        """Tell whether a package's wheels are all that may be had: what is compiled for a GPU wants its compiler, which
        a base of one's own may have."""
        pack = self._project.config.pack
        return wants_nvcc(name) and not pack.cuda_toolkit and pack.base is None

    def _build(self, name: str, neighbours: Neighbours) -> TorchBuild | CudaBuild | InputError:
        """Tell what it has to fit, or why that is not known."""
        torch = next((wheel for wheel in neighbours.wheels if wheel.name == "torch"), None)
        outline = Outlines(self._session, self._project, neighbours.address).of(torch)[1] if torch else None
        if not wants_torch(name):
            cuda = cuda_of(outline) if outline else None
            return CudaBuild(_cuda(self._project.config) if cuda is None else cuda)
        if torch is None or outline is None:
            return InputError(
                f"{name}: its wheels are each for one torch, and none is among the requirements",
                next_step="add torch, in a version that has such a wheel",
            )
        return torch_build(outline, torch.version) or InputError(
            f"{name}: its wheels are each for one torch, and {torch.filename} does not say which it is",
            next_step=f"name the wheel of {name} by its address, or take another torch",
        )

    def _found(self, name: str, version: Version, build: TorchBuild | CudaBuild) -> FoundWheel | InputError:
        asked: list[str] = []
        for place in places(name, version, build, self._target):
            asked.append(place.address)
            try:
                for offer in self._offers(name, version, place):
                    if (found := self._taken(name, version, offer, build)) is not None:
                        return found
            except UnavailableError as error:
                above = place.address.rpartition("/")[0]
                raise UnavailableError(
                    f"{name} {version}: the index has no wheel of it, and where its publisher has them can't be asked: "
                    f"{error.message}",
                    next_step=f"reach it, or a copy of it by COGPACK_URL_MAP ({above}=https://mirror.example.com/...); "
                    "or put a wheel of it into the project and name that",
                ) from error
        where = f" ({', '.join(asked)})" if asked else ""
        python = f"Python {self._target.python}, {self._target.machine}"
        versions = "pin a version, or a torch," if wants_torch(name) else "pin a version"
        return InputError(
            f"{name} {version}: there is no wheel of it for {build} and {python}, neither on the index nor where its "
            f"publisher has them{where}",
            next_step=f"{versions} that has one; or put a wheel of it into the project and name that; "
            "or have it compiled (cogpack: {cuda_toolkit: build})",
        )

    def _offers(self, name: str, version: Version, place: Elsewhere) -> Iterator[Offer]:
        """Give what may be had there, the best first."""
        if place.page:
            offers: Iterator[Offer] = iter(self._pages.page(place.address))
        else:
            offers = iter([Offer(filename=unquote(urlsplit(place.address).path.rpartition("/")[2]), url=place.address)])
        python = self._target.environment()["python_full_version"]
        fitting = candidates(name, offers, tags=self._tags, python=python, taste=Taste(only_binary=(name,)))
        same = [one for one in fitting if one.version.public == version.public]
        yield from (one.offer for one in sorted(same, key=lambda one: (one.rank, one.version), reverse=True))

    def _taken(self, name: str, version: Version, offer: Offer, build: TorchBuild | CudaBuild) -> FoundWheel | None:
        """Pin it; None where it is not there. What nobody says the hash of has to come whole."""
        url = offer.url.partition("#")[0]
        found_version = str(parse_wheel_filename(offer.filename)[1])
        if (wheel := self._kept.get(url)) is None:
            sha256, size, first_use = offer.sha256, offer.size, False
            if sha256 is None:
                try:
                    artifact = bring(self._session.store, self._session.http, url, redirects=True).artifact
                except NoSuchFileError:
                    return None
                except NotAFileError as why:
                    raise InputError(
                        f"{name} {version}: {url}: {why}",
                        next_step="put a wheel of it into the project and name that",
                    ) from None
                sha256, size, first_use = artifact.digest.removeprefix("sha256:"), artifact.size, True
            wheel = LockedWheel(
                name=name,
                version=found_version,
                filename=offer.filename,
                sha256=sha256,
                size=size,
                url=url,
                first_use=first_use,
            )
        text = f"{name} {version}: the index has its source alone: for {build}, {url} is taken"
        if wheel.first_use:
            text += "; nobody says its sha256, and the lock pins what came now"
        note = Note(Code.ELSEWHERE, text) if url not in self._kept else None
        return FoundWheel(wheel=wheel, metadata=self._metadata(wheel, url), note=note)

    def _metadata(self, wheel: LockedWheel, url: str) -> str:
        store, artifact = self._session.store, wheel_artifact(wheel)
        if store.find(artifact) is not None:
            reader = local_reader(store.verified(artifact, tuple)[0])
        else:
            try:
                reader = address_reader(self._session, url, wheel.size)
            except NoRangesError:
                reader = local_reader(store.fetch(artifact, lambda: [url]))
        return Outline(wheel.filename, *reader).metadata()


def _cuda(config: Config) -> str:
    return (config.cuda or _USUAL_CUDA) if config.gpu else ""
