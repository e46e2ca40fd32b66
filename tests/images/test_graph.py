"""Walking from a root to its blobs: what is named is found, what is hostile is refused before any blob is asked for."""

import json
import tracemalloc
from typing import Any

import pytest

from cogpack.digest import sha256
from cogpack.errors import InputError, MismatchError
from cogpack.images import graph
from cogpack.images.graph import Graph, Node, read_graph
from cogpack.oci import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    FoundManifest,
    ImageConfig,
    Index,
    Platform,
    decode,
)

Document = dict[str, Any]


class Store:
    """Manifests by tag and digest. What was asked for is in `asked`."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, bytes]] = {}
        self.asked: list[str] = []

    def add(self, document: Document | bytes, media_type: str | None = None, tag: str = "") -> Document:
        """Keep it, and answer its descriptor."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        if media_type is None:
            assert isinstance(document, dict)
            media_type = str(document["mediaType"])
        for name in (sha256(data), tag):
            self.found[name] = media_type, data
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    def read(self, reference: str) -> FoundManifest | None:
        self.asked.append(reference)
        if reference not in self.found:
            return None
        media_type, data = self.found[reference]
        return FoundManifest(media_type, data, sha256(data))


@pytest.fixture
def store() -> Store:
    return Store()


def blob(number: int, media_type: str = OCI_LAYER, size: Any = 10) -> Document:
    return {"mediaType": media_type, "digest": f"sha256:{number:064x}", "size": size}


def manifest(*layers: Document, **more: Any) -> Document:
    config = {"mediaType": OCI_CONFIG, "digest": "sha256:" + "c" * 64, "size": 2}
    return {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": list(layers)} | more


def index(*manifests: Document, **more: Any) -> Document:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)} | more


def walk(store: Store, platform: str | None = None) -> Graph:
    return read_graph(store.read, "v1", where="here.example/a", platform=Platform.parse(platform) if platform else None)


def root(found: Graph) -> Node:
    return found.nodes[-1]


def refused(store: Store, document: Document | bytes, media_type: str | None = None) -> str:
    store.add(document, media_type, tag="v1")
    with pytest.raises(InputError) as caught:
        walk(store)
    assert "here.example/a" in caught.value.message
    return caught.value.message


def test_children_come_before_their_index_and_every_blob_once(store: Store) -> None:
    one = store.add(manifest(blob(1), blob(2)))
    two = store.add(manifest(blob(1), blob(3)))
    made = store.add(index(one, two), tag="v1")
    found = walk(store)
    assert [node.descriptor.digest for node in found.nodes] == [one["digest"], two["digest"], made["digest"]]
    assert [item.digest for item in found.blobs] == ["sha256:" + "c" * 64, *(blob(n)["digest"] for n in (1, 2, 3))]
    assert found.size == 32
    assert root(found).data == store.found["v1"][1]


def test_a_manifest_that_two_indexes_name_is_read_once(store: Store) -> None:
    one = store.add(manifest(blob(1)))
    inner = store.add(index(one))
    store.add(index(one, inner), tag="v1")
    assert len(walk(store).nodes) == 3
    assert len(store.asked) == 3


def test_docker_manifests_and_lists_are_read_alike(store: Store) -> None:
    one = store.add(manifest(blob(1), mediaType=DOCKER_MANIFEST))
    store.add(index(one, mediaType=DOCKER_INDEX), tag="v1")
    assert [node.descriptor.media_type for node in walk(store).nodes] == [DOCKER_MANIFEST, DOCKER_INDEX]


def test_an_artifact_is_a_manifest_and_says_what_it_is(store: Store) -> None:
    subject = blob(7, OCI_MANIFEST)
    store.add(manifest(blob(1, "application/x-anything"), artifactType="application/x-sbom", subject=subject), tag="v1")
    node = root(walk(store))
    assert node.entry.artifact_type == "application/x-sbom"
    assert node.subject is not None
    assert node.subject.digest == subject["digest"]


def test_a_server_that_calls_it_json_is_answered_by_the_document(store: Store) -> None:
    store.add(manifest(blob(1)), "application/json", tag="v1")
    assert root(walk(store)).descriptor.media_type == OCI_MANIFEST


