"""The program that Kubernetes runs in a container to learn how the model is."""

import json
import socket

import pytest
from support.fake_http import Answer, Request, serving

from cogpack.runtime.inside import probe


@pytest.mark.parametrize(
    ("status", "good"),
    [
        ("STARTING", {"alive"}),
        ("READY", {"ready", "started", "alive"}),
        ("BUSY", {"started", "alive"}),
        ("UNHEALTHY", {"started", "alive"}),
        ("SETUP_FAILED", set()),
        ("DEFUNCT", set()),
        (None, set()),
    ],
)
def test_each_question_is_answered_by_the_exit_status(
    status: str | None, good: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: Request) -> Answer:
        assert request.path == "/health-check"
        return 200, {}, json.dumps({"status": status, "setup": {"logs": "\u20ac" * 70_000}}).encode()

    with serving(answer) as server:
        monkeypatch.setenv("PORT", server.url.rpartition(":")[2])
        assert {word for word in probe.GOOD if probe.main([word]) == 0} == good


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_an_answer_that_says_nothing_is_a_no(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda _: (200, {}, body)) as server:
        monkeypatch.setenv("PORT", server.url.rpartition(":")[2])
        assert probe.main(["alive"]) == 1


def test_no_server_is_a_no_and_another_question_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PORT", str(closed.getsockname()[1]))
        assert probe.main(["ready"]) == 1
        assert "no answer" in capsys.readouterr().out
    assert probe.main([]) == probe.main(["well"]) == 2
