"""What a pipeline relies on: who writes what, when an error comes, and what a plan says where something is missing."""

from pathlib import Path

import pytest
from support.privileges import read_only
from support.world import Project, World, ok

pytestmark = pytest.mark.slow

LOOKING = [("plan",), ("push", "--dry-run"), ("weights", "ls"), ("schema",)]


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
@pytest.mark.parametrize("state", ["no lock", "stale lock", "fresh lock"])
def test_who_only_looks_writes_nothing_into_the_project(world: World, words: tuple[str, ...], state: str) -> None:
    project = world.project()
    if state != "no lock":
        ok(project.cogpack("lock"))
    if state == "stale lock":
        project.write("requirements.txt", "--no-index\npip\n")
    before = snapshot(project.root)
    done = ok(project.cogpack(*words))
    assert snapshot(project.root) == before
    told = "resolved for this run only, cogpack lock writes it" in done.err
    assert told == (state != "fresh lock" and words != ("schema",))


def test_verify_writes_nothing_into_the_project(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    before = snapshot(project.root)
    ok(project.cogpack("verify", project.target()))
    assert snapshot(project.root) == before


def test_a_read_only_checkout_is_pushed_and_its_results_forgotten_with_a_note(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target("one")))
    project.write("predict.py", (project.root / "predict.py").read_text() + "# x\n")
    lock = project.root / "cogpack.lock"
    lock.write_bytes(lock.read_bytes().partition(b"[results]")[0])
    with read_only(project.root):
        done = ok(project.cogpack("push", project.target("two")))
    assert f"{world.registry}/me/model@{done.digest}\n" == done.out
    assert world.has("me/model", "two")
    assert [line for line in done.err.splitlines() if "cogpack.lock: can't write: Permission denied" in line]


@pytest.mark.parametrize("verb", [("build", "-o", "../out"), ("build", "-o", "../out.tar"), ("push", "TARGET")])
@pytest.mark.parametrize("state", ["no lock", "stale lock"])
def test_a_resolution_that_cannot_be_written_is_an_error_before_anything_moves(
    world: World, verb: tuple[str, ...], state: str
) -> None:
    project = world.project()
    if state == "stale lock":
        ok(project.cogpack("lock"))
        project.write("requirements.txt", "--no-index\npip\n")
    world.requests.clear()
    with read_only(project.root):
        done = project.cogpack(*[project.target() if word == "TARGET" else word for word in verb])
    assert (done.code, done.out) == (2, "")
    assert "cogpack.lock: can't write: Permission denied" in done.err
    assert "run cogpack lock where the project can be written, and commit cogpack.lock" in done.err
    assert not [path for _, path in world.requests if "/blobs/" in path]
    assert not (world.directory / "out").exists()


@pytest.mark.parametrize("words", [("plan",), ("push", "TARGET"), ("build", "-o", "../../out"), ("weights", "ls")])
@pytest.mark.parametrize("way", ["below", "-C", "-f", "-f in a directory"])
def test_in_ci_a_stale_lock_is_an_error_wherever_the_command_stands(
    world: World, words: tuple[str, ...], way: str
) -> None:
    project = world.project(files={"deep/x": ""})
    if way == "-f":
        (project.root / "cog.yaml").rename(project.root / "other.yaml")
    more = {"-C": ("-C", str(project.root / "deep")), "-f": ("-f", "other.yaml"), "below": ()}
    arguments = more.get(way, ("-f", "../cog.yaml"))
    here = world.directory if way == "-C" else project.root / "deep"
    ok(world.cogpack("lock", *arguments, directory=here))
    project.write("requirements.txt", "--no-index\npip\n")
    before = snapshot(project.root)
    verb = [project.target() if word == "TARGET" else word for word in words]
    done = world.cogpack(*verb, *arguments, directory=here, CI="true")
    assert (done.code, done.out) == (3, "")
    lock = "cogpack.other.lock" if way == "-f" else "cogpack.lock"
    assert f"{lock} was made from another requirements.txt" in done.err
    assert snapshot(project.root) == before


def test_in_ci_a_fresh_lock_is_left_as_it_is_from_anywhere(world: World) -> None:
    project = world.project(files={"deep/x": ""})
    ok(project.cogpack("lock"))
    before = snapshot(project.root)
    ok(world.cogpack("push", project.target(), directory=project.root / "deep", CI="1"))
    assert snapshot(project.root) == before


def test_in_ci_a_missing_lock_is_made_and_filled(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target(), CI="true"))
    assert b"[results]" in (project.root / "cogpack.lock").read_bytes()


@pytest.mark.parametrize(
    "words",
    ["plan", "lock", "push h.io/a/b:c", "build -o out", "load", "schema", "weights ls", "verify h.io/a/b:c"],
)
@pytest.mark.parametrize("option", [("-C", "nowhere"), ("-C", "cog.yaml"), ("-f", "nowhere.yaml"), ("-f", "deep/")])
def test_a_directory_or_file_that_is_not_there_leads_to_no_other(
    world: World, words: str, option: tuple[str, str]
) -> None:
    project = world.project(files={"deep/x": ""})
    before = snapshot(project.root)
    done = project.cogpack(*words.split(), *option)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert option[1].rstrip("/") in done.err
    assert snapshot(project.root) == before


def test_a_directory_below_the_project_stands_for_it(world: World) -> None:
    project = world.project(files={"deep/er/x": ""})
    done = world.cogpack("lock", "-C", str(project.root / "deep" / "er"))
    assert ok(done).out == f"{project.root}/cogpack.lock\n"


