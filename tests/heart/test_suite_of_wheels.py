"""A wheel whose library does not load on the newest Debian has the project stand on an older one, from the lock on."""

import functools
import http.server
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from heart.test_another_python import Publisher, publisher
from locking.test_program_headers import library
from support.debian_archive import Signer, write_suite
from support.debs import stanza
from support.serving import served
from support.wheels import make_wheel
from support.world import Done, Project, World, ok

from cogpack.lockfile import Decisions, read_lock
from cogpack.lockfile.base_kinds import DebianBase
from cogpack.resolve.debs.archives import keyring as keyring_module
from cogpack.resolve.debs.bases import BASE_PACKAGES

pytestmark = pytest.mark.slow
__all__ = ["publisher"]

SUITES = {"bookworm": ("3.11.2-1", "2.36-9"), "trixie": ("3.13.5-1", "2.41-12")}


class _Handler(http.server.SimpleHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Debian:
    """An archive with two suites, and what is asked of it."""

    def __init__(self, url: str, seen: list[str]) -> None:
        self.mirror = f"{url}/debian,{url}/debian-security"
        self._seen = seen

    def asked(self) -> set[str]:
        found = {suite for suite in SUITES for path in self._seen if f"dists/{suite}/" in path}
        self._seen.clear()
        return found


@pytest.fixture
def debian(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Debian]:
    signer = Signer()
    monkeypatch.setattr(keyring_module, "debian_keyring", lambda: signer.keyring)
    root = world.directory / "mirror"
    for suite, (python, libc) in SUITES.items():
        index = "".join(stanza(name) for name in BASE_PACKAGES if name != "python3")
        index += stanza("python3", python, Depends="libc6") + stanza("libc6", libc)
        write_suite(root, "debian", suite, index, signer)
        write_suite(root, "debian", f"{suite}-updates", "", signer)
        write_suite(root, "debian-security", f"{suite}-security", "", signer)
    seen: list[str] = []
    handler = type("Handler", (_Handler,), {"seen": seen})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=root))
    with served(server):
        yield Debian(f"http://127.0.0.1:{server.server_port}", seen)


def asking(world: World, wheel: str, base: str = "") -> Project:
    for version, flags in (("1.0", 7), ("2.0", 6)):
        make_wheel(world.wheels, "asks", version, files={"asks/libasks.so.1": library(flags)})
    project = world.project(requirements=wheel)
    cog = 'build:\n  python_version: "3.12"\n  python_requirements: requirements.txt\npredict: "predict.py:Predictor"\n'
    project.write("cog.yaml", cog + (f"cogpack: {{base: '{base}'}}\n" if base else ""))
    return project


def locked(project: Project, debian: Debian, environment: Mapping[str, str], *more: str) -> Done:
    return ok(project.cogpack("lock", *more, COGPACK_DEBIAN_MIRROR=debian.mirror, **environment))


def decisions(root: Path) -> Decisions:
    found = read_lock(root / "cogpack.lock")
    assert found is not None
    return found.platforms["linux/amd64"]


def suite(root: Path) -> str:
    base = decisions(root).base
    assert isinstance(base, DebianBase)
    return base.suite


NOTE = "note: Debian bookworm is taken: libasks.so.1 of asks 1.0 asks for an executable stack"


def test_an_older_debian_is_taken_for_a_wheel_and_left_with_it(
    world: World, debian: Debian, publisher: Publisher
) -> None:
    project = asking(world, "asks")
    project.write("requirements.txt", "--no-index\nasks==1.0\n")
    done = locked(project, debian, publisher.environment)
    assert "Debian trixie does not go with the wheels: bookworm is taken" in done.err
    assert done.err.count(NOTE) == 1
    assert suite(project.root) == "bookworm"
    assert decisions(project.root).python.release == "3.12.16", "which is another decision"
    assert debian.asked() == {"bookworm", "trixie"}

    again = locked(project, debian, publisher.environment, "--upgrade")
    assert NOTE in again.err
    assert debian.asked() >= {"bookworm"}
    first = (project.root / "cogpack.lock").read_bytes()
    again = locked(project, debian, publisher.environment)
    assert NOTE in again.err
    assert (project.root / "cogpack.lock").read_bytes() == first
    assert debian.asked() == set(), "the lock says it"

    project.write("requirements.txt", "--no-index\nasks==2.0\n")
    later = locked(project, debian, publisher.environment)
    assert "Debian bookworm does not go with the wheels: trixie is taken" in later.err
    assert NOTE not in later.err
    assert suite(project.root) == "trixie"


def test_a_suite_that_is_named_stays_with_a_warning(world: World, debian: Debian, publisher: Publisher) -> None:
    project = asking(world, "asks==1.0", "debian:trixie")
    done = locked(project, debian, publisher.environment)
    assert suite(project.root) == "trixie"
    assert "libasks.so.1 of asks 1.0 asks for an executable stack, which glibc 2.41 of Debian refuses" in done.err
    assert debian.asked() == {"trixie"}
    project = asking(world, "asks==1.0")
    project.write("cog.yaml", (project.root / "cog.yaml").read_text().replace("3.12", "3.10"))
    locked(project, debian, publisher.environment)
    assert suite(project.root) == "bookworm"
    assert decisions(project.root).executable_stacks == (), "nobody looks where it does not matter"
