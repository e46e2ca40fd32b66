"""The distribution API spelled out request by request, for tests that want no client of ours in between."""

import hashlib
import json
from typing import Any

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor_of(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def begin(client: httpx.Client, repository: str, **query: str) -> httpx.Response:
    answer = client.post(f"/{repository}/blobs/uploads/", params=query)
    assert answer.status_code in (201, 202), answer.text
    return answer


def location(client: httpx.Client, answer: httpx.Response) -> httpx.URL:
    return answer.request.url.join(answer.headers["Location"])


def finish(
    client: httpx.Client, answer: httpx.Response, digest: str, data: bytes = b"", **headers: str
) -> httpx.Response:
    url = location(client, answer).copy_add_param("digest", digest)
    return client.put(url, content=data, headers=headers)


def push_blob(client: httpx.Client, repository: str, data: bytes) -> str:
    digest = digest_of(data)
    answer = finish(client, begin(client, repository), digest, data)
    assert answer.status_code == 201, answer.text
    return digest


def manifest_of(config: bytes, *layers: bytes) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor_of(config, CONFIG),
        "layers": [descriptor_of(layer, LAYER) for layer in layers],
    }
    return json.dumps(document).encode()


def put_manifest(
    client: httpx.Client, repository: str, reference: str, data: bytes, media_type: str = MANIFEST
) -> httpx.Response:
    return client.put(f"/{repository}/manifests/{reference}", content=data, headers={"Content-Type": media_type})


def codes(answer: httpx.Response) -> list[str]:
    """The error codes of a refusal (distribution-spec, "Error Codes")."""
    return [error["code"] for error in answer.json()["errors"]]
