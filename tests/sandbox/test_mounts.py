"""What is mounted for a guest changes nothing of the machine."""

from pathlib import Path

import pytest
from support.guests import NAMESPACES, run_once

from cogpack.sandbox.rungs import mounts
from cogpack.sandbox.rungs.choice import Rung
from cogpack.sandbox.watch import Limits


@pytest.mark.parametrize(
    ("release", "own"),
    [("6.14.0", True), ("6.18.44-fc", True), ("7.0", True), ("6.13.9", False), ("6.9", False), ("5.15.0-91", False)],
)
def test_the_machines_pid_max_is_not_written_where_namespaces_have_none(release: str, own: bool) -> None:
    assert mounts._counts_by_namespace(release) is own


@pytest.mark.slow
@NAMESPACES
def test_a_limit_of_processes_is_the_namespaces_own(tree: Path, rung: Rung) -> None:
    before = Path("/proc/sys/kernel/pid_max").read_text()
    run_once(tree, rung, "true", limits=Limits(processes=400))
    assert Path("/proc/sys/kernel/pid_max").read_text() == before
