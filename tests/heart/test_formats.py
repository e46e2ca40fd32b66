"""Which image rules hold: a lock's own until its owner wants others, and none that this cogpack does not know."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import pytest
from support.wheels import make_wheel
from support.world import Project, World, noise, ok

from cogpack.cli.plan_text import moving_rows
from cogpack.commands.lock import lock
from cogpack.commands.push import push
from cogpack.commands.verify import verify
from cogpack.errors import InputError, MismatchError
from cogpack.formats import FORMATS, ImageRules, MiB
from cogpack.lockfile import Lock, read_lock
from cogpack.planning.moving import MovingLayer
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

LOCKED = [("plan",), ("push", "TARGET"), ("push", "TARGET", "--locked"), ("build", "-o", "../out"), ("lock", "--check")]
HEAD = 'version = 2\nrequires = "cogpack>=0.2.0"\nformat = 2\n'


def old_lock(project: Project) -> str:
    """The project's lock as cogpack 0.1 wrote it; the new one."""
    ok(project.cogpack("lock"))
    new = (project.root / "cogpack.lock").read_text()
    assert HEAD in new
    project.write("cogpack.lock", new.replace(HEAD, "version = 1\n"))
    return new


@pytest.mark.parametrize("words", LOCKED, ids=" ".join)
@pytest.mark.parametrize("ci", [{}, {"CI": "true"}], ids=["", "CI"])
def test_a_lock_of_a_format_that_is_no_longer_built_is_made_anew_by_hand_only(
    world: World, words: tuple[str, ...], ci: dict[str, str]
) -> None:
    project = world.project()
    old_lock(project)
    before = (project.root / "cogpack.lock").read_text()
    done = project.cogpack(*[project.target() if word == "TARGET" else word for word in words], **ci)
    assert (done.code, done.out) == (3, "")
    assert "cogpack.lock is of image format 1; this is cogpack " in done.err
    assert "next: run cogpack lock, which keeps its pins" in done.err
    assert (project.root / "cogpack.lock").read_text() == before
    assert not world.uploads()


def test_the_new_lock_keeps_the_pins_of_the_old_one(world: World) -> None:
    make_wheel(world.wheels, "dep", "1.0")
    project = world.project(requirements="dep\n")
    new = old_lock(project)
    make_wheel(world.wheels, "dep", "2.0")
    done = ok(project.cogpack("lock"))
    assert "moved    image format 1 -> 2\n" in done.err
    assert "moved    dep" not in done.err
    assert (project.root / "cogpack.lock").read_text() == new
    ok(project.cogpack("push", project.target(), "--locked"))


def test_a_lock_of_a_newer_cogpack_stops_every_command_and_names_what_is_needed(world: World) -> None:
    project = world.project()
    ok(project.cogpack("lock"))
    text = (project.root / "cogpack.lock").read_text()
    newer = text.replace(HEAD, 'version = 2\nrequires = "cogpack>=9.1"\nformat = 9\n')
    for made in (newer, newer.replace("format = 9", "format = 2\nstrict = true"), newer.replace("= 2\n", "= 3\n", 1)):
        project.write("cogpack.lock", made)
        for words in (("plan",), ("push", project.target()), ("lock",), ("lock", "--upgrade"), ("lock", "--check")):
            done = project.cogpack(*words)
            assert (done.code, done.out) == (2, "")
            assert "next: install cogpack>=9.1" in done.err
        assert (project.root / "cogpack.lock").read_text() == made
    assert not world.uploads()


THREE = msgspec.structs.replace(
    FORMATS[2], since="9.1.0", large_wheel=100_000, weight_streams=1, weight_layer_sizes=(MiB,)
)
"""A format that there is not: more wheels are layers of their own, and weights are split finer."""
LATER: Mapping[int, ImageRules] = {**FORMATS, 3: THREE}


@contextmanager
def later(project: Project, formats: Mapping[int, ImageRules] = LATER) -> Iterator[Session]:
    """As a later cogpack would run, which builds `formats`."""
    settings = Settings(directory=project.root, environment=project.world.environment)
    with Session(settings, formats=formats) as session:
        yield session


