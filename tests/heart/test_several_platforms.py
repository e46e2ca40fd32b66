"""One lock and one push for several platforms."""

import hashlib
import json
import os
import signal
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import plain
from support.platforms import push_index
from support.wheels import make_wheel
from support.world import Done, Project, World, noise, ok

from cogpack.lockfile import parse_lock
from cogpack.registry.server import Server

pytestmark = pytest.mark.slow

BOTH = "linux/amd64,linux/arm64"


@pytest.fixture
def project(world: World) -> Project:
    """A project over a base that there is for both platforms, with a wheel of each, one for any, and a weight."""
    push_index(world)
    make_wheel(world.wheels, "pure", files={"pure.py": b"ONE = 1\n"})
    for machine in ("x86_64", "aarch64"):
        tag = f"cp313-cp313-manylinux_2_17_{machine}"
        make_wheel(world.wheels, "native", tag=tag, files={"native.so": machine.encode()})
    made = world.project(requirements="pure\nnative\n", files={"model/w.pt": noise(2_000_000)})
    config = (made.root / "cog.yaml").read_text()
    made.write("cog.yaml", config.replace("base/python:v1", "base/python:v2"))
    return made


def lock_of(project: Project) -> dict[str, Any]:
    return dict(msgspec.to_builtins(parse_lock((project.root / "cogpack.lock").read_bytes())))


def both(project: Project, verb: str, *more: str) -> Done:
    return ok(project.cogpack(verb, *more, "--platform", BOTH))


def test_one_lock_has_both_platforms_and_a_lock_of_one_is_stale_for_both(project: Project) -> None:
    ok(project.cogpack("lock"))
    alone = lock_of(project)["platforms"]["linux/amd64"]
    done = project.cogpack("lock", "--check", "--platform", BOTH)
    assert (done.code, "was made for no linux/arm64" in done.err) == (3, True)
    done = both(project, "lock")
    assert "linux/arm64: locked: " in done.err
    found = lock_of(project)["platforms"]
    assert list(found) == ["linux/amd64", "linux/arm64"]
    assert found["linux/amd64"] == alone, "what was pinned is kept"
    text = (project.root / "cogpack.lock").read_text()
    assert [text.count(f'name = "{name}"') for name in ("pure", "native")] == [1, 2], "what both have stands there once"
    both(project, "lock", "--check")
    ok(project.cogpack("lock", "--check"))


def test_each_image_has_its_lock_and_sbom_attached_and_the_index_those_of_all(world: World, project: Project) -> None:
    done = both(project, "push", project.target(), "--json").json
    names = [done["digest"], *(image["digest"] for image in done["images"])]
    platforms = [["linux/amd64", "linux/arm64"], *([image["platform"]] for image in done["images"])]
    assert len(done["targets"][0]["attached"]) == 2 * len(names)
    assert both(project, "push", project.target(), "--json").json["targets"][0]["attached"] == []
    for digest, its in zip(names, platforms, strict=True):
        text = ok(project.cogpack("inspect", "--lock", f"{world.registry}/me/model@{digest}")).out
        assert list(parse_lock(text.encode()).platforms) == its
        found = plain.get(f"http://{world.registry}/v2/me/model/referrers/{digest}").json()["manifests"]
        assert len(found) == 2


def test_platforms_of_the_config_are_those_of_the_option(project: Project) -> None:
    both(project, "lock")
    before = (project.root / "cogpack.lock").read_bytes()
    with (project.root / "cog.yaml").open("a") as config:
        config.write("  platforms: [linux/arm64, linux/amd64]\n")
    ok(project.cogpack("lock", "--check"))
    ok(project.cogpack("lock"))
    assert (project.root / "cogpack.lock").read_bytes() == before


