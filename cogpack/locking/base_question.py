"""What the decision of a base follows from is one struct, which is made at the top and handed down whole."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import msgspec

from cogpack.config import Config, Suite
from cogpack.lockfile.base_kinds import Base, DebianRelease
from cogpack.locking.asked_base import suite_of
from cogpack.locking.maintainer_scripts import left_to_dpkg
from cogpack.locking.shared_base import SharedBase, SharedImage
from cogpack.oci import Platform
from cogpack.resolve.base_image import BaseFiles
from cogpack.resolve.debs.archives.archive import Archive
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.snapshot import Snapshot
from cogpack.resolve.debs.archives.suites import SuiteReader
from cogpack.resolve.debs.question import DebQuestion
from cogpack.session import Session


class BaseQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Asks for the base of `config`.

    `suite`: of Debian, where another than usual has to be; `shared`: the base of another lock that it names;
    `archives`: those beside the base's own; `last`: the base of the lock that there was, whatever of it is kept;
    `listed` is given the files of an image that is read for it; `upgrade_system`: what is kept is taken on to what the
    security archive has newer; `compiler` and `tools`: packages of Debian's that nobody asked for, which are left out
    over an image that can't have them; `snapshot`: the time as of which archives are asked for, if one is; `mirror`: of
    Debian's; `instead`: by package, what will do over an image whose archives have none of
    that name; `building`: what lacks is for builds alone, beside all that is kept, which stays.
    """

    session: Session
    config: Config
    snapshot: Snapshot | None
    mirror: DebianMirror
    suite: Suite | None = None
    shared: SharedBase | SharedImage | None = None
    archives: Sequence[Archive] = ()
    last: Base | None = None
    listed: Callable[[BaseFiles], object] = lambda _: None
    upgrade_system: bool = False
    compiler: Sequence[str] = ()
    tools: Sequence[str] = ()
    instead: Mapping[str, Sequence[str]] = {}
    building: bool = False

    @classmethod
    def of(cls, session: Session, config: Config) -> "BaseQuestion":
        """Ask as the config, the environment and this host's apt say. They and the clock are read this once."""
        return cls(
            session=session,
            config=config,
            snapshot=Snapshot.choose(config.pack.debian_snapshot, session.environment, now=datetime.now(UTC)),
            mirror=DebianMirror.choose(config.pack.debian_mirror, session.environment),
        )

    @property
    def platform(self) -> Platform:
        return Platform.parse(self.config.pack.platform)

    @property
    def debian_suite(self) -> Suite:
        return suite_of(self.config, self.suite)

    @property
    def seen(self) -> Sequence[DebianRelease]:
        """Give the Releases of the lock that there was."""
        return self.last.all_releases if self.last else ()

    def reader(self, arch: str, more: Sequence[DebianRelease] = ()) -> SuiteReader:
        """Read suites, of which `more` Releases have been seen."""
        session = self.session
        return SuiteReader(
            arch=arch, http=session.http, cache=session.cache, seal=session.seal, seen=(*more, *self.seen)
        )

    def debs(self, requests: Sequence[str]) -> DebQuestion:
        """Ask archives for these packages."""
        config, session = self.config, self.session
        unasked = [name for name in requests if name not in config.system_packages]
        named = {
            request: config.where(f"build.system_packages[{index}]")
            for index, request in reversed(list(enumerate(config.system_packages)))
        }
        return DebQuestion(
            requests=requests,
            places=dict.fromkeys(self.compiler, config.where("cogpack.compiler"))
            | dict.fromkeys(self.tools, config.where("cogpack.tools"))
            | named,
            unasked=unasked,
            recommends=config.pack.recommends,
            archives=self.archives,
            examine=partial(left_to_dpkg, session, self.snapshot or self.mirror),
        )
