"""A base for several platforms."""

import hashlib
import json
from typing import Any

from support import plain
from support.world import World

from cogpack.oci import OCI_INDEX


def push_index(world: World) -> None:
    """`base/python:v2`: an index of our base and of the same for arm64."""
    with plain.client(base_url=f"http://{world.registry}/v2/base/python/") as client:

        def blob(data: bytes, media_type: str) -> dict[str, Any]:
            place = f"http://{world.registry}" + client.post("blobs/uploads/").headers["Location"]
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            assert client.put(place, params={"digest": digest}, content=data).status_code == 201
            return {"mediaType": media_type, "digest": digest, "size": len(data)}

        def put(document: dict[str, Any], ref: str) -> dict[str, Any]:
            data = json.dumps(document).encode()
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            headers = {"Content-Type": document["mediaType"]}
            assert client.put(f"manifests/{ref or digest}", content=data, headers=headers).status_code == 201
            return {"mediaType": document["mediaType"], "digest": digest, "size": len(data)}

        manifest = world.manifest("base/python", "v1")
        image = client.get(f"blobs/{manifest['config']['digest']}").json()
        entries = []
        for arch in ("amd64", "arm64"):
            made = blob(json.dumps(image | {"architecture": arch}).encode(), manifest["config"]["mediaType"])
            entry = put(manifest | {"config": made}, "")
            entries.append(entry | {"platform": {"os": "linux", "architecture": arch}})
        put({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, "v2")
