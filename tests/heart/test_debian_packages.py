"""Debian packages that can't be had, or are left to dpkg, are told at `lock`, with the line of cog.yaml that brings
them."""

import functools
import hashlib
import http.server
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.debian_archive import Signer, write_suite
from support.debs import deb, stanza
from support.serving import served
from support.wheels import make_wheel
from support.world import Project, World, ok

from cogpack.resolve.debs import BASE_PACKAGES
from cogpack.resolve.debs.archives import keyring as keyring_module
from cogpack.text import size_text

pytestmark = pytest.mark.slow

BAD = "#!/bin/sh\nadduser --system app\n"
GOOD = "#!/bin/sh\nset -e\nexit 0\n"
LONG = {"md5sums": "".join(f"{hashlib.sha256(str(n).encode()).hexdigest()}\n" for n in range(2000))}
"""Control files that do not fit into what is read first."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    ranges = True
    seen: list[str] = []  # noqa: RUF012 - one a test

    def do_GET(self) -> None:
        self.seen.append(self.path)
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not (asked and self.ranges):
            super().do_GET()
            return
        data = Path(self.translate_path(self.path)).read_bytes()
        part = data[int(asked[1]) : int(asked[2]) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {asked[1]}-{int(asked[1]) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


class Archive:
    """A mirror with Python and what a test adds."""

    def __init__(self, root: Path, signer: Signer) -> None:
        self.root = root
        self.url = ""
        self.seen: list[str] = []
        self._signer = signer
        self._index = "".join(stanza(name) for name in BASE_PACKAGES if name != "python3")
        self._index += stanza("python3", "3.13.5-1", Depends="libc6") + stanza("libc6", "2.41-12")

    def add(self, name: str, *, version: str = "1", depends: str = "", recommends: str = "", **control: str) -> None:
        data = deb(name, version=version, control=control)
        path = self.root / "debian" / "pool" / f"{name}_{version}.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        fields = {"Size": str(len(data)), "SHA256": hashlib.sha256(data).hexdigest()}
        relations = {"Depends": depends, "Recommends": recommends}
        self._index += stanza(name, version, **fields | {key: value for key, value in relations.items() if value})

    def fill(self) -> None:
        """Have the packages of the base, too, each with its file."""
        self._index = ""
        for name in BASE_PACKAGES:
            if name != "python3":
                self.add(name)
        self.add("libc6", version="2.41-12")
        self.add("python3", version="3.13.5-1", depends="libc6")

    def finish(self, security: str = "") -> None:
        for directory in self.root.glob("*/dists"):
            shutil.rmtree(directory)
        write_suite(self.root, "debian", "trixie", self._index, self._signer)
        write_suite(self.root, "debian", "trixie-updates", "", self._signer)
        write_suite(self.root, "debian-security", "trixie-security", security, self._signer)


@pytest.fixture(params=[True, False], ids=["ranges", "no ranges"])
def archive(
    world: World, signer: Signer, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Archive]:
    monkeypatch.setattr(keyring_module, "debian_keyring", lambda: signer.keyring)
    made = Archive(world.directory / "mirror", signer)
    (made.root / "debian").mkdir(parents=True)
    handler = type("Handler", (_Handler,), {"ranges": request.param, "seen": made.seen})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=made.root))
    with served(server):
        made.url = f"http://127.0.0.1:{server.server_port}/debian,http://127.0.0.1:{server.server_port}/debian-security"
        yield made


def project(world: World, *packages: str) -> Project:
    found = world.project()
    listed = "".join(f"    - {package}\n" for package in packages)
    config = f'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n  system_packages:\n{listed}'
    found.write("cog.yaml", f'{config}predict: "predict.py:Predictor"\n')
    return found


def test_packages_whose_scripts_cannot_be_stood_in_for_are_left_to_dpkg_and_told_with_who_brings_them(
    world: World, archive: Archive
) -> None:
    archive.add("app", depends="middle", postinst=GOOD)
    archive.add("middle", depends="deep")
    archive.add("deep", postinst=BAD, **LONG)
    archive.add("direct", preinst=BAD)
    archive.add("other", postinst=GOOD)
    archive.finish()
    made = project(world, "app", "direct", "other")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert (
        "cog.yaml:5: build.system_packages[0]: app brings middle, which brings deep: deep 1 has a postinst" in done.err
    )
    assert "cog.yaml:6: build.system_packages[1]: direct 1 has a preinst script" in done.err
    assert "(at 'adduser --system app')" in done.err
    assert "dpkg installs it, in the sandbox" in done.err
    listed = re.search(r"^dpkg = \[\n(.*?)\]", (made.root / "cogpack.lock").read_text(), re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert re.findall(r'"(\w+)"', listed[1]) == ["app", "deep", "direct", "middle"], "what needs them, too"


def test_what_is_only_recommended_comes_as_with_apt_and_lock_and_plan_tell_what_it_costs(
    world: World, archive: Archive
) -> None:
    archive.add("app", recommends="nice, gone, more")
    archive.add("nice", postinst=BAD)
    archive.add("more", depends="less")
    archive.add("less")
    archive.finish()
    made = project(world, "app")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    size = sum((archive.root / f"debian/pool/{name}_1.deb").stat().st_size for name in ("nice", "more", "less"))
    told = (
        f"only recommended: 3 Debian packages ({size_text(size)}); `cogpack: {{recommends: false}}` leaves them out\n"
        "left out: gone, which app recommends: no package of the suite is that\n"
    )
    assert told in done.err
    assert "only recommended, and installed by dpkg, in the sandbox: nice; `cogpack: {recommends: false}`" in done.err
    assert told in ok(made.cogpack("plan", COGPACK_DEBIAN_MIRROR=archive.url)).err
    made.write("cog.yaml", (made.root / "cog.yaml").read_text() + "cogpack: {recommends: false}\n")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert all(f"removed  {name} 1\n" in done.err for name in ("nice", "more", "less"))
    assert "recommend" not in (made.root / "cogpack.lock").read_text()


def test_packages_of_the_base_are_not_looked_at(world: World, archive: Archive) -> None:
    archive.add("app", depends="libc6", postinst=GOOD, **LONG)
    archive.finish()
    ok(project(world, "app", "openssl").cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert {path for path in archive.seen if "/pool/" in path} == {"/debian/pool/app_1.deb"}


def test_a_package_that_cannot_be_looked_at_is_a_note(world: World, archive: Archive) -> None:
    archive.add("app")
    archive.finish()
    (archive.root / "debian" / "pool" / "app_1.deb").unlink()
    done = ok(project(world, "app").cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert "note: maintainer scripts of 1 package could not be read, and are when the layer is made: " in done.err


def test_a_dropped_package_is_taken_as_what_it_stood_for(world: World, archive: Archive) -> None:
    archive.add("libgl1")
    archive.add("libglx-mesa0")
    archive.finish()
    made = project(world, "libgl1-mesa-glx")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert (
        "note: cog.yaml:5: build.system_packages[0]: Debian trixie has no libgl1-mesa-glx, "
        "but libgl1 and libglx-mesa0: taken instead\n"
    ) in done.err
    lock = (made.root / "cogpack.lock").read_text()
    assert lock.count("requested = true") == 2
    del archive.seen[:]
    ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert archive.seen == [], "the pins are kept"
    assert (made.root / "cogpack.lock").read_text() == lock


def test_a_package_that_is_not_there_is_told_by_file_and_line(world: World, archive: Archive) -> None:
    archive.finish()
    done = project(world, "openssl", "no-such-thing").cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url)
    assert done.code == 2
    assert "error: cog.yaml:6: build.system_packages[1]: Debian has no package 'no-such-thing'\n" in done.err


def test_pinned_packages_are_had_from_whoever_still_has_them_and_no_release_is_asked_for(
    world: World, archive: Archive
) -> None:
    """A mirror forgets, the snapshot service keeps, and what neither has is in the user's own depot. A Release that has
    run out is in nobody's way: it counts when a lock is made."""
    archive.fill()
    archive.add("app")
    archive.finish()
    made = project(world, "app")
    server = archive.url.partition("/debian")[0]
    environment = {
        "COGPACK_DEBIAN_MIRROR": archive.url,
        "COGPACK_URL_MAP": f"https://snapshot.debian.org/archive={server}/snapshot",
        "COGPACK_DEPOT": str(world.directory / "own"),
    }
    ok(made.cogpack("lock", **environment))
    stamp = re.search(r'suite = "trixie", .*snapshot = "(\w+)"', (made.root / "cogpack.lock").read_text())
    assert stamp is not None
    shutil.rmtree(archive.root / "debian" / "dists")
    shutil.rmtree(archive.root / "debian-security")
    shutil.rmtree(world.directory / "cache")
    pool, kept = archive.root / "debian" / "pool", archive.root / "snapshot" / "debian" / stamp[1] / "pool"
    own = world.directory / "own" / "blobs" / "sha256"
    kept.mkdir(parents=True)
    own.mkdir(parents=True)
    (pool / "app_1.deb").rename(kept / "app_1.deb")
    (pool / "tzdata_1.deb").rename(own / hashlib.sha256((pool / "tzdata_1.deb").read_bytes()).hexdigest())
    del archive.seen[:]
    built = ok(made.cogpack("build", "-o", "../first", **environment))
    asked = [path.rpartition("/")[2] for path in archive.seen if "app_1" in path or "tzdata_1" in path]
    assert sorted(asked) == ["app_1.deb", "app_1.deb", "tzdata_1.deb", "tzdata_1.deb"], "mirror and snapshot, once each"
    assert not [path for path in archive.seen if "/dists/" in path]
    shutil.rmtree(archive.root)
    assert ok(made.cogpack("build", "-o", "../second", **environment)).digest == built.digest, "by the cache"


