"""The table of quirks: hosts find their rows, and every row says where it comes from and stands in the documents."""

from pathlib import Path

import pytest

from cogpack.registry.profiles import ANY, PROFILES, Profile, profile
from cogpack.registry.refusals import refusal

DOCUMENT = (Path(__file__).parents[2] / "docs" / "registries.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("registry-1.docker.io", "Docker Hub"),
        ("ghcr.io", "GitHub"),
        ("GHCR.io:443", "GitHub"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "Amazon ECR"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "Amazon ECR"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "Amazon ECR"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "Amazon ECR"),
        ("public.ecr.aws", "Amazon ECR Public"),
        ("eu.gcr.io", "Google Artifact Registry"),
        ("europe-west1-docker.pkg.dev", "Google Artifact Registry"),
        ("me.azurecr.io", "Azure"),
        ("quay.io", "Quay"),
        ("registry.gitlab.com", "GitLab"),
        ("r2-registry.me.workers.dev", "Cloudflare"),
        ("127.0.0.1:5000", "any registry"),
        ("ghcr.io.example.com", "any registry"),
        ("[::1]:5000", "any registry"),
    ],
)
def test_a_host_finds_its_row_and_no_look_alike_does(host: str, name: str) -> None:
    assert profile(host).name == name


@pytest.mark.parametrize("row", [*PROFILES, ANY], ids=lambda row: row.name)
def test_every_row_has_a_source_and_shapes_without_repeats(row: Profile) -> None:
    assert row.source
    assert row.shapes
    assert len(set(row.shapes)) == len(row.shapes)


def test_where_a_repository_must_be_made_first_the_error_says_how() -> None:
    host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    body = b'{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}'
    error = refusal(
        "POST", f"https://{host}/v2/", 404, body, repository=f"{host}/me/model", doing="push to", headers={}
    )
    assert "--create-repository" in error.next_step
    assert "--repository-name me/model" in error.next_step


@pytest.mark.parametrize("row", PROFILES, ids=lambda row: row.name)
def test_every_row_stands_in_the_table_of_what_was_proved(row: Profile) -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith(f"| {row.name}")]
    assert rows, f"docs/registries.md has no row for {row.name}"
