"""The codes of notes are an interface: pipelines name them."""

import re

import msgspec
import pytest

from cogpack.notes import Code, Note


@pytest.mark.parametrize("code", Code)
def test_a_code_is_words_in_lower_case_and_has_a_meaning(code: Code) -> None:
    assert re.fullmatch("[a-z]+(-[a-z]+)*", code)
    assert re.fullmatch(r"[A-Z].*\.", code.meaning)
    assert code.name == code.upper().replace("-", "_")


def test_codes_are_listed_in_the_order_of_their_names() -> None:
    assert list(Code) == sorted(Code)


def test_a_note_is_its_code_and_its_text_for_programs() -> None:
    assert msgspec.to_builtins(Note(Code.OUTAGE, "h.io is away")) == {"code": "outage", "text": "h.io is away"}