def locked(project: Project) -> Lock:
    found = read_lock(project.root / "cogpack.lock")
    assert found is not None
    return found


@pytest.fixture
def project(world: World) -> Project:
    """One with a wheel that is large by format 3, and weights that it splits; pushed by this cogpack as v1."""
    make_wheel(world.wheels, "middle", files={"middle.bin": noise(200_000)})
    make_wheel(world.wheels, "tiny")
    made = world.project(
        files={"w.bin": noise(5 * MiB)},
        config="  weights:\n    split: opaque\n",
        requirements="middle\ntiny\n",
    )
    ok(made.cogpack("push", made.target()))
    return made


def layers(world: World, tag: str) -> dict[str, str]:
    """Digests of our layers by their names."""
    found = world.manifest("me/model", tag)["layers"]
    return {one["annotations"]["dev.cogpack.layer.name"]: one["digest"] for one in found if "annotations" in one}


def test_a_lock_keeps_its_format_and_its_bytes_under_a_later_cogpack(world: World, project: Project) -> None:
    before = (project.root / "cogpack.lock").read_bytes()
    with later(project) as session:
        push(session, project.target("v2"), rebuild=True)
        assert world.manifest("me/model", "v2") == world.manifest("me/model", "v1")
        assert (project.root / "cogpack.lock").read_bytes() == before
        verify(session, project.target())
    project.write("requirements.txt", "--no-index\ntiny\n")  # a new lock, but no new format
    with later(project) as session:
        push(session, project.target("v3"))
    assert (locked(project).format, locked(project).requires) == (2, "cogpack>=0.2.0")
    assert layers(world, "v3")["weights: w.bin"] == layers(world, "v1")["weights: w.bin"]


def test_another_format_is_taken_by_hand_and_what_moves_is_told_before_it_does(world: World, project: Project) -> None:
    with later(project) as session:
        moving = lock(session, upgrade_format=True).moving
    assert (locked(project).format, locked(project).requires) == (3, "cogpack>=9.1.0")
    with later(project) as session:
        push(session, project.target("v2"))
        verify(session, project.target("v2"))
        with pytest.raises(MismatchError, match="me/model:v1: layer "):
            verify(session, project.target("v1"))
    old, new = layers(world, "v1"), layers(world, "v2")
    assert moving is not None
    assert [layer.name for layer in moving] == [name for name in new if new[name] not in old.values()]
    assert "wheels: middle 1.0" in [layer.name for layer in moving if layer.moves]


def test_what_moves_is_told_with_its_bytes_as_far_as_they_are_known(world: World, project: Project) -> None:
    with later(project) as session:
        found = {layer.name: layer for layer in lock(session, upgrade_format=True).moving or ()}
    middle, part = found["wheels: middle 1.0"], found["weights: w.bin part 1"]
    assert (middle.size, middle.moves) == (None, True)
    assert middle.about is not None
    assert middle.about > 200_000
    assert part.size is not None
    assert part.size > MiB
    assert part.moves, "nobody has read this part yet, but there was no layer of its size"
    perhaps = MovingLayer(name="a", size=2_000_000, about=None, moves=None)
    assert moving_rows([perhaps, middle, part]) == [
        "moves          2.0 MB  a (perhaps: no run has read its files yet)",
        "moves    about 201 kB  wheels: middle 1.0",
        "moves          1.1 MB  weights: w.bin part 1",
        "2 layers move, about 1.3 MB",
    ]


def test_who_makes_a_lock_hears_of_a_newer_format(project: Project) -> None:
    assert "upgrade-format" not in ok(project.cogpack("lock")).err
    told: list[str] = []
    with later(project) as session:
        session.progress.summary = told.append  # type: ignore[method-assign]
        lock(session)
    assert told[-1] == ("the image is of format 2; cogpack lock --upgrade-format takes 3, and tells which layers move")
    assert locked(project).format == 2


