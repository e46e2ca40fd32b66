"""Secrets in every way in which a text may hold them, and texts that hold none."""

import base64
import html
import json
import re
import secrets
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cogpack.errors import InputError
from cogpack.redaction import _WORDS, Redactor, learn, learn_environment, learn_url, redact, redact_result
from cogpack.text import printable

SECRET = 'pä"ss/w+rd 1&2\\3<4'
WAYS = {
    "as it is": SECRET,
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded in lower case": re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe="")),
    "percent-encoded but for slashes": quote(SECRET),
    "as a form has it": quote_plus(SECRET),
    "in JSON": json.dumps(SECRET)[1:-1],
    "as repr has it": repr(SECRET)[1:-1],
    "in HTML": html.escape(SECRET),
    "in JSON within HTML": json.dumps(SECRET)[1:-1].replace("<", "\\u003c"),
    "in a header": base64.b64encode(f"user:{SECRET}".encode()).decode(),
    "in a header, longer user": base64.b64encode(f"users:{SECRET}".encode()).decode(),
    "in a header, longest user": base64.b64encode(f"usersx:{SECRET}".encode()).decode(),
    "in base64 among others": base64.b64encode(f"x{SECRET}yz".encode()).decode(),
    "in base64 for addresses": base64.urlsafe_b64encode(f"user:{SECRET}".encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_hidden_in_every_way_in_which_it_is_written(way: str) -> None:
    learn(SECRET)
    for text in (WAYS[way], f"DENIED: your header was {WAYS[way]}, which is wrong", f"({WAYS[way]})"):
        assert WAYS[way] not in redact(text)
        assert WAYS[way] not in redact_result(text)
        assert "***" in redact(text)


@given(st.text(min_size=8, max_size=40), st.text(max_size=9), st.text(max_size=9))
def test_whatever_the_secret_its_header_is_hidden(secret: str, before: str, after: str) -> None:
    assume(secret.lower() not in _WORDS)
    redactor = Redactor()
    redactor.learn(secret)
    data = before.encode() + secret.encode() + after.encode()
    shown = redactor.redact(f"it was {base64.b64encode(data).decode()}.")
    assert base64.b64encode(data).decode() not in shown


def test_each_token_of_a_long_transfer_costs_as_much_as_the_first() -> None:
    """One expression of all was made anew with each, and kept: 240 took six minutes, and a gigabyte and a half."""
    redactor, tokens = Redactor(), [f"eyJhbGciOi{secrets.token_urlsafe(900)}" for _ in range(240)]
    began = time.process_time()
    for token in tokens:
        redactor.learn(token)
        assert redactor.redact(f"it was {token}.") == "it was ***."
    assert redactor.redact(" ".join(tokens)) == " ".join(["***"] * len(tokens))
    assert time.process_time() - began < 20


def test_a_secret_may_have_bytes_that_are_no_text() -> None:
    """A variable of a process has any; every command ended in a traceback."""
    redactor = Redactor()
    redactor.learn("hunter2hunter2\udcff")
    assert redactor.redact("it is hunter2hunter2%FF, or hunter2hunter2\udcff") == "it is ***, or ***"


def test_of_a_long_secret_that_a_message_cuts_no_beginning_is_shown() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.planted-token-of-many-characters"
    learn(token)
    for size in range(16, len(token)):
        assert redact(f"found {token[:size]!r}") == "found '***'"


def test_what_follows_the_scheme_of_a_header_is_secret_too() -> None:
    learn("Bearer planted")
    assert redact("planted") == "***"


@pytest.mark.parametrize("short", ["", "a", "12345", "password", "TOKEN", "docker"])
def test_what_would_be_found_all_over_is_not_hidden(short: str) -> None:
    learn(short)
    text = "a docker password or a TOKEN of 12345"
    assert redact(text) == text


def test_a_short_secret_is_not_found_within_words() -> None:
    learn("models")
    assert redact("supermodels of models") == "supermodels of ***"


def test_a_result_keeps_what_may_be_a_name() -> None:
    """Who logs in as models with the password models still reads the digest of his image."""
    learn("models", "a-password-of-length")
    assert redact_result("h.io/models/x@sha256:1") == "h.io/models/x@sha256:1"
    assert redact_result("h.io/a-password-of-length") == "h.io/***"
    assert redact_result("http://u:p@h.io/x") == "http://***@h.io/x"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("expected a URL, found 'http://u:SECRET@h/debian'", "expected a URL, found 'http://***@h/debian'"),
        ("docker.io=http://u:SECRET@h", "docker.io=http://***@h"),
        ("git+https://SECRET@h/x", "git+https://***@h/x"),
        ("r.txt:1: //u:SECRET@h/x: no", "r.txt:1: //***@h/x: no"),
        ("http://u:SE%40CRET@h:80/", "http://***@h:80/"),
        ("http://u:SE@CRET@h:80/", "http://***@h:80/"),
        ("http:/u:SECRET@h", "http:/***@h"),
        ("ssh://git:SECRET@[::1]:22/x", "ssh://***@[::1]:22/x"),
        ("u:SECRET@h/r:v1 is no reference", "***@h/r:v1 is no reference"),
        ("https://h/a?token=SECRET&x=1", "https://h/a?token=***&x=1"),
        ("https://h/a?x=1&X-Amz-Signature=SECRET", "https://h/a?x=1&X-Amz-Signature=***"),
        ("https://h/a?PASSWORD=SECRET'", "https://h/a?PASSWORD=***'"),
        ("your header was Basic dTpTRUNSRVQ=", "your header was Basic ***"),
        ("authorization: bearer abcdefgh1234567890", "authorization: bearer ***"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_told_it(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:5000/me/x:v1@sha256:abc",
        "ghcr.io/me/x:v1@sha512:abc: no such image",
        "x:v1@sha256:abc",
        "serving images on http://127.0.0.1:5000",
        "GET https://h.io:443/v2/a@b/x",
        "/opt//venv/a@b and ./x//y@1",
        "cog.yaml:3: expected a mapping",
        "Basic authentication is refused, bearer authentication too",
        "git@github.com:me/x.git, mail@example.com",
        "https://h/a?digest=sha256:1&from=me/x",
        "requirements.txt:3: x@1.0 is no requirement",
        "12:30:45 sent",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
    assert redact_result(text) == text


def test_variables_are_known_by_their_names_and_logins_of_addresses_in_all() -> None:
    learn_environment(
        {
            "CI_JOB_TOKEN": "planted-1-token",
            "AWS_SECRET_ACCESS_KEY": "planted-2-key",
            "UV_INDEX_MINE_PASSWORD": "planted-3-word",
            "hf_token": "planted-4-hub",
            "ANYTHING": "see http://user:planted-5@h and http://planted-6@h/",
            "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/planted-file",
            "HOME": "/home/planted-home",
            "SHORT_TOKEN": "short",
            "TOKENIZER": "planted-tokenizer",
            "TOKENIZERS_KIND": "planted-tokenizer",
            "TOKENISED": "planted-tokenizer",
            "LLM_MAX_NEW_TOKENS": "planted-number",
            "COGPACK_REGISTRY_X_USERNAME": "planted-user",
        }
    )
    text = " ".join(
        f"planted-{word}"
        for word in ["1-token", "2-key", "3-word", "4-hub", "5", "6", "file", "home", "user", "tokenizer", "number"]
    )
    assert (
        redact(f"{text} short")
        == "*** *** *** *** *** *** planted-file planted-home planted-user planted-tokenizer planted-number short"
    )


def test_the_login_of_a_proxy_is_known_where_its_scheme_is_left_out() -> None:
    learn_environment({"https_proxy": ":planted-prox7@proxy:3128"})
    assert redact("planted-prox7") == "***"


def test_the_login_of_an_address_is_known_alone_and_decoded() -> None:
    learn_url("https://me:planted%2Fword@h.io/simple")
    assert redact("planted/word planted%2Fword planted%2fword me") == "*** *** *** me"


def test_an_error_holds_no_secret_from_the_beginning() -> None:
    """So nobody who has it, a user of the library or of its JSON, can show one."""
    learn("planted-secret")
    error = InputError("h: planted-secret is wrong", next_step="change planted-secret")
    assert (str(error), error.message, error.next_step) == ("h: *** is wrong", "h: *** is wrong", "change ***")


@pytest.mark.slow
def test_of_very_many_secrets_the_latest_are_remembered() -> None:
    redactor = Redactor()
    redactor.learn(*(f"planted-{number:05}" for number in range(3000)))
    assert redactor.redact("planted-02999") == "***"
    assert len(redactor._known) == 2000


def test_the_login_of_an_address_is_hidden_whatever_stands_before_it() -> None:
    for before in ("", "1", "-i", ".", "a.", "x+", "_", "=", "a1-"):
        assert redact_result(f"{before}https://u:p@h.io") == f"{before}https://***@h.io"
    assert redact_result("1:/u@h") == "1:/u@h"


def test_a_secret_in_base64_is_hidden_right_behind_another_too() -> None:
    learn("planted:secret", "planted-other-secret")
    encoded = base64.b64encode(b"with planted-other-secret").decode()
    assert redact_result(f"aaaa{encoded} bbbb") == "*** bbbb"
    assert encoded[8:] not in redact_result(f"planted:secret{encoded}")


@pytest.mark.parametrize(
    "hostile",
    [
        "+a",
        "a:b,",
        "!a:b",
        "a:",
        "?token",
        "token",
        "&key=",
        "a://",
        "//a",
        "bearer+",
        "basic ",
        "aHVu",
        "a:b@",
        '"',
        "-",
    ],
)
def test_what_a_server_or_a_model_says_takes_the_time_of_its_length(hostile: str) -> None:
    """It takes what its twenty parts take together; read from each letter on, it would take twenty times that."""
    text = f"?{hostile * (400_000 // len(hostile))}"

    def spent(texts: list[str]) -> float:
        begun = time.process_time()
        for one in texts:
            redact(one)
        return time.process_time() - begun

    part = text[: len(text) // 20]
    assert min(spent([text]) for _ in range(2)) < 4 * max(spent([part] * 20), 0.05)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pip says x+y:planted@host", "pip says ***@host"),
        ("a:b,c:d@host", "***@host"),
        ("to :a+b:planted@host", "to :a+***@host"),
        ("to /a:b:planted@host", "to /a:b:planted@host"),
        ("at :a:@host and a:@host", "at :a:@host and a:@host"),
        ("see image:v1@sha256:0123", "see image:v1@sha256:0123"),
        ("?to=http://h/?token=planted&key=planted;x=1", "?to=http://h/?token=***&key=***;x=1"),
        ("?token=&token=planted?key=more", "?token=&token=***"),
    ],
)
def test_where_a_login_and_a_value_begin_and_end(text: str, shown: str) -> None:
    assert redact(text) == shown
