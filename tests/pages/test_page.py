"""A page is one file that loads nothing: its policy, its script and its style are its own."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cogpack.pages import page as module
from cogpack.pages.elements import Html, element, joined
from cogpack.pages.page import page, scripts

PLACE = Path(module.__file__).parent
MODULES = sorted(PLACE.glob("*.mjs"))
HOSTILE = "</script></style><img src=x onerror=alert(1)><!--<script>&quot;\"'"


class Reader(HTMLParser):
    """Collects the elements of a document as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_text_is_never_markup() -> None:
    made = element("p", HOSTILE, element("b", "bold"), title=HOSTILE, hidden=True, id=False)
    reader = Reader(made)
    assert [tag for tag, _ in reader.found] == ["p", "b"]
    assert reader.found[0][1] == {"title": HOSTILE, "hidden": None}
    assert "".join(reader.texts) == f"{HOSTILE}bold"
    assert not isinstance(made + "<i>", Html), "what is joined with text is text"
    assert "<i>" not in joined([made + "<i>"])


def test_what_a_model_says_does_not_leave_the_data_of_the_script() -> None:
    text = page(HOSTILE, element("h1", HOSTILE), script="main", data={"name": HOSTILE})
    tags = [tag for tag, _ in Reader(text).found]
    assert "img" not in tags
    assert tags.count("script") == 2
    assert tags.count("style") == 1


def test_a_page_names_no_address_of_others() -> None:
    text = page("title", script="main", data={})
    assert not re.findall(r"(?:https?:)?//[\w-]+\.[\w.-]+", text)
    assert not re.findall(r"@import|\burl\(|\bimport\(", text)


@pytest.mark.parametrize("connects", [True, False])
def test_the_policy_allows_this_script_and_this_style_and_no_other_place(connects: bool) -> None:
    text = page("title", script="main", data={}, connects=connects)
    reader = Reader(text)
    (told,) = [one["content"] or "" for tag, one in reader.found if one.get("http-equiv") == "Content-Security-Policy"]
    policy = dict(part.split(" ", 1) for part in told.split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == ("'self'" if connects else "'none'")
    assert not re.search(r"unsafe|\*|https?:", told)
    for name, pattern in (
        ("style-src", "<style>(.*?)</style>"),
        ("script-src", '<script type="module">(.*?)</script>'),
    ):
        (inside,) = re.findall(pattern, text, re.DOTALL)
        assert policy[name] == f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'"


def test_a_page_without_a_form_has_no_script() -> None:
    text = page("title", element("p", "layers"))
    assert "<script" not in text
    assert "script-src 'none'" in text.replace("&#x27;", "'")


def test_every_module_is_part_of_the_page_and_every_import_is_resolved() -> None:
    code = scripts("main")
    assert "\nimport " not in code
    assert "\nexport " not in code
    for path in MODULES:
        if path.stem != "main":
            assert code.count(f"const ${path.stem} = ") == 1
            assert code.index(f"const ${path.stem} = ") < code.index(f" = ${path.stem};")


def test_elements_are_made_in_one_place_and_nothing_is_read_as_markup() -> None:
    for path in MODULES:
        text = path.read_text()
        assert path.stem == "dom" or "createElement" not in text, path
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|DOMParser|document\.write|\beval\(|new Function", text
        )
        assert len(text.splitlines()) <= 350, path
        assert max(map(len, text.splitlines())) <= 120, path
