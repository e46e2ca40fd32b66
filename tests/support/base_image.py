"""A base image in a registry, as somebody else's tool would have made it: the Debian layer of a pushed image, alone."""

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

import httpx
from support import plain

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def push_base_image(registry: str, source: str, target: str, *, more: int = 0) -> None:
    """Make `target` ("library/base:v1") of the lowest layer of `source` ("a/hello:v1"), with Docker's media types.

    `more`: layers above it, of one directory each.
    """
    with plain.client(base_url=f"http://{registry}/v2/", timeout=60) as client:
        source_name, source_tag = source.split(":")
        name, tag = target.split(":")
        manifest = _json(client.get(f"{source_name}/manifests/{source_tag}", headers={"Accept": MANIFEST}))
        config = _json(client.get(f"{source_name}/blobs/{manifest['config']['digest']}"))
        lowest = manifest["layers"][0]
        _ok(client.post(f"{name}/blobs/uploads/", params={"mount": lowest["digest"], "from": source_name}), 201)
        layers, diff_ids = [(lowest["size"], lowest["digest"])], config["rootfs"]["diff_ids"][:1]
        for number in range(more):
            tar = _directory(f"more{number}")
            diff_ids.append(_digest(tar))
            layers.append(_send(client, name, gzip.compress(tar)))
        document = {
            "architecture": config["architecture"],
            "os": config["os"],
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "FROM_BASE=kept"], "Entrypoint": ["/entry"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [{"created_by": "ADD rootfs.tar /"}] * len(layers),
            "moby.buildkit.buildinfo.v1": "an unknown field",
        }
        size, digest = _send(client, name, json.dumps(document).encode())
        made = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": size,
                "digest": digest,
            },
            "layers": [
                {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": size, "digest": digest}
                for size, digest in layers
            ],
        }
        body = json.dumps(made).encode()
        _ok(client.put(f"{name}/manifests/{tag}", content=body, headers={"Content-Type": DOCKER_MANIFEST}), 201)


def _directory(name: str) -> bytes:
    """A tar of it."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
    return made.getvalue()


def _send(client: httpx.Client, name: str, data: bytes) -> tuple[int, str]:
    """Size and digest of the blob that it is now."""
    session = _ok(client.post(f"{name}/blobs/uploads/"), 202).headers["Location"]
    digest = _digest(data)
    _ok(client.put(f"{session}{'&' if '?' in session else '?'}digest={digest}", content=data), 201)
    return len(data), digest


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _ok(answer: httpx.Response, status: int) -> httpx.Response:
    assert answer.status_code == status, answer.text
    return answer


def _json(answer: httpx.Response) -> Any:
    return _ok(answer, 200).json()
