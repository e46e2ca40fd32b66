"""A push attaches the lock and an SPDX document to what it pushes: by referrers, before any tag moves."""

import json
import time
from typing import Any

import pytest
from support import plain
from support.fake_registry import FakeRegistry
from support.faults import Seen, answer
from support.personalities import DIST28, ZOT
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.lockfile import LOCK_TYPE, NO_ADDRESS, parse_attached_lock, read_lock

pytestmark = pytest.mark.slow

SPDX = "application/spdx+json"


def referrers(registry: str, digest: str, name: str = "me/model") -> dict[str, dict[str, Any]]:
    found = plain.get(f"http://{registry}/v2/{name}/referrers/{digest}").json()["manifests"]
    assert len({entry["artifactType"] for entry in found}) == len(found)
    return {entry["artifactType"]: entry for entry in found}


def attached(registry: str, entry: dict[str, Any], name: str = "me/model") -> bytes:
    accept = {"Accept": entry["mediaType"]}
    manifest = plain.get(f"http://{registry}/v2/{name}/manifests/{entry['digest']}", headers=accept).json()
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == manifest["artifactType"]
    return plain.get(f"http://{registry}/v2/{name}/blobs/{layer['digest']}").content


@pytest.fixture
def project(world: World) -> Project:
    make_wheel(world.wheels, "thing", files={"thing.py": noise(5_000)})
    return world.project(requirements="thing\n")


def test_lock_and_sbom_refer_to_the_image_whose_digest_is_the_same_without_them(world: World, project: Project) -> None:
    done = ok(project.cogpack("push", project.target(), "--json")).json
    found = referrers(world.registry, done["digest"])
    assert set(found) == {LOCK_TYPE, SPDX}
    assert {entry["digest"] for entry in found.values()} == set(done["targets"][0]["attached"])
    lock = read_lock(project.root / "cogpack.lock")
    assert lock is not None
    said = parse_attached_lock(attached(world.registry, found[LOCK_TYPE]))
    assert said.removed == 0
    assert said.lock.inputs == lock.inputs
    assert attached(world.registry, found[SPDX]).decode() == ok(project.cogpack("sbom")).out
    without = ok(project.cogpack("push", f"{world.registry}/me/bare:v1", "--no-attach", "--json")).json
    assert (without["digest"], without["targets"][0]["attached"]) == (done["digest"], [])
    assert referrers(world.registry, done["digest"], "me/bare") == {}


def test_the_lock_of_another_config_is_attached_as_that(world: World, project: Project) -> None:
    (project.root / "cog.yaml").rename(project.root / "blur.yaml")
    done = ok(project.cogpack("push", "-f", "blur.yaml", project.target(), "--json")).json
    entry = referrers(world.registry, done["digest"])[LOCK_TYPE]
    manifest = plain.get(f"http://{world.registry}/v2/me/model/manifests/{entry['digest']}").json()
    assert manifest["layers"][0]["annotations"]["org.opencontainers.image.title"] == "cogpack.blur.lock"
    text = ok(project.cogpack("inspect", "--lock", project.target())).out
    assert "from blur.yaml and" in text.splitlines()[0]
    (project.root / "cogpack.blur.lock").write_text(text)
    ok(project.cogpack("lock", "--check", "-f", "blur.yaml"))


def test_what_is_attached_costs_requests_once(world: World, project: Project) -> None:
    def asked(*more: str, **environment: str) -> list[tuple[str, str]]:
        world.requests.clear()
        ok(project.cogpack("push", project.target(), *more, **environment))
        before = -1
        while before < (before := len(world.requests)) or not before:  # of a file it is heard after
            time.sleep(0.05)
        return list(world.requests)

    other = {"COGPACK_CACHE_DIR": str(world.directory / "other")}
    first, again, elsewhere = asked(), asked(), asked(**other)
    assert asked("--no-attach") == again
    assert len(elsewhere) == len(again) + 2, "the config, and the list of what refers to the image"
    project.write("predict.py", (project.root / "predict.py").read_text() + "# changed\n")
    changed = asked()
    project.write("predict.py", (project.root / "predict.py").read_text() + "# again\n")
    assert len(changed) == len(asked("--no-attach")) + 2, "two manifests of what is there"
    last = first.index(("PUT", "/v2/me/model/manifests/v1"))
    assert all(number < last for number, (method, _) in enumerate(first) if method == "POST"), "the tag comes last"


