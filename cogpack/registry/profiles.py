"""Profiles say how registries like their blobs sent: what their documents and users tell of them, as data.

A profile is an order of trying, never a refusal: what a registry answers counts for more, and is remembered for the
session (`cogpack.registry.push.shapes`). `source`: where the word comes from, by document, code or thread.
"""

import re
from typing import Literal, TypeAlias

import msgspec

from cogpack.sizes import MiB

Shape: TypeAlias = Literal["put", "stream", "chunks"]
"""`put`: one PUT with the digest. `stream`: one PATCH, then an empty PUT. `chunks`: PATCHes with Content-Range."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How one registry likes its uploads.

    `hosts`: a regular expression for the whole host name, port aside. `shapes` in the order of trying.

    `chunk`: bytes of a chunk to begin with. `largest`: bytes of a layer at most, None where none is documented.
    """

    name: str
    hosts: str
    shapes: tuple[Shape, ...] = ("put", "stream", "chunks")
    chunk: int = 64 * MiB
    largest: int | None = None
    create: str = ""
    """What to run where a repository must be made before the first push."""
    source: str


PROFILES = (
    Profile(
        name="Docker Hub",
        hosts=r"registry-1\.docker\.io",
        source="kitops #329: all three are taken",
    ),
    Profile(
        name="GitHub",
        hosts=r"ghcr\.io",
        shapes=("put", "stream"),
        largest=10 * 1000**3,
        source="GitHub docs, container registry: 10 GB a layer, 10 minutes an upload; "
        "rust-oci-client #35: no chunks above 4 MiB",
    ),
    Profile(
        name="Replicate",
        hosts=r"r8\.im",
        create="make the model at https://replicate.com/create",
        source="replicate/cog, pkg/provider/replicate",
    ),
    Profile(
        name="Amazon ECR",
        hosts=r"[0-9]+\.dkr[.-]ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|on\.aws)",
        shapes=("put", "stream"),
        largest=52_000 * MiB,
        create="push with --create-repository, or: aws ecr create-repository --repository-name {repository}",
        source="AWS docs, ECR quotas; containers-roadmap #2831: Range of a PATCH does not move",
    ),
    Profile(
        name="Amazon ECR Public",
        hosts=r"public\.ecr\.aws",
        shapes=("put", "stream"),
        largest=10_000 * MiB,
        create="push with --create-repository, or: aws ecr-public create-repository --repository-name {repository}",
        source="AWS docs, ECR Public quotas",
    ),
    Profile(
        name="Google Artifact Registry",
        hosts=r"(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev",
        shapes=("put", "stream"),
        create="gcloud artifacts repositories create REPOSITORY --repository-format=docker --location=LOCATION",
        source="kitops #777: no chunks; Artifact Registry quotas: 9.9 GB a read",
    ),
    Profile(
        name="Azure",
        hosts=r"[a-z0-9-]+\.azurecr\.(?:io|cn|us)",
        shapes=("stream", "put", "chunks"),
        chunk=16 * MiB,
        largest=200 * 1024 * MiB,
        source="harbor #23015: PUTs beyond 20 MB are refused; harbor #21640: Content-Range is a-b",
    ),
    Profile(
        name="Quay",
        hosts=r"quay\.io",
        largest=20 * 1024 * MiB,
        source="quay config.py, MAXIMUM_LAYER_SIZE",
    ),
    Profile(
        name="GitLab",
        hosts=r"registry\.gitlab\.com",
        source="GitLab MR !86884: tokens of 15 minutes",
    ),
    Profile(
        name="Cloudflare",
        hosts=r"[a-z0-9.-]+\.workers\.dev",
        shapes=("chunks",),
        source="cloudflare/serverless-registry src/registry/r2.ts: chunks of one size, 100 MB at most",
    ),
)

ANY = Profile(name="any registry", hosts=r".*", source="distribution-spec v1.1; what containerd and docker send")


def profile(host: str) -> Profile:
    """Find the profile of `host`, with or without port."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    return next((known for known in PROFILES if re.fullmatch(known.hosts, name.lower())), ANY)
