"""What an image starts with."""

import pytest

from cogpack.config import parse_config
from cogpack.runtime.contract import COMMAND, TRAINS, command, server_of


@pytest.mark.parametrize(
    ("text", "more"),
    [("run: a.py:A", ()), ("train: a.py:a", TRAINS), ("run: a.py:A\ntrain: a.py:a", ()), ("gpu: true", ())],
)
def test_it_trains_only_where_it_can_do_nothing_else(text: str, more: tuple[str, ...]) -> None:
    found = command(parse_config(text.encode()))
    assert found == (*COMMAND, *more)
    assert server_of(("tini", "--", *found)) == ("tini", "--", *COMMAND)


def test_another_command_is_no_server_of_ours() -> None:
    assert server_of(("serve", "--x-mode", "train")) is None