def test_a_registry_that_is_named_as_of_replicates_kind_gets_none_as_replicate(world: World, project: Project) -> None:
    done = ok(project.cogpack("push", project.target(), "--json", COG_REGISTRY_HOST=world.registry))
    assert done.json["targets"][0]["attached"] == []
    assert not [path for _, path in world.requests if "referrers" in path]


def test_a_whole_lock_that_is_attached_makes_the_same_image(world: World, project: Project) -> None:
    done = ok(project.cogpack("push", project.target()))
    text = ok(project.cogpack("inspect", "--lock", project.target())).out
    project.write("cogpack.lock", text)
    elsewhere = {"COGPACK_CACHE_DIR": str(world.directory / "other")}
    again = ok(project.cogpack("push", "--locked", "--no-tag-cache", f"{world.registry}/me/other:v1", **elsewhere))
    assert again.digest == done.digest
    done = project.cogpack("inspect", "--lock", f"{world.registry}/base/python:v1")
    assert (done.code, "no lock is attached" in done.err) == (2, True)


def test_addresses_of_others_are_removed_and_such_a_lock_is_taken_for_none_of_a_project(
    world: World, project: Project
) -> None:
    """The base's name is no secret here only since cog.yaml is in the image."""
    project.write(".dockerignore", "cog.yaml\n")
    ok(project.cogpack("push", project.target()))
    done = ok(project.cogpack("inspect", "--lock", project.target()))
    assert world.registry not in done.out
    assert "1 address of it left out: it is no lock of a project" in done.err
    assert 'reference = "removed.invalid/base"' in done.out
    project.write("cogpack.lock", done.out)
    refused = project.cogpack("push", project.target())
    assert refused.code == 2
    assert "addresses are removed from it" in refused.err
    assert "cogpack lock --from-image REF" in refused.err
    for form in ("spdx", "cyclonedx"):
        document = ok(project.cogpack("sbom", project.target(), "--format", form)).out
        assert world.registry not in document
        assert NO_ADDRESS not in document


def test_documents_of_an_image_are_had_without_its_project(world: World, project: Project) -> None:
    ok(project.cogpack("push", project.target()))
    own = {form: ok(project.cogpack("sbom", "--format", form)).out for form in ("spdx", "cyclonedx")}
    for form, document in own.items():
        assert ok(world.cogpack("sbom", project.target(), "--format", form)).out == document
    ok(world.cogpack("copy", project.target(), "./out"))
    assert ok(world.cogpack("sbom", "./out")).out == own["spdx"], "what a copy brings along"
    lines = ok(world.cogpack("inspect", "./out")).out.splitlines()
    assert {line.split()[2] for line in lines if line.startswith("referrer")} == {LOCK_TYPE, SPDX}
    refused = world.cogpack("sbom", f"{world.registry}/base/python:v1")
    assert (refused.code, "no SPDX document is attached" in refused.err) == (2, True)


def test_documents_of_other_programs_do_not_hide_ours(world: World, project: Project) -> None:
    done = ok(project.cogpack("push", project.target()))
    base = f"http://{world.registry}/v2/me/model"
    blob = plain.get(f"{base}/manifests/v1", headers={"Accept": "application/vnd.oci.image.manifest.v1+json"})
    subject = {"mediaType": blob.headers["Content-Type"], "digest": done.digest, "size": len(blob.content)}
    theirs = {
        "schemaVersion": 2,
        "artifactType": SPDX,
        "config": blob.json()["config"],
        "layers": [blob.json()["config"]],
    }
    with plain.client() as client:
        for number in range(3):
            data = json.dumps({**theirs, "subject": subject, "annotations": {"number": str(number)}}).encode()
            answered = client.put(
                f"{base}/manifests/other{number}", content=data, headers={"Content-Type": subject["mediaType"]}
            )
            assert answered.status_code == 201, answered.text
    assert ok(project.cogpack("sbom", project.target())).out == ok(project.cogpack("sbom")).out


