"""system_packages over an image of a registry that has Ubuntu's form: its own archives, its own keys, what it has."""

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from support.building import FakeBuilder
from support.debian_archive import Signer, write_suite
from support.debian_mirror import Archive, mirroring, pooled
from support.debs import shared_object
from support.nvidia import nvidias
from support.wheels import make_wheel
from support.world import Project, World, ok, push_base

from cogpack.errors import InputError
from cogpack.lockfile.text import parse_lock
from cogpack.locking.wheels.building import Built, Ground, Source
from cogpack.planning import built_wheels
from cogpack.session import Session

GOOD = "#!/bin/sh\nset -e\nexit 0\n"
ADDUSER = "#!/bin/sh\nset -e\nadduser --system app\n"
SOURCES = """\
# See http://help.ubuntu.com/community/UpgradeNotes
Types: deb
URIs: http://archive.ubuntu.com/ubuntu/
Suites: noble noble-updates
Components: main
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: http://security.ubuntu.com/ubuntu/
Suites: noble-security
Components: main
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
"""


def status(*packages: str) -> bytes:
    """dpkg's database: each `name version`, and further lines of its stanza."""
    stanzas = []
    for text in packages:
        first, *more = text.split("\n")
        name, version = first.split()
        lines = [
            f"Package: {name}",
            "Status: install ok installed",
            "Architecture: amd64",
            f"Version: {version}",
            *more,
        ]
        stanzas.append("".join(f"{line}\n" for line in lines))
    return "\n".join([*stanzas, ""]).encode()


class Ubuntu:
    """An image, and the archives that it names."""

    def __init__(self, world: World, archive: Archive, signer: Signer) -> None:
        self.world, self.archive, self.signer = world, archive, signer
        self.index = {"noble": "", "noble-updates": "", "noble-security": ""}
        self.files = {
            "etc/apt/sources.list.d/ubuntu.sources": SOURCES.encode(),
            "usr/share/keyrings/ubuntu-archive-keyring.gpg": bytes(signer.certificate),
            "etc/dpkg/dpkg.cfg.d/excludes": b"path-exclude=/usr/share/man/*\npath-exclude=/usr/share/doc/*\n"
            b"path-include=/usr/share/doc/*/copyright\n",
            "etc/ld.so.conf": b"/usr/lib/own\n",
            "usr/lib/own/libown.so.1": shared_object("libown.so.1"),
            "var/lib/dpkg/info/libold.list": b"/.\n/usr\n/usr/lib\n/usr/lib/libold.so.1\n/usr/lib/libold.so.1.0\n",
            "usr/lib/libold.so.1.0": b"1.0",
            "var/lib/dpkg/status": status("libc6 2.41", "libold 1", "dev 1\nDepends: libold (= 1)"),
        }

    def add(self, suite: str, name: str, version: str, *, control: dict[str, str] = {}, **fields: str) -> None:  # noqa: B006
        files = {
            f"usr/share/{name}/version": version,
            f"usr/share/man/{name}": "",
            f"usr/share/doc/{name}/copyright": "",
        }
        root = self.archive.root / "ubuntu"
        self.index[suite] += pooled(root, name, version, files=files, control=control, **fields)

    def push(self) -> None:
        push_base(self.world.registry, files=self.files)
        shutil.rmtree(self.archive.root / "ubuntu/dists", ignore_errors=True)
        for suite, index in self.index.items():
            fields = {"Origin": "Ubuntu", "Suite": suite}
            write_suite(self.archive.root, "ubuntu", suite, index, self.signer, **fields, Codename="noble")

    @property
    def environment(self) -> dict[str, str]:
        mirror = f"{self.archive.host}/ubuntu"
        official = (f"http://{name}.ubuntu.com/ubuntu" for name in ("archive", "security"))
        return {"COGPACK_URL_MAP": ",".join(f"{url}={mirror}" for url in official)}


