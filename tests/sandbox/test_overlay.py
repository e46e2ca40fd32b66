"""A kept tree is run over without being written: what a guest writes lies in a directory of its own."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.guests import EVERY_RUNG, NAMESPACES, found, guest, run, shell

from cogpack.progress import Cancellation
from cogpack.sandbox.guest import Bind
from cogpack.sandbox.run import Streams
from cogpack.sandbox.rungs.choice import Rung


def _status(tree: Path) -> Mapping[str, tuple[int, int]]:
    """What nobody can set, of all paths."""
    paths = [Path(place, name) for place, names, files in os.walk(tree) for name in (*names, *files)]
    return {str(path): (path.lstat().st_ino, path.lstat().st_ctime_ns) for path in (tree, *paths)}


@pytest.mark.slow
@NAMESPACES
def test_a_guest_over_a_kept_tree_changes_nothing_of_it(tree: Path, tmp_path: Path, rung: Rung) -> None:
    if rung not in found(tmp_path).overlays:
        pytest.skip(f"no overlayfs in {rung} here")
    upper, project = tmp_path / "up,per:1", tmp_path / "project"
    upper.mkdir()
    project.mkdir()
    before = _status(tree)
    with guest(upper, rung, lower=[tree], binds=[Bind(project, "/src", writable=True)]) as started:
        ran = run(
            started, "cat /etc/passwd && rm /etc/group && echo x >> /etc/hosts && mv /var /war && echo y > /src/y"
        )
        assert ran.status == 0, ran.output
        assert ran.output.startswith("root:x:0:0")
        assert run(started, "ls /etc/group /war/lib").status == 2  # what it wrote is there as long as the guest is
    assert _status(tree) == before
    assert (project / "y").read_text() == "y\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project", "tree", "up,per:1"]


def test_the_first_of_several_kept_trees_is_the_highest(tree: Path, tmp_path: Path) -> None:
    if Rung.USERNS not in found(tmp_path).overlays:
        pytest.skip("no overlayfs in userns here")
    upper, above = tmp_path / "upper", tmp_path / "above"
    upper.mkdir()
    (above / "etc").mkdir(parents=True)
    (above / "etc/passwd").write_text("above\n")
    with guest(upper, Rung.USERNS, lower=[above, tree]) as started:
        ran = run(started, "cat /etc/passwd && ls /etc/group && echo x > /etc/group")
    assert (ran.status, ran.output.split()) == (0, ["above", "/etc/group"])


@EVERY_RUNG
def test_errors_are_told_apart_and_input_is_read_where_that_is_wanted(tree: Path, rung: Rung) -> None:
    output, errors = bytearray(), bytearray()
    reading, writing = os.pipe()
    os.write(writing, b"said\n")
    os.close(writing)
    with guest(tree, rung) as started:
        streams = Streams(output.extend, errors.extend, reading)
        started.run(shell("cat; echo failed >&2"), streams, cancellation=Cancellation())
    os.close(reading)
    assert (bytes(output), bytes(errors)) == (b"said\n", b"failed\n")
