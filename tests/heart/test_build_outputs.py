"""`build -o`: where it writes, and that nothing is left of what is refused."""

import os

import pytest
from support.world import World, noise, ok

from cogpack.errors import InputError
from cogpack.layout import Layout

pytestmark = pytest.mark.slow

FILES = {"model/w.pt": noise(100_000), "notes.txt": "read me"}


def test_a_link_is_an_output(world: World) -> None:
    """M15: to what is there, and to what is yet to be made."""
    project = world.project(files=FILES)
    disk = world.directory / "disk"
    (disk / "empty").mkdir(parents=True)
    for name in ("empty", "new", "a.tar"):
        (world.directory / name).symlink_to(f"disk/{name}")
        ok(project.cogpack("build", "-o", f"../{name}"))
        assert (world.directory / name).is_symlink()
    assert len(Layout.read(disk / "empty").names()) == len(Layout.read(disk / "new").names()) == 1
    assert sorted(path.name for path in disk.iterdir()) == ["a.tar", "empty", "new"]


def test_a_device_that_is_named_for_a_result_stays(world: World) -> None:
    """As root, a file in the place of /dev/null would be in the way of everybody; here it would be of a link."""
    project = world.project(files=FILES)
    names = ["digest", "metadata", "page", "a.tar"]
    digest, metadata, page, archive = (f"../{name}" for name in names)
    for name in names:
        (world.directory / name).symlink_to("/dev/null")
    ok(project.cogpack("build", "-o", archive, "--digest-file", digest, "--metadata-file", metadata))
    ok(project.cogpack("plan", "--html", page))
    assert [str((world.directory / name).readlink()) for name in names] == ["/dev/null"] * 4
    assert (world.directory / "digest").is_char_device()


@pytest.mark.parametrize("output", ["out", "out.tar"])
def test_nothing_is_left_of_a_build_that_is_refused(world: World, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = world.project(files=FILES)
    before = {path.name for path in world.directory.iterdir()}

    def refuse(*_: object, **__: object) -> None:
        raise InputError("it will not do", next_step="change it")

    monkeypatch.setattr("cogpack.commands.build.transfer", refuse)
    done = project.cogpack("build", "-o", f"../{output}")
    assert done.code == 2
    assert {path.name for path in world.directory.iterdir()} <= before | {"cache"}


def test_an_output_that_will_not_do_is_refused_before_anything_is_resolved(world: World) -> None:
    project = world.project(files=FILES)
    place = world.directory / "out"
    place.mkdir()
    (place / "mine").write_text("1")
    done = project.cogpack("build", "-o", "../out")
    assert done.code == 2
    assert "holds files and is not an OCI image layout" in done.err
    assert not (project.root / "cogpack.lock").exists()


@pytest.mark.parametrize("name", [b"w\xff.pt", b"notes\xff.txt"])
def test_a_file_whose_name_is_no_utf8_goes_into_the_image_or_is_named(world: World, name: bytes) -> None:
    project = world.project(files=FILES)
    (project.root / os.fsdecode(name)).write_bytes(noise(100_000, seed=3))
    for verb in (
        ["plan"],
        ["plan", "--json"],
        ["build", "-o", "../out"],
        ["build", "-o", "../a.tar"],
        ["push", project.target()],
        ["push", project.target(), "--json"],
        ["weights", "ls", "--json"],
    ):
        done = project.cogpack(*verb)
        assert "Traceback" not in done.err, verb
        assert done.code in (0, 2), (verb, done.err)


@pytest.mark.parametrize("name", ["X.TAR", "a.Tar"])
def test_an_archive_is_known_by_its_ending_in_any_case(world: World, name: str) -> None:
    ok(world.project(files=FILES).cogpack("build", "-o", f"../{name}"))
    assert (world.directory / name).is_file()


@pytest.mark.parametrize(
    ("name", "instead"),
    [("out.zip", "out.tar"), ("x.oci", "x.tar"), ("x.tar.gz", "x.tar"), ("x.TGZ", "x.tar"), ("x.tar.zst", "x.tar")],
)
def test_an_archive_of_another_kind_is_refused_and_never_a_directory(world: World, name: str, instead: str) -> None:
    project = world.project(files=FILES)
    done = project.cogpack("build", "-o", f"../{name}")
    assert done.code == 2
    assert f"next: write ../{instead}, or name a DIR\n" in done.err
    assert not (world.directory / name).exists()


@pytest.mark.parametrize(
    "words",
    [
        ("build", "-o", "-"),
        ("pull", "ghcr.io/a/b", "-o", "-"),
        ("copy", "ghcr.io/a/b", "-"),
        ("weights", "pull", "ghcr.io/a/b", "-o", "-"),
        ("weights", "split", "m.safetensors", "-o", "-"),
        ("weights", "join", "m", "-o", "-"),
        ("push", "ghcr.io/a/b", "--metadata-file", "-"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_dash_is_no_output(world: World, words: tuple[str, ...]) -> None:
    project = world.project(files=FILES)
    done = project.cogpack(*words)
    assert done.code == 2
    assert "found '-'" in done.err
    assert not (project.root / "-").exists()


@pytest.mark.parametrize("verb", [("copy", "ghcr.io/a/b"), ("weights", "pull", "ghcr.io/a/b", "-o")])
@pytest.mark.parametrize("name", ["out.tar", "out.zip"])
def test_what_writes_a_directory_takes_no_archive_for_one(world: World, verb: tuple[str, ...], name: str) -> None:
    project = world.project(files=FILES)
    done = project.cogpack(*verb, f"./{name}")
    assert done.code == 2
    assert "name a DIR" in done.err
    assert not (project.root / name).exists()