@pytest.fixture
def ubuntu(world: World) -> Iterator[Ubuntu]:
    signer = Signer()
    with mirroring(world.directory / "mirror", signer) as archive:
        made = Ubuntu(world, archive, signer)
        made.add("noble", "libold", "1")
        made.add("noble-security", "libold", "1.1")
        made.add("noble", "dev", "1", Depends="libold (= 1)")
        made.add("noble-security", "dev", "1.1", Depends="libold (= 1.1)")
        made.add("noble", "tool", "2", Depends="libc6", Recommends="nice")
        made.add("noble", "nice", "1")
        made.add("noble", "new", "1", Depends="libold (>= 1.1)")
        made.push()
        yield made


def project(world: World, *packages: str, config: str = "") -> Project:
    made = world.project(config=config)
    listed = "".join(f"    - {package}\n" for package in packages)
    text = (made.root / "cog.yaml").read_text()
    made.write("cog.yaml", text.replace("predict:", f"  system_packages:\n{listed}predict:", 1))
    return made


def test_packages_come_from_the_images_own_archives_by_its_own_keys_and_are_laid_over_what_it_has(
    world: World, ubuntu: Ubuntu
) -> None:
    made = project(world, "tool")
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert "base/python:v1 with 2 Debian packages" in done.err
    lock = (made.root / "cogpack.lock").read_text()
    assert re.findall(r'name = "(\w+)", version = "(\w+)", arch = "amd64", archive = "([^"]+)"', lock) == [
        ("nice", "1", "http://archive.ubuntu.com/ubuntu"),
        ("tool", "2", "http://archive.ubuntu.com/ubuntu"),
    ]
    keyring = hashlib.sha256(bytes(ubuntu.signer.certificate)).hexdigest()
    assert lock.count(f'keyring = "sha256:{keyring}"') == 3
    ok(made.cogpack("push", made.target(), **ubuntu.environment))
    files = world.files("me/model", "v1")
    assert files["usr/share/tool/version"] == b"2"
    assert files["usr/share/doc/tool/copyright"] == b""
    assert "usr/share/man/tool" not in files, "the image's dpkg leaves that out"
    told = files["var/lib/dpkg/status"]
    assert isinstance(told, bytes)
    assert re.findall(r"(?m)^Package: (\w+)$", told.decode()) == ["dev", "libc6", "libold", "nice", "tool"]
    cache = files["etc/ld.so.cache"]
    assert isinstance(cache, bytes)
    assert b"/usr/lib/own/libown.so.1\0" in cache


def test_what_the_image_has_moves_only_where_something_needs_it_and_takes_along_what_would_break(
    world: World, ubuntu: Ubuntu
) -> None:
    made = project(world, "new")
    ok(made.cogpack("lock", **ubuntu.environment))
    lock = (made.root / "cogpack.lock").read_text()
    assert re.findall(r'name = "(\w+)", version = "([\d.]+)", arch', lock) == [
        ("dev", "1.1"),
        ("libold", "1.1"),
        ("new", "1"),
    ]
    ok(made.cogpack("push", made.target(), **ubuntu.environment))
    files = world.files("me/model", "v1")
    assert "usr/lib/.wh.libold.so.1.0" in files, "what the old one alone had is gone"
    assert files["usr/share/libold/version"] == b"1.1"


def test_what_was_asked_for_and_is_there_is_told_by_the_lock_and_nothing_is_resolved_again(
    world: World, ubuntu: Ubuntu
) -> None:
    made = project(world, "libc6", "dev=1")
    ok(made.cogpack("lock", **ubuntu.environment))
    lock = (made.root / "cogpack.lock").read_text()
    assert 'present = [\n    { name = "dev", version = "1" },\n    { name = "libc6", version = "2.41" },\n]' in lock
    del ubuntu.archive.seen[:]
    ok(made.cogpack("lock", **ubuntu.environment))
    assert ubuntu.archive.seen == []
    ok(made.cogpack("plan", **ubuntu.environment))


