"""Which files go into the image."""

import itertools
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from cogpack.errors import InputError, MismatchError
from cogpack.notes import Code, Note
from cogpack.project import Project, ProjectFile, find_project
from cogpack.project import files as listing
from cogpack.project.links import HOME, Links
from cogpack.runtime.contract import SOURCE

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
    by_path = {file.path: structs.replace(file, stat=None) for file in found.files()}
    assert by_path["run.sh"] == ProjectFile(path="run.sh", kind="file", executable=True, size=9)
    assert by_path["x"] == ProjectFile(path="x", kind="file", size=2)
    assert by_path["link"] == ProjectFile(path="link", kind="symlink", target="run.sh")


@pytest.mark.parametrize(
    "made",
    [
        "empty/",
        "a/b/c/",
        "src/__pycache__/m.pyc",
        "out/x.log",
        "kept/",
        "env/pyvenv.cfg",
        "hub/CACHEDIR.TAG",
        "a/b/.git/x",
    ],
)
def test_a_directory_in_which_nothing_is_kept_is_no_part_of_it(tmp_path: Path, made: str) -> None:
    """git carries none: the digest would be another one in a checkout."""
    found = project(tmp_path, {"m/x": "", "src/m.py": "", ".dockerignore": "**/*.log\n!kept/\n"})
    before = [structs.replace(file, stat=None) for file in found.files()]
    path = tmp_path / made
    path.mkdir(parents=True) if made.endswith("/") else path.parent.mkdir(parents=True)
    if not made.endswith("/"):
        path.write_text("Signature: 8a477f597d28d172789f06886806bc55")
    assert [structs.replace(file, stat=None) for file in project(tmp_path, {}).files()] == before
    assert ProjectFile(path="m", kind="directory") in before


def test_a_directory_of_nothing_but_pipes_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "pipe")
    assert paths(tmp_path, {"a": ""}) == ["a", "cog.yaml"]


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


def test_what_a_killed_cogpack_left_is_never_part_of_a_model(tmp_path: Path) -> None:
    """Whatever `.dockerignore` says, in any directory, by the names of each version so far."""
    word = "0123456789abcdef"
    never = {f".cogpack-{word}": "", f"sub/.cogpack-{word * 2}": "", f"weights/.part-{word}": "", ".x.tar.partial": ""}
    never |= {".x.tar.journal": "", f".out.{word[:12]}.unfinished/files/w.pt": ""}
    kept = {".cogpack-notes": "", f".cogpack-{word}.txt": "", "sub/.part-1": "", ".dockerignore": f"!.cogpack-{word}\n"}
    listed = paths(tmp_path, {**never, **kept})
    assert sorted(path for path in listed if (tmp_path / path).is_file()) == sorted([*kept, "cog.yaml"])


def test_a_kept_file_brings_its_ignored_directories(tmp_path: Path) -> None:
    files = {"data/a/keep.txt": "", "data/a/b": "", "data/c/d": "", ".dockerignore": "data\n!data/a/keep.txt\n"}
    assert paths(tmp_path, files) == [".dockerignore", "cog.yaml", "data", "data/a", "data/a/keep.txt"]


def test_ignored_directories_are_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = project(tmp_path, {"big/x/y": "", "src/x": "", ".dockerignore": "big\n!src/x\n"})
    entered: list[str] = []
    scan = os.scandir

    def scanned(descriptor: int) -> object:
        entered.append(os.path.relpath(Path(f"/proc/self/fd/{descriptor}").readlink(), tmp_path))
        return scan(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scanned)
        found.files()
    assert sorted(entered) == [".", "src"]


def test_an_ignore_file_that_is_too_long_is_refused_and_not_taken_in_part(tmp_path: Path) -> None:
    lines = "\n".join(f"{number:04}{'x' * 60}" for number in range(5000))
    with pytest.raises(InputError, match=r"\.dockerignore: more than 262144 bytes"):
        paths(tmp_path, {".dockerignore": f"{lines}\nsecret", "secret": "s3cret"})


