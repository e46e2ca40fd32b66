"""Who types documents leaves nothing behind: servers that a page starts end with it, also where a line of it fails."""

from pathlib import Path

import pytest
from support.typist import left_in, program, running_in, typed
from support.world import World

pytestmark = pytest.mark.slow
PAGE = """
```sh
cogpack registry serve ./images --port 5000 &
printf %s "open sesame" | cogpack registry serve ./private --user ci --port 5001 &
sleep 0 &    # has ended by then
{}
```
"""


@pytest.mark.parametrize("last", ["true", "false"])
def test_no_server_that_a_page_starts_is_left(world: World, last: str) -> None:
    found = program(world.directory / "bin")
    page = world.directory / "page.md"
    page.write_text(PAGE.format(last))
    given = {**world.environment, "PATH": f"{found}:/usr/local/bin:/usr/bin:/bin"}
    place = world.directory / "typed"
    place.mkdir()
    if last == "true":
        typed(page, place, given)
    else:
        with pytest.raises(AssertionError, match="serving private"):
            typed(page, place, given)
    assert left_in(place) == []


def test_what_runs_in_a_directory_is_seen() -> None:
    assert any("pytest" in line or "python" in line for line in running_in(Path.cwd()))
