"""`cogpack copy`: every byte, every platform, everything that refers to it; only what is missing moves."""

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
from support.fake_http import Answer, Hangup, Request, serving
from support.fake_registry import FakeRegistry
from support.faults import answer
from support.images import tree
from support.personalities import DIST28, error

from cogpack.cli import run
from cogpack.commands.copy import copy
from cogpack.commands.pull import pull
from cogpack.digest import Digest, sha256
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.images.layout import LayoutImages
from cogpack.images.referrers import fallback_tag
from cogpack.images.registry import RegistryImages
from cogpack.layout import Layout
from cogpack.oci import (
    DOCKER_INDEX,
    DOCKER_LAYER_GZIP,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
)
from cogpack.reference import Reference
from cogpack.registry.server import Server
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

Document = dict[str, Any]


@dataclass
class Registry:
    address: str
    log: list[tuple[str, str, int, int]] = field(default_factory=list)

    def sent(self) -> list[str]:
        """Requests that brought something, in order."""
        return [f"{method} {path.partition('?')[0]}" for method, path, _, _ in self.log if method in ("PUT", "PATCH")]


@pytest.fixture
def registries(tmp_path: Path) -> Iterator[tuple[Registry, Registry]]:
    with ExitStack() as stack:
        made = []
        for name in ("one", "two"):
            registry = Registry("")

            def note(*request: Any, log: list[Any] = registry.log) -> None:
                log.append(request)

            registry.address = stack.enter_context(Server(tmp_path / name, on_request=note)).address
            made.append(registry)
        yield made[0], made[1]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as found:
        yield found


