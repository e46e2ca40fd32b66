"""A base image in a registry, as somebody else's tool would have made it: the Debian layer of a pushed image, alone."""

import hashlib
import json
from typing import Any

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def push_base_image(registry: str, source: str, target: str) -> None:
    """Make `target` ("library/base:v1") of the lowest layer of `source` ("a/hello:v1"), with Docker's media types."""
    with httpx.Client(base_url=f"http://{registry}/v2/", timeout=60) as client:
        source_name, source_tag = source.split(":")
        name, tag = target.split(":")
        manifest = _json(client.get(f"{source_name}/manifests/{source_tag}", headers={"Accept": MANIFEST}))
        config = _json(client.get(f"{source_name}/blobs/{manifest['config']['digest']}"))
        layer = manifest["layers"][0]
        _ok(client.post(f"{name}/blobs/uploads/", params={"mount": layer["digest"], "from": source_name}), 201)
        document = {
            "architecture": config["architecture"],
            "os": config["os"],
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "FROM_BASE=kept"], "Entrypoint": ["/entry"]},
            "rootfs": {"type": "layers", "diff_ids": config["rootfs"]["diff_ids"][:1]},
            "history": [{"created_by": "ADD rootfs.tar /"}],
            "moby.buildkit.buildinfo.v1": "an unknown field",
        }
        data = json.dumps(document).encode()
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        session = _ok(client.post(f"{name}/blobs/uploads/"), 202).headers["Location"]
        _ok(client.put(f"{session}{'&' if '?' in session else '?'}digest={digest}", content=data), 201)
        made = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": len(data),
                "digest": digest,
            },
            "layers": [
                {
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "size": layer["size"],
                    "digest": layer["digest"],
                }
            ],
        }
        body = json.dumps(made).encode()
        _ok(client.put(f"{name}/manifests/{tag}", content=body, headers={"Content-Type": DOCKER_MANIFEST}), 201)


def _ok(answer: httpx.Response, status: int) -> httpx.Response:
    assert answer.status_code == status, answer.text
    return answer


def _json(answer: httpx.Response) -> Any:
    return _ok(answer, 200).json()