def test_a_predictor_of_a_name_that_no_file_can_have_is_not_there(tmp_path: Path) -> None:
    for name in ("x" * 5000, "x/" * 3000):
        with pytest.raises(InputError, match="no such file in the project"):
            _ = project(tmp_path, {}, f"predict: {name}/p.py:P").source


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


def test_an_absolute_link_to_the_projects_place_here_is_refused_with_the_relative_one(on_disk: Path) -> None:
    found = project(on_disk, {"a": "", "sub/x": ""})
    (on_disk / "sub/link").symlink_to(on_disk / "a")
    with pytest.raises(InputError, match="leaves the project") as caught:
        found.files()
    assert caught.value.next_step == "make it relative: ln -sfn ../a sub/link"


def test_all_links_that_leave_the_project_are_told_at_once(tmp_path: Path) -> None:
    found = project(tmp_path, {"sub/x": ""})
    for name in ("b", "sub/a"):
        (tmp_path / name).symlink_to("/opt/cache/blob")
    with pytest.raises(InputError, match=r"^2 things must change:\n  b: a symbolic.*\n  sub/a: a symbolic") as caught:
        found.files()
    assert "next: " not in caught.value.message
    assert "have weights of cog.yaml bring them" in caught.value.next_step


MANAGED = "model: h.io/me/model\nweights: [{name: w, target: /weights/w, source: {uri: hf://a/b}}]\n"


@pytest.mark.parametrize(
    "target",
    [
        *("/src/a", "/src", "/src/none/yet", "//src/./a", "/src/inner", "../../src/a", "inner/x", "/src/sub/../a"),
        *("/weights/w", "/weights/w/m.bin", "/weights", "../../weights/w/m.bin", "/weights/../src/a"),
        *("/dev/null", "/dev/stdout", "/dev/fd/3", "/dev/shm/x"),
    ],
)
def test_links_that_are_right_in_the_image_are_kept_as_they_are_written(tmp_path: Path, target: str) -> None:
    found = project(tmp_path, {"a": "", "sub/x": ""}, MANAGED)
    (tmp_path / "inner").symlink_to("/src/sub")
    (tmp_path / "sub/inner").symlink_to("/src/inner")
    (tmp_path / "sub/link").symlink_to(target)
    assert ProjectFile(path="sub/link", kind="symlink", target=target) in found.files()


@pytest.mark.parametrize(
    "target",
    ["/", "/srcs", "/src/../etc", "/src/..", "/weights/w2", "/weight", "/dev", "/dev/sda", "/tmp/x", "/src/up/a"],
)
def test_links_that_lead_elsewhere_in_the_image_are_refused(tmp_path: Path, target: str) -> None:
    found = project(tmp_path, {".dockerignore": "up\n"}, MANAGED)
    (tmp_path / "up").symlink_to("/opt")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(InputError, match=r"^link: a symbolic link to .* leaves the project") as caught:
        found.files()
    assert "kept are links to /src" in caught.value.next_step


def test_links_have_the_project_where_images_have_it() -> None:
    assert HOME == SOURCE


def test_a_predictor_behind_an_absolute_link_into_the_image_is_read(tmp_path: Path) -> None:
    found = project(tmp_path, {"real.py": "x"}, "predict: predict.py:P")
    (tmp_path / "predict.py").symlink_to("/src/real.py")
    assert found.source.read("predict.py") == b"x"


