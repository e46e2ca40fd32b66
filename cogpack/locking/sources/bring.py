"""What a requirement names by its place is pinned, and what is pinned is brought here, ready to be built."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.artifacts import Artifact, Input, NotAFileError, bring
from cogpack.digest import Digest
from cogpack.errors import InputError
from cogpack.lockfile import BuildSource, GitSource, IndexSource, ProjectSource, UrlSource
from cogpack.locking.lines.cloned import make_git, make_mirrors
from cogpack.project import Project
from cogpack.project.lfs import LfsPointer
from cogpack.requirements.model import ArchiveAddress, GitAddress, LocalPath, SourceLine
from cogpack.run_lines.addresses import last_part
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.locking.sources.repositories import Repositories
    from cogpack.resolve.wheels.indexes import Indexes


class Sources:
    """Pins and brings the sources of a project. Errors of it show no login."""

    def __init__(self, session: Session, project: Project) -> None:
        self._session = session
        self._project = project

    @property
    def may_be_built(self) -> bool:
        return self._project.config.pack.build_wheels != "never"

    def pin(self, line: SourceLine) -> BuildSource:
        """Say what `line` means now. An archive is brought for that."""
        with self._indexes.hiding():
            match line.source:
                case GitAddress() as address:
                    return self._repositories.pin(address, editable=line.editable)
                case ArchiveAddress() as address:
                    return self._archive(address, line)
                case LocalPath(path=path) as local:
                    digest = self._inputs[path if local.is_archive else f"{path}/"].decode()
                    _check_hash(line, digest)
                    return ProjectSource(path=path, digest=Digest(digest), editable=line.editable)

    def says(self, pin: BuildSource, line: SourceLine) -> bool:
        """Tell whether `pin` is of what `line` names: then it still is what is meant."""
        match pin, line.source:
            case GitSource(), GitAddress(bare=bare, revision=revision, subdirectory=below, clone=clone):
                wanted = (bare, revision, below, clone, line.editable)
                return (pin.url, pin.requested, pin.subdirectory or "", pin.clone or "", pin.editable) == wanted
            case UrlSource(), ArchiveAddress(bare=bare, subdirectory=below):
                fits = not line.hashes or pin.sha256 in line.hashes
                return (pin.url, pin.subdirectory or "") == (bare, below) and fits
            case ProjectSource(path=path), LocalPath(path=named) if path == named:
                return pin == self.pin(line)
        return False

    def bring(self, pin: BuildSource, into: Path) -> Path:
        """Give the archive, or the directory, in `into`, which is empty, of a pinned source."""
        with self._indexes.hiding():
            match pin:
                case GitSource():
                    self._repositories.write(pin, into)
                    return into
                case UrlSource():
                    return Path(self.archive(pin).file().path)
                case ProjectSource():
                    return self._of_project(pin, into)
                case IndexSource():
                    raise AssertionError(pin)  # `resolve` has these

    def archive(self, pin: UrlSource) -> Input:
        """Say how an archive is had that is named by its address."""
        artifact = Artifact(last_part(pin.url), Digest(f"sha256:{pin.sha256}"), pin.size)
        return Input(
            supply=self._session.supply,
            artifact=artifact,
            noun="source",
            urls=lambda: [self._address(pin.url)],
            hiding=lambda: self._indexes.hiding(),
        )

    def pack(self, pin: GitSource) -> Iterator[bytes]:
        """Give a commit as a depot keeps it, by `pack_name`."""
        with self._indexes.hiding():
            yield from self._repositories.pack(pin)

    def _of_project(self, pin: ProjectSource, into: Path) -> Path:
        local = LocalPath(path=pin.path)
        if local.is_archive:
            return self._project.root / pin.path
        self._project.copy_tree(SourceLine(source=local, path=pin.path, line=0), into)
        return into

    def _archive(self, address: ArchiveAddress, line: SourceLine) -> UrlSource:
        try:
            found = bring(self._session.store, self._session.http, self._address(address.bare), redirects=True)
        except NotAFileError as error:
            raise InputError(f"{address.bare}: {error}", next_step="correct the address") from None
        assert found.artifact.size is not None
        _check_hash(line, found.artifact.digest)
        return UrlSource(
            url=address.bare,
            sha256=found.artifact.digest.removeprefix("sha256:"),
            size=found.artifact.size,
            subdirectory=address.subdirectory or None,
        )

    def _address(self, url: str) -> str:
        """Give an address as it is asked for, a login in it."""
        return self._indexes.authorised(self._indexes.expanded(url))

    @cached_property
    def _inputs(self) -> Mapping[str, bytes]:
        return self._project.inputs()

    @cached_property
    def _indexes(self) -> "Indexes":
        from cogpack.resolve.wheels.indexes import Indexes

        session, project = self._session, self._project
        url_map = session.http.url_map
        return Indexes.from_environment(session.environment, project.requirements(), project.root, url_map=url_map)

    @cached_property
    def _repositories(self) -> "Repositories":
        from cogpack.locking.sources.large_files import large_files
        from cogpack.locking.sources.repositories import Repositories

        session, git = self._session, make_git(self._session)

        def large(url: str, pointers: Iterable[LfsPointer]) -> Mapping[LfsPointer, Path]:
            return large_files(session, git, url, pointers, self._logins(url))

        return Repositories(git, make_mirrors(session, self._logins), large)

    def _logins(self, url: str) -> Mapping[str, str]:
        """Give variables by which git logs in, nowhere but where the requirement says."""
        from cogpack.git.logins import login_variables

        if self._session.http.url_map.find(url):
            return {}
        return login_variables(self._with_login.get(url, url), self._session.environment)

    @cached_property
    def _with_login(self) -> Mapping[str, str]:
        """Give addresses of repositories, by what they are without their logins."""
        addresses = [
            line.source for line in self._project.requirements().sources if isinstance(line.source, GitAddress)
        ]
        return {address.bare: self._indexes.expanded(address.url) for address in addresses}


def _check_hash(line: SourceLine, digest: str) -> None:
    if line.hashes and digest.removeprefix("sha256:") not in line.hashes:
        raise InputError(
            f"{line.source} has {digest}, which is none of the hashes named for it",
            next_step="if this is the file you mean, add its hash; if not, find out who changed it",
        )
