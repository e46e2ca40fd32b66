"""Which lines of build.run may bring a library that the dynamic linker finds."""

import pytest

from cogpack.config import RunStep
from cogpack.run_lines import KnownStep, Surroundings, classify, may_bring_libraries


@pytest.mark.parametrize(
    ("command", "may"),
    [
        ("curl -o /usr/local/bin/pget -L https://h.example/pget && chmod +x /usr/local/bin/pget", False),
        ("mkdir -p /root/.cache && wget -O /root/.cache/libs.json https://h.example/x", False),
        ("git clone https://h.example/o/lib.git /opt/mylib", False),
        ("curl -o /usr/lib/libGL.so.1 -L https://h.example/gl", True),
        ("curl -o /opt/libGL.so -L https://h.example/gl", True),
        ("mkdir -p /usr/lib64/x", True),
        ("echo /opt/gl > /etc/ld.so.conf.d/gl.conf", True),
        ("ln -s /usr/local/cuda-12 /usr/local/cuda", True),
    ],
)
def test_a_library_comes_only_where_one_is_looked_for(command: str, may: bool) -> None:
    (line,) = classify([RunStep(command=command)], Surroundings(python="3.12"))
    assert isinstance(line, KnownStep)
    assert any(map(may_bring_libraries, line.effects)) is may