def test_packages_whose_scripts_are_not_known_are_left_to_dpkg_and_scripts_of_another_maker_are_read(
    world: World, ubuntu: Ubuntu
) -> None:
    ubuntu.add("noble", "app", "1", control={"postinst": ADDUSER})
    ubuntu.add("noble", "bash", "9", control={"postinst": ADDUSER})
    ubuntu.add("noble", "good", "1", control={"postinst": GOOD})
    ubuntu.push()
    made = project(world, "app", "bash", "good")
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert "cog.yaml:5:7: build.system_packages[0]: app 1 has a postinst script" in done.err
    lock = (made.root / "cogpack.lock").read_text()
    assert re.findall(r'"(\w+)"', lock.partition("dpkg = [")[2].partition("]")[0]) == ["app", "bash"]


def test_the_same_digest_is_made_without_a_network(world: World, ubuntu: Ubuntu) -> None:
    made = project(world, "new")
    ok(made.cogpack("fetch", "-o", "../depot", **ubuntu.environment))
    built = ok(made.cogpack("build", "-o", "../built", **ubuntu.environment))
    (world.directory / "cache").rename(world.directory / "elsewhere")
    del ubuntu.archive.seen[:]
    offline = ok(made.cogpack("build", "--offline", "../depot", "-o", "../offline"))
    assert offline.digest == built.digest
    assert ubuntu.archive.seen == []


def versions(project: Project) -> dict[str, str]:
    lock = (project.root / "cogpack.lock").read_text()
    return dict(re.findall(r'name = "(\w+)", version = "([\d.]+)", arch', lock))


def test_upgrade_system_takes_what_the_security_archive_has_newer_of_the_lock_and_of_the_image(
    world: World, ubuntu: Ubuntu
) -> None:
    made = project(world, "tool", "libc6")
    ok(made.cogpack("lock", **ubuntu.environment))
    assert versions(made) == {"nice": "1", "tool": "2"}
    ubuntu.add("noble-updates", "tool", "3", Depends="libc6")
    ubuntu.add("noble-security", "nice", "1.1")
    ubuntu.add("noble-security", "libc6", "2.41.1")
    ubuntu.push()
    done = ok(made.cogpack("lock", "--upgrade-system", "--json", **ubuntu.environment))
    moved = {(one["package"], one["from"], one["to"]) for one in done.json["upgraded"]}
    expected = {("nice", "1", "1.1"), ("libc6", "2.41", "2.41.1"), ("libold", "1", "1.1"), ("dev", "1", "1.1")}
    assert moved == expected, "dev is of the image, needs the libold that it was built with, and goes along"
    assert "present" not in (made.root / "cogpack.lock").read_text(), "what was asked for is above the image now"
    text = (made.root / "cogpack.lock").read_text()
    for again in ((), ("--upgrade-system",)):
        ok(made.cogpack("lock", *again, **ubuntu.environment))
        assert (made.root / "cogpack.lock").read_text() == text
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("    - tool\n", ""))
    ok(made.cogpack("lock", **ubuntu.environment))
    fixes = {"libc6": "2.41.1", "libold": "1.1", "dev": "1.1"}
    assert versions(made) == fixes, "none is lost by another request"
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("  system_packages:\n    - libc6\n", ""))
    ok(made.cogpack("lock", **ubuntu.environment))
    assert versions(made) == fixes
    for more in ((), ("--upgrade",)):
        ok(made.cogpack("lock", *more, **ubuntu.environment))
        assert versions(made) == fixes, "nor where nothing is asked for, nor by taking the newest of all"
    ubuntu.files["var/lib/dpkg/status"] = status("libc6 2.41.1", "libold 1", "dev 1\nDepends: libold (= 1)")
    ubuntu.push()
    ok(made.cogpack("lock", "--upgrade", **ubuntu.environment))
    assert versions(made) == {}, "those were of another image"


