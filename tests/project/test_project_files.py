"""Which files go into the image."""

import os
import socket
import time
from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.project import Project, ProjectFile, find_project
from cogpack.project.files import link_leaves

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 90868376\n"


def project(root: Path, files: dict[str, bytes | str], config: str = "") -> Project:
    for name, content in {"cog.yaml": config, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return find_project(root)


def paths(root: Path, files: dict[str, bytes | str], config: str = "") -> list[str]:
    return [file.path for file in project(root, files, config).files()]


def test_files_are_listed_by_the_bytes_of_their_paths(tmp_path: Path) -> None:
    assert paths(tmp_path, {"a/z": "", "a-b": "", "a.py": "", "B": "", "é": "", "a/y/x": ""}) == [
        *("B", "a", "a-b", "a.py", "a/y", "a/y/x", "a/z", "cog.yaml", "é")
    ]


def test_a_file_keeps_its_size_and_whether_its_owner_may_run_it(tmp_path: Path) -> None:
    found = project(tmp_path, {"run.sh": "#!/bin/sh", "x": "12"})
    (tmp_path / "run.sh").chmod(0o744)
    (tmp_path / "x").chmod(0o611)
    (tmp_path / "link").symlink_to("run.sh")
    (tmp_path / "empty").mkdir()
    by_path = {file.path: file for file in found.files()}
    assert by_path["run.sh"] == ProjectFile(path="run.sh", kind="file", executable=True, size=9)
    assert by_path["x"] == ProjectFile(path="x", kind="file", size=2)
    assert by_path["link"] == ProjectFile(path="link", kind="symlink", target="run.sh")
    assert by_path["empty"] == ProjectFile(path="empty", kind="directory")


def test_what_is_never_part_of_a_model_is_left_out(tmp_path: Path) -> None:
    never = {".git/config": "", "sub/.git": "", ".cog/tmp": "", ".cogpack/x": "", "cogpack.lock": "", ".DS_Store": ""}
    never |= {"a/__pycache__/m.pyc": "", ".venv/x": "", "env/pyvenv.cfg": "", "env/lib/x.py": "", ".mypy_cache/x": ""}
    kept = {
        "sub/.cog/x": "",
        "sub/cogpack.lock": "",
        "venv/x.py": "",
        ".env": "",
        ".dockerignore": "!.git\n!**/*.pyc\n",
    }
    listed = paths(tmp_path, {**never, **kept})
    assert sorted(path for path in listed if (tmp_path / path).is_file()) == sorted([*kept, "cog.yaml"])
    assert "env" not in listed


def test_a_kept_file_brings_its_ignored_directories(tmp_path: Path) -> None:
    files = {"data/a/keep.txt": "", "data/a/b": "", "data/c/d": "", ".dockerignore": "data\n!data/a/keep.txt\n"}
    assert paths(tmp_path, files) == [".dockerignore", "cog.yaml", "data", "data/a", "data/a/keep.txt"]


def test_ignored_directories_are_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = project(tmp_path, {"big/x/y": "", "src/x": "", ".dockerignore": "big\n!src/x\n"})
    entered = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: entered.append(os.path.relpath(path, tmp_path)) or scan(path))
    found.files()
    assert sorted(entered) == [".", "src"]


@pytest.mark.parametrize("target", ["a", "./a", "../p/a/b", "missing", "a/../../p/a"])
def test_links_that_stay_inside_are_kept(tmp_path: Path, target: str) -> None:
    root = tmp_path / "p"
    root.mkdir()
    found = project(root, {"a/b": "", "p/a/b": "", "sub/x": ""})
    (root / "sub/link").symlink_to(target)
    assert ProjectFile(path="sub/link", kind="symlink", target=target) in found.files()


@pytest.mark.parametrize("target", ["/etc/passwd", "../out", "..", "../p/a", "in/../../x", "up/../x"])
def test_links_that_leave_the_project_are_refused(tmp_path: Path, target: str) -> None:
    root = tmp_path / "p"
    root.mkdir()
    found = project(root, {"a": "", "in/x": "", ".dockerignore": "up\n"})
    (root / "up").symlink_to("..")
    (root / "link").symlink_to(target)
    with pytest.raises(InputError, match=r"^link: a symbolic link to .* leaves the project"):
        found.files()


def test_an_absolute_link_into_the_project_is_refused(tmp_path: Path) -> None:
    found = project(tmp_path, {"a": ""})
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(InputError, match="leaves the project"):
        found.files()


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("y/a")
    (tmp_path / "y").symlink_to("x/b")
    assert not link_leaves(str(tmp_path), "", "x")


def test_what_an_image_cant_hold_is_refused_unless_ignored(tmp_path: Path) -> None:
    def refused() -> str:
        with pytest.raises(InputError) as caught:
            find_project(tmp_path).files()
        return caught.value.message

    project(tmp_path, {})
    os.mkfifo(tmp_path / "pipe")
    assert refused() == "pipe: neither a file, a directory nor a symbolic link"
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "s"))
        assert refused().startswith("s: neither")
    (tmp_path / "s").unlink()
    (tmp_path / ".wh.x").write_text("")
    assert refused().startswith(".wh.x: a name that begins with .wh.")
    (tmp_path / ".wh.x").unlink()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("")
    assert refused() == r"b'\xff': the name is not UTF-8 text"
    (tmp_path / ".dockerignore").write_text("?\n")
    assert [file.path for file in find_project(tmp_path).files()] == [".dockerignore", "cog.yaml"]


