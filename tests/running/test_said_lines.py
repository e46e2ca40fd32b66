"""What a model says comes out of its server's log as it was written."""

from cogpack.redaction import learn
from cogpack.running.logs import SaidLines

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
