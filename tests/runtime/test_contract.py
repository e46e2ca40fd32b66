"""What an image starts with."""

import pytest

from cogpack.config.parse import parse_config
from cogpack.runtime.contract import COMMAND, TRAINS, command, environment, sdk_requirement, server_of


@pytest.mark.parametrize(
    ("text", "more"),
    [("run: a.py:A", ()), ("train: a.py:a", TRAINS), ("run: a.py:A\ntrain: a.py:a", ()), ("gpu: true", ())],
)
def test_it_trains_only_where_it_can_do_nothing_else(text: str, more: tuple[str, ...]) -> None:
    found = command(parse_config(text.encode()))
    assert found == (*COMMAND, *more)
    assert server_of(("tini", "--", *found)) == ("tini", "--", *COMMAND)


@pytest.mark.parametrize(
    ("sdk", "asked"), [("", ">=0.23.1,<0.24"), ("0.23.2", "==0.23.2"), ("prerelease", ">=0.23.1.dev0")]
)
@pytest.mark.parametrize("traces", [False, True])
def test_a_model_that_traces_has_what_coglet_traces_with(sdk: str, asked: str, *, traces: bool) -> None:
    """Only where both are there: coglet ends where it is to trace and finds no OpenTelemetry."""
    text = f"observability: {{traces: {{enabled: {str(traces).lower()}}}}}\n"
    config = parse_config(f"{text}build: {{sdk_version: {sdk}}}\n".encode() if sdk else text.encode())
    assert sdk_requirement(config) == ("cog[tracing]" if traces else "cog") + asked
    assert (("COG_TRACE_CONFIGURED", "true") in environment(config, concurrency=None)) is traces


def test_another_command_is_no_server_of_ours() -> None:
    assert server_of(("serve", "--x-mode", "train")) is None