@pytest.mark.parametrize(
    ("predict", "ignored", "target", "message"),
    [
        ("p.py", "", "/etc/p.py", "a link that leads to /etc/p.py in the image, out of the project"),
        ("p.py", "", "../p.py", "a link that leads to /p.py in the image, out of the project"),
        ("p.py", "", "none.py", "leads to none.py, which is not there"),
        ("p.py", "", "sub", "no file"),
        ("p.py", "", ".venv/x.py", ".venv/x.py, to which it leads, is left out, as .venv always is"),
        ("p.py", "", "env/x.py", "env/x.py, to which it leads, is in a virtual environment"),
        ("p.py", "sub\n", "sub/x.py", "sub/x.py, to which it leads, is left out by .dockerignore"),
        ("p.py", "p.py\n", "sub/x.py", "left out by .dockerignore"),
        ("sub/x.py", "sub\n", "sub", "left out by .dockerignore"),
        (".venv/x.py", "", "sub", "left out, as .venv always is"),
    ],
)
def test_a_predictor_that_the_image_will_not_have_is_told_why(
    tmp_path: Path, predict: str, ignored: str, target: str, message: str
) -> None:
    files: dict[str, bytes | str] = {"sub/x.py": "", ".venv/x.py": "", "env/x.py": "", "env/pyvenv.cfg": ""}
    found = project(tmp_path, files | {".dockerignore": ignored}, f"predict: {predict}:P")
    (tmp_path / "p.py").symlink_to(target)
    with pytest.raises(InputError) as caught:
        _ = found.source
    assert caught.value.message == f"cog.yaml:1:10: predict: {predict}: {message}"


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "x").symlink_to("y/a")
    (tmp_path / "y").symlink_to("x/b")
    assert Links(str(tmp_path)).lead("", "x") is None
    assert [file.path for file in project(tmp_path, {}).files()] == ["cog.yaml", "x", "y"]


def test_what_an_image_cant_hold_is_refused_unless_ignored(tmp_path: Path) -> None:
    def refused() -> str:
        with pytest.raises(InputError) as caught:
            find_project(tmp_path).files()
        return caught.value.message

    project(tmp_path, {})
    (tmp_path / ".wh.x").write_text("")
    assert refused().startswith(".wh.x: a name that begins with .wh.")
    (tmp_path / ".wh.x").unlink()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).write_text("")
    assert refused() == r"b'\xff': the name is not UTF-8 text"
    (tmp_path / ".dockerignore").write_text("?\n")
    assert [file.path for file in find_project(tmp_path).files()] == [".dockerignore", "cog.yaml"]


def test_sockets_and_pipes_are_left_out_with_a_note_unless_ignored(tmp_path: Path) -> None:
    project(tmp_path, {"sub/x": ""})
    os.mkfifo(tmp_path / "sub/pipe")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "s"))
        found = find_project(tmp_path)
        assert [file.path for file in found.files()] == ["cog.yaml", "sub", "sub/x"]
        assert found.notes() == (
            Note(Code.SPECIAL_FILE, "s: a socket, left out"),
            Note(Code.SPECIAL_FILE, "sub/pipe: a pipe, left out"),
        )
        (tmp_path / ".dockerignore").write_text("s\n**/pipe\n")
        assert find_project(tmp_path).notes() == ()


def test_what_a_run_writes_is_no_part_of_the_project(tmp_path: Path) -> None:
    project(tmp_path, {"image.tar": "old", "out/x": "", "image/oci-layout": "{}", "image/blobs/sha256/aa": ""})
    outputs = [tmp_path / "image.tar", tmp_path / "out", tmp_path / "none"]
    found = find_project(tmp_path, outputs=outputs)
    assert [file.path for file in found.files()] == ["cog.yaml"]
    assert found.notes() == (
        Note(Code.OWN_OUTPUT, "image.tar: this command's own output, left out"),
        Note(Code.OWN_OUTPUT, "image: an OCI image layout, left out"),
        Note(Code.OWN_OUTPUT, "out: this command's own output, left out"),
    )
    (tmp_path / ".dockerignore").write_text("image\n")
    assert [note.text for note in find_project(tmp_path).notes()] == []