def test_a_kept_file_below_a_name_that_is_not_text_is_refused(tmp_path: Path) -> None:
    found = project(tmp_path, {".dockerignore": "*\n!**/x\n"})
    directory = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    directory.mkdir()
    (directory / "x").write_text("")
    with pytest.raises(InputError, match="not UTF-8"):
        found.files()


def test_weights_are_known_by_suffix_and_size(tmp_path: Path) -> None:
    mib = bytes(1024 * 1024)
    files = {
        "model.SAFETENSORS": mib,
        "small.bin": mib[1:],
        "ckpt/variables.data-00000-of-00001": mib,
        "notes.txt": mib,
    }
    files |= {"huge.parquet": mib * 10, "huge.py": mib * 10, "bin": mib}
    found = project(tmp_path, files)
    assert [file.path for file in found.files() if found.is_weight(file)] == [
        *("ckpt/variables.data-00000-of-00001", "huge.parquet", "model.SAFETENSORS")
    ]


def test_the_config_can_say_what_is_a_weight(tmp_path: Path) -> None:
    config = "cogpack: {weights: {include: ['data/**'], exclude: ['**/vocab.bin'], min_size: 2}}"
    files = {"data/x.txt": "1", "data/vocab.bin": "12", "vocab.bin": "12", "a.bin": "12", "b.bin": "1"}
    found = project(tmp_path, files, config)
    assert [file.path for file in found.files() if found.is_weight(file)] == ["a.bin", "data/x.txt"]


def test_a_git_lfs_pointer_in_place_of_a_weight_stands_for_the_file_with_its_size(tmp_path: Path) -> None:
    found = project(tmp_path, {"model/model.safetensors": POINTER})
    (file,) = [file for file in found.files() if file.path.endswith(".safetensors")]
    assert file.pointer is not None
    assert file.size == file.pointer.size == 90868376
    assert found.is_weight(file)


def test_a_pointer_to_what_is_too_small_for_a_weight_is_refused(tmp_path: Path) -> None:
    found = project(tmp_path, {"model/model.safetensors": POINTER.replace(b"90868376", b"12")})
    with pytest.raises(InputError) as caught:
        found.files()
    assert caught.value.message.startswith("model/model.safetensors: a git-lfs pointer stands where 12 bytes")
    assert caught.value.next_step == "run git lfs pull"


def test_a_pointer_that_is_no_weight_or_ignored_is_only_a_file(tmp_path: Path) -> None:
    project(tmp_path, {"note.txt": POINTER, "old/a.bin": POINTER, ".dockerignore": "old\n"}).files()


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_an_unreadable_directory_is_named(tmp_path: Path) -> None:
    found = project(tmp_path, {"secret/x": ""})
    (tmp_path / "secret").chmod(0)
    with pytest.raises(InputError, match="secret: Permission denied"):
        found.files()


def test_a_large_project_is_listed_quickly(tmp_path: Path) -> None:
    found = project(tmp_path, {".dockerignore": "\n".join(f"**/x{n}*.tmp" for n in range(30))})
    for directory in range(20):
        (tmp_path / f"d{directory}").mkdir()
        for number in range(500):
            os.close(os.open(tmp_path / f"d{directory}/{number}.jpg", os.O_CREAT | os.O_WRONLY))
    start = time.monotonic()
    assert len(found.files()) == 10_022
    assert time.monotonic() - start < 3


def test_one_file_is_held_just_where_the_list_has_it(tmp_path: Path) -> None:
    """`read` looks along one path; the list walks everything. They must never differ."""
    files: dict[str, bytes | str] = {".git/x": "", "a/.git": "", "a/b/c.py": "", "a/b/d.py": "", "env/x.py": ""}
    files |= {"env/pyvenv.cfg": "", "cogpack.lock": "", "a/cogpack.lock": "", "out/kept.py": "", "out/other.py": ""}
    files |= {"out/deep/kept.py": "", ".dockerignore": "out\n!out/kept.py\na/b/d.py\nout/deep\n"}
    found = project(tmp_path, files)
    listed = {file.path for file in found.files() if file.kind == "file"}
    assert {path for path in [*files, "cog.yaml", "a", "gone"] if found.read(path) is not None} == listed
    assert {"a/b/c.py", "out/kept.py", "a/cogpack.lock"} < listed


def test_a_source_is_read_whatever_else_the_project_holds(tmp_path: Path) -> None:
    found = project(tmp_path, {"predict.py": "x = 1\n", "model.bin": POINTER})
    (tmp_path / "out").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    assert found.read("predict.py") == b"x = 1\n"


@pytest.mark.parametrize(
    ("start", "words"), [("nowhere", "nowhere: there is no such directory"), ("cog.yaml", "cog.yaml: not a directory")]
)
def test_a_directory_that_is_none_never_leads_to_the_project_above(tmp_path: Path, start: str, words: str) -> None:
    project(tmp_path, {})
    with pytest.raises(InputError) as caught:
        find_project(tmp_path / start)
    assert caught.value.message == f"{tmp_path}/{words}"


def test_a_directory_below_the_project_leads_to_it(tmp_path: Path) -> None:
    project(tmp_path, {"a/b/x": "", "other.yaml": ""})
    (tmp_path / "link").symlink_to("a/b")
    assert find_project(tmp_path / "a/b").root == tmp_path
    assert find_project(tmp_path / "link", "other.yaml").config_path == tmp_path / "other.yaml"


def test_a_current_directory_that_is_gone_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path / "p", {})
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    for start in (Path(), Path("below")):
        with pytest.raises(InputError, match="the current directory is gone"):
            find_project(start)
    assert find_project(tmp_path / "p").root == tmp_path / "p"
