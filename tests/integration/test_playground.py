"""The playground in a real browser: a form is filled in, and what comes is seen. A stand-in for the model answers."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser, Tab
from support.bundles import make_bundle
from support.fake_coglet import FakeCoglet

from cogpack.cli.inspect_page import inspected_page
from cogpack.commands.inspect import Inspected
from cogpack.digest import Digest, sha256
from cogpack.running.playground import Playground
from cogpack.runtime.contract import SCHEMA_LABEL

pytestmark = pytest.mark.integration

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
INPUTS: dict[str, Any] = {
    "prompt": {"type": "string", "minLength": 2, "description": HOSTILE},
    "image": {"type": "string", "format": "uri", "nullable": True, "x-cog-accept": "image/*"},
    "steps": {"type": "integer", "minimum": 1, "maximum": 50, "default": 5},
    "scale": {"type": "number", "nullable": True},
    "mode": {"type": "string", "enum": ["fast", HOSTILE], "default": "fast"},
    "loud": {"type": "boolean", "default": False},
    "tags": {"type": "array", "items": {"type": "string"}, "default": ["one"]},
    "extra": {"type": "object", "default": {}},
    "strength": {"anyOf": [{"type": "number"}, {"type": "string"}], "default": "auto"},
    "key": {"type": "string", "format": "password", "x-cog-secret": True, "nullable": True},
    HOSTILE: {"type": "string", "deprecated": True, "default": HOSTILE},
}


def schema(output: dict[str, Any], *, inputs: dict[str, Any] = INPUTS) -> str:
    ordered = {name: spec | {"x-order": order} for order, (name, spec) in enumerate(inputs.items())}
    schemas = {"Input": {"properties": ordered, "required": ["prompt"] if "prompt" in inputs else []}, "Output": output}
    return json.dumps({"components": {"schemas": schemas}})


def check_harmless(tab: Tab, *own: str) -> None:
    """Nothing of what the model says became markup or ran, and nobody else was asked for anything."""
    assert tab.do("document.title") == f"{HOSTILE} - playground"
    assert tab.do("document.querySelectorAll('img[src=x], script:not(#data):not([type=module])').length") == 0
    assert [url for url in tab.requests if not url.startswith((*own, "blob:", "data:"))] == []
    assert tab.complaints == []


def check_names(tab: Tab) -> None:
    """All that can be used has a name for who can't see it."""
    used = {"textbox", "combobox", "checkbox", "slider", "button", "tab", "switch", "link"}
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    found = [
        (node["role"]["value"], node["name"]["value"]) for node in nodes if node.get("role", {}).get("value") in used
    ]
    assert len(found) > 20
    assert [role for role, name in found if not name] == []


def status(tab: Tab, expected: str) -> None:
    tab.wait(f"document.querySelector('.status').dataset.status === '{expected}'")


def text(tab: Tab, selector: str) -> str:
    found: str = tab.do(f"document.querySelector({json.dumps(selector)}).textContent")
    return found