def test_a_later_platform_takes_the_versions_that_the_first_one_has(project: Project) -> None:
    ok(project.cogpack("lock"))
    make_wheel(project.world.wheels, "pure", "2.0")
    both(project, "lock")
    versions = {
        name: {wheel["name"]: wheel["version"] for wheel in it["wheels"]}
        for name, it in lock_of(project)["platforms"].items()
    }
    assert versions["linux/amd64"] == versions["linux/arm64"]
    make_wheel(project.world.wheels, "native", "3.0", tag="cp313-cp313-manylinux_2_17_x86_64")
    done = both(project, "lock", "--upgrade")
    assert "unlike   native 3.0 on linux/amd64, 1.0 on linux/arm64" in done.err


def versions(project: Project, name: str) -> list[str]:
    """Those that each platform has of a wheel."""
    found = lock_of(project)["platforms"].values()
    return [wheel["version"] for it in found for wheel in it["wheels"] if wheel["name"] == name]


def test_platforms_that_are_locked_one_at_a_time_have_the_same_versions_or_it_is_told(project: Project) -> None:
    ok(project.cogpack("lock", "--platform", "linux/arm64"))
    alone = (project.root / "cogpack.lock").read_bytes()
    make_wheel(project.world.wheels, "pure", "2.0")
    assert "unlike" not in ok(project.cogpack("lock", "--platform", "linux/amd64")).err
    assert versions(project, "pure") == ["1.0", "1.0"]
    done = ok(project.cogpack("lock", "--platform", "linux/amd64", "-P", "pure"))
    assert "unlike   pure 2.0 on linux/amd64, 1.0 on linux/arm64" in done.err
    assert "unlike   pure 2.0" in ok(project.cogpack("lock", "--platform", "linux/arm64")).err, "what is pinned stays"
    project.write("cogpack.lock", alone)
    both(project, "lock")
    assert versions(project, "pure") == ["1.0", "1.0"], "the first platform takes what the later one was locked with"


def test_a_push_sends_shared_layers_once_and_names_the_index_last(project: Project) -> None:
    world = project.world
    pushed = both(project, "push", project.target(), "--json").json
    index = world.manifest("me/model", "v1")
    assert (pushed["digest"], pushed["config"]) == (pushed["descriptor"]["digest"], None)
    assert [child["platform"]["architecture"] for child in index["manifests"]] == ["amd64", "arm64"]
    assert [child["digest"] for child in index["manifests"]] == [image["digest"] for image in pushed["images"]]
    uploads, puts = world.uploads(), [path for method, path in world.requests if method == "PUT"]
    assert len(set(uploads)) == len(uploads)
    assert puts[-1].endswith("/manifests/v1")
    assert f"/v2/me/model/manifests/{pushed['digest']}" in puts[:-1], "the index is there before its tag"
    assert len({layer["key"] for layer in pushed["layers"]}) == len(pushed["layers"])
    again = both(project, "push", project.target(), "--json", "--locked").json
    assert (again["digest"], again["sent"]) == (pushed["digest"], 0)


def test_each_image_is_the_one_of_a_push_for_its_platform_alone(project: Project) -> None:
    pushed = both(project, "push", project.target(), "--json").json
    for image in pushed["images"]:
        tag = image["platform"].rpartition("/")[2]
        alone = ok(project.cogpack("push", project.target(tag), "--platform", image["platform"]))
        assert alone.digest == image["digest"]


def test_the_twin_differs_in_what_is_of_a_platform_and_in_nothing_else(project: Project) -> None:
    both(project, "push", project.target())
    world = project.world
    images = [world.manifest("me/model", child["digest"]) for child in world.manifest("me/model", "v1")["manifests"]]
    amd64, arm64 = ([layer["digest"] for layer in image["layers"]] for image in images)
    assert len(set(amd64) & set(arm64)) >= 4, "the base, the environment, the weight and the project"
    files = [world.files("me/model", child["digest"]) for child in world.manifest("me/model", "v1")["manifests"]]
    assert files[0].keys() == files[1].keys()
    site = "opt/venv/lib/python/site-packages"
    assert sorted(path for path in files[0] if files[0][path] != files[1][path]) == [
        f"{site}/native-1.0.dist-info/RECORD", f"{site}/native-1.0.dist-info/WHEEL", f"{site}/native.so",
    ]  # fmt: skip
    configs = [
        plain.get(f"http://{world.registry}/v2/me/model/blobs/{image['config']['digest']}").json() for image in images
    ]
    unlike = {name for name in configs[0] if configs[0][name] != configs[1][name]}
    assert unlike == {"architecture", "rootfs"}


