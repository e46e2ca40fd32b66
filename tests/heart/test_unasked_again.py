"""What an image has unasked is the same whether a project is locked for the first time or again, after its cog.yaml has
named such a package, or left it out, or asks for another Debian."""

from collections.abc import Iterator

import pytest
from support.debian_mirror import Archive, trusted
from support.wheels import make_wheel
from support.world import Done, Project, World, ok

pytestmark = pytest.mark.slow

COMPILED = "import torch\ntorch.compile\n"
GL = ("libgl1", "libglib2.0-0")
COMPILER = ("g++", "libpython3.13-dev")


@pytest.fixture
def archive(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with trusted(world.directory / "mirror", monkeypatch, ranges=True) as made:
        made.fill()
        made.add("libgl1", depends="libglx0", files={"usr/lib/libGL.so.1": "1"})
        made.add("libglx0", files={"usr/lib/libGLX.so.0": "1"})
        made.add("libglib2.0-0t64", files={"usr/lib/libglib-2.0.so.0": "1"})
        made.add("app", depends="libgl1", files={"usr/bin/app": "1"})
        for name in (*COMPILER, "libpython3.11-dev"):
            made.add(name, files={f"usr/share/doc/{name}/copyright": name})
        made.finish()
        make_wheel(world.wheels, "opencv-python", "4.8.1.78")
        make_wheel(world.wheels, "torch", "2.6.0", files={"torch/version.py": b"cuda = None\n"})
        yield made


def project(world: World, name: str, wheel: str) -> Project:
    made = world.project(name)
    made.write("requirements.txt", f"--no-index\n{wheel}\n")
    if wheel == "torch":
        made.write("predict.py", COMPILED + (made.root / "predict.py").read_text())
    return made


def lock(made: Project, archive: Archive, *packages: str, python: str = "3.13") -> Done:
    """Write a cog.yaml with these `packages`, and lock it."""
    named = f"  system_packages: [{', '.join(packages)}]\n" if packages else ""
    build = f'build:\n  python_version: "{python}"\n  python_requirements: requirements.txt\n{named}'
    made.write("cog.yaml", f'{build}predict: "predict.py:Predictor"\ncogpack: {{bytecode: false}}\n')
    return ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))


def text(made: Project) -> str:
    return (made.root / "cogpack.lock").read_text()


@pytest.mark.parametrize(("wheel", "packages"), [("opencv-python", GL), ("torch", COMPILER)])
@pytest.mark.parametrize("more", [(), ("app",)], ids=["alone", "beside another"])
def test_what_is_named_no_more_comes_unasked_and_what_is_named_now_does_not(
    world: World, archive: Archive, wheel: str, packages: tuple[str, ...], more: tuple[str, ...]
) -> None:
    fresh, again = (project(world, name, wheel) for name in ("fresh", "again"))
    unasked = lock(fresh, archive, *more)
    assert f"{packages[0]} and {packages[1]} added (" in unasked.err or "libglib2.0-0 added (" in unasked.err
    lock(again, archive, *more, *packages)
    named = text(again)
    done = lock(again, archive, *more)
    assert text(again) == text(fresh)
    assert unasked.err.splitlines()[-1] == done.err.splitlines()[-1], "with the same size"
    assert "the lock has no" not in done.err
    ok(again.cogpack("lock", "--check"))
    done = lock(again, archive, *more, *packages)
    assert text(again) == named
    assert " added (" not in done.err
    ok(again.cogpack("lock", "--check"))


@pytest.mark.parametrize(("wheel", "packages"), [("opencv-python", GL), ("torch", COMPILER)])
def test_one_of_two_that_is_named_or_named_no_more_is_as_in_a_new_lock(
    world: World, archive: Archive, wheel: str, packages: tuple[str, ...]
) -> None:
    made = project(world, "made", wheel)
    locks: dict[tuple[str, ...], str] = {}
    for name, named in (("none", ()), ("one", packages[:1]), ("other", packages[1:]), ("app", ("app",))):
        new = project(world, name, wheel)
        lock(new, archive, *named)
        locks[named] = text(new)
        ok(new.cogpack("lock", COGPACK_DEBIAN_MIRROR="http://127.0.0.1:9"))
        assert text(new) == locks[named], "what is pinned stays, and nobody is asked"
    for named in ((), packages[:1], (), packages[1:], packages[:1], ("app",), packages[1:], ("app",), ()):
        lock(made, archive, *named)
        assert text(made) == locks[named]


