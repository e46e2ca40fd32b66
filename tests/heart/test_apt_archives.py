"""Packages of archives that cog.yaml names beside Debian's: locked, fetched, laid, and known to apt in the image."""

import hashlib
import re
from collections.abc import Iterator

import pytest
from support.debian_archive import Signer, write_flat, write_suite
from support.debian_mirror import Archive, pooled, trusted
from support.world import Project, World, ok

ADDUSER = "#!/bin/sh\nset -e\nadduser --system app\n"


@pytest.fixture
def archive(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with trusted(world.directory / "mirror", monkeypatch) as made:
        made.fill()
        made.add("liba")
        made.add("git-lfs", files={"usr/bin/git-lfs": "Debian's"})
        made.finish()
        yield made


@pytest.fixture
def publisher(archive: Archive) -> Signer:
    """Who signs two archives: one with suites, in `others`, and a flat one, in `flat`."""
    signer = Signer()
    others = archive.root / "others"
    index = pooled(others, "tool", "2", files={"usr/bin/tool": "2"}, Depends="liba, deep")
    index += pooled(others, "deep")
    index += pooled(others, "git-lfs", "9", files={"usr/bin/git-lfs": "theirs"}, control={"postinst": ADDUSER})
    write_suite(archive.root, "others", "stable", index, signer)
    flat = archive.root / "flat"
    gpu = pooled(flat, "gpu", files={"usr/lib/gpu": "1"}).replace("Filename: ", "Filename: ./")
    write_flat(flat, gpu, signer)
    return signer


def project(world: World, archive: Archive, publisher: Signer, *packages: str, key: str = "key: keys/p.asc") -> Project:
    listed = "".join(f"    - {package}\n" for package in packages)
    made = world.project()
    made.write("keys/p.asc", str(publisher.certificate))
    made.write(
        "cog.yaml",
        f'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n  system_packages:\n{listed}'
        'predict: "predict.py:Predictor"\ncogpack:\n  apt:\n'
        f"    - {{uri: {archive.host}/others, suites: [stable], components: [main], {key}}}\n"
        f"    - {{uri: {archive.host}/flat, suites: [./], {key}}}\n",
    )
    return made


def test_their_packages_are_locked_fetched_and_laid_beside_debians_and_apt_in_the_image_knows_them(
    world: World, archive: Archive, publisher: Signer
) -> None:
    made = project(world, archive, publisher, "tool", "gpu")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(made.cogpack("lock", **environment))
    lock = (made.root / "cogpack.lock").read_text()
    assert re.findall(r'name = "(\w+)", version = "\w+", arch = "amd64", archive = "http[^"]*/(\w+)"', lock) == [
        ("deep", "others"),
        ("gpu", "flat"),
        ("tool", "others"),
    ]
    ok(made.cogpack("push", made.target("v1"), **environment))
    files = world.files("me/model", "v1")
    assert (files["usr/bin/tool"], files["usr/lib/gpu"]) == (b"2", b"1")
    name = f"{archive.host.partition('://')[2].replace(':', '_')}_others_stable"
    assert (
        files[f"etc/apt/sources.list.d/{name}.sources"]
        == (
            f"Types: deb\nURIs: {archive.host}/others\nSuites: stable\nComponents: main\n"
            f"Signed-By: /etc/apt/keyrings/{name}.gpg\n"
        ).encode()
    )
    assert files[f"etc/apt/keyrings/{name}.gpg"] == bytes(publisher.certificate)
    flat = files[f"etc/apt/sources.list.d/{name.replace('_others_stable', '_flat')}.sources"]
    assert b"\nSuites: ./\nSigned-By: " in flat, "and no components"

    fetched = ok(made.cogpack("fetch", "-o", "../depot", "--json", **environment)).json
    tool = (archive.root / "others/pool/tool_2.deb").read_bytes()
    assert f"sha256:{hashlib.sha256(tool).hexdigest()}" in {file["digest"] for file in fetched["files"]}
    del archive.seen[:]
    built = ok(made.cogpack("build", "-o", "../built", **environment))
    (world.directory / "cache").rename(world.directory / "elsewhere")
    offline = ok(made.cogpack("build", "--offline", "../depot", "-o", "../offline", **environment))
    assert offline.digest == built.digest
    assert not [path for path in archive.seen if "/dists/" in path or "Release" in path], "all of it is in the lock"


def test_a_lock_keeps_what_it_has_until_the_key_or_the_archives_are_others(
    world: World, archive: Archive, publisher: Signer
) -> None:
    made = project(world, archive, publisher, "tool")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(made.cogpack("lock", **environment))
    before = (made.root / "cogpack.lock").read_text()
    del archive.seen[:]
    made.write("cog.yaml", (made.root / "cog.yaml").read_text() + "  network: true\n")
    ok(made.cogpack("lock", **environment))
    assert archive.seen == []
    made.write("keys/p.asc", str(Signer().certificate))
    done = made.cogpack("lock", **environment)
    assert done.code == 3
    assert (
        f"error: cog.yaml:9:7: cogpack.apt[0]: {archive.host}/others/dists/stable/InRelease: not signed by keys/p.asc"
    ) in done.err
    assert (made.root / "cogpack.lock").read_text() == before
    (made.root / "keys/p.asc").unlink()
    assert "cog.yaml:9:87: cogpack.apt[0].key: keys/p.asc: No such file" in made.cogpack("lock", **environment).err


def test_a_key_by_address_is_the_one_of_the_fingerprint_and_is_not_asked_for_again(
    world: World, archive: Archive, publisher: Signer
) -> None:
    (archive.root / "gpg").write_bytes(bytes(Signer().certificate) + bytes(publisher.certificate))
    fingerprint = publisher.certificate.fingerprint.upper()
    key = f"key: {archive.host}/gpg, fingerprint: {fingerprint}"
    made = project(world, archive, publisher, "tool", key=key)
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(made.cogpack("lock", **environment))
    (archive.root / "gpg").write_bytes(bytes(Signer().certificate))
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("    - tool\n", "    - tool\n    - gpu\n"))
    ok(made.cogpack("lock", **environment))
    assert archive.seen.count("/gpg") == 2, "once an archive, when there was no lock"
    done = made.cogpack("lock", "--upgrade", **environment)
    assert done.code == 3
    assert f"cogpack.apt[0].key: {archive.host}/gpg: expected the key {fingerprint.lower()}, found " in done.err


def test_what_scripts_of_debians_package_do_is_not_what_those_of_its_namesake_do(
    world: World, archive: Archive, publisher: Signer
) -> None:
    made = project(world, archive, publisher, "git-lfs")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    done = ok(made.cogpack("lock", **environment))
    assert "git-lfs 9 has a postinst script" in done.err
    assert "dpkg installs it, in the sandbox" in done.err
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("- git-lfs", "- git-lfs/trixie"))
    assert "dpkg" not in ok(made.cogpack("lock", **environment)).err


def test_an_archive_that_no_package_came_from_is_known_to_commands(
    world: World, archive: Archive, publisher: Signer
) -> None:
    made = project(world, archive, publisher, "liba")
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("  system_packages:\n    - liba\n", ""))
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    ok(made.cogpack("push", made.target("v1"), **environment))
    written = [path for path in world.files("me/model", "v1") if path.startswith("etc/apt/sources.list.d/")]
    assert len(written) == 3, "with Debian's own"
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().partition("  apt:")[0] + "  git: false\n")
    told = ok(made.cogpack("lock", **environment)).err
    assert f"removed  {archive.host}/flat ./ {publisher.certificate.fingerprint}\n" in told
