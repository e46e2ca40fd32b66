"""The default base from Debian's own archive, with a package over it: what it holds, and that it runs."""

import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.ldcache import parse_cache

from cogpack.artifacts import Artifact, Store
from cogpack.config import PYTHONS
from cogpack.digest import Digest
from cogpack.errors import UnavailableError
from cogpack.http import Http
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.content import LocalFile
from cogpack.layers.debs.deb.package import DebFile
from cogpack.layers.debs.deb.unpacking import Unpacking
from cogpack.layers.debs.source import DebianSource, PackagesSource
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink
from cogpack.layers.tar import segments
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb
from cogpack.locking.maintainer_scripts import deb_file
from cogpack.progress import SILENT, Cancellation
from cogpack.resolve.debs.archives.mirror import DebianMirror
from cogpack.resolve.debs.archives.suites import SuiteReader
from cogpack.resolve.debs.archives.urls import deb_urls
from cogpack.resolve.debs.question import DebQuestion
from cogpack.resolve.debs.resolver import resolve_debs
from cogpack.seal import THIS_RUN

pytestmark = pytest.mark.integration

REQUESTS = ("libsndfile1",)


@dataclass(frozen=True)
class Base:
    decision: DebianBase
    layers: tuple[DebianSource, PackagesSource]

    @property
    def entries(self) -> Mapping[str, Entry]:
        return {entry.path: entry for layer in self.layers for entry in layer.entries()}

    def read(self, path: str) -> bytes:
        entry = self.entries[path]
        assert isinstance(entry, File)
        with entry.content.open() as stream:
            return stream.read()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", params=sorted(PYTHONS))
def base(request: pytest.FixtureRequest, cache: Path) -> Base:
    return made(request.param, cache, REQUESTS)


@pytest.fixture(scope="module", params=sorted(PYTHONS))
def slim(request: pytest.FixtureRequest, cache: Path) -> Base:
    return made(request.param, cache, (), slim=True)


def made(suite: str, cache: Path, requests: Sequence[str], *, slim: bool = False) -> Base:
    mirror = DebianMirror.choose(None, os.environ)
    with Http() as http:
        store = Store(cache, http)
        try:
            reader = SuiteReader(arch="amd64", http=http, cache=cache, seal=THIS_RUN)
            decision = resolve_debs(DebQuestion(requests=requests), reader, suite, mirror, slim=slim)
        except UnavailableError as error:
            pytest.skip(f"no Debian mirror: {error.message}")

        def fetch(deb: LockedDeb) -> Path:
            artifact = Artifact(deb.name, Digest(f"sha256:{deb.sha256}"), deb.size)
            return store.fetch(artifact, lambda: deb_urls(deb, mirror, decision.releases))

        paths = {deb.name: fetch(deb) for deb in decision.installed}

    def files(debs: Iterable[LockedDeb]) -> list[DebFile]:
        return [deb_file(deb, lambda name=deb.name: LocalFile.of(paths[name])) for deb in debs]  # type: ignore[misc]

    unpacking = Unpacking(cache, SILENT, Cancellation())
    source = DebianSource(files(decision.packages), suite=suite, slim=slim, arch="amd64", unpacking=unpacking)
    over = PackagesSource(source, files(decision.system_packages.packages), name="packages")
    return Base(decision, (source, over))


def test_the_base_is_the_suites_python_and_a_few_more(base: Base) -> None:
    names = {deb.name for deb in base.decision.installed}
    assert PYTHONS[base.decision.suite] == base.decision.python
    assert base.decision.glibc == {"bookworm": "2.36", "trixie": "2.41"}[base.decision.suite]
    assert {"apt", "bash", "ca-certificates", "dpkg", "libgomp1", "libstdc++6", "openssl", "python3", "tzdata"} <= names
    assert "usrmerge" not in names
    assert "perl" not in names
    assert [deb.name for deb in base.decision.system_packages.packages if deb.requested] == ["libsndfile1"]
    assert 95 <= len(names) <= 130


def test_the_tree_has_what_maintainer_scripts_would_have_made(base: Base) -> None:
    entries = base.entries
    for name in ("bin", "lib", "lib64", "sbin"):
        assert entries[name] == Symlink(name, f"usr/{name}")
    assert entries["tmp"] == Directory("tmp", 0o1777)
    assert entries["root"] == Directory("root", 0o700)
    assert entries["var/run"] == Symlink("var/run", "/run")
    assert entries["etc/localtime"] == Symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
    assert entries["usr/bin/awk"] == Symlink("usr/bin/awk", "/etc/alternatives/awk")
    assert entries["usr/bin/su"].mode == 0o4755  # type: ignore[union-attr]
    assert base.read("etc/passwd").startswith(b"root:x:0:0:root:/root:/bin/bash\n")
    assert b"_apt:x:42:" in base.read("etc/passwd")
    assert base.read("etc/ssl/certs/ca-certificates.crt").count(b"BEGIN CERTIFICATE") > 100
    assert b"/bin/bash\n" in base.read("etc/shells")
    assert b"pam_unix.so" in base.read("etc/pam.d/common-auth")
    assert b"libsndfile.so.1" in base.read("etc/ld.so.cache")
    assert not [path for path in entries if path.endswith(".pyc")]