def test_a_form_is_filled_in_sent_and_answered(browser: Browser, tmp_path: Path) -> None:
    """All kinds of inputs, an uploaded file, what is wrong told at its field, output by kind, the history."""

    def model(inputs: dict[str, Any], cancelled: threading.Event) -> Iterator[tuple[str, Any]]:
        yield "log", f"10%\r{HOSTILE}\n"
        yield "result", {"picture": PNG, "text": HOSTILE, "pages": ["data:text/html,<script>1</script>"], HOSTILE: 1.5}

    properties = {
        "text": {"type": "string"},
        "picture": {"type": "string", "format": "uri"},
        "pages": {"type": "array", "items": {"type": "string", "format": "uri"}},
    }
    picture = tmp_path / "frog's.png"
    picture.write_bytes(b"frog")
    page = make_bundle(name=HOSTILE, schema=schema({"type": "object", "properties": properties}))
    with FakeCoglet(model) as fake, Playground(fake.url, page, "host/name:v1") as playground, browser.tab() as tab:
        tab.open(playground.url)
        tab.click(".primary")
        assert text(tab, "[data-name=prompt] .error") == "this input is required"
        assert tab.do("document.activeElement.id") == "input-prompt"
        assert tab.do("document.activeElement.getAttribute('aria-invalid')") == "true"
        tab.type("#input-prompt", "a")
        tab.click(".primary")
        assert text(tab, "[data-name=prompt] .error") == "expected 2 or more characters, found 1"
        tab.type("#input-prompt", "a frog")
        tab.type("#input-steps", "51")
        tab.click(".primary")
        assert text(tab, "[data-name=steps] .error") == "expected 50 or less, found 51"
        assert fake.asked == []

        tab.type("#input-steps", "12")
        assert tab.do("document.querySelector('[data-name=steps] input[type=range]').value") == "12"
        tab.click("#input-loud")
        tab.click("#input-tags")
        tab.call("Input.insertText", text="two")
        tab.type("#input-key", "hunter2")
        choose = "one => { one.value = '1'; one.dispatchEvent(new Event('input', {bubbles: true})); }"
        tab.do(f"({choose})(document.getElementById('input-mode'))")
        tab.upload("#input-image-file", picture)
        snippet = text(tab, "#snippet")
        assert "base64 -w0 'frog'\\''s.png'" in snippet
        assert '"two"' in snippet
        assert '"$KEY"' in snippet
        assert "hunter2" not in snippet
        tab.click("[role=tab]:nth-child(3)")
        assert text(tab, "#snippet").startswith("cogpack run host/name:v1")

        tab.click(".primary")
        status(tab, "succeeded")
        (asked,) = fake.asked
        assert asked["input"] == {
            "prompt": "a frog", "image": "data:image/png;base64,ZnJvZw==", "steps": 12, "mode": HOSTILE, "loud": True,
            "tags": ["one", "two"], "extra": {}, "strength": "auto", "key": "hunter2", HOSTILE: HOSTILE,
        }  # fmt: skip
        tab.wait("document.querySelector('.output img').naturalWidth === 1")
        assert tab.do("[...document.querySelectorAll('.object > div > dt')].map(e => e.textContent)") == [
            "text", "picture", "pages", HOSTILE,
        ]  # fmt: skip
        assert text(tab, ".object dd") == HOSTILE
        assert tab.do("[...document.querySelectorAll('a[download]')].map(e => e.download)") == [
            "output.png",
            "output.html",
        ]
        assert text(tab, ".log") == f"{HOSTILE}\n"
        check_names(tab)
        tab.wait("document.querySelector('.run')")
        check_harmless(tab, playground.url)

        tab.open(f"{playground.url}/?")  # 404: another document, so that the page is new when it is opened again
        tab.complaints.clear()
        tab.open(playground.url)
        tab.wait("document.querySelector('.run')")
        tab.click(".run")
        status(tab, "succeeded")
        assert tab.do("document.getElementById('input-prompt').value") == "a frog"
        assert "frog's.png" in text(tab, "[data-name=image] .file-name")
        assert tab.do("document.getElementById('input-key').value") == "", "secrets are not kept"
        check_harmless(tab, playground.url)