@pytest.mark.parametrize("status", [403, 405])
def test_a_registry_that_will_not_have_them_has_the_image_and_a_note_says_so(project: Project, status: int) -> None:
    def refers(seen: Seen) -> bool:
        return len([one for one in fake.seen if one.kind == seen.kind and one.repository == seen.repository]) == 2

    with FakeRegistry(ZOT).running() as fake:
        fake.on("PUT manifest", answer(status), when=refers)
        done = ok(project.cogpack("push", f"{fake.address}/me/model:v1", "--json"))
        (note,) = [note for note in done.json["notes"] if note["code"] == "not-attached"]
        assert "--no-attach" in note["text"]
        assert done.json["targets"][0]["attached"] == []
        assert "v1" in fake.tags["me/model"]
        fake.on("PUT manifest", answer(status), when=refers)
        denied = project.cogpack("push", f"{fake.address}/me/other:v2", "--deny", "not-attached")
        assert (denied.code, fake.tags.get("me/other")) == (2, {}), "it ends before the tag"


def test_one_whose_blobs_are_refused_ends_no_push(project: Project) -> None:
    """It was told as interrupted, and the tag stayed where it was."""

    def comes_after_the_image(_: Seen) -> bool:
        return any(one.kind == "PUT manifest" for one in fake.seen)

    with FakeRegistry(ZOT).running() as fake:
        fake.on("POST session", answer(403, times=60), when=comes_after_the_image)
        done = ok(project.cogpack("push", f"{fake.address}/me/model:v1", "--json")).json
        assert "not-attached" in [note["code"] for note in done["notes"]]
        assert "v1" in fake.tags["me/model"]


def test_what_was_deleted_is_attached_again_as_the_advice_says(project: Project) -> None:
    with FakeRegistry(DIST28).running() as fake:
        target = f"{fake.address}/me/model:v1"

        def attached_by(*more: str) -> tuple[list[str], int]:
            before = len(fake.seen)
            done = ok(project.cogpack("push", target, *more, "--json"))
            return done.json["targets"][0]["attached"], len(fake.seen) - before

        first, _ = attached_by()
        ok(project.cogpack("inspect", "--lock", target))
        (listed,) = (tag for tag in fake.tags["me/model"] if tag.startswith("sha256-"))
        for digest in (*first, fake.tags["me/model"].pop(listed)):
            del fake.manifests["me/model"][digest]
        for verb in (("inspect", "--lock"), ("sbom",)):
            assert "push it again from its project with --attach" in project.cogpack(*verb, target).err
        believed, known = attached_by()
        assert (believed, attached_by("--attach")[0]) == ([], first)
        ok(project.cogpack("inspect", "--lock", target))
        assert attached_by("--attach") == ([], known + 2)


def test_a_repository_that_was_emptied_gets_them_with_the_image(project: Project) -> None:
    """What this machine attached it believes to be there only as long as the image is."""
    with FakeRegistry(DIST28).running() as fake:
        target = f"{fake.address}/me/model:v1"
        first = ok(project.cogpack("push", target, "--json")).json["targets"][0]["attached"]
        for held in (fake.tags, fake.manifests, fake.blobs):
            held["me/model"].clear()
        again = ok(project.cogpack("push", target, "--json")).json["targets"][0]["attached"]
        assert again == first
        ok(project.cogpack("inspect", "--lock", target))


def test_without_the_api_they_are_listed_under_the_fallback_tag_once(project: Project) -> None:
    with FakeRegistry(DIST28).running() as fake:
        done = ok(project.cogpack("push", f"{fake.address}/me/model:v1"))
        tag = done.digest.replace(":", "-")

        def listed() -> list[str]:
            _, data = fake.manifests["me/model"][fake.tags["me/model"][tag]]
            return [entry["artifactType"] for entry in json.loads(data)["manifests"]]

        assert listed() == [LOCK_TYPE, SPDX]
        before = len(fake.seen)
        ok(project.cogpack("push", f"{fake.address}/me/model:v1"))
        known, before = len(fake.seen) - before, len(fake.seen)
        ok(project.cogpack("push", f"{fake.address}/me/model:v1", COGPACK_CACHE_DIR=str(project.root.parent / "b")))
        assert len(fake.seen) - before == known + 3, "the config, and in two ways what refers to the image"
        assert listed() == [LOCK_TYPE, SPDX]
        assert list(fake.tags["me/model"]) == [tag, "v1"], "the tag comes last"


def test_who_keeps_the_machine_may_say_that_nothing_is_attached(world: World, project: Project) -> None:
    config = project.write("../config.toml", "attach = false\n")
    done = ok(project.cogpack("push", project.target(), COGPACK_CONFIG=str(config)))
    assert referrers(world.registry, done.digest) == {}