class Images:
    """Images written into an OCI layout, blob by blob, as other tools would."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout.create(root)
        self._random = random.Random(1)

    def blob(self, media_type: str = OCI_LAYER, size: int = 3000, data: bytes | None = None) -> Document:
        data = self._random.randbytes(size) if data is None else data
        return {"mediaType": media_type, "digest": self.layout.add(data), "size": len(data)}

    def add(self, document: Document, name: str = "") -> Document:
        data = json.dumps(document, indent=3).encode()  # not as we would write it
        self.layout.add(data)
        found = Descriptor(media_type=document["mediaType"], digest=sha256(data), size=len(data))
        if name:
            self.layout.publish({name: found})
        return {"mediaType": found.media_type, "digest": found.digest, "size": found.size}

    def manifest(self, *layers: Document, name: str = "", **more: Any) -> Document:
        config = self.blob(OCI_CONFIG, data=b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"}}')
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": list(layers)} | more
        return self.add(document, name)

    def index(self, *manifests: Document, name: str = "", **more: Any) -> Document:
        return self.add({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)} | more, name)

    def refer(self, subject: Document, kind: str = "application/x-signature") -> Document:
        """An artifact about `subject`, listed under the fallback tag."""
        made = self.manifest(self.blob("application/x-anything"), artifactType=kind, subject=subject)
        tag = fallback_tag(Digest(subject["digest"]))
        listed = self.layout.names().get(tag)
        before = json.loads(self.layout.blob_bytes(listed))["manifests"] if listed else []
        self.index(*before, made | {"artifactType": kind}, name=tag)
        return made


def platform(text: str) -> Document:
    os, _, architecture = text.partition("/")
    return {"platform": {"os": os, "architecture": architecture}}


@dataclass
class Made:
    images: Images
    index: Document
    amd64: Document
    arm64: Document
    signature: Document
    """Of the index."""
    sbom: Document
    """Of the image for amd64."""
    countersignature: Document
    """Of the signature."""
    blobs: int

    @property
    def root(self) -> Path:
        return self.images.layout.root

    def document(self, descriptor: Document) -> Document:
        return dict(json.loads(self.images.layout.blob_path(Digest(descriptor["digest"])).read_bytes()))


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """In the layout `made`, as v1: two platforms that share a layer, signed, with an SBOM."""
    images = Images(tmp_path / "made")
    shared = images.blob()
    amd64 = images.manifest(shared, images.blob(), images.blob(size=0))
    arm64 = images.manifest(shared, images.blob())
    index = images.index(amd64 | platform("linux/amd64"), arm64 | platform("linux/arm64"), name="v1")
    signature = images.refer(index)
    return Made(
        images, index, amd64, arm64, signature, images.refer(amd64, "application/x-sbom"), images.refer(signature), 8
    )


def digests(*documents: Document) -> set[str]:
    return {document["digest"] for document in documents}


# All four directions


def test_an_image_comes_back_byte_for_byte_from_registry_to_registry_to_layout(
    session: Session, registries: tuple[Registry, Registry], made: Made, tmp_path: Path
) -> None:
    one, two = (registry.address for registry in registries)
    copies = [
        copy(session, f"{made.root}:v1", f"{one}/a/image:v1"),
        copy(session, f"{one}/a/image:v1", f"{two}/b:v2"),
        copy(session, f"{two}/b:v2", f"{tmp_path}/back:v1"),
        copy(session, f"{tmp_path}/back", f"{tmp_path}/again:v1"),
    ]
    for copied in copies:
        assert copied.digest == made.index["digest"]
        assert set(copied.manifests) == digests(made.index, made.amd64, made.arm64)
        assert set(copied.referrers) == digests(made.signature, made.sbom, made.countersignature)
        assert copied.requests == made.blobs + 6 + 1
    assert copies[1].reference == f"{two}/b@{made.index['digest']}"
    assert copies[2].reference == f"{tmp_path}/back:v1"

    def blobs(root: Path) -> dict[str, bytes]:
        return tree(root / "blobs" / "sha256")

    # The lists under fallback tags are each place's own.
    referred = [made.index, made.amd64, made.signature]
    lists = {made.images.layout.names()[fallback_tag(item["digest"])].digest[7:] for item in referred}
    expected = {name: data for name, data in blobs(made.root).items() if name not in lists}
    assert len(expected) == made.blobs + 6
    for name in ("back", "again"):
        assert expected.items() <= blobs(tmp_path / name).items()
        assert Layout.read(tmp_path / name).names()["v1"].digest == made.index["digest"]


def test_the_name_comes_last_and_each_manifest_after_what_it_names(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    put = [line.rpartition("/")[2] for line in one.sent() if "/manifests/" in line]
    assert put[-1] == "v1"
    assert put.index(made.index["digest"]) > max(put.index(made.amd64["digest"]), put.index(made.arm64["digest"]))
    assert put.index(made.sbom["digest"]) > put.index(made.index["digest"])
    last_blob = max(number for number, line in enumerate(one.sent()) if "/blobs/" in line)
    assert "/manifests/" not in "".join(one.sent()[:last_blob])


def test_a_second_copy_moves_nothing(session: Session, registries: tuple[Registry, Registry], made: Made) -> None:
    one, _ = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    one.log.clear()
    again = copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    assert one.sent() == []
    assert [line for line in one.log if line[0] == "HEAD" and "/blobs/" in line[1]] == []
    assert (again.sent, again.requests) == (0, 0)
    assert again.reused == copy(session, f"{made.root}:v1", f"{one.address}/other:v1").sent - sum(
        item["size"] for item in (made.index, made.amd64, made.arm64, made.signature, made.sbom, made.countersignature)
    )


def test_after_a_copy_that_failed_only_what_is_missing_moves(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    config = Digest(made.document(made.arm64)["config"]["digest"])
    path = made.images.layout.blob_path(config)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    with Session(Settings(cache=session.cache, jobs=1, environment=session.settings.environment)) as first:
        with pytest.raises(MismatchError, match=config[7:]):
            copy(first, f"{made.root}:v1", f"{one.address}/a:v1")
    assert not [line for line in one.sent() if "/manifests/" in line]
    path.write_bytes(whole)
    one.log.clear()
    copied = copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    assert len([line for line in one.sent() if "/blobs/" in line]) == 2  # largest first: it and the empty layer
    assert copied.reused == 6 * 3000


def test_within_one_registry_nothing_is_sent_but_manifests(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    one.log.clear()
    copied = copy(session, f"{one.address}/a:v1", f"{one.address}/b:v1")
    assert not [line for line in one.sent() if "/blobs/" in line]
    assert not [line for line in one.log if line[0] == "GET" and "/blobs/" in line[1]]
    assert copied.mounted == 3000 * 6 + 64
    assert copied.reused == 0
    one.log.clear()
    assert copy(session, f"{one.address}/b:v1", f"{one.address}/b:v2").sent == 0
    assert one.sent() == ["PUT /v2/b/manifests/v2"]


def test_a_layer_of_many_images_is_sent_once(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    copied = copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    assert len([line for line in one.sent() if "/blobs/" in line]) == made.blobs
    assert len([line for line in one.log if line[0] == "HEAD" and "/blobs/" in line[1]]) == made.blobs
    assert copied.reused == 0


# What is copied


def test_one_platform_is_that_image_under_the_name(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    copied = copy(session, f"{made.root}:v1", f"{one.address}/a:v1", platform="linux/amd64")
    assert copied.digest == made.amd64["digest"]
    assert set(copied.referrers) == digests(made.sbom)
    with pytest.raises(InputError, match="has no image for windows/amd64; it has linux/amd64, linux/arm64"):
        copy(session, f"{made.root}:v1", f"{one.address}/a:v1", platform="windows/amd64")


def test_an_image_alone_is_for_the_platform_that_its_config_names(session: Session, made: Made, tmp_path: Path) -> None:
    made.images.manifest(name="alone")
    with pytest.raises(InputError, match="is for linux/amd64, not linux/arm64"):
        copy(session, f"{made.root}:alone", f"{tmp_path}/out", platform="linux/arm64")
    made.images.manifest(name="artifact", config=made.images.blob("application/x-anything", data=b"{}"))
    with pytest.raises(InputError, match="no image but application/x-anything"):
        copy(session, f"{made.root}:artifact", f"{tmp_path}/out", platform="linux/amd64")
    assert not (tmp_path / "out").exists()
    copy(session, f"{made.root}:alone", f"{tmp_path}/out", platform="linux/amd64")


def test_without_referrers_there_are_none(session: Session, registries: tuple[Registry, Registry], made: Made) -> None:
    one, _ = registries
    assert copy(session, f"{made.root}:v1", f"{one.address}/a:v1", referrers=False).referrers == ()
    assert "sha256-" not in "".join(one.sent())


def test_who_is_to_be_quiet_says_the_result_alone(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["-q"], []):
        out = tmp_path / f"out{len(words)}"
        assert run(["copy", f"{made.root}:v1", str(out), *words]) == 0
        found = capsys.readouterr()
        assert found.out == f"{out}:v1\n"
        assert found.err == "" if words else "sent " in found.err


def test_referrers_are_found_where_they_were_copied_to(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    repository = session.repository(Reference.parse(f"{one.address}/a"))
    for subject, artifact in (
        (made.index, made.signature),
        (made.amd64, made.sbom),
        (made.signature, made.countersignature),
    ):
        (found,) = RegistryImages(repository).referrers(Digest(subject["digest"]))
        assert found.digest == artifact["digest"]
        assert found.artifact_type in ("application/x-signature", "application/x-sbom")


def test_referrers_that_are_copied_join_those_that_are_there(
    session: Session, registries: tuple[Registry, Registry], made: Made, tmp_path: Path
) -> None:
    one, _ = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    other = Images(tmp_path / "other")
    copy(session, f"{made.root}:v1", f"{tmp_path}/other:v1", referrers=False)
    other._random.seed(2)
    second = other.refer(made.index)
    copied = copy(session, f"{tmp_path}/other:v1", f"{one.address}/a:v1")
    assert set(copied.referrers) == digests(second)
    found = session.images(Reference.parse(f"{one.address}/a")).referrers(Digest(made.index["digest"]))
    assert {item.digest for item in found} == digests(second, made.signature)


def test_a_referrer_that_a_killed_copy_stored_and_did_not_list_is_listed_by_the_next(
    session: Session, made: Made, tmp_path: Path
) -> None:
    copy(session, f"{made.root}:v1", f"{tmp_path}/out:v1")
    layout = Layout.read(tmp_path / "out")
    index = json.loads((layout.root / "index.json").read_bytes())
    index["manifests"] = [entry for entry in index["manifests"] if "sha256-" not in str(entry)]
    (layout.root / "index.json").write_text(json.dumps(index))
    assert copy(session, f"{made.root}:v1", f"{tmp_path}/out:v1").requests == 3
    (found,) = LayoutImages(layout, session.cancellation).referrers(Digest(made.amd64["digest"]))
    assert found.digest == made.sbom["digest"]


def test_a_referrer_that_is_listed_and_gone_is_left_out_with_a_note(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    notes: list[str] = []
    session.progress.note = lambda note: notes.append(note.text)  # type: ignore[method-assign]
    try:
        made.images.layout.blob_path(Digest(made.signature["digest"])).unlink()
        copied = copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    finally:
        del session.progress.note  # type: ignore[attr-defined]
    assert set(copied.referrers) == digests(made.sbom)
    assert [note for note in notes if made.signature["digest"] in note]


def test_a_list_of_referrers_that_lies_is_refused(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    made.images.index(made.sbom, name=fallback_tag(Digest(made.arm64["digest"])))
    with pytest.raises(InputError, match="and it does not"):
        copy(session, f"{made.root}:v1", f"{registries[0].address}/a:v1")
    assert registries[0].sent() == []


def test_referrers_that_oras_keeps_nameless_in_a_layout_are_found(session: Session, made: Made, tmp_path: Path) -> None:
    index = json.loads((made.root / "index.json").read_bytes())
    index["manifests"] = [
        entry
        for entry in index["manifests"]
        if not entry["annotations"]["org.opencontainers.image.ref.name"].startswith("sha256-")
    ]
    index["manifests"] += [made.signature, made.sbom, made.countersignature, made.amd64]
    index["manifests"] += [{"mediaType": OCI_MANIFEST, "digest": "sha512:" + "0" * 128, "size": 3}]
    (made.root / "index.json").write_text(json.dumps(index))
    copied = copy(session, str(made.root), f"{tmp_path}/out:v1")
    assert set(copied.referrers) == digests(made.signature, made.sbom, made.countersignature)


# cosign's tags


def signed(made: Made, *signatures: str) -> Document:
    """`made` with a payload that was signed so often, as cosign 2 keeps it: under a tag, signatures as annotations."""
    payload = made.images.blob("application/vnd.dev.cosign.simplesigning.v1+json", data=b'{"critical":{}}')
    layers = [payload | {"annotations": {"dev.cosignproject.cosign/signature": each}} for each in signatures]
    return made.images.manifest(*layers, name=f"{fallback_tag(Digest(made.index['digest']))}.sig")


def test_what_cosign_keeps_under_tags_of_its_own_comes_too(
    session: Session, registries: tuple[Registry, Registry], made: Made, tmp_path: Path
) -> None:
    tags = {
        f"{fallback_tag(Digest(subject['digest']))}.{kind}": made.images.manifest(
            made.images.blob("text/x"), name=f"{fallback_tag(Digest(subject['digest']))}.{kind}"
        )
        for subject, kind in ((made.index, "sig"), (made.amd64, "att"), (made.arm64, "sbom"))
    }
    one, two = (registry.address for registry in registries)
    chain = [str(made.root), f"{one}/a:v1", f"{two}/b:v1", f"{tmp_path}/back:v1"]
    for source, target in pairwise(chain):
        copied = copy(session, source, target)
        assert set(copied.referrers) >= digests(*tags.values())
        assert copy(session, source, target).requests == 0
    names = Layout.read(tmp_path / "back").names()
    assert {tag: names[tag].digest for tag in tags} == {tag: found["digest"] for tag, found in tags.items()}
    assert Layout.read(tmp_path / "back").image().digest == made.index["digest"]
    named = [path.rpartition("/")[2] for path in registries[0].sent() if path.endswith((*tags, "v1"))]
    assert (set(named[:3]), named[3:]) == (set(tags), ["v1"])


def test_that_there_is_nothing_of_cosign_takes_three_small_questions_a_manifest(
    session: Session, registries: tuple[Registry, Registry], made: Made, tmp_path: Path
) -> None:
    one, _ = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    signed(made, "MEUC")
    for referrers, count in ((True, 9), (False, 0)):
        one.log.clear()
        copy(session, f"{one.address}/a:v1", f"{tmp_path}/{referrers}:v1", referrers=referrers)
        assert len([path for method, path, *_ in one.log if method == "HEAD"]) == count
    copy(session, f"{made.root}:v1", f"{tmp_path}/unsigned:v1", referrers=False)
    assert set(Layout.read(tmp_path / "unsigned").names()) == {"v1"}


def test_signatures_that_the_target_has_alone_are_not_lost(session: Session, made: Made, tmp_path: Path) -> None:
    notes: list[str] = []
    session.progress.note = lambda note: notes.append(note.text)  # type: ignore[method-assign]
    try:
        for signatures, stays in ((["a"], False), (["a", "b"], False), (["b", "c"], True), (["a", "b", "c"], False)):
            tag = signed(made, *signatures)
            copy(session, f"{made.root}:v1", f"{tmp_path}/out:v1")
            there = Layout.read(tmp_path / "out").names()[f"{fallback_tag(Digest(made.index['digest']))}.sig"]
            assert (there.digest != tag["digest"], bool(notes)) == (stays, stays)
            notes.clear()
    finally:
        del session.progress.note  # type: ignore[attr-defined]


def test_docker_manifests_and_lists_are_copied_as_they_are(
    session: Session, registries: tuple[Registry, Registry], tmp_path: Path
) -> None:
    images = Images(tmp_path / "made")
    image = images.manifest(images.blob(DOCKER_LAYER_GZIP), mediaType=DOCKER_MANIFEST)
    index = images.index(image | platform("linux/amd64"), mediaType=DOCKER_INDEX, name="v1")
    one, two = (registry.address for registry in registries)
    copy(session, f"{tmp_path}/made:v1", f"{one}/a:v1")
    copied = copy(session, f"{one}/a:v1", f"{two}/a:v1")
    assert copied.digest == index["digest"]
    found = session.repository(Reference.parse(f"{two}/a")).manifest("v1")
    assert found is not None
    assert (found.media_type, found.digest) == (DOCKER_INDEX, index["digest"])


def test_artifacts_of_unknown_types_are_copied_as_they_are(session: Session, tmp_path: Path) -> None:
    images = Images(tmp_path / "made")
    artifact = images.manifest(
        images.blob("application/vnd.someone.weights"),
        name="v1",
        artifactType="application/vnd.someone",
        config=images.blob("application/vnd.oci.empty.v1+json", data=b"{}"),
    )
    assert copy(session, f"{tmp_path}/made", f"{tmp_path}/out").digest == artifact["digest"]


def test_layers_that_are_only_at_their_urls_stay_there(
    session: Session, registries: tuple[Registry, Registry], tmp_path: Path
) -> None:
    images = Images(tmp_path / "made")
    away = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": "sha256:" + "9" * 64,
        "size": 5,
        "urls": ["http://127.0.0.1:9/x"],
    }
    image = images.manifest(away, images.blob(), name="v1")
    assert copy(session, f"{tmp_path}/made", f"{tmp_path}/out").digest == image["digest"]


# Names


def test_the_name_is_the_sources_where_the_target_has_none(
    session: Session, registries: tuple[Registry, Registry], made: Made, tmp_path: Path
) -> None:
    one, two = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v7")
    copy(session, f"{one.address}/a:v7", f"{two.address}/a")
    assert [line for line in two.sent() if line.endswith("/manifests/v7")]
    copy(session, f"{one.address}/a:v7", f"{tmp_path}/out")
    assert f"{one.address}/a:v7" in Layout.read(tmp_path / "out").names()
    copy(session, f"{tmp_path}/out", f"{tmp_path}/again")
    copy(session, str(made.root), f"{two.address}/b")
    assert [line for line in two.sent() if line.endswith("/v2/b/manifests/latest")]


def test_by_digest_there_is_no_name_unless_one_is_given(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, two = registries
    copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    source = f"{one.address}/a@{made.index['digest']}"
    copy(session, source, f"{two.address}/a")
    assert two.sent()[-1].rpartition("/")[2].startswith("sha256")
    copy(session, source, f"{two.address}/a:named")
    assert two.sent()[-1] == "PUT /v2/a/manifests/named"


def test_a_target_with_a_digest_is_a_promise(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    with pytest.raises(MismatchError, match=made.index["digest"]):
        copy(session, f"{made.root}:v1", f"{one.address}/a@{made.amd64['digest']}")
    assert one.log == []
    copy(session, f"{made.root}:v1", f"{one.address}/a@{made.index['digest']}")
    assert one.sent()[-1].rpartition("/")[2].startswith("sha256")


def test_of_many_images_in_a_layout_one_must_be_named(session: Session, made: Made, tmp_path: Path) -> None:
    made.images.manifest(name="v2")
    with pytest.raises(InputError, match="found 2"):
        copy(session, str(made.root), f"{tmp_path}/out")
    with pytest.raises(InputError, match="called v3, found 0"):
        copy(session, f"{made.root}:v3", f"{tmp_path}/out")
    assert not (tmp_path / "out").exists()
    copy(session, f"{made.root}:v2", f"{tmp_path}/out")


def test_a_bare_word_is_no_target(session: Session, made: Made) -> None:
    with pytest.raises(InputError, match="neither a registry nor a directory"):
        copy(session, f"{made.root}:v1", "out")


def test_a_source_that_is_not_there_leaves_no_directory(
    session: Session, registries: tuple[Registry, Registry], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no tag v1"):
        copy(session, f"{registries[0].address}/a:v1", f"{tmp_path}/out")
    assert not (tmp_path / "out").exists()


# Faults


def served(images: Images, wrong: dict[str, list[bytes]]) -> Any:
    """A source registry of one repository; `wrong`: bodies of blobs to serve first, by digest."""

    def script(request: Request) -> Answer:
        ref = request.path.rpartition("/")[2]
        if "/referrers/" in request.path:
            return 404, {}, b""
        if not ref.startswith("sha256:"):
            found = images.layout.names().get(ref)
            if found is None:
                return 404, {}, b""
            ref = found.digest
        path = images.layout.blob_path(Digest(ref))
        if not path.is_file():
            return 404, {}, b""
        data = path.read_bytes()
        headers = {}
        if "/manifests/" in request.path:
            headers["Content-Type"] = json.loads(data)["mediaType"]
        elif wrong.get(ref):
            return 200, {"Content-Length": str(len(data))}, wrong[ref].pop(0)
        return 200, headers, data

    return script


def test_a_blob_that_the_target_throws_away_before_its_manifest_is_moved_again(
    session: Session, tmp_path: Path
) -> None:
    """Registries collect what no manifest names yet."""
    images = Images(tmp_path / "made")
    layer = images.blob()
    images.manifest(layer, images.blob(), name="v1")
    with FakeRegistry(DIST28).running() as target:
        lost: list[bytes] = []

        def throws_away(_: object) -> bool:
            if not lost:
                lost.append(target.blobs["a"].pop(layer["digest"]))
            return False

        target.on("PUT manifest", answer(500), when=throws_away)
        copied = copy(session, f"{tmp_path}/made:v1", f"{target.address}/a:v1")
        assert target.tags["a"] == {"v1": copied.digest}
        assert target.blobs["a"][layer["digest"]] == lost[0]
        assert copied.reused == 0
        target.seen.clear()
        target.on("PUT manifest", answer(400, error("MANIFEST_BLOB_UNKNOWN"), times=9))
        with pytest.raises(InputError, match="MANIFEST_BLOB_UNKNOWN"):
            copy(session, f"{tmp_path}/made:v1", f"{target.address}/b:v1")
        assert len(target.kinds("PUT manifest")) == 2
        assert "v1" not in target.tags.get("b", {})


@pytest.mark.parametrize("layout", [False, True], ids=["registry", "layout"])
def test_a_source_that_breaks_off_and_goes_away_is_waited_for_and_gone_on_with(
    session: Session,
    registries: tuple[Registry, Registry],
    tmp_path: Path,
    layout: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = Images(tmp_path / "made")
    layer = images.blob(size=2_000_000)
    images.manifest(layer, name="v1")
    two = registries[1]
    target = f"{tmp_path}/out:v1" if layout else f"{two.address}/a:v1"

    def cut(request: Request) -> Answer:
        fault = next(faults, "") if request.path.endswith(layer["digest"]) else ""
        if fault == "away":
            raise Hangup
        if fault == "cut":
            return 200, {"Content-Length": "1500000"}, images.layout.blob_path(layer["digest"]).read_bytes()[:1500000]
        return script(request)

    faults, script = iter(["cut", *["away"] * 20, "cut"]), served(images, {})
    bars: dict[int | None, list[int]] = {}

    class Bar:
        def __init__(self, size: int | None) -> None:
            self.told = bars.setdefault(size, [])

        def advance(self, size: int) -> None:
            self.told.append(size)

        def doing(self, verb: str) -> None: ...

        def done(self, outcome: str) -> None: ...

    monkeypatch.setattr(type(session.progress), "task", lambda _, name, size, verb="": Bar(size))
    with serving(cut) as fake:
        copied = copy(session, f"{fake.address}/a:v1", target)
    assert 2_000_000 < copied.sent < 2_001_000  # and what had come is not sent again
    assert copied.reused == 0
    assert all(max(accumulate(told)) == sum(told) == size for size, told in bars.items() if size)


@pytest.mark.parametrize("layout", [False, True], ids=["registry", "layout"])
def test_wrong_bytes_of_a_source_never_become_a_blob_or_a_name(
    session: Session, registries: tuple[Registry, Registry], tmp_path: Path, layout: bool
) -> None:
    images = Images(tmp_path / "made")
    layer = images.blob()
    images.manifest(layer, name="v1")
    target = f"{tmp_path}/out:v1" if layout else f"{registries[1].address}/a:v1"
    with serving(served(images, {layer["digest"]: [b"!" * 3000] * 9})) as fake:
        with pytest.raises(MismatchError, match=layer["digest"]):
            copy(session, f"{fake.address}/a:v1", target)
    assert not any("/manifests/" in line for line in registries[1].sent())
    if layout:
        assert Layout.create(tmp_path / "out").names() == {}
        assert not Layout.create(tmp_path / "out").has(Descriptor(**_descriptor(layer)))


def _descriptor(document: Document) -> dict[str, Any]:
    return {"media_type": document["mediaType"], "digest": document["digest"], "size": document["size"]}


def test_a_blob_that_the_source_lost_is_an_error_and_no_name_is_given(
    session: Session, registries: tuple[Registry, Registry], made: Made
) -> None:
    one, _ = registries
    layer = Digest(made.document(made.amd64)["layers"][1]["digest"])
    made.images.layout.blob_path(layer).unlink()
    with pytest.raises(CogpackError, match=layer):
        copy(session, f"{made.root}:v1", f"{one.address}/a:v1")
    assert not any("/manifests/" in line for line in one.sent())


def test_hostile_documents_are_refused_before_anything_is_asked_for_or_written(
    session: Session, tmp_path: Path
) -> None:
    images = Images(tmp_path / "made")
    images.manifest({"mediaType": OCI_LAYER, "digest": "sha256:" + "1" * 64, "size": 2**62}, name="v1")
    with serving(served(images, {})) as fake:
        with pytest.raises(InputError, match="its blobs come to"):
            copy(session, f"{fake.address}/a:v1", f"{tmp_path}/out")
    assert [request.path for request in fake.seen] == ["/v2/a/manifests/v1"]
    assert not (tmp_path / "out").exists()


def test_an_act_after_one_that_failed_runs_in_the_same_session(
    tmp_path: Path, registries: tuple[Registry, Registry], session: Session
) -> None:
    """It was cancelled: the first one's failure had cancelled the session."""
    images = Images(tmp_path / "layout")
    good, bad = images.blob(), images.blob()
    images.manifest(good, name="good")
    images.manifest(bad, good, name="bad")
    images.layout.blob_path(Digest(bad["digest"])).write_bytes(b"x" * 3000)
    target = f"{registries[0].address}/me/model"
    with pytest.raises(MismatchError):
        copy(session, f"{tmp_path}/layout:bad", f"{target}:bad")
    copy(session, f"{tmp_path}/layout:good", f"{target}:good")
    assert pull(session, f"{target}:good", tmp_path / "pulled").digest