def test_upgrade_system_takes_the_compiler_of_builds_on_by_security_alone_over_the_image_as_it_has_become(
    world: World, ubuntu: Ubuntu, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[Ground] = []

    class Builder(FakeBuilder):
        def __init__(self, session: Session, _: object) -> None:
            super().__init__(session.store)

        def build(self, sources: Sequence[Source], ground: Ground) -> Sequence[Built | InputError]:
            found = [one for one in super().build(sources, ground) if isinstance(one, Built)]
            over = ground.with_compiler()
            assert over
            compiled.append(over)
            return [msgspec.structs.replace(one, compiled=True) for one in found]

    def beside() -> dict[str, str]:
        found = parse_lock((made.root / "cogpack.lock").read_bytes()).platforms["linux/amd64"]
        assert found.build_compiler
        return {deb.name: deb.version for deb in found.build_compiler.packages}

    monkeypatch.setattr(built_wheels, "_Builder", Builder)
    for name in ("gcc", "g++", "make"):
        ubuntu.add("noble", name, "1", Depends="libc6")
    ubuntu.push()
    made = project(world, "tool")
    made.write("requirements.txt", "--no-index\n./src\n")
    made.write("src/pyproject.toml", '[project]\nname = "ops"\nversion = "1.0"\n')
    ok(made.cogpack("lock", **ubuntu.environment))
    laid = {"g++": "1", "gcc": "1", "make": "1", "nice": "1", "tool": "2"}
    assert (beside(), len(compiled)) == (laid, 1)
    ubuntu.add("noble-updates", "gcc", "2", Depends="libc6")
    ubuntu.add("noble-security", "make", "1.1", Depends="libc6")
    ubuntu.push()
    done = ok(made.cogpack("lock", "--upgrade-system", **ubuntu.environment))
    assert beside() == laid | {"make": "1.1", "libold": "1.1", "dev": "1.1"}
    assert "moved    make 1 -> 1.1" in done.err
    ubuntu.add("noble-security", "g++", "1.1", Depends="libc6")
    ubuntu.push()
    ok(made.cogpack("lock", "--upgrade-system", **ubuntu.environment))
    assert beside() == laid | {"make": "1.1", "g++": "1.1", "libold": "1.1", "dev": "1.1"}


def test_buster_and_older_have_their_security_archive_beside_the_suite(world: World, ubuntu: Ubuntu) -> None:
    ubuntu.index = {"noble": ubuntu.index["noble"], "noble/updates": ubuntu.index["noble-security"]}
    sources = (
        b"deb http://archive.ubuntu.com/ubuntu noble main\ndeb http://security.ubuntu.com/ubuntu noble/updates main\n"
    )
    del ubuntu.files["etc/apt/sources.list.d/ubuntu.sources"]
    ubuntu.files["etc/apt/sources.list"] = sources
    ubuntu.files["etc/apt/trusted.gpg.d/ubuntu.gpg"] = bytes(ubuntu.signer.certificate)
    ubuntu.push()
    made = project(world, "tool")
    ok(made.cogpack("lock", "--upgrade-system", **ubuntu.environment))
    assert versions(made).items() >= {"libold": "1.1", "dev": "1.1"}.items()


def test_an_image_that_asks_no_security_archive_is_refused_security_updates(world: World, ubuntu: Ubuntu) -> None:
    ubuntu.files["etc/apt/sources.list.d/ubuntu.sources"] = SOURCES.partition("\n\n")[0].encode()
    ubuntu.push()
    done = project(world, "tool").cogpack("lock", "--upgrade-system", **ubuntu.environment)
    assert (done.code, "base/python:v1: its apt asks no security archive" in done.err) == (2, True), done.err


def test_packages_are_those_of_the_time_that_is_named(world: World, ubuntu: Ubuntu) -> None:
    service = ubuntu.archive.root / "snapshot"
    (service / "20261101T000000Z").mkdir(parents=True)
    old = Path(shutil.copytree(ubuntu.archive.root / "ubuntu", service / "20261101T000000Z", dirs_exist_ok=True))
    for suite, index in ubuntu.index.items():
        fields = {"Origin": "Ubuntu", "Suite": suite, "Date": "Sat, 31 Oct 2026 00:00:00 UTC"}
        write_suite(service, old.name, suite, index, ubuntu.signer, **fields, Codename="noble")
    ubuntu.add("noble-updates", "tool", "3")
    ubuntu.push()
    (ubuntu.archive.root / "ubuntu/pool/tool_2.deb").unlink()
    environment = ubuntu.environment
    environment["COGPACK_URL_MAP"] += f",https://snapshot.ubuntu.com/ubuntu={ubuntu.archive.host}/snapshot"
    made = project(world, "tool")
    ok(made.cogpack("lock", **environment))
    assert versions(made)["tool"] == "3"
    ok(made.cogpack("lock", **environment, COGPACK_DEBIAN_SNAPSHOT="2026-11-01"))
    assert versions(made)["tool"] == "2"
    del ubuntu.archive.seen[:]
    done = made.cogpack("lock", "--upgrade-system", **environment, COGPACK_DEBIAN_SNAPSHOT="2026-11-01")
    assert "the base is that of a time that is named" in done.err
    ok(made.cogpack("lock", **environment, COGPACK_DEBIAN_SNAPSHOT="2026-11-01"))
    assert ubuntu.archive.seen == [], "it has what is asked for"
    ok(made.cogpack("build", "-o", "../built", **environment))
    assert "/snapshot/20261101T000000Z/pool/tool_2.deb" in ubuntu.archive.seen, "the pool has dropped it"


def test_the_image_of_another_lock_is_taken_as_it_was_then(world: World, ubuntu: Ubuntu) -> None:
    first = project(world, "tool")
    ok(first.cogpack("lock", **ubuntu.environment))
    base = re.search(r'digest = "(sha256:\w+)"', (first.root / "cogpack.lock").read_text())
    assert base
    (first.root / "cogpack.lock").rename(world.directory / "first.lock")
    ubuntu.files["etc/motd"] = b"another day"
    ubuntu.push()
    made = project(world, "nice", config="  debian_base_from: ../first.lock\n")
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert f"same base as ../first.lock: {world.registry}/base/python:v1@{base[1][:19]}" in done.err
    assert base[1] in (made.root / "cogpack.lock").read_text()
    assert versions(made) == {"nice": "1"}
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("python:v1", "python:v2"))
    done = made.cogpack("lock", **ubuntu.environment)
    assert done.code == 2
    assert "debian_base_from: the base of ../first.lock is" in done.err


