"""Which image rules hold: a lock's own until its owner wants others, and none that this cogpack does not know."""

import pytest
from support.world import Project, World, ok

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
    from support.wheels import make_wheel

    make_wheel(world.wheels, "dep", "1.0")
    project = world.project(requirements="dep\n")
    new = old_lock(project)
    make_wheel(world.wheels, "dep", "2.0")
    done = ok(project.cogpack("lock"))
    assert "unchanged: " in done.err
    assert (project.root / "cogpack.lock").read_text() == new
    ok(project.cogpack("push", project.target(), "--locked"))


def test_a_lock_of_a_newer_cogpack_stops_every_command_and_names_what_is_needed(world: World) -> None:
    project = world.project()
    ok(project.cogpack("lock"))
    text = (project.root / "cogpack.lock").read_text()
    newer = text.replace(HEAD, 'version = 2\nrequires = "cogpack>=9.1"\nformat = 9\n')
    for lock in (newer, newer.replace("format = 9", "format = 2\nstrict = true"), newer.replace("= 2\n", "= 3\n", 1)):
        project.write("cogpack.lock", lock)
        for words in (("plan",), ("push", project.target()), ("lock",), ("lock", "--upgrade"), ("lock", "--check")):
            done = project.cogpack(*words)
            assert (done.code, done.out) == (2, "")
            assert "next: install cogpack>=9.1" in done.err
        assert (project.root / "cogpack.lock").read_text() == lock
    assert not world.uploads()
