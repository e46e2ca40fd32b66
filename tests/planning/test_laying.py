"""How long laying takes is told by what this machine did last."""

import time
from pathlib import Path

import pytest

from cogpack.planning.steps.laying import Laying


def test_the_last_rate_of_this_machine_tells_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laying = Laying(tmp_path / "steps" / "rate")
    assert laying.seconds(50_000_000) == 1, "of a machine that never did"
    now = iter([10.0, 12.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with laying.timed(400_000_000):
        pass
    assert laying.seconds(100_000_000) == 0.5


@pytest.mark.parametrize("said", [b"", b"{", b"\xff", b"null", b"0", b"-5", b"1e300", b"NaN"])
def test_what_is_no_rate_makes_no_nonsense(tmp_path: Path, said: bytes) -> None:
    (tmp_path / "rate").write_bytes(said)
    assert 0 <= Laying(tmp_path / "rate").seconds(1_000_000) <= 10


def test_a_few_bytes_and_a_failure_tell_no_rate(tmp_path: Path) -> None:
    laying = Laying(tmp_path / "rate")
    with laying.timed(1000):
        pass
    with pytest.raises(ZeroDivisionError), laying.timed(1_000_000_000):
        raise ZeroDivisionError
    assert not (tmp_path / "rate").exists()
    with laying.timed(1_000_000_000):
        pass
    assert float((tmp_path / "rate").read_text()) > 0
