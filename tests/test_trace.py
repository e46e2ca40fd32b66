"""What goes on inside, told to who asks, and to nobody else."""

import re
import stat
from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.registry.credentials import Credentials
from cogpack.trace import ALL, DECISIONS, TRACE, Trace, log_file, scrubbed


def test_each_listener_hears_what_it_asked_for_and_while_it_listens() -> None:
    trace = Trace()
    few: list[str] = []
    many: list[str] = []
    trace.decided("nobody listens")
    with trace.told_to(DECISIONS, few.append):
        assert trace.level == DECISIONS
        with trace.told_to(ALL, many.append):
            assert trace.level == ALL
            trace.decided("a layer is reused")
            trace.detailed("GET something")
        assert trace.level == DECISIONS
        trace.detailed("GET something else")
    assert trace.level == 0
    trace.decided("nobody listens any more")
    assert few == ["a layer is reused"]
    assert many == ["a layer is reused", "GET something"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET http://me:secret@h.io/v2/", "GET http://h.io/v2/"),
        ("by http://:secret@proxy:3128, 200", "by http://proxy:3128, 200"),
        ("to https://s3.h.io/b?X-Amz-Signature=secret&a=b: 200", "to https://s3.h.io/b?... 200"),
        ("at https://h.io/up#secret", "at https://h.io/up?..."),
        ("PUT https://h.io/b?...: 201, 3 ms", "PUT https://h.io/b?...: 201, 3 ms"),
        ("your header was Basic bWU6c2VjcmV0 there", "your header was Basic *** there"),
        ("authorization: bearer secret.secret-secret", "authorization: bearer ***"),
        ("why? because", "why? because"),
    ],
)
def test_what_is_told_has_no_secret_in_it(text: str, shown: str) -> None:
    assert scrubbed(text) == shown
    said: list[str] = []
    trace = Trace()
    with trace.told_to(ALL, said.append):
        trace.decided(text)
        trace.detailed(text)
    assert said == [shown, shown]


def test_where_a_login_is_from_is_told_and_not_what_it_is() -> None:
    environment = {"COGPACK_REGISTRY_H_IO_USER": "me", "COGPACK_REGISTRY_H_IO_PASSWORD": "sesame"}
    said: list[str] = []
    with TRACE.told_to(DECISIONS, said.append):
        Credentials.from_environment(environment).find("h.io", "a/b").login()
    (line,) = said
    assert line.startswith("h.io is asked with the password of me from COGPACK_REGISTRY_H_IO_")
    assert "sesame" not in line


def test_the_file_has_times_is_added_to_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "log"
    moments = iter([100.0, 101.5, 200.0, 200.25])
    for text in ("first\udcff", "second"):
        with log_file(path, lambda: next(moments)) as say:
            say(text)
    lines = path.read_text().splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", "", line) for line in lines] == [
        "   1.500 first\\udcff",
        "   0.250 second",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cant_be_written_is_named_at_once_and_one_that_fails_later_ends_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"COGPACK_LOG: {tmp_path}: Is a directory"), log_file(tmp_path):
        pass
    with log_file(Path("/dev/full")) as say:
        say("lost")