def test_a_lock_of_an_earlier_cogpack_that_forgot_what_came_with_the_tools_is_mended(
    world: World, archive: Archive
) -> None:
    made = project(world, "made", "opencv-python")
    lock(made, archive)
    right = text(made)
    listed = '    tools = [\n        "libgl1",\n        "libglib2.0-0t64",\n        "libglx0",\n    ]\n'
    flat = "\n".join(line.strip() for line in right.splitlines())
    start = flat.index('tools = [\n"libgl1",\n')
    lines = flat[:start].count("\n")
    kept = right.splitlines(keepends=True)
    assert "".join(kept[lines : lines + 5]).split() == listed.split()
    made.write("cogpack.lock", "".join(kept[:lines] + kept[lines + 5 :]))
    done = lock(made, archive)
    assert "libgl1 and libglib2.0-0 added (3 packages, " in done.err
    assert text(made) == right


def test_what_only_comes_with_another_tool_is_listed_as_in_a_new_lock(world: World, archive: Archive) -> None:
    archive.add("ffmpeg", depends="libglib2.0-0t64", files={"usr/bin/ffmpeg": "1"})
    archive.finish()
    made = project(world, "made", "opencv-python")
    both = (made.root / "predict.py").read_text()
    made.write("predict.py", f"import os\nos.system('ffmpeg x')\n{both}")
    fresh = text_of_new(world, archive, made)
    made.write("requirements.txt", "--no-index\n")
    lock(made, archive)
    assert "libgl1" not in text(made)
    made.write("requirements.txt", "--no-index\nopencv-python\n")
    lock(made, archive)
    assert text(made) == fresh
    made.write("predict.py", both)
    lock(made, archive)
    assert text(made) == text_of_new(world, archive, made)


def test_a_right_guess_saves_deciding_all_twice_and_a_wrong_one_is_none(world: World, archive: Archive) -> None:
    made = project(world, "made", "opencv-python")
    done = lock(made, archive)
    assert "libgl1 and libglib2.0-0 added (" in done.err
    assert done.err.count("resolved 1 requirement for Python 3.13: ") == 1
    other = project(world, "other", "torch")
    other.write("requirements.txt", "--no-index\nopencv-python; sys_platform == 'win32'\ntorch\n")
    plain = project(world, "plain", "torch")
    lock(plain, archive)
    assert " added (" in lock(other, archive).err
    tables = [text(one).partition("[results]")[0].partition("[platforms")[2] for one in (other, plain)]
    assert tables[0] == tables[1]


def text_of_new(world: World, archive: Archive, like: Project) -> str:
    """The lock of another project of the same files."""
    new = project(world, "new", "opencv-python")
    for name in ("predict.py", "requirements.txt"):
        new.write(name, (like.root / name).read_text())
    (new.root / "cogpack.lock").unlink(missing_ok=True)
    lock(new, archive)
    return text(new)


def test_a_compiler_that_came_unasked_is_of_the_debian_that_is_asked_for_by_now(world: World, archive: Archive) -> None:
    archive.also("bookworm", {"Version: 3.13.5-1": "Version: 3.11.2-1", "Package: libpython3.13-dev": "Package: other"})
    made, fresh = (project(world, name, "torch") for name in ("made", "fresh"))
    lock(made, archive)
    done = lock(made, archive, python="3.11")
    assert "g++ and libpython3.11-dev added (2 packages, " in done.err
    lock(fresh, archive, python="3.11")
    assert text(made) == text(fresh)