def results(project: Project) -> list[str]:
    """Names of the layers that the lock remembers."""
    lines = (project.root / "cogpack.lock").read_text().partition("[results]")[2].splitlines()
    return [line.partition('name = "')[2].partition('"')[0] for line in lines if 'name = "' in line]


def test_a_push_of_changed_code_leaves_the_lock_as_it_is(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    before = (project.root / "cogpack.lock").read_bytes()
    assert "project" not in results(project)
    assert "venv: Python 3.13" in results(project)
    project.write("predict.py", (project.root / "predict.py").read_text() + "# x\n")
    ok(project.cogpack("push", project.target()))
    assert (project.root / "cogpack.lock").read_bytes() == before


def test_an_empty_machine_sends_the_changed_line_and_asks_nothing_more(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target("one")))
    nothing = {"CI": "true", "COGPACK_CACHE_DIR": str(world.directory / "empty")}
    world.requests.clear()
    done = ok(project.cogpack("push", project.target("two"), **nothing))
    assert not world.uploads()
    asked = [path.rpartition("/v2/")[2] for method, path in world.requests if method in ("GET", "HEAD")]
    assert not [path for path in asked if "/blobs/" in path], "known from the lock, and the image is there"
    project.write("predict.py", (project.root / "predict.py").read_text() + "# x\n")
    world.requests.clear()
    changed = ok(project.cogpack("push", project.target("three"), **nothing | {"COGPACK_CACHE_DIR": "../empty2"}))
    assert changed.digest != done.digest
    sent = {path.partition("?")[0] for path in world.uploads()}
    assert len(sent) <= 2, "the project's layer and the config"


def test_an_unchanged_project_is_planned_as_there_by_an_empty_machine(world: World) -> None:
    project = world.project()
    ok(project.cogpack("push", project.target()))
    empty = str(world.directory / "empty")
    planned = ok(project.cogpack("plan", project.target(), "--json", CI="true", COGPACK_CACHE_DIR=empty)).json
    assert {layer["moves"] for layer in planned["layers"]} == {False}


def test_conflict_markers_in_the_lock_are_told_as_that(world: World) -> None:
    project = world.project()
    ok(project.cogpack("lock"))
    lock = (project.root / "cogpack.lock").read_text().splitlines(keepends=True)
    lock.insert(3, "<<<<<<< HEAD\n")
    project.write("cogpack.lock", "".join(lock))
    for words in (("plan",), ("lock",), ("push", project.target())):
        done = project.cogpack(*words)
        assert done.code == 2
        assert "error: cogpack.lock:4: a merge has left its conflict markers\n    4 | " in done.err
        assert "\nnext: take either side" in done.err
        assert "run cogpack lock" in done.err
    assert '"openapi"' in ok(project.cogpack("schema")).out


def test_a_schema_needs_nothing_but_the_predictor(world: World) -> None:
    project = world.project(
        files={"cogpack.lock": "broken", "model/w.bin": "version https://git-lfs.github.com/spec/v1\n"}
    )
    plain = ok(world.project("other").cogpack("schema")).out
    config = (project.root / "cog.yaml").read_text()
    more = "  python_packages: []\n  system_packages: [no-such-package]\n  run:\n    - curl -o x https://h.io/x\n"
    config = config.replace("  python_requirements: requirements.txt\n", more)
    config = config.replace(f"base: {world.registry}/base/python:v1", "base: nobody.invalid/x:v1\nimage: r8.im/me/x\n")
    project.write("cog.yaml", config)
    (project.root / "out").symlink_to("/etc/passwd")
    nowhere = {"COGPACK_CACHE_DIR": "/proc/nowhere", "HTTPS_PROXY": "http://127.0.0.1:9"}
    assert ok(project.cogpack("schema", **nowhere)).out == plain


@pytest.mark.parametrize("words", [("plan",), ("weights", "ls"), ("push", "--dry-run")])
def test_an_image_without_a_registry_is_planned(world: World, words: tuple[str, ...]) -> None:
    project = world.project(config="image: my-model\n")
    done = ok(project.cogpack(*words))
    assert "cog.yaml" in done.err
    assert "my-model names no registry" in done.err
    assert "a push needs HOST/NAME:TAG" in done.err


def test_an_image_without_a_registry_serves_all_that_needs_none(world: World) -> None:
    project = world.project(config="image: my-model\n")
    for words in (("lock",), ("schema",), ("build", "-o", "../out")):
        ok(project.cogpack(*words))
    done = project.cogpack("push")
    assert done.code == 2
    assert "error: cog.yaml:7:8: image: my-model names no registry" in done.err
    assert "next: run cogpack push HOST/NAME:TAG, or write image: HOST/NAME into cog.yaml\n" in done.err


@pytest.mark.parametrize("words", [("plan",), ("push", "--dry-run")])
def test_a_plan_stands_where_its_registry_does_not_answer(world: World, words: tuple[str, ...]) -> None:
    project = world.project()
    done = ok(project.cogpack(*words, "127.0.0.1:9/me/model:v1", "--json"))
    assert {layer["moves"] for layer in done.json["layers"]} == {None}
    assert "note: what a push would move is not known: " in done.err
    assert "127.0.0.1:9" in done.err


def test_a_name_without_a_registry_is_told_as_docker_hubs(world: World) -> None:
    project = world.project(config="image: me/x:v1\n")
    shut = {"HTTPS_PROXY": "http://127.0.0.1:9"}
    assert "note: me/x:v1 names no registry: taken as docker.io/me/x:v1\n" in ok(project.cogpack("plan", **shut)).err
    done = project.cogpack("inspect", "nope", **shut)
    assert done.code == 5
    assert "note: nope names no registry: taken as docker.io/library/nope\n" in done.err