@pytest.mark.slow
@pytest.mark.parametrize(("descriptor", "name"), [(1, "output"), (2, "error")])
def test_standard_output_and_error_are_no_part_of_the_project(tmp_path: Path, descriptor: int, name: str) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom cogpack.project import find_project\n"
        "found = find_project(Path())\nfiles = [file.path for file in found.files()]\n"
        "Path('../told').write_text(repr((files, [note.text for note in found.notes()])))\n"
    )
    root = tmp_path / "p"
    root.mkdir()
    project(root, {"a": ""})
    with (root / "push.log").open("wb") as log:
        streams = {"stdout" if descriptor == 1 else "stderr": log}
        subprocess.run([sys.executable, "-c", program], cwd=root, check=True, **streams)  # type: ignore[call-overload]
    told = [f"push.log: this command's own standard {name}, left out"]
    assert (tmp_path / "told").read_text() == repr((["a", "cog.yaml"], told))


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


@pytest.mark.slow
def test_a_large_project_is_listed_quickly(tmp_path: Path) -> None:
    found = project(tmp_path, {".dockerignore": "\n".join(f"**/x{n}*.tmp" for n in range(30))})
    for directory in range(20):
        (tmp_path / f"d{directory}").mkdir()
        for number in range(500):
            os.close(os.open(tmp_path / f"d{directory}/{number}.jpg", os.O_CREAT | os.O_WRONLY))
    start = time.monotonic()
    assert len(found.files()) == 10_022
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    "instead", [None, Path.touch, lambda path: path.symlink_to("/etc")], ids=["gone", "file", "link"]
)
def test_a_directory_that_is_none_any_more_when_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instead: Callable[[Path], None] | None
) -> None:
    found, opened = project(tmp_path, {"d/a": ""}), os.open

    def late(path: str, *options: int) -> int:
        if path == f"{tmp_path}/d":
            (tmp_path / "d/a").unlink()
            (tmp_path / "d").rmdir()
            if instead:
                instead(tmp_path / "d")
        return opened(path, *options)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(MismatchError, match="d: was there a moment ago, now: "):
        found.files()


def test_a_link_that_took_the_place_of_a_directory_leads_nobody_out_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner/secret").write_text("secret")
    root.mkdir()
    found, opened = project(root, {"d/inner/a": "", "d/b": ""}), os.open

    def late(path: str, *options: int, dir_fd: int | None = None) -> int:
        if path == f"{root}/d/inner":
            (root / "d").rename(tmp_path / "away")
            (root / "d").symlink_to(outside)
        return opened(path, *options, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(MismatchError, match="d/inner: was there a moment ago, now: Not a directory"):
        found.files()


def test_a_file_system_that_keeps_no_numbers_is_listed_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sshfs and overlays may: who asks twice which directory one is hears two answers."""
    numbers = itertools.count()
    monkeypatch.setattr(listing, "_identity", lambda _: (0, next(numbers)))
    descriptors = len([*Path("/proc/self/fd").iterdir()])
    found = [file.path for file in project(tmp_path, {"d/inner/a": "", "d/b": ""}).files()]
    assert found == ["cog.yaml", "d", "d/b", "d/inner", "d/inner/a"]
    assert len([*Path("/proc/self/fd").iterdir()]) == descriptors


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


def test_a_file_that_was_written_has_a_place_where_the_next_image_has_it(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "below").mkdir(parents=True)
    found = project(root, {".dockerignore": "*.png", "below/w.tar": "", "a.png": "", "cogpack.lock": ""})
    (tmp_path / "beside").touch()
    (tmp_path / "link").symlink_to(root / "below")
    os.mkfifo(root / "pipe")
    assert found.place_of(tmp_path / "link/w.tar") == "below/w.tar"
    others = (root / "a.png", root / "cogpack.lock", root / "pipe", root, tmp_path / "beside", tmp_path / "project.tar")
    assert [path for path in others if found.place_of(path) is not None] == []
