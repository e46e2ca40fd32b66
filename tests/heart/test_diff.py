"""`diff`: what is not the same in two images, for who pulls them, looks into them, or calls them."""

import io
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest
from support.wheels import make_wheel
from support.world import Project, World, noise, ok, push_image

FIRST = """\
from cog import BasePredictor, Input

class Predictor(BasePredictor):
    def predict(
        self,
        prompt: str,
        steps: int = Input(ge=1, le=50, default=20),
        mode: str = Input(choices=["fast", "slow"], default="fast"),
    ) -> str: ...
"""
SECOND = """\
from cog import BasePredictor, Input

class Predictor(BasePredictor):
    def predict(
        self,
        prompt: str = "a cat",
        steps: int = Input(ge=1, le=40, default=30),
        mode: str = Input(choices=["fast", "slow", "best"], default="fast"),
        seed: int = Input(),
    ) -> list[str]: ...
"""


@pytest.fixture
def project(world: World) -> Project:
    for version in ("1.0", "2.0"):
        make_wheel(world.wheels, "one", version)
    files = {"predict.py": FIRST, "model/w.pt": noise(1_200_000), "notes.txt": "old"}
    return world.project(files=files, requirements="one==1.0\n", config="environment: [A=first]\n")


def built(project: Project, name: str) -> str:
    ok(project.cogpack("build", "-o", f"../{name}"))
    return f"../{name}"


def change(project: Project) -> None:
    project.write("predict.py", SECOND)
    (project.root / "notes.txt").unlink()
    project.write("more/new.txt", "new")
    project.write("requirements.txt", "--no-index\none==2.0\n")
    text = (project.root / "cog.yaml").read_text().replace("[A=first]", "[A=second, B=1]")
    project.write("cog.yaml", text)


@pytest.mark.slow
def test_all_that_differs_is_told_as_text_and_as_json(project: Project) -> None:
    before = built(project, "before")
    change(project)
    after = built(project, "after")
    done = ok(project.cogpack("diff", before, after))
    lines = done.out.splitlines()
    assert lines[0].startswith("- ../before  sha256:")
    assert lines[1].startswith("+ ../after  sha256:")
    for line in (
        "python    ~ one 1.0 -> 2.0",
        "  + /src/more/new.txt  3 B",
        "  - /src/notes.txt  3 B",
        "env       ~ A=first -> second",
        "env       + B=1",
        "input     prompt: became optional",
        "input     steps: maximum 50 -> 40; default 20 -> 30  (breaks calls)",
        "input     mode: choices added: best",
        "input     seed: added, required  (breaks calls)",
        "output    string -> list  (breaks calls)",
    ):
        assert line in lines, done.out
    found = ok(project.cogpack("diff", "--json", before, after)).json
    assert (found["same"], found["breaking"]) == (False, True)
    assert found["packages"] == [{"kind": "python", "name": "one", "before": "1.0", "after": "2.0"}]
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert layers["weights: model/w.pt"]["status"] == "same"
    moved = [layer["after"]["size"] for layer in layers.values() if layer["status"] != "same"]
    assert found["fetched"] == sum(moved) < 1_000_000 < found["after"]["size"]
    assert found["fetched_in_order"] >= found["fetched"]
    assert {file["path"]: file["status"] for file in found["files"]}["src/predict.py"] == "changed"


@pytest.mark.slow
def test_what_is_the_same_is_said_and_the_exit_code_tells_where_it_is_asked_for(project: Project) -> None:
    before = built(project, "before")
    assert ok(project.cogpack("diff", "--exit-code", before, before)).out.splitlines()[2] == "the same"
    change(project)
    after = built(project, "after")
    done = project.cogpack("diff", "--exit-code", before, after)
    assert done.code == 3
    assert "error: ../before and ../after are not the same\n" in done.err
    assert "env " in done.out
    found = project.cogpack("diff", "--exit-code", "--json", before, after)
    assert (found.code, found.json["same"]) == (3, False)


