"""What a model says comes out of its server's log as it was written."""

import time

import pytest

from cogpack.redaction import learn
from cogpack.running.given import given
from cogpack.running.logs import SaidLines, ServerLines

TIME = "2026-11-28T20:56:43.332341Z "


def test_lines_of_the_model_are_told_as_it_wrote_them_and_others_as_they_are() -> None:
    told = bytearray()
    said = SaidLines(told.extend)
    lines = [
        f"{TIME} INFO coglet::prediction: Starting prediction prediction_id=cogpack-1",
        f"{TIME} INFO coglet::prediction: 1: two prediction_id=cogpack-1 source=Stdout",
        f"{TIME} INFO coglet::setup: loaded source=Stderr",
        f"{TIME} INFO coglet::user: ready",
        f"{TIME} WARN coglet::predictor: predict() is deprecated; use run() instead",
        "Traceback (most recent call last):",
        f"{TIME} INFO coglet::prediction: Prediction worker completed prediction_id=cogpack-1 predict_time=0.5",
        "no newline",
    ]
    text = "\n".join(lines).encode()
    for begin in range(0, len(text), 7):
        said.hear(text[begin : begin + 7])
    said.end()
    assert told.decode().splitlines() == ["1: two", "loaded", "ready", lines[4], lines[5], lines[7]]


def test_a_secret_that_a_model_says_is_left_out_and_bytes_that_are_no_text_stay() -> None:
    told = bytearray()
    learn("hf_ATokenOfOnesOwn")
    said = SaidLines(told.extend)
    said.hear(b"with hf_ATokenOf")
    said.hear(b"OnesOwn, \xff\n")
    assert bytes(told) == b"with ***, \xff\n"


def test_what_secret_variables_hold_is_left_out_if_short_too_and_each_line_of_a_key() -> None:
    told = bytearray()
    key = "-----BEGIN KEY-----\nabcdefabcdef0123456789\nzzzzyyyyxxxx\n\n-----END KEY-----\n"
    given({"DB_PASSWORD": "hunter2-99", "SSH_KEY": key, "NAME": "somebody"})
    said = ServerLines(told.extend)
    said.hear(f"hunter2-99 {key}somebody\nzzzzyyyyxxxx".encode())
    said.end()
    assert told.decode() == "*** ***\n***\n***\n\n***\nsomebody\n***"


@pytest.mark.parametrize("unit", ["a1", "/", "a:/", "//a"])
def test_a_long_line_takes_time_by_its_length(unit: str) -> None:
    """From each letter on, 100 kB took 12 seconds; here all does a tenth of one."""
    learn("hf_ATokenOfOnesOwn")
    said = ServerLines(lambda _: None)
    began = time.process_time()
    said.hear(unit.encode() * (100_000 // len(unit)) + b"\n")
    assert time.process_time() - began < 2


def test_a_line_without_end_is_handed_on_in_pieces_that_cut_no_secret() -> None:
    told = bytearray()
    learn("hf_ATokenOfOnesOwn")
    said = ServerLines(told.extend)
    secret, size = b"hf_ATokenOfOnesOwn", (1 << 20) - 8 * 1024
    said.hear(b"." * (size - 7) + secret + b"." * 9000)
    assert told, "the line has not ended, and is told"
    said.hear(b"." * (1 << 20) + secret[:9])
    said.hear(secret[9:])
    said.end()
    assert told.count(b"***") == 2
    assert set(told) == set(b".*")
    assert len(told) == size - 7 + 9000 + (1 << 20) + 6