def test_a_web_page_is_told_as_such(store: Store) -> None:
    """A name that is nearly a registry's, or a portal in between."""
    store.add(b"\n<!doctype html><p>Log in", "text/html", tag="v1")
    with pytest.raises(InputError, match="a web page, and no manifest"):
        walk(store)
    store.add(b"Log in", "text/html", tag="v1")
    with pytest.raises(InputError, match="not a valid manifest"):
        walk(store)


@pytest.mark.parametrize(("kind", "name"), [(ImageConfig, "image config"), (dict, "document"), (Index, "index")])
def test_what_a_document_should_be_is_said_in_words(kind: type, name: str) -> None:
    with pytest.raises(InputError, match=f"here: not a valid {name}: "):
        decode(b"<", kind, where="here")


def test_what_an_index_names_that_is_no_manifest_is_a_blob(store: Store) -> None:
    """As build caches do."""
    store.add(index(blob(1, "application/vnd.buildkit.cacheconfig.v0"), blob(2)), tag="v1")
    assert len(walk(store).blobs) == 2


def test_layers_that_only_their_urls_have_are_told_apart(store: Store) -> None:
    away = blob(1, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") | {"urls": ["https://x.example/1"]}
    store.add(manifest(away, blob(2)), tag="v1")
    graph = walk(store)
    node = root(graph)
    assert [item.digest for item in node.foreign] == [item.digest for item in graph.foreign] == [away["digest"]]
    assert away["digest"] not in {item.digest for item in node.blobs}


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [("linux/amd64", 1), ("linux/arm", 2), ("linux/arm/v7", 3), ("linux/arm64", 4), ("linux/arm64/v8", 4)],
)
def test_a_platform_is_one_image_of_an_index(store: Store, wanted: str, taken: int) -> None:
    offered = ["linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"]
    children = []
    for number, name in enumerate(offered, 1):
        os, architecture, *variant = name.split("/")
        platform = {"os": os, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        children.append(store.add(manifest(blob(number))) | {"platform": platform})
    store.add(index(*children), tag="v1")
    found = walk(store, wanted)
    assert [node.descriptor.digest for node in found.nodes] == [children[taken - 1]["digest"]]


def test_a_platform_that_is_not_there_is_refused_with_those_that_are(store: Store) -> None:
    child = store.add(manifest()) | {"platform": {"os": "linux", "architecture": "arm64"}}
    store.add(index(child), tag="v1")
    with pytest.raises(InputError, match="no image for linux/arm; it has linux/arm64"):
        walk(store, "linux/arm")


def test_a_child_that_is_missing_is_named(store: Store) -> None:
    assert f"no manifest {blob(1)['digest']}" in refused(store, index(blob(1, OCI_MANIFEST)))


def test_a_child_of_other_bytes_or_another_size_is_a_mismatch(store: Store) -> None:
    child = store.add(manifest(blob(1)))
    store.add(index(child | {"size": child["size"] + 1}), tag="v1")
    with pytest.raises(MismatchError, match=child["digest"]):
        walk(store)
    store.add(index(child), tag="v1")
    store.found[child["digest"]] = OCI_MANIFEST, json.dumps(manifest(blob(2))).encode()
    with pytest.raises(MismatchError, match=child["digest"]):
        walk(store)


def test_an_index_that_names_itself_ends(store: Store) -> None:
    """It can't, by its digest; a server that lies about it can answer so."""
    own = blob(1, OCI_INDEX, size=210)
    store.add(index(own), tag="v1")
    store.found[own["digest"]] = store.found["v1"]
    with pytest.raises(MismatchError):
        walk(store)


@pytest.mark.parametrize("size", [2**53, 2**62, -5, "10", None, 2**70])
def test_sizes_that_no_blob_has_are_refused(store: Store, size: Any) -> None:
    refused(store, manifest(blob(1, size=size), blob(2)))


def test_a_size_beyond_all_numbers_is_refused(store: Store) -> None:
    refused(store, json.dumps(manifest(blob(1, size=123454321))).replace("123454321", "1e400").encode(), OCI_MANIFEST)


@pytest.mark.parametrize("digest", ["sha256:../../x", "sha256:" + "A" * 64, "sha1:" + "a" * 40, "md9:1", ""])
def test_digests_that_are_none_are_refused(store: Store, digest: str) -> None:
    refused(store, manifest(blob(1) | {"digest": digest}))


def test_one_blob_of_two_sizes_is_refused(store: Store) -> None:
    assert "20 here" in refused(store, manifest(blob(1, size=10), blob(1, size=20)))


@pytest.mark.parametrize(
    "document",
    [
        manifest() | {"manifests": []},
        index() | {"layers": []},
        index() | {"config": {}},
    ],
)
def test_a_document_that_is_both_is_refused(store: Store, document: Document) -> None:
    assert "both a manifest and an index" in refused(store, document)


def test_a_document_of_another_type_than_it_was_served_as_is_refused(store: Store) -> None:
    assert DOCKER_MANIFEST in refused(store, manifest(mediaType=DOCKER_MANIFEST), OCI_MANIFEST)
    assert "prettyjws" in refused(
        store, b'{"schemaVersion": 1}', "application/vnd.docker.distribution.manifest.v1+prettyjws"
    )
    refused(store, manifest(schemaVersion=1))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"<html>", b"\xff\xfe{", b'{"schemaVersion": 2'])
