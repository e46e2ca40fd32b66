"""No secret is in what is captured, nor in what is shown."""

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.sandbox.capture.capture import Captured, capture
from cogpack.sandbox.capture.secrets import Hit, OutputRedactor, find_secrets, is_searched, without_secrets
from cogpack.sandbox.capture.snapshot import Snapshot
from cogpack.sandbox.trees.lay import lay
from cogpack.sizes import MiB

SECRET = b"hf_p4ss/w+rd &more=\xc3\xa9"


def captured(place: Path, files: dict[str, bytes]) -> Captured:
    place.mkdir(exist_ok=True)
    tree = lay(place / "place", [], owned=False)
    before = Snapshot.of(tree.root)
    for path, data in files.items():
        full = tree.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data)
    (tree.root / "link").symlink_to("a" if files else SECRET.decode())
    return capture(tree, before)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (SECRET, "as it is"),
        (b"x" * (MiB - 3) + SECRET + b"y", "as it is"),
        (json.dumps(SECRET.decode(), ensure_ascii=False).encode(), "as it is"),
        (SECRET[:7] + b"\r\n" + SECRET[7:], "as it is"),
        (b"https://x/?t=" + quote(SECRET).encode(), "percent-encoded"),
        (quote_plus(SECRET).encode(), "percent-encoded"),
        (quote(SECRET, safe="").lower().encode(), "percent-encoded"),
        (base64.b64encode(SECRET), "in base64"),
        (base64.b64encode(b"u:" + SECRET + b"\n"), "in base64"),
        (base64.urlsafe_b64encode(b"u" + SECRET + b"zz"), "in base64"),
        (base64.encodebytes(b"x" * 50 + SECRET + b"y" * 200), "in base64"),
        (b" " * (MiB - 10) + base64.b64encode(b"xx" + SECRET), "in base64"),
    ],
)
def test_a_secret_is_found_in_every_form_and_across_blocks(tmp_path: Path, written: bytes, form: str) -> None:
    found = find_secrets(captured(tmp_path, {"a": b"no", "d/b": written}), {"token": SECRET + b"\n"})
    assert [(hit.path, hit.where, hit.secret, hit.form) for hit in found] == [("d/b", "content", "token", form)]


def test_a_secret_is_found_in_names_and_in_targets_of_links(tmp_path: Path) -> None:
    secrets = {"token": b"hf_secret", "link": SECRET}
    assert find_secrets(captured(tmp_path / "a", {}), secrets) == [Hit("link", "target", "link", "as it is")]
    assert find_secrets(captured(tmp_path / "b", {"x/hf_secret.txt": b""}), secrets) == [
        Hit("x/hf_secret.txt", "name", "token", "as it is")
    ]


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    files = {"a": SECRET[:-1], "b": SECRET[1:], "c": base64.b64encode(SECRET[:8]), "d": b"", "e": bytes(3 * MiB)}
    assert find_secrets(captured(tmp_path, files), {"token": SECRET, "short": b"no\n", "empty": b""}) == []
    assert [is_searched(secret) for secret in (SECRET, b"123456\n", b"12345\n", b"")] == [True, True, False, False]


def shown(pieces: list[bytes], *secrets: bytes) -> bytes:
    redactor = OutputRedactor(secrets)
    return b"".join([*map(redactor.feed, pieces), redactor.end()])


_secrets = st.sampled_from([b"abcdefg", b"aaaaaab", b"abab\nabac", b"bcdefgh", SECRET])
_words = st.one_of(
    st.sampled_from([b"abc", b"a", b"b", b"\n", b"\r\n", b"defg", b"aaaa", b" "]),
    _secrets,
    _secrets.map(base64.encodebytes),
    _secrets.map(lambda secret: quote(secret).encode()),
    st.binary(max_size=5),
)


@given(st.lists(_words, max_size=12).map(b"".join), st.lists(_secrets, min_size=1, max_size=3), st.data())
def test_no_secret_is_shown_however_the_output_comes(text: bytes, secrets: list[bytes], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    out = shown(pieces, *secrets)
    for secret in secrets:
        bare = secret.strip().replace(b"\n", b"")
        for form in (bare, base64.b64encode(secret.strip())[:-4], quote(bare).encode()):
            assert form not in out.replace(b"\n", b"").replace(b"\r", b"")
    if b"***" not in out:
        assert out == text


@given(st.binary(max_size=200), st.integers(1, 9))
def test_what_holds_no_secret_is_shown_as_it_is(text: bytes, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert shown(pieces, b"\x00secret\xff", b"0123456789") == text


def test_a_name_is_written_without_secrets() -> None:
    assert without_secrets("opt/aabcdefg/\udcff bcdefgh", [b"bcdefgh", b"abcdefg"]) == "opt/a***/\ufffd ***"
    assert without_secrets("opt/abcdef", [b"abcdefg"]) == "opt/abcdef"


def test_a_line_does_not_wait_for_the_next_one() -> None:
    redactor = OutputRedactor([b"step-secret-step"])
    assert redactor.feed(b"first s") == b"first "
    assert redactor.feed(b"\n") == b"s\n"
    assert redactor.feed(b"tep-secret-step and") == b"*** and"
    assert redactor.feed(b"step-secret\n") == b""
    assert redactor.feed(b"-ste") == b""
    assert redactor.feed(b"p!") == b"***!"
    assert redactor.feed(b"\n") == b"\n"
    assert redactor.end() == b""
