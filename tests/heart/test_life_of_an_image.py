"""One project from its first push on, verb after verb: what a maintainer wants to see within seconds of a change."""

from collections.abc import Iterable

import pytest
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

FILES = {"model/w.pt": noise(2_000_000), "lines.py": "ONE = 1\n", "notes.txt": "read me\n", "zebra.txt": "striped\n"}


@pytest.fixture
def project(world: World) -> Project:
    """A base, a wheel, a weight and code: a layer of each kind that needs no Debian."""
    make_wheel(world.wheels, "thing", files={"thing.py": noise(50_000)})
    return world.project(files=FILES, requirements="thing\n")


def sends(requests: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The requests that change something."""
    return [(method, path) for method, path in requests if method not in ("GET", "HEAD")]


def layers(project: Project, tag: str = "v1") -> list[str]:
    return [layer["digest"] for layer in project.world.manifest("me/model", tag)["layers"]]


def test_a_first_push_brings_every_layer_and_then_the_tag(project: Project) -> None:
    project.world.requests.clear()
    pushed = ok(project.cogpack("push", project.target(), "--json")).json
    assert project.world.has("me/model", pushed["digest"])
    sent = [path for _, path in sends(project.world.requests)]
    at = sent.index(f"/v2/me/model/manifests/{pushed['digest']}")
    assert [path.endswith("/manifests/v1") for path in sent] == [False] * (len(sent) - 1) + [True]
    blobs = [layer["digest"] for layer in pushed["layers"] if layer["sent"]]
    assert all(any(digest[7:] in path for path in sent[:at]) for digest in blobs), "the manifest comes after its layers"
    assert [layer["digest"] for layer in pushed["layers"]] == layers(project)
    files = project.world.files("me/model", "v1")
    assert {path: files[f"src/{path}"] for path in FILES} == {
        path: data.encode() if isinstance(data, str) else data for path, data in FILES.items()
    }


def test_a_second_push_sends_nothing(project: Project) -> None:
    """The tag is at our digest already, so not even it is written."""
    first = ok(project.cogpack("push", project.target()))
    project.world.requests.clear()
    again = ok(project.cogpack("push", project.target(), "--json")).json
    assert again["digest"] == first.digest
    assert (again["sent"], again["requests"]) == (0, 0)
    assert sends(project.world.requests) == []


def test_a_push_to_another_tag_sends_that_tag_alone(project: Project) -> None:
    first = ok(project.cogpack("push", project.target()))
    project.world.requests.clear()
    assert ok(project.cogpack("push", project.target("v2"))).digest == first.digest
    assert [path.rpartition("/")[2] for _, path in sends(project.world.requests)] == ["v2"]


def test_a_changed_line_moves_one_layer(project: Project) -> None:
    ok(project.cogpack("push", project.target()))
    before = layers(project)
    project.write("lines.py", "ONE = 2\n")
    pushed = ok(project.cogpack("push", project.target(), "--json")).json
    assert [digest for digest in layers(project) if digest not in before] == layers(project)[-1:]
    assert [layer["name"] for layer in pushed["layers"] if layer["sent"]] == [pushed["layers"][-1]["name"]]
    assert pushed["layers"][-1]["name"] == "project"


@pytest.mark.parametrize("verb", [("push", "REF"), ("build", "-o", "../out"), ("plan", "REF"), ("verify", "REF")])
def test_a_stale_lock_ends_every_verb_that_was_told_to_keep_to_it(pushed: Project, verb: tuple[str, ...]) -> None:
    pushed.write("requirements.txt", "--no-index\npip\n")
    kept = (pushed.root / "cogpack.lock").read_bytes()
    words = [pushed.target() if word == "REF" else word for word in verb]
    done = pushed.cogpack(*words, *(() if verb[0] == "verify" else ("--locked",)))
    assert (done.code, done.out) == (3, "")
    assert "cogpack.lock was made from another requirements.txt" in done.err
    assert (pushed.root / "cogpack.lock").read_bytes() == kept
    assert sends(pushed.world.requests) == []


def test_a_lock_that_contradicts_what_this_machine_made_is_an_error_before_anything_is_sent(pushed: Project) -> None:
    planned = ok(pushed.cogpack("plan", pushed.target(), "--json")).json
    lock = pushed.root / "cogpack.lock"
    (digest,) = (layer["digest"] for layer in planned["layers"] if layer["name"].startswith("weights: "))
    lock.write_text(lock.read_text().replace(digest, "sha256:" + "0" * 64))
    done = pushed.cogpack("push", pushed.target("contradicted"))
    assert (done.code, done.out) == (3, "")
    assert "cogpack.lock" in done.err
    assert digest in done.err
    assert not pushed.world.has("me/model", "contradicted")
    assert sends(pushed.world.requests) == []


def test_verify_names_the_first_file_that_differs(pushed: Project) -> None:
    assert ok(pushed.cogpack("verify", pushed.target())).out
    pushed.write("notes.txt", "read you\n")
    pushed.write("zebra.txt", "plain\n")
    done = pushed.cogpack("verify", pushed.target())
    assert (done.code, done.out) == (3, "")
    assert "(project): rebuilt sha256:" in done.err
    assert "first difference: /src/notes.txt: size 8, rebuilt 9 (and 1 other path)" in done.err


def test_verify_says_which_side_lacks_a_file_and_what_differs_of_one(pushed: Project) -> None:
    (pushed.root / "notes.txt").rename(pushed.root / "notes.md")
    (pushed.root / "zebra.txt").chmod(0o755)
    said = pushed.cogpack("verify", pushed.target()).err
    assert "first difference: /src/notes.md, which the image lacks (and 2 other paths)" in said
    (pushed.root / "notes.md").unlink()
    said = pushed.cogpack("verify", pushed.target()).err
    assert "first difference: /src/zebra.txt: mode 644, rebuilt 755 (and 1 other path)" in said
    (pushed.root / "zebra.txt").chmod(0o644)
    assert "/src/notes.txt, which the rebuilt layer lacks\n" in pushed.cogpack("verify", pushed.target()).err
    pushed.write("notes.txt", "READ me\n")
    assert "/src/notes.txt: other bytes\n" in pushed.cogpack("verify", pushed.target()).err


def test_verify_takes_a_layout_s_directory_as_inspect_does(pushed: Project) -> None:
    image = str(pushed.root.parent / "image")
    ok(pushed.cogpack("build", "-o", image))
    assert ok(pushed.cogpack("verify", image)).out.startswith(f"{image}@sha256:")
    pushed.write("notes.txt", "read you\n")
    assert pushed.cogpack("verify", image).code == 3


@pytest.mark.parametrize("words", [("doctor",), ("pull", "-o", "new.tar"), ("bench", "pull")])
def test_a_directory_in_the_place_of_a_registry_s_image_is_told_as_that(
    pushed: Project, words: tuple[str, ...]
) -> None:
    (pushed.root / "me/image").mkdir(parents=True)
    (pushed.root / "image").mkdir()
    for written, meant in (("image", "library/image"), ("./image", "library/image"), ("me/image", "me/image")):
        done = pushed.cogpack(*words, written)
        assert (done.code, f"docker.io/{meant}\n" in done.err) == (2, True), done.err


@pytest.mark.parametrize("pushed", [False, True], ids=["nothing there", "all but a line there"])
def test_a_push_does_what_plan_said(project: Project, *, pushed: bool) -> None:
    if pushed:
        ok(project.cogpack("push", project.target()))
        project.write("lines.py", "ONE = 3\n")
    planned = ok(project.cogpack("plan", project.target(), "--json")).json["layers"]
    done = ok(project.cogpack("push", project.target(), "--json")).json["layers"]
    assert [layer["name"] for layer in planned] == [layer["name"] for layer in done if layer["name"]]
    moving = [layer["name"] for layer in planned if layer["moves"] and not layer["mounts"]]
    assert moving == [layer["name"] for layer in done if layer["sent"]]
    told = {layer["name"]: layer["digest"] for layer in planned if layer["digest"]}
    assert told == {layer["name"]: layer["digest"] for layer in done if layer["name"] in told}
    assert pushed <= (len(told) == len(planned))