def toolkit(world: World, ubuntu: Ubuntu, *packages: str, archive: str) -> Project:
    make_wheel(world.wheels, "torch", "2.6.0", files={"torch/version.py": b"cuda = '12.4'\n"})
    config = f"{archive}  cuda_toolkit: build\n"
    made = project(world, *packages, config=config) if packages else world.project(config=config)
    made.write("requirements.txt", "--no-index\ntorch\n")
    made.write("keys/p.asc", str(nvidias(ubuntu.archive).certificate))
    return made


def test_the_compiler_of_cuda_goes_with_the_newest_of_gcc_that_the_images_archives_have(
    world: World, ubuntu: Ubuntu
) -> None:
    for name in ("g++-11", "g++-12", "ninja-build"):
        ubuntu.add("noble", name, "1")
    ubuntu.push()
    uri = f"{ubuntu.archive.host}/compute/cuda/repos/ubuntu2204/x86_64"
    made = toolkit(world, ubuntu, "tool", archive=f"  apt: [{{uri: {uri}, suites: [./], key: keys/p.asc}}]\n")
    ok(made.cogpack("lock", **ubuntu.environment))
    before = (made.root / "cogpack.lock").read_bytes()
    found = parse_lock(before).platforms["linux/amd64"].toolkit
    assert found
    assert found.packages
    assert found.compiler == "g++-12"
    assert {"g++-12", "ninja-build"} <= {deb.name for deb in found.packages.packages if deb.requested}
    ubuntu.add("noble", "g++-13", "1")
    ubuntu.add("noble-updates", "tool", "3")
    ubuntu.push()
    del ubuntu.archive.seen[:]
    ok(made.cogpack("lock", **ubuntu.environment))
    assert (made.root / "cogpack.lock").read_bytes() == before, "what is pinned stays"
    assert ubuntu.archive.seen == []
    make_wheel(world.wheels, "torch", "2.7.1", files={"torch/version.py": b"cuda = '12.6'\n"})
    ok(made.cogpack("lock", "-P", "torch", **ubuntu.environment))
    assert "cuda-minimal-build-12-6" in (lock := (made.root / "cogpack.lock").read_text())
    assert lock.count('name = "tool", version = "2"') == 2, "for builds, too, as it comes beside what the image has"
    ok(made.cogpack("lock", "--upgrade", **ubuntu.environment))
    assert 'compiler = "g++-13"' in (made.root / "cogpack.lock").read_text()