def test_nothing_of_a_running_container_is_in_the_tree(base: Base) -> None:
    assert not {"etc/hostname", "etc/resolv.conf", "etc/mtab"} & base.entries.keys()
    assert base.read("etc/machine-id") == b""


@pytest.fixture(scope="module")
def root(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return laid(base, tmp_path_factory.mktemp("root"))


def laid(base: Base, directory: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can chroot")
    archive = directory.with_suffix(".tar")
    for layer in base.layers:
        with archive.open("wb") as out:
            for segment in segments(layer.entries()):
                if isinstance(segment, bytes):
                    out.write(segment)
                else:
                    with segment.open() as stream:
                        shutil.copyfileobj(stream, out)
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="fully_trusted", numeric_owner=True)
        archive.unlink()
    (directory / "dev").mkdir(exist_ok=True)
    for name, minor in (("null", 3), ("urandom", 9)):
        os.mknod(directory / "dev" / name, 0o20666, os.makedev(1, minor))
    (directory / "dev" / "null").chmod(0o666)
    return directory


def run(root: Path, *command: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    done = subprocess.run(["chroot", root, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


CODE = (
    "import bz2, ctypes.util, lzma, sqlite3, ssl, sys, zoneinfo\n"
    "print(sys.version_info[:2], ctypes.util.find_library({!r}), ctypes.util.find_library('gomp'),\n"
    "      zoneinfo.ZoneInfo('Europe/Berlin'), len(ssl.create_default_context().get_ca_certs()) > 100)"
)


def test_its_python_has_everything_wheels_count_on(root: Path, base: Base) -> None:
    version = tuple(map(int, base.decision.python.split(".")))
    told = run(root, "python3", "-c", CODE.format("sndfile"))
    assert told == f"{version} libsndfile.so.1 libgomp.so.1 Europe/Berlin True\n"


def test_a_slim_base_has_that_and_no_shell_and_fits_into_24_megabytes(slim: Base, tmp_path: Path) -> None:
    root = laid(slim, tmp_path / "root")
    version = tuple(map(int, slim.decision.python.split(".")))
    assert run(root, "python3", "-c", CODE.format("stdc++")).split("libgomp")[0] == f"{version} libstdc++.so.6 "
    assert not [
        name for name in ("sh", "bash", "perl", "dpkg", "apt-get", "awk") if os.path.lexists(root / "bin" / name)
    ]
    assert run(root, "tini", "-s", "--", "python3", "-c", "print(1)") == "1\n"
    assert slim.read("var/lib/dpkg/status").count(b"Status: install ok installed\n") == len(slim.decision.packages)
    cache = root / "etc/ld.so.cache"
    ours = parse_cache(cache.read_bytes())
    run(root, "ldconfig")
    assert parse_cache(cache.read_bytes()) == ours
    layer = BuiltLayer(slim.layers[0], Gzip())
    assert layer.copy_to(lambda body: sum(map(len, body))).descriptor.size <= 24_000_000


def test_dpkg_and_apt_find_nothing_to_complain_about(root: Path) -> None:
    assert run(root, "dpkg", "--audit") == ""
    run(root, "apt-get", "check")
    changed = [
        line
        for line in subprocess.run(
            ["chroot", root, "/usr/bin/dpkg", "-V"], capture_output=True, text=True, check=False
        ).stdout.splitlines()
        if not re.search(r"^missing .*/usr/share/(doc|man|locale|info|lintian)(/|$)", line)
    ]
    assert changed == []


def test_ldconfig_makes_the_same_cache(root: Path) -> None:
    cache = root / "etc/ld.so.cache"
    ours = parse_cache(cache.read_bytes())
    run(root, "ldconfig")
    assert parse_cache(cache.read_bytes()) == ours
    assert len(ours) > 70


def test_the_real_tools_change_nothing_that_was_made_in_their_place(root: Path) -> None:
    places = [root / "etc/ssl/certs", root / "etc/pam.d", root / "var/lib/dpkg/alternatives", root / "etc/alternatives"]

    def state() -> dict[Path, bytes | str]:
        return {
            path: str(path.readlink()) if path.is_symlink() else path.read_bytes()
            for place in places
            for path in place.iterdir()
        } | {path: path.read_bytes() for path in (root / "etc/shells", root / "etc/passwd", root / "etc/group")}

    before = state()
    run(root, "update-ca-certificates", "--fresh")
    run(root, "pam-auth-update", "--package")
    run(root, "update-alternatives", "--auto", "awk")
    run(root, "update-shells")
    run(root, "grpck", "-r")
    assert state() == before


def test_hard_links_point_back_to_a_file(base: Base) -> None:
    entries = base.entries
    for entry in entries.values():
        if isinstance(entry, HardLink):
            assert entry.target < entry.path
            assert isinstance(entries[entry.target], File)