def test_weights_that_no_run_has_read_may_move_and_are_called_so(world: World, project: Project) -> None:
    later_files = {**LATER, 3: msgspec.structs.replace(THREE, weight_layer_sizes=FORMATS[2].weight_layer_sizes)}
    (project.root / "w.bin").touch()
    with later(project, later_files) as session:
        found = lock(session, upgrade_format=True).moving
    assert [layer.moves for layer in found or () if layer.name == "weights: w.bin"] == [None]


def test_new_projects_get_the_newest_format(world: World, project: Project) -> None:
    (project.root / "cogpack.lock").unlink()
    with later(project) as session:
        push(session, project.target("v2"))
    assert locked(project).format == 3
    done = project.cogpack("push", project.target("v3"))
    assert (done.code, done.out) == (2, "")
    assert "cogpack.lock is of image format 3; this is cogpack " in done.err
    assert "next: install cogpack>=9.1.0\n" in done.err


def test_a_format_that_is_no_longer_built_gives_its_pins_to_the_next(world: World, project: Project) -> None:
    pins = locked(project).platforms
    make_wheel(world.wheels, "tiny", "2.0")
    with later(project, {3: THREE}) as session:
        with pytest.raises(MismatchError, match="of image format 2") as caught:
            push(session, project.target("v2"))
        assert caught.value.next_step.startswith("run cogpack lock")
        assert lock(session, upgrade_format=True).moving is None
    assert (locked(project).format, locked(project).platforms) == (3, pins)


def test_the_newest_format_is_no_upgrade(project: Project) -> None:
    before = (project.root / "cogpack.lock").read_bytes()
    assert "0 layers move, 0 B\n" in ok(project.cogpack("lock", "--upgrade-format")).err
    done = ok(project.cogpack("lock", "--upgrade-format", "--json"))
    assert done.json["moving"] == []
    assert (project.root / "cogpack.lock").read_bytes() == before
    assert ok(project.cogpack("lock", "--json")).json["moving"] is None


def leave_pointer(project: Project) -> None:
    """What git-lfs checks out where it fetched nothing."""
    data = (project.root / "w.bin").read_bytes()
    oid = hashlib.sha256(data).hexdigest()
    project.write("w.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n")


def test_weights_that_are_not_here_are_taken_from_the_lock_only_if_they_were_cut_so(world: World) -> None:
    """The total of all weights decides to which size each is split; once it did not count."""
    config = "  weights:\n    split: opaque\n    layer_size: 2097152\n"
    made = world.project(files={"w.bin": noise(5 * MiB), ".gitattributes": "*.bin filter=lfs\n"}, config=config)
    ok(made.cogpack("push", made.target()))
    leave_pointer(made)
    ok(made.cogpack("push", made.target("v2")))
    parts = [name for name in layers(world, "v1") if "part" in name]
    assert len(parts) == 3
    assert [layers(world, "v2")[name] for name in parts] == [layers(world, "v1")[name] for name in parts]
    made.write("cog.yaml", (made.root / "cog.yaml").read_text().replace("2097152", "4194304"))
    done = made.cogpack("push", made.target("v3"))
    assert done.code == 2
    assert "w.bin: a git-lfs pointer stands where 5242880 bytes of weights should be" in done.err
    assert "next: run git lfs pull" in done.err
    assert not world.has("me/model", "v3")


def test_a_format_that_cuts_weights_otherwise_needs_them(world: World) -> None:
    config = "  weights:\n    split: opaque\n"
    made = world.project(files={"w.bin": noise(5 * MiB), ".gitattributes": "*.bin filter=lfs\n"}, config=config)
    ok(made.cogpack("push", made.target()))
    whole = (made.root / "w.bin").read_bytes()
    leave_pointer(made)
    with later(made) as session:
        assert lock(session, upgrade_format=True).moving is None
        with pytest.raises(InputError, match="git-lfs pointer") as caught:
            push(session, made.target("v2"))
    assert caught.value.next_step == "run git lfs pull"
    made.write("w.bin", whole)
    with later(made) as session:
        push(session, made.target("v2"))
    assert "weights: w.bin part 5" in layers(world, "v2")