def test_pieces_are_seen_as_they_come_and_the_rest_is_cancelled(browser: Browser) -> None:
    def model(inputs: dict[str, Any], cancelled: threading.Event) -> Iterator[tuple[str, Any]]:
        yield "log", " 40%|####\r"
        yield "output", "one "
        yield "output", HOSTILE
        cancelled.wait(20)

    pieces = {"type": "array", "items": {"type": "string"}, "x-cog-array-type": "iterator"}
    page = make_bundle(name=HOSTILE, schema=schema(pieces | {"x-cog-array-display": "concatenate"}, inputs={}))
    with (
        FakeCoglet(model) as fake,
        Playground(fake.url, page, None) as playground,
        browser.tab() as tab,
    ):
        tab.open(playground.url)
        assert "This model takes no inputs." in text(tab, "form")
        tab.click(".primary")
        tab.wait(f"document.querySelector('.output').textContent === {json.dumps('one ' + HOSTILE)}")
        assert tab.do("document.querySelector('progress').value") == 40
        assert not fake.statuses
        tab.click("form .actions button:nth-of-type(2)")
        status(tab, "canceled")
        assert fake.statuses == ["canceled"]
        assert text(tab, ".output pre") == f"one {HOSTILE}"
        check_harmless(tab, playground.url)


def test_what_the_server_refuses_is_told_at_its_field_and_what_fails_where_the_output_would_be(
    browser: Browser,
) -> None:
    def model(inputs: dict[str, Any], cancelled: threading.Event) -> Iterator[tuple[str, Any]]:
        yield "log", "trying\n"
        raise ValueError(HOSTILE)

    page = make_bundle(
        name=HOSTILE, schema=schema({"type": "string"}, inputs={"text": {"type": "string", "default": "x"}})
    )
    refuses = {"text": HOSTILE}
    with (
        FakeCoglet(model, refuses=refuses) as fake,
        Playground(fake.url, page, None) as playground,
        browser.tab() as tab,
    ):
        tab.open(playground.url)
        tab.click(".primary")
        tab.wait(f"document.querySelector('[data-name=text] .error').textContent === {json.dumps(HOSTILE)}")
        assert "422" in tab.complaints.pop(), "the browser's own word of the refusal"
        refuses.clear()
        tab.click(".primary")
        tab.wait(f"document.querySelector('.failure').textContent === {json.dumps(HOSTILE)}")
        status(tab, "failed")
        check_harmless(tab, playground.url)


def test_an_image_without_a_schema_is_asked_with_json(browser: Browser) -> None:
    def model(inputs: dict[str, Any], cancelled: threading.Event) -> Iterator[tuple[str, Any]]:
        yield "result", inputs

    with (
        FakeCoglet(model, streams=False) as fake,
        Playground(fake.url, make_bundle(name=HOSTILE), None) as playground,
        browser.tab(width=390) as tab,
    ):
        tab.open(playground.url)
        tab.type("#input-input", '{"a": [1]}')
        tab.click(".primary")
        status(tab, "succeeded")
        assert fake.asked[0]["input"] == {"a": [1]}
        assert tab.do("document.documentElement.scrollWidth") == 390, "nothing is wider than a phone"
        check_harmless(tab, playground.url)


def test_the_form_of_an_image_that_nobody_started_writes_calls_and_asks_nobody(
    browser: Browser, tmp_path: Path
) -> None:
    directory = f"./{HOSTILE}"  # of a layout: nothing else may be called so
    found = Inspected(
        reference=directory, digest=Digest(sha256(b"")), index=None, platform="linux/amd64", platforms=(), size=0,
        layers=(), environment=(HOSTILE,), inputs={}, output={},
        labels={SCHEMA_LABEL: schema({"type": "string"}), HOSTILE: HOSTILE},
    )  # fmt: skip
    file = tmp_path / "page.html"
    file.write_text(inspected_page(found, []))
    with browser.tab() as tab:
        tab.open(file.as_uri())
        assert '"prompt": "…"' in text(tab, "#snippet")
        tab.type("#input-prompt", "a frog")
        assert '"prompt": "a frog"' in text(tab, "#snippet")
        assert not tab.do("document.querySelector('.primary, .history')")
        assert tab.do("fetch('http://127.0.0.1:1/').catch(error => error.message)") == "Failed to fetch"
        assert "violates the following Content Security Policy" in "".join(tab.complaints)
        assert tab.do("document.querySelectorAll('img').length") == 0
        assert tab.do("document.title") == f"{directory} - inspect"
