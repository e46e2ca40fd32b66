"""How many calls of Python commands make: the same on any machine, loaded or not, where a clock tells nothing. A loop
more over all files, or work done twice for each, is seen here."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest
from support.world import Project, World, ok

FILES = 300


class Calls:
    made = 0

    def note(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            self.made += 1


@contextmanager
def calls() -> Iterator[Calls]:
    """Of all threads that begin meanwhile, and this one."""
    found = Calls()
    before = sys.getprofile()
    threading.setprofile(found.note)
    sys.setprofile(found.note)
    try:
        yield found
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


def of_a_push(project: Project) -> int:
    with calls() as found:
        ok(project.cogpack("push", project.target()))
    return found.made


def test_a_push_makes_so_many_calls_and_so_many_more_for_each_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogpack.layers.fingerprints._YOUNG", 0)
    project = world.project(files={"lines.py": "ONE = 1\n"})
    for _ in range(2):  # loads what is loaded once
        ok(project.cogpack("push", project.target()))
    few = of_a_push(project)
    for number in range(FILES):
        project.write(f"data/{number % 10}/{number}.txt", str(number))
    for _ in range(2):
        ok(project.cogpack("push", project.target()))
    many = of_a_push(project)
    project.write("lines.py", "TWO = 2\n")
    line = of_a_push(project)
    assert few < 15_000, "12,900 once"
    assert (many - few) / FILES < 19, "16.8 once"
    assert (line - few) / FILES < 132, "120 once"