def test_an_image_is_compared_with_what_the_project_would_become(project: Project) -> None:
    ok(project.cogpack("push", project.target()))
    assert ok(project.cogpack("diff", project.target(), ".")).out.splitlines()[2] == "the same"
    change(project)
    ok(project.cogpack("lock"))
    found = ok(project.cogpack("diff", "--json", project.target(), ".")).json
    assert (found["after"]["reference"], found["after"]["digest"], found["fetched"]) == (".", None, None)
    assert found["packages"] == [{"kind": "python", "name": "one", "before": "1.0", "after": "2.0"}]
    assert {file["path"]: file["status"] for file in found["files"]} == {
        "src/.cog/openapi_schema.json": "changed",
        "src/cog.yaml": "changed",
        "src/more/new.txt": "added",
        "src/notes.txt": "removed",
        "src/predict.py": "changed",
        "src/requirements.txt": "changed",
    }
    assert "seed" in [part["name"] for part in found["model"]]
    lines = ok(project.cogpack("diff", project.target(), ".")).out.splitlines()
    assert "to fetch  not known before it is built" in lines
    assert any(line.startswith("+ .  not built yet") for line in lines)
    assert "  + /src/more/new.txt  3 B" in lines
    done = project.world.cogpack("diff", project.target(), "model")
    assert (done.code, "cogpack diff -C model" in done.err) == (2, True)