def test_a_platform_that_fails_leaves_the_tag_as_it_was(project: Project) -> None:
    first = ok(project.cogpack("push", project.target())).digest
    both(project, "lock")
    project.write("predict.py", (project.root / "predict.py").read_text() + "# another\n")
    for wheel in project.world.wheels.glob("native-*_aarch64.whl"):
        wheel.unlink()
    done = project.cogpack("push", project.target(), "--platform", BOTH, "--locked")
    assert (done.code, "native" in done.err) == (5, True)
    body = plain.get(
        f"http://{project.world.registry}/v2/me/model/manifests/v1",
        headers={"Accept": "application/vnd.oci.image.manifest.v1+json"},
    ).content
    assert f"sha256:{hashlib.sha256(body).hexdigest()}" == first


@pytest.mark.parametrize("manifests", [1, 3], ids=["between the images", "before the tag"])
def test_who_interrupts_it_between_two_platforms_leaves_nothing_that_can_be_seen(
    project: Project, tmp_path: Path, manifests: int
) -> None:
    put: list[str] = []

    def heard(method: str, path: str, received: int, sent: int) -> None:
        if method == "PUT" and "/me/model/manifests/sha256:" in path:
            put.append(path)
            if len(put) == manifests:
                os.kill(os.getpid(), signal.SIGINT)

    both(project, "lock")
    with Server(tmp_path / "registry2", on_request=heard) as server:
        target = f"{server.address}/me/model:v1"
        done = project.cogpack("push", "--no-attach", target, "--platform", BOTH)
        assert done.code == 130
        assert len(put) == manifests
        assert plain.get(f"http://{server.address}/v2/me/model/tags/list").json()["tags"] == []
        both(project, "push", "--no-attach", target)
        assert plain.get(f"http://{server.address}/v2/me/model/tags/list").json()["tags"] == ["v1"]


def test_an_empty_machine_moves_nothing_that_the_tag_of_an_index_vouches_for(project: Project, tmp_path: Path) -> None:
    pushed = both(project, "push", project.target(), "--json").json
    lock = lock_of(project)
    text = (project.root / "cogpack.lock").read_text()
    project.write("cogpack.lock", text[: text.index("\n[results]")] + "\n")
    assert lock["results"]["layers"]
    project.world.requests.clear()
    cache = str(tmp_path / "empty")
    again = both(project, "push", project.target(), "--json", "--locked", "--cache-dir", cache).json
    assert (again["digest"], project.world.uploads()) == (pushed["digest"], [])


def test_a_layout_holds_the_index_and_its_bytes_are_those_of_a_push(project: Project, tmp_path: Path) -> None:
    digest = both(project, "build", "-o", str(tmp_path / "image"), "-t", "me/model:v1").digest
    assert digest == both(project, "push", project.target()).digest
    (entry,) = json.loads((tmp_path / "image" / "index.json").read_text())["manifests"]
    assert (entry["digest"], entry["mediaType"]) == (digest, "application/vnd.oci.image.index.v1+json")
    told = ok(project.cogpack("inspect", str(tmp_path / "image"), "--platform", "linux/arm64", "--json")).json
    assert (told["platform"], told["platforms"]) == ("linux/arm64", ["linux/amd64", "linux/arm64"])


