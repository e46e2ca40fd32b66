"""A depot shows that archives have signed for its packages, to who trusts neither the lock nor who fetched."""

import hashlib
import re
import shutil
from collections.abc import Iterator

import pytest
from support.debian_archive import Signer, write_suite
from support.debian_mirror import Archive, pooled, trusted
from support.world import Project, World, ok, push_base

from cogpack.planning import proot

OTHERS = "others/dists/stable"
IMAGES_SOURCES = "Types: deb\nURIs: {uri}/\nSuites: noble\nComponents: main\nSigned-By: /usr/share/keyrings/k.gpg\n"
STATUS = b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.41\n"


@pytest.fixture
def archive(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(proot, "PACKAGES", {})
    with trusted(world.directory / "mirror", monkeypatch) as made:
        made.fill()
        made.finish()
        yield made


@pytest.fixture
def publisher(archive: Archive) -> Signer:
    return publish(archive, Signer())


def publish(archive: Archive, signer: Signer, version: str = "2") -> Signer:
    """Write an archive beside Debian's, whose Release is signed in a file of its own, as old ones are."""
    index = pooled(archive.root / "others", "tool", version, files={"usr/bin/tool": version})
    write_suite(archive.root, "others", "stable", index, signer)
    directory = archive.root / OTHERS
    text = re.sub(r"(?s)^-+BEGIN.*?\n\n|-+BEGIN PGP SIGNATURE.*", "", (directory / "InRelease").read_text())
    (directory / "InRelease").unlink()
    (directory / "Release").write_text(text)
    (directory / "Release.gpg").write_bytes(signer.sign_beside(text))
    return signer


@pytest.fixture
def project(world: World, archive: Archive, publisher: Signer) -> Project:
    """Has the base and a package of another archive: 2 archives, of which one is Debian's."""
    made = world.project()
    made.write("key.asc", str(publisher.certificate))
    made.write(
        "cog.yaml",
        'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n  system_packages: [tool]\n'
        f'predict: "predict.py:Predictor"\ncogpack:\n  debian_mirror: "{archive.url}"\n  apt:\n'
        f"    - {{uri: {archive.host}/others, suites: [stable], components: [main], key: key.asc}}\n",
    )
    return made


def packages(project: Project) -> int:
    return (project.root / "cogpack.lock").read_text().count(", archive = ")


def moved_on(project: Project, archive: Archive, publisher: Signer) -> None:
    """Have the archives go on to other Releases; the packages stay."""
    publish(archive, publisher, "3")
    archive.add("later")
    archive.finish()


def test_a_depot_has_what_archives_have_signed_and_verify_goes_through_it(
    project: Project, archive: Archive, publisher: Signer
) -> None:
    ok(project.cogpack("push", project.target()))
    moved_on(project, archive, publisher)
    fetched = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json
    assert fetched["signed"] == packages(project) > 10
    told = {file["what"] for file in fetched["files"]}
    others = f"{archive.host}/others stable"
    assert told >= {
        "Release of debian trixie",
        "main/binary-amd64/Packages.xz of debian trixie",
        f"Release of {others}",
        f"signature of {others}",
        f"main/binary-amd64/Packages.xz of {others}",
    }
    shutil.rmtree(project.world.directory / "cache")
    del archive.seen[:]
    verified = ok(project.cogpack("verify", "--offline", "../depot", project.target(), "--json"))
    assert verified.json["signed"] == fetched["signed"]
    assert archive.seen == []
    assert ok(project.cogpack("verify", project.target(), "--json")).json["signed"] is None


@pytest.mark.slow
def test_a_package_that_nobody_has_signed_for_is_refused_whatever_its_hash_is(
    project: Project, archive: Archive
) -> None:
    ok(project.cogpack("push", project.target()))
    ok(project.cogpack("fetch", "-o", "../depot"))
    lock = project.root / "cogpack.lock"
    other = f"{archive.host}/others"
    forged = hashlib.sha256((archive.root / "debian/pool/tini_1.deb").read_bytes()).hexdigest()
    text = lock.read_text()
    (line,) = [
        line
        for line in text.splitlines()
        if f'name = "tool", version = "2", arch = "amd64", archive = "{other}"' in line
    ]
    size = (archive.root / "debian/pool/tini_1.deb").stat().st_size
    changed = re.sub(r'size = \d+, sha256 = "\w+"', f'size = {size}, sha256 = "{forged}"', line)
    lock.write_text(text.replace(line, changed))
    for words in (["fetch", "-o", "../depot"], ["verify", "--offline", "../depot", project.target()]):
        done = project.cogpack(*words)
        assert done.code == 3, done.err
        assert f"the lock: tool 2: in no index that {other} has signed" in done.err


@pytest.mark.slow
def test_a_release_that_another_key_signs_is_refused(project: Project, archive: Archive) -> None:
    ok(project.cogpack("push", project.target()))
    files = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json["files"]
    (signature,) = [one["digest"] for one in files if one["what"].startswith("signature of ")]
    blob = project.world.directory / "depot/blobs" / signature.replace(":", "/")
    data = Signer().sign_beside((archive.root / OTHERS / "Release").read_text())
    assert len(data) == blob.stat().st_size, "a depot would not have a file of another size"
    blob.unlink()
    blob.write_bytes(data)
    done = project.cogpack("verify", "--offline", "../depot", project.target())
    assert done.code == 3
    assert f"is not signature of {archive.host}/others stable" in done.err


@pytest.mark.slow
def test_where_signatures_are_not_to_be_had_any_more_this_is_told_and_no_error(
    project: Project, archive: Archive, publisher: Signer
) -> None:
    before = ok(project.cogpack("push", project.target())).digest
    moved_on(project, archive, publisher)
    shutil.rmtree(project.world.directory / "cache")
    snapshots = {"COGPACK_URL_MAP": f"https://snapshot.debian.org={archive.host}"}  # it has none
    told = ok(project.cogpack("fetch", "-o", "../depot", **snapshots)).err
    assert "without what shows that debian has signed for " in told
    assert f"without what shows that {archive.host}/others has signed for 1 package: the Release" in told
    assert ok(project.cogpack("fetch", "-o", "../depot", "--json", **snapshots)).json["signed"] == 0
    told = ok(project.cogpack("verify", "--offline", "../depot", project.target())).err
    assert "not seen whether debian has signed: " in told
    done = ok(project.cogpack("verify", "--offline", "../depot", project.target(), "--json"))
    assert (done.json["signed"], done.json["digest"]) == (0, before)


@pytest.mark.slow
def test_keys_that_an_image_trusts_are_in_the_depot_wherever_it_was_locked(world: World, archive: Archive) -> None:
    signer = Signer()
    index = pooled(archive.root / "noble", "tool", files={"usr/bin/tool": "1"})
    write_suite(archive.root, "noble", "noble", index, signer)
    files = {
        "etc/apt/sources.list.d/a.sources": IMAGES_SOURCES.format(uri=f"{archive.host}/noble").encode(),
        "usr/share/keyrings/k.gpg": bytes(signer.certificate),
        "var/lib/dpkg/status": STATUS,
    }
    push_base(world.registry, files=files)
    project = world.project()
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text.replace("predict:", "  system_packages: [tool]\npredict:", 1))
    ok(project.cogpack("push", project.target()))
    shutil.rmtree(world.directory / "cache")
    fetched = ok(project.cogpack("fetch", "-o", "../depot", "--json")).json
    assert fetched["signed"] == 1
    assert f"keys that the base has for {archive.host}/noble" in {file["what"] for file in fetched["files"]}
    shutil.rmtree(world.directory / "cache")
    verified = ok(project.cogpack("verify", "--offline", "../depot", project.target(), "--json")).json
    assert verified["signed"] == 1