def test_what_is_no_json_object_is_refused(store: Store, data: bytes) -> None:
    refused(store, data, OCI_MANIFEST)


def test_a_key_that_comes_twice_is_refused(store: Store) -> None:
    data = json.dumps(manifest(blob(1))).encode()
    twice = data.replace(b'"layers"', b'"lay\\u0065rs": [], "layers"')
    assert "twice" in refused(store, twice, OCI_MANIFEST)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"schemaVersion": 2, "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        json.dumps(manifest(*[blob(n) for n in range(30_000)])).encode(),
        json.dumps(index(*[blob(n, OCI_MANIFEST) for n in range(30_000)])).encode(),
        json.dumps(manifest(blob(1), x=[[]] * 700_000)).encode(),
        json.dumps(manifest(blob(1), x="y" * 5_000_000)).encode(),
        json.dumps(manifest(blob(1))).encode().replace(b"10", b"1" * 3_000_000),
    ],
    ids=["brackets", "depth", "layers", "manifests", "values", "length", "digits"],
)
def test_hostile_documents_are_refused_in_bounded_memory(store: Store, data: bytes) -> None:
    media_type = OCI_INDEX if b'"manifests"' in data[:200] else OCI_MANIFEST
    tracemalloc.start()
    try:
        refused(store, data, media_type)
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert len(store.asked) == 1


def test_indexes_go_three_levels_deep_and_no_further(store: Store) -> None:
    below = store.add(manifest(blob(1)))
    for _ in range(graph.LEVELS):
        below = store.add(index(below), tag="v1")
    assert len(walk(store).nodes) == 4
    store.add(index(below), tag="v1")
    with pytest.raises(InputError, match="levels"):
        walk(store)


def test_a_platform_is_not_searched_for_any_deeper(store: Store) -> None:
    platform = {"platform": {"os": "linux", "architecture": "amd64"}}
    below = store.add(manifest(blob(1)))
    for _ in range(5):
        below = store.add(index(below | platform), tag="v1")
    with pytest.raises(InputError, match="levels"):
        walk(store, "linux/amd64")


def test_many_manifests_and_many_bytes_of_them_are_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add(index(*[store.add(manifest(blob(n))) for n in range(4)]), tag="v1")
    monkeypatch.setattr(graph, "MANIFESTS", 5)
    walk(store)
    monkeypatch.setattr(graph, "MANIFESTS", 4)
    with pytest.raises(InputError, match="more than 4 manifests"):
        walk(store)
    monkeypatch.setattr(graph, "MANIFESTS", 5)
    monkeypatch.setattr(graph, "DOCUMENTS", 900)
    with pytest.raises(InputError, match="900 bytes"):
        walk(store)
