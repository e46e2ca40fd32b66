"""How registries differ: what each kind says and refuses.

They are readings of documents and reports (their `source`), not of the hosted registries themselves.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support.counted import MiB


def error(code: str, message: str = "") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@dataclass(frozen=True)
class Personality:
    """How one kind of registry behaves. The defaults are distribution 3.x.

    `cut`: what a broken PATCH leaves: "keeps" its bytes, or the session is "gone". `content_range`: "checked",
    "ignored" or "refused". `range`: of a PATCH's answer, for so many bytes; `status_range`: of a status GET's.
    `largest`: bytes of a body by method, with the answer to more. `minimum`, `maximum`: OCI-Chunk-*-Length.
    """

    name: str
    source: str = ""
    cut: str = "keeps"
    content_range: str = "checked"
    fresh_range: str | None = "0-0"
    range: Callable[[int], str | None] = lambda size: f"0-{size - 1}" if size else "0-0"
    status_range: Callable[[int], str | None] = lambda size: f"0-{size - 1}" if size else "0-0"
    status_location: bool = True
    stale_location: int = 0
    """Status of an answer to a Location that is not the newest; 0 takes it."""
    patch_status: int = 202
    largest: Mapping[str, tuple[int, int, bytes]] = field(default_factory=dict)
    largest_ranged: tuple[int, int, bytes] | None = None
    minimum: int | None = None
    maximum: int | None = None
    equal_chunks: bool = False
    needs_length: bool = False
    mount: str = "yes"
    referrers: bool = False
    ranges: bool = True
    immutable: bool = False
    manifest_limit: int = 4 * MiB


_HTML_413 = b"<html><h1>413 Request Entity Too Large</h1></html>"

DIST28 = Personality(
    "dist28", "measured: a cut PATCH ends its session, Content-Range is not looked at",
    cut="gone", content_range="ignored", stale_location=404,
)  # fmt: skip
DIST3 = Personality("dist3", "distribution v3.1.1, registry/handlers/blobupload.go")
ZOT = Personality("zot", "zot pkg/api/routes.go: a broken PATCH deletes its session", cut="gone", referrers=True)
QUAY = Personality(
    "quay", "quay endpoints/v2/blob.py: status and 416 are off by one against PATCH's answer",
    fresh_range="bytes=0--1", status_range=lambda size: f"bytes=0-{size}", status_location=False, referrers=True,
)  # fmt: skip
GHCR = Personality(
    "ghcr", "wash #268, rust-oci-client #35: chunks above 4 MiB are refused",
    largest_ranged=(4 * MiB, 416, b"request body is too large, limit is 4.00MiB"), cut="gone",
)  # fmt: skip
GAR = Personality("gar", "kitops #777: no chunked uploads", content_range="refused", cut="gone")
ECR = Personality(
    "ecr", "regclient #81: 201 to PATCH; containers-roadmap #2831: Range does not move",
    patch_status=201, range=lambda size: "0-99", status_range=lambda size: "0-99",
)  # fmt: skip
ACR = Personality(
    "acr", "harbor #23015: large PUTs are refused; harbor #21640: Content-Range is `a-b`",
    largest={"PUT": (20 * MiB, 413, error("SIZE_INVALID", "blob is too large"))}, needs_length=False,
)  # fmt: skip
CLOUDFLARE = Personality(
    "cloudflare", "cloudflare/serverless-registry src/chunk.ts, src/registry/r2.ts",
    minimum=5 * MiB, maximum=100_000_000, equal_chunks=True, needs_length=True,
    largest={"PUT": (100_000_000, 413, _HTML_413), "PATCH": (100_000_000, 413, _HTML_413)},
)  # fmt: skip
GITEA = Personality(
    "gitea", "gitea #34724: no Range while a session is empty", fresh_range=None,
    status_range=lambda size: f"0-{size - 1}" if size else None,
)  # fmt: skip
HARBOR = Personality("harbor", "harbor #17097: 401 for a mount from a project that is not there", mount="401")
NGINX = Personality(
    "nginx", "nginx client_max_body_size",
    largest=dict.fromkeys(("PUT", "PATCH"), (1 * MiB, 413, _HTML_413)),
)  # fmt: skip

ALL = (DIST28, DIST3, ZOT, QUAY, GHCR, GAR, ECR, ACR, CLOUDFLARE, GITEA, HARBOR, NGINX)