def test_weights_of_the_project_are_compared_with_those_of_the_image(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(project.cogpack("push", project.target()))
    project.write("model/w.pt", noise(1_300_000, seed=2))
    monkeypatch.setattr("cogpack.commands.diff.SMALL", 1_300_000)
    found = ok(project.cogpack("diff", "--json", project.target(), ".")).json
    assert (found["files"], found["unread"] > 2_500_000) == (None, True)
    assert "would have to be read (--files)" in ok(project.cogpack("diff", ".", project.target())).out
    assert "  ~ /src/model/w.pt  1.3 MB -> 1.2 MB" in ok(project.cogpack("diff", "--files", ".", project.target())).out


def test_of_an_image_that_others_made_no_files_are_compared_with_the_project(project: Project) -> None:
    push_image(project.world.registry, "others/x:1", [layer({"src/predict.py": b""})])
    done = ok(project.cogpack("diff", f"{project.world.registry}/others/x:1", "."))
    assert "files     not compared: no layer is known as a project's" in done.out.splitlines()
    asked = project.cogpack("diff", "--files", f"{project.world.registry}/others/x:1", ".")
    assert (asked.code, "no layer of this one is known as that" in asked.err) == (2, True), asked.err


def layer(entries: Mapping[str, Any]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in entries.items():
            entry = tarfile.TarInfo(path)
            if content is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            elif isinstance(content, tuple):
                entry.type, entry.linkname = content
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def dpkg(**versions: str) -> bytes:
    lines = (f"Package: {name}\nStatus: install ok installed\nVersion: {v}\n" for name, v in versions.items())
    gone = "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    return "\n".join([*lines, gone]).encode()


def test_files_of_images_that_others_made_are_compared_as_a_container_sees_them(world: World) -> None:
    below = layer({
        "etc": None, "etc/kept": b"1", "etc/hidden": b"2", "etc/replaced": b"3", "dir": None, "dir/a": b"4",
        "var/lib/dpkg/status": dpkg(libc6="2.41", zlib1g="1.3"), "link": (tarfile.SYMTYPE, "etc/kept"),
        "hard": (tarfile.LNKTYPE, "etc/kept"), "tree": None, "tree/x": b"5", "became": b"6",
    })  # fmt: skip
    above = layer({
        "etc/replaced": b"new", ".wh.link": b"", "etc/.wh.hidden": b"", "dir/.wh..wh..opq": b"", "dir/b": b"7",
        "var/lib/dpkg/status": dpkg(libc6="2.42", curl="8"), "tree": b"a file now", "became": None, "became/in": b"8",
        "hard": b"1",
    })  # fmt: skip
    first = f"{world.registry}/others/x:1"
    second = f"{world.registry}/others/x:2"
    push_image(world.registry, "others/x:1", [below])
    push_image(world.registry, "others/x:2", [below, above])
    found = ok(world.cogpack("diff", "--json", first, second)).json
    assert {file["path"]: file["status"] for file in found["files"]} == {
        "became": "changed",
        "became/in": "added",
        "dir/a": "removed",
        "dir/b": "added",
        "etc/hidden": "removed",
        "etc/replaced": "changed",
        "link": "removed",
        "tree": "changed",
        "tree/x": "removed",
        "var/lib/dpkg/status": "changed",
    }
    assert found["packages_compared"] == ["debian"]
    assert {package["name"]: (package["before"], package["after"]) for package in found["packages"]} == {
        "curl": (None, "8"),
        "libc6": ("2.41", "2.42"),
        "zlib1g": ("1.3", None),
    }
    back = ok(world.cogpack("diff", "--json", second, first)).json
    assert {file["path"]: file["status"] for file in back["files"]}["dir/a"] == "added"
    assert (back["fetched"], back["fetched_in_order"]) == (0, 0)
    listed = ok(world.cogpack("diff", first, second)).out.splitlines()
    assert "  ~ /became  file -> directory" in listed
    assert "debian    ~ libc6 2.41 -> 2.42" in listed


def test_large_layers_are_read_only_when_files_are_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.commands.diff.SMALL", 10)
    names = [f"{world.registry}/others/x:{tag}" for tag in "12"]
    for tag, content in (("1", b"1"), ("2", b"2")):
        push_image(world.registry, f"others/x:{tag}", [layer({f"file-{n:03}": content for n in range(30)})])
    done = ok(world.cogpack("diff", *names))
    assert "would have to be read (--files)" in done.out
    assert "debian    not told; --files reads what dpkg says" in done.out
    assert "  ~ /file-029  1 B" in ok(world.cogpack("diff", "--files", *names)).out
    monkeypatch.setattr("cogpack.commands.diff.SMALL", 1_000_000)
    assert "    and 10 paths more (--files)" in ok(world.cogpack("diff", *names)).out


def test_names_that_are_no_text_are_told_and_command_no_terminal(world: World) -> None:
    names = [f"{world.registry}/others/x:{tag}" for tag in "12"]
    push_image(world.registry, "others/x:1", [layer({"x": b""})])
    push_image(world.registry, "others/x:2", [layer({"\udcff\x1b[31m": b""})], environment=["A\x1b[31m=1"])
    done = ok(world.cogpack("diff", *names))
    assert "\x1b" not in done.out
    found = ok(world.cogpack("diff", "--json", *names)).json
    assert [file["path"] for file in found["files"]] == ["x", "\\xff\x1b[31m"]


def test_images_that_differ_in_what_is_not_compared_are_not_called_the_same(world: World) -> None:
    for tag, created in (("1", "2020"), ("2", "2021")):
        push_image(world.registry, f"others/x:{tag}", [layer({"x": b""})], created=f"{created}-01-01T00:00:00Z")
    names = [f"{world.registry}/others/x:{tag}" for tag in "12"]
    done = ok(world.cogpack("diff", *names))
    assert done.out.splitlines()[2:] == [
        "layers    1 same",
        "only the order of layers, dates, history or the form of the manifest differ",
    ]
    assert world.cogpack("diff", "--exit-code", *names).code == 3


@pytest.mark.slow
def test_a_project_whose_commands_were_not_run_is_compared_without_running_them(world: World) -> None:
    project = world.project(config="")
    ok(project.cogpack("push", project.target()))
    text = (project.root / "cog.yaml").read_text().replace("build:\n", 'build:\n  run: ["exit 1"]\n')
    project.write("cog.yaml", text)
    found = ok(project.cogpack("diff", "--json", project.target(), ".")).json
    run = next(layer for layer in found["layers"] if layer["name"].startswith("run"))
    assert (run["status"], run["after"]) == ("added", {"digest": None, "size": None})
    assert (found["fetched"], found["packages_compared"]) == (None, ["python"])