def test_what_cuda_toolkit_asks_for_is_missed_in_its_name_by_the_archive_of_the_images_machine(
    world: World, ubuntu: Ubuntu
) -> None:
    repos = "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204"
    uri = f"{ubuntu.archive.host}/compute/cuda/repos/ubuntu2204/x86_64"
    made = toolkit(world, ubuntu, archive=f"  apt: [{{uri: {uri}, suites: [./], key: keys/p.asc}}]\n")
    failed = made.cogpack("lock", **ubuntu.environment)
    assert failed.code == 2
    assert "cogpack.cuda_toolkit: Debian has no package 'g++-13'" in failed.err
    assert "system_packages" not in failed.err
    push_base(world.registry, files=ubuntu.files, architecture="arm64")
    made = toolkit(world, ubuntu, archive="  platform: linux/arm64\n")
    environment = ubuntu.environment
    environment["COGPACK_URL_MAP"] += f",{repos}/sbsa={ubuntu.archive.host}/nothing"
    failed = made.cogpack("lock", **environment)
    assert f"cogpack.cuda_toolkit: {repos}/sbsa/3bf863cc.pub" in failed.err


def test_a_release_that_the_images_key_has_not_signed_is_refused(world: World, ubuntu: Ubuntu) -> None:
    ubuntu.signer = Signer()
    ubuntu.push()
    done = project(world, "tool").cogpack("lock", **ubuntu.environment)
    assert done.code == 3
    assert (
        f"cog.yaml:8:9: cogpack.base: {world.registry}/base/python:v1: /etc/apt/sources.list.d/ubuntu.sources: "
        "http://archive.ubuntu.com/ubuntu/dists/noble/InRelease: not signed by a key that the base trusts"
    ) in done.err


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"lib/apk/db/installed": b""}, "no packages can be laid over a base that is of Alpine"),
        ({"var/lib/rpm/rpmdb.sqlite": b""}, "no packages can be laid over a base that is of the Red Hat kind"),
        ({"var/lib/dpkg/status.d/base": b""}, "no packages can be laid over a base that is distroless"),
        ({}, "no packages can be laid over a base that is without a package database"),
        ({"var/lib/dpkg/status": status("libc6 1")}, "the image names no archive of packages"),
    ],
)
def test_an_image_over_which_none_can_be_laid_is_refused_by_what_it_is(
    world: World, files: dict[str, bytes], words: str
) -> None:
    push_base(world.registry, files=files)
    done = project(world, "git").cogpack("lock")
    assert done.code == 2
    assert f"error: cog.yaml:8:9: cogpack.base: {world.registry}/base/python:v1: {words}" in done.err