def test_upgrade_system_names_each_package_that_moved_and_keeps_all_other_pins(world: World, archive: Archive) -> None:
    archive.add("app", depends="middle")
    archive.add("middle")
    archive.finish()
    made = project(world, "app")
    ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    before = (made.root / "cogpack.lock").read_text()
    done = ok(made.cogpack("lock", "--upgrade-system", COGPACK_DEBIAN_MIRROR=archive.url))
    assert "the security archive has no newer version of any package" in done.err
    assert (made.root / "cogpack.lock").read_text() == before
    make_wheel(world.wheels, "pip", "99.0")
    archive.finish(stanza("middle", "1+deb13u1") + stanza("other", "2"))
    done = ok(made.cogpack("lock", "--upgrade-system", "--json", COGPACK_DEBIAN_MIRROR=archive.url))
    assert done.json["upgraded"] == [{"package": "middle", "from": "1", "to": "1+deb13u1"}]
    assert "99.0" not in (made.root / "cogpack.lock").read_text()
    named = ok(made.cogpack("lock", "--upgrade-system", COGPACK_DEBIAN_MIRROR=archive.url)).err
    assert "moved" not in named


def test_packages_of_an_image_are_not_upgraded_alone(world: World) -> None:
    done = world.project().cogpack("lock", "--upgrade-system")
    assert done.code == 2
    assert "cogpack.base: the packages of an image are its own, and are not upgraded alone" in done.err