def test_an_archive_holds_one_image(project: Project, tmp_path: Path) -> None:
    done = project.cogpack("build", "-o", str(tmp_path / "image.tar"), "--platform", BOTH)
    assert (done.code, "--platform linux/amd64, or build a layout" in done.err) == (2, True)
    assert not (project.root / "cogpack.lock").exists(), "it is refused before any work"


def test_an_engine_gets_the_image_for_its_own_platform(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "loaded.tar"
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\ncase "$1" in\nversion) echo linux/arm64 ;;\nload) cat > {kept} ;;\nesac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    loaded = both(project, "load", "--json").json
    assert [image["platform"] for image in loaded["images"]] == ["linux/arm64"]
    with tarfile.open(kept) as archive:
        config = archive.extractfile(f"{loaded['config'].removeprefix('sha256:')}.json")
        assert config is not None
        assert json.load(config)["architecture"] == "arm64"


def test_a_plan_tells_of_shared_layers_once_and_whose_the_others_are(project: Project) -> None:
    told = both(project, "plan", "--json").json
    platforms = [layer["platforms"] for layer in told["layers"]]
    assert ["linux/amd64", "linux/arm64"] in platforms
    assert ["linux/amd64"] in platforms
    assert ["linux/arm64"] in platforms
    assert len({layer["key"] for layer in told["layers"]}) == len(platforms)
    assert "(linux/arm64)" in both(project, "plan").out


def test_verify_makes_each_image_and_the_index_anew(project: Project) -> None:
    both(project, "push", project.target())
    verified = both(project, "verify", project.target(), "--json").json
    assert verified["reference"].endswith(verified["digest"])
    arm64 = ok(project.cogpack("verify", project.target(), "--platform", "linux/arm64", "--json")).json
    assert arm64["digest"] == project.world.manifest("me/model", "v1")["manifests"][1]["digest"]
    done = project.cogpack("verify", f"{project.target().rpartition(':')[0]}@{arm64['digest']}", "--platform", BOTH)
    assert (done.code, "is one image" in done.err) == (2, True)
    ok(project.cogpack("push", project.target(), "--platform", BOTH, "--annotation", "a=b"))
    assert project.cogpack("verify", project.target(), "--platform", BOTH).code == 3


def test_what_is_for_one_platform_asks_for_which(project: Project) -> None:
    both(project, "lock")
    done = project.cogpack("export", "--platform", BOTH, "--format", "requirements.txt")
    assert (done.code, "name it: --platform linux/amd64" in done.err) == (2, True)
    assert "aarch64" in ok(project.cogpack("sbom", "--platform", "linux/arm64")).out


def test_a_depot_holds_what_both_need(project: Project, tmp_path: Path) -> None:
    both(project, "fetch", "-o", str(tmp_path / "depot"))
    digest = both(project, "build", "-o", str(tmp_path / "one")).digest
    offline = ("--offline", str(tmp_path / "depot"), "--cache-dir", str(tmp_path / "empty"))
    assert both(project, "build", "-o", str(tmp_path / "two"), *offline).digest == digest


def test_pages_draw_each_image_of_a_plan_and_tell_of_all_platforms_of_an_index(project: Project, world: World) -> None:
    both(project, "push", project.target())
    project.write("more.py", "ONE = 1\n")
    both(project, "plan", project.target(), "--html", "plan.html")
    plan = (project.root / "plan.html").read_text()
    for platform in BOTH.split(","):
        assert f"<h2>What moves, {platform}</h2>" in plan
    assert "plan.html" not in plan.partition("Files of the project</h2>")[2], "the page is no part of the image"
    world.requests.clear()
    ok(project.cogpack("inspect", project.target(), "--html", "../image.html"))
    assert len(world.requests) <= 24
    page = (project.root / "../image.html").read_text()
    table = page.partition('aria-label="platforms"')[2].partition("</table>")[0]
    assert all(platform in table for platform in BOTH.split(","))
    assert "native" in page.partition('aria-label="layers"')[2].partition("</table>")[0], "the wheel in its layer"
