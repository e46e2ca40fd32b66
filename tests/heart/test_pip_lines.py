"""pip lines of `build.run`, whole: what they lay is what pip would lay, no command is run, and the lock holds it."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from support.fake_http import Answer, Request, serving
from support.index import index
from support.wheels import make_wheel
from support.world import Project, World, noise, ok, push_base

pytestmark = pytest.mark.slow

SITE = "opt/venv/lib/python/site-packages"


def make_project(world: World, name: str, *lines: str, requirements: str = "", more: str = "") -> Project:
    run = "".join(f"    - {json.dumps(line)}\n" for line in lines)
    text = (
        'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n'
        + (f"  run:\n{run}" if lines else "")
        + f'predict: "predict.py:Predictor"\ncogpack:\n  base: {world.registry}/base/python:v1\n{more}'
    )
    return world.project(name, {"cog.yaml": text}, requirements=requirements)


def decisions(project: Project) -> dict[str, Any]:
    lock = tomllib.loads((project.root / "cogpack.lock").read_text())
    return dict(lock["platforms"]["linux/amd64"])


def versions(project: Project) -> dict[str, str]:
    own = ("cog", "coglet", "pip")
    return {one["name"]: one["version"] for one in decisions(project)["wheels"] if one["name"] not in own}


def pair(world: World) -> None:
    """`frame` requires a new `array`; both have old versions, too."""
    for version in ("1.0", "1.5", "2.0"):
        make_wheel(world.wheels, "array", version)
    make_wheel(world.wheels, "frame", "1.0")
    make_wheel(world.wheels, "frame", "2.0", requires=("array>=2",))


def test_what_a_line_lays_is_in_the_image_with_its_freeze_and_what_it_breaks_is_a_note(world: World) -> None:
    pair(world)
    project = make_project(world, "m1", "pip install --no-index 'array<2'", requirements="frame\n")
    pushed = ok(project.cogpack("push", project.target()))
    assert versions(project) == {"array": "1.5", "frame": "2.0"}
    assert "note: cog.yaml:5:7: build.run[0]: frame 2.0 requires array>=2, and the image has 1.5" in pushed.err
    manifest = world.manifest("me/m1", "v1")
    names = [layer.get("annotations", {}).get("dev.cogpack.layer.name", "") for layer in manifest["layers"]]
    assert not any(name.startswith("run") for name in names)
    files = world.files("me/m1", "v1")
    assert f"{SITE}/array-1.5.dist-info/METADATA" in files
    assert not any("array-2.0" in path for path in files)
    inspected = ok(project.cogpack("inspect", project.target(), "--json")).out
    assert "array==1.5" in inspected
    assert "array==2.0" not in inspected
    again = ok(project.cogpack("push", project.target(), "--locked"))
    assert again.digest == pushed.digest


def test_a_lock_that_is_made_again_keeps_what_a_line_chose_until_it_is_told_otherwise(world: World) -> None:
    pair(world)
    project = make_project(world, "m2", "pip install --no-index 'array<2'", requirements="frame\n")
    ok(project.cogpack("lock"))
    before = (project.root / "cogpack.lock").read_bytes()
    make_wheel(world.wheels, "array", "1.6")
    make_wheel(world.wheels, "frame", "2.1", requires=("array>=2",))
    assert "unchanged" in ok(project.cogpack("lock")).err
    assert (project.root / "cogpack.lock").read_bytes() == before
    make_wheel(world.wheels, "beside")
    project.write("requirements.txt", "--no-index\nframe\nbeside\n")  # another set: the line's versions still fit
    ok(project.cogpack("lock"))
    assert versions(project) == {"array": "1.5", "beside": "1.0", "frame": "2.0"}
    assert "moved    array 1.5 -> 1.6" in ok(project.cogpack("lock", "-P", "array")).err
    make_wheel(world.wheels, "array", "1.7")
    assert "moved    array 1.6 -> 1.7" in ok(project.cogpack("lock", "--upgrade-run")).err
    assert versions(project)["frame"] == "2.0"
    assert "moved    frame 2.0 -> 2.1" in ok(project.cogpack("lock", "--upgrade")).err
    assert [wheel["filename"] for wheel in decisions(project)["replaced"]] == ["array-2.0-py3-none-any.whl"]


def test_lines_follow_each_other_and_what_is_uninstalled_is_gone(world: World) -> None:
    pair(world)
    make_wheel(world.wheels, "other", requires=("array<2",))
    lines = ("pip install --no-index other", "pip uninstall -y frame nothing", "pip install --no-index -U array")
    project = make_project(world, "m3", *lines, requirements="frame\n")
    said = ok(project.cogpack("lock")).err
    assert versions(project) == {"array": "2.0", "other": "1.0"}
    assert "build.run[2]: other 1.0 requires array<2, and the image has 2.0" in said


def test_a_line_that_needs_a_source_which_nobody_builds_is_run_and_so_are_the_pip_lines_after_it(
    world: World,
) -> None:
    pair(world)
    (world.wheels / "array-3.0.tar.gz").write_bytes(b"a source")
    lines = ("pip install --no-index frame==1.0", "pip install --no-index -U array", "pip install --no-index frame")
    project = make_project(world, "m4", *lines, more="  build_wheels: never\n")
    done = ok(project.cogpack("lock"))
    why = "array 3.0 has no wheel for this Python: pip would build it"
    assert f"build.run[1] will be run: {why}\n" in done.err
    assert versions(project) == {"frame": "1.0"}
    assert decisions(project)["sandboxed"] == [{"step": 1, "why": why}]
    steps = ok(project.cogpack("plan", "--json")).json["steps"]
    assert [step["known"] for step in steps] == [True, False, False]
    assert steps[0]["effect"] == ["install frame==1.0, which lays frame 1.0"]
    assert "cog.yaml:6:7: build.run[1]" in steps[2]["sandboxed"]


def test_of_two_wheels_with_one_path_the_one_that_a_later_line_laid_has_it(world: World) -> None:
    for name in ("acv", "zcv"):
        make_wheel(world.wheels, name, files={"cv2/__init__.py": f"WHO = {name!r}\n".encode()})
    both = make_project(world, "m5", requirements="acv\nzcv\n")
    ok(both.cogpack("push", both.target()))
    assert world.files("me/m5", "v1")[f"{SITE}/cv2/__init__.py"] == b"WHO = 'acv'\n"
    line = "pip install --no-index --force-reinstall --no-deps zcv"
    again = make_project(world, "m6", line, requirements="acv\nzcv\n")
    ok(again.cogpack("push", again.target()))
    assert world.files("me/m6", "v1")[f"{SITE}/cv2/__init__.py"] == b"WHO = 'zcv'\n"


def test_the_index_of_a_line_is_asked_for_its_packages_alone_now_and_when_they_are_fetched(
    world: World, tmp_path: Path
) -> None:
    """The same versions of `array` and `frame` lie on both, as other files."""
    pair(world)
    elsewhere = tmp_path / "elsewhere"
    make_wheel(elsewhere, "array", "1.5+cu118")
    make_wheel(elsewhere, "frame", "9.0")
    with index(elsewhere) as (served, _):
        line = f"pip install --index-url {served.url}/simple 'array<2'"
        project = make_project(world, "m7", line, requirements="frame\n")
        ok(project.cogpack("lock"))
        assert versions(project) == {"array": "1.5+cu118", "frame": "2.0"}
        assert served.url not in (project.root / "cogpack.lock").read_text()
        shutil.rmtree(world.directory / "cache")
        ok(project.cogpack("push", project.target(), "--locked"))
    assert f"{SITE}/array-1.5+cu118.dist-info/METADATA" in world.files("me/m7", "v1")


def test_an_index_of_this_machine_is_asked_with_its_login_which_is_written_nowhere(
    world: World, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "private", "array", "1.0")
    with index(tmp_path / "private", user="me:hunter2hunter2") as (served, _):
        login = {"PIP_EXTRA_INDEX_URL": served.url.replace("://", "://me:hunter2hunter2@") + "/simple"}
        project = make_project(world, "m10", f"pip install --index-url {served.url}/none array")
        denied = project.cogpack("lock", PIP_EXTRA_INDEX_URL=f"{served.url}/simple")
        assert denied.code == 4, denied.err
        locked = ok(project.cogpack("lock", **login))
        shutil.rmtree(world.directory / "cache")
        pushed = ok(project.cogpack("push", project.target(), "-v", **login))
    assert versions(project) == {"array": "1.0"}
    told = (locked.err, pushed.err, pushed.out, (project.root / "cogpack.lock").read_text())
    assert not any("hunter2" in text for text in told)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no ranges"])
def test_a_wheel_without_a_hash_is_fetched_once_to_have_one(world: World, tmp_path: Path, ranges: bool) -> None:
    """As pages of links have them, and addresses of wheels that a line names."""
    make_wheel(tmp_path / "far", "array", "1.0+cu118", files={"array.py": noise(200_000)})
    (named,) = [make_wheel(tmp_path / "far", "frame", "3.0", files={"frame.py": noise(200_000)})]
    with index(tmp_path / "far", ranges=ranges) as (served, sent):
        address = f"{served.url}/files/{named.name}"
        project = make_project(world, "m11", f"pip install --no-index -f {served.url}/flat/ array {address}")
        ok(project.cogpack("push", project.target()))
        assert sum(size >= 200_000 for size in sent) == 2, sent
    wheels = {wheel["name"]: wheel for wheel in decisions(project)["wheels"]}
    assert "url" not in wheels["array"]
    assert wheels["frame"]["url"] == address


def test_an_index_that_is_away_is_no_reason_to_run_a_line(world: World) -> None:
    pair(world)
    project = make_project(world, "m8", "pip install --index-url http://127.0.0.1:9 array")
    done = project.cogpack("lock")
    assert done.code == 5, done.err
    assert not (project.root / "cogpack.lock").exists()


def test_what_a_release_of_python_is_needed_for_is_held_to_the_one_that_is_there(world: World) -> None:
    """The base says 3.13.5 of itself."""
    make_wheel(world.wheels, "array", "1.0")
    make_wheel(world.wheels, "array", "2.0", python=">=3.13.2")
    make_wheel(world.wheels, "array", "3.0", python=">=3.13.7")
    push_base(world.registry, environment=("PYTHON_VERSION=3.13.5",))
    project = make_project(world, "m9", "pip install --no-index array")
    ok(project.cogpack("lock"))
    assert versions(project) == {"array": "2.0"}


def test_a_wheel_that_is_not_there_is_an_error_that_names_the_line(world: World, tmp_path: Path) -> None:
    with index(tmp_path) as (served, _):
        address = f"{served.url}/gone/array-1.0-py3-none-any.whl"
        done = make_project(world, "m12", f"pip install --no-index {address}").cogpack("lock")
    assert done.code == 2
    assert "cog.yaml:5:7: build.run[0]: " in done.err
    assert "404" in done.err


def test_settings_of_pip_are_a_reason_to_run_its_lines(world: World) -> None:
    make_wheel(world.wheels, "array", "1.0")
    install = "pip install --no-index array"
    project = make_project(
        world, "m13", install, "mkdir -p /root/.pip && echo '[global]' > /root/.pip/pip.conf", install
    )
    ok(project.cogpack("lock"))
    assert decisions(project)["sandboxed"] == [{"step": 2, "why": "/root/.pip/pip.conf may change what pip does"}]
    push_base(world.registry, files={"etc/pip.conf": b"[global]"})
    (project.root / "cogpack.lock").unlink()
    ok(project.cogpack("lock"))
    assert [one["step"] for one in decisions(project)["sandboxed"]] == [0]
    assert versions(project) == {}


def test_another_file_of_the_same_name_is_told_by_its_hash(world: World, tmp_path: Path) -> None:
    make_wheel(world.wheels, "array", "1.0")
    make_wheel(tmp_path / "far", "array", "1.0", files={"array.py": b"FAR = True\n"})
    with index(tmp_path / "far") as (served, _):
        line = f"pip install --index-url {served.url}/simple --force-reinstall array==1.0"
        project = make_project(world, "m14", line, requirements="array\n")
        # The machine's own links have both, and pip takes the index's file.
        ok(project.cogpack("lock"))
        shutil.rmtree(world.directory / "cache")
        ok(project.cogpack("push", project.target()))
    assert world.files("me/m14", "v1")[f"{SITE}/array.py"] == b"FAR = True\n"


def test_a_line_of_uv_keeps_what_is_there_and_takes_the_newest_of_the_rest(world: World) -> None:
    pair(world)
    make_wheel(world.wheels, "other", "1.0", requires=("array",))
    make_wheel(world.wheels, "uv")
    required = "--no-index\nframe==1.0\narray==1.5\nuv\n"
    project = make_project(world, "u1", "uv pip install --system --no-index other", requirements=required)
    ok(project.cogpack("push", project.target()))
    assert versions(project) == {"array": "1.5", "frame": "1.0", "other": "1.0", "uv": "1.0"}
    locked = (project.root / "cogpack.lock").read_text()
    assert "unchanged" in ok(project.cogpack("lock")).err
    assert (project.root / "cogpack.lock").read_text() == locked
    lines = (
        "uv pip install --no-index -U other",
        "uv pip install --no-deps --no-index frame==2.0",
        "uv pip uninstall uv",
    )
    project = make_project(world, "u2", *lines, requirements=required)
    ok(project.cogpack("lock"))
    assert versions(project) == {"array": "2.0", "frame": "2.0", "other": "1.0"}


@pytest.mark.parametrize(
    ("line", "required", "why"),
    [
        ("uv pip install --no-index other", "", "no uv is among the wheels before it"),
        ("uv pip uninstall other", "", "no uv is among the wheels before it"),
        ("uv pip install --no-index other", "uv", "other 3.0 has no wheel for this Python: uv would build it"),
        ("uv pip install --no-index --force-reinstall frame", "uv", "of uv's options"),
        ("uv pip install --no-index 'array>3'", "uv", "uv finds no wheels for it"),
    ],
)
def test_a_line_of_uv_that_only_uv_can_tell_is_run(world: World, line: str, required: str, why: str) -> None:
    pair(world)
    for name in ("other", "uv"):
        make_wheel(world.wheels, name)
    (world.wheels / "other-3.0.tar.gz").write_bytes(b"a source")
    project = make_project(world, "u3", line, requirements=f"--no-index\n{required}\n")
    ok(project.cogpack("lock"))
    assert why in decisions(project)["sandboxed"][0]["why"]


@pytest.mark.parametrize(("cuda", "page"), [("'12.1'", "cu121/torch2.1.0"), ("None", "cpu/torch2.1.0")])
def test_a_line_of_mim_finds_wheels_for_the_torch_that_is_there(world: World, cuda: str, page: str) -> None:
    make_wheel(world.wheels, "torch", "2.1.2", files={"torch/version.py": f"cuda: Optional[str] = {cuda}\n".encode()})
    make_wheel(world.wheels, "openmim", "0.3.9")
    mmcv = make_wheel(world.directory / "links", "mmcv", "2.1.0")
    make_wheel(world.wheels, "mmdet", "3.0")

    def links(request: Request) -> Answer:
        if request.path == f"/mmcv/dist/{page}/index.html":
            return 200, {"Content-Type": "text/html"}, f'<a href="{mmcv.name}">mmcv</a>'.encode()
        there = request.path == f"/mmcv/dist/{page}/{mmcv.name}"
        return (200, {}, mmcv.read_bytes()) if there else (404, {}, b"")

    with serving(links) as fake:
        mapped = {"COGPACK_URL_MAP": f"https://download.openmmlab.com={fake.url}"}
        required = "--no-index\ntorch\nopenmim\n"
        project = make_project(world, "i1", "python -m mim install --no-index mmcv", requirements=required)
        ok(project.cogpack("push", project.target(), **mapped))
        assert versions(project)["mmcv"] == "2.1.0"
        (url,) = (one["url"] for one in decisions(project)["wheels"] if one["name"] == "mmcv")
        assert url == f"https://download.openmmlab.com/mmcv/dist/{page}/{mmcv.name}"
        other = make_project(world, "i2", "mim install --no-index mmdet", requirements=required)
        ok(other.cogpack("lock", **mapped))
        assert "mim changes what mmdet requires" in decisions(other)["sandboxed"][0]["why"]
        none = make_project(world, "i3", "mim install --no-index mmcv", requirements="--no-index\nopenmim\n")
        ok(none.cogpack("lock", **mapped))
        assert "mim looks for a torch" in decisions(none)["sandboxed"][0]["why"]
