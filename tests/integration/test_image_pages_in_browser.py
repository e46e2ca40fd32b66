"""The pages of `inspect --html` and `plan --html` in a real browser: any width, keyboard, dark, printed."""

import base64
from pathlib import Path

import pytest
from support.browser import Browser, Tab
from support.shown_images import HOSTILE, LAYERS, inspected, planned

from cogpack.bench.lanes import Lane
from cogpack.bench.model import Client, Host, Layer, calculate
from cogpack.bench.network import Network
from cogpack.cli.bench_page import bench_page
from cogpack.cli.inspect_page import inspected_page
from cogpack.cli.plan_page import planned_page
from cogpack.commands.bench import PullBench
from cogpack.digest import Digest, sha256
from cogpack.notes import Code, Note

pytestmark = pytest.mark.integration


def inspect_page() -> str:
    found = inspected()
    other = inspected(platform="linux/arm64", layers=found.layers[5:], size=3_000_000_000)
    return inspected_page(found, ["recorded in the lock"] * len(found.layers), [other])


def plan_page() -> str:
    found = planned(("linux/amd64", "linux/arm64"))
    return planned_page(
        found,
        name="sketch",
        targets=["registry.example.com/team/sketch:v8"],
        notes=[Note(Code.TAG_MOVED, HOSTILE)],
    )


def pull_page() -> str:
    layers = tuple(Layer(name, size, 2 * size, "gzip", size > 10**9) for name, size, _ in LAYERS)
    client = Client("docker", streams=3)
    network = Network(
        host="registry.example.com",
        storage=HOSTILE,
        redirected=True,
        tls=True,
        ranges=True,
        first_byte=0.04,
        received=10**9,
        lanes=tuple(Lane(connections=2**at, rate=4e7 * (at + 1)) for at in range(6)),
    )
    pull = calculate(layers, client, Host(stream=4e7, network=2.4e8, unpack={"gzip": 5e7}, disk=8e8, first_byte=0.04))
    found = PullBench(
        reference=f"registry.example.com/team/sketch:{HOSTILE}",
        digest=Digest(sha256(b"image")),
        size=sum(layer.size for layer in layers),
        layers=layers,
        network=network,
        engine="docker",
        unpack={"gzip": 5e7},
        disk=8e8,
        pulls=(pull,),
        layouts=(),
        limit=9.0,
        measured=(),
        unmeasured=(HOSTILE,),
        received=10**9,
        seconds=8.0,
    )
    return bench_page(found)


PAGES = {"inspect": inspect_page, "plan": plan_page}


@pytest.fixture(params=["inspect", "plan", "bench pull"])
def any_page(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = tmp_path / "page.html"
    file.write_text((PAGES | {"bench pull": pull_page})[request.param]())
    return file.as_uri()


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    file = tmp_path / "page.html"
    file.write_text(PAGES[request.param]())
    return file.as_uri()


def check_harmless(tab: Tab, page: str) -> None:
    """Nothing of what others wrote became markup or ran, and nobody was asked for anything."""
    assert tab.do("document.title") != "owned"
    assert tab.do("document.querySelectorAll('img, script:not(#data):not([type=module])').length") == 0
    assert [url for url in tab.requests if not url.startswith((page, "blob:", "data:"))] == []
    assert tab.complaints == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_a_page_is_no_wider_than_the_screen_and_can_be_read(
    browser: Browser, any_page: str, width: int, dark: bool
) -> None:
    with browser.tab(width=width, dark=dark) as tab:
        tab.open(any_page)
        assert tab.do("document.documentElement.scrollWidth") == width
        for open_ in ("false", "true"):
            tab.do(f"document.querySelectorAll('details').forEach(one => one.open = {open_})")
            assert tab.do("document.documentElement.scrollWidth") == width
        assert tab.do(FAINT) == []
        assert tab.do(UNSEEN) == []
        check_harmless(tab, any_page)


FAINT = """(() => {
  const part = (one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((one) => part(one / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const found = getComputedStyle(one).backgroundColor;
      if (!found.endsWith(", 0)")) return found;
    }
    return "rgb(255, 255, 255)";
  };
  const found = new Set();
  for (const one of document.querySelectorAll("body *")) {
    if (!one.checkVisibility()) continue;
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.add(`${one.tagName}.${one.className}: ${one.textContent.slice(0, 40)}`);
  }
  return [...found];
})()"""
"""Text with less contrast than 4.5 to 1 (WCAG 2.2, 1.4.3)."""

UNSEEN = """[...document.querySelectorAll('svg.bar')].filter((one) => one.getBoundingClientRect().width < 40
  || [...one.querySelectorAll('rect')].some((part) => part.getBoundingClientRect().right
    > one.getBoundingClientRect().right + 2 || part.getBoundingClientRect().width < 0.5))
  .map((one) => one.getAttribute('aria-label'))"""
"""Bars without room, and stretches of them that nobody sees or that leave them."""


def test_all_of_a_page_is_reached_and_named_by_keyboard(browser: Browser, page: str) -> None:
    with browser.tab() as tab:
        tab.open(page)
        links = tab.do("[...document.querySelectorAll('.contents a')].map((one) => one.getAttribute('href'))")
        assert len(links) > 6
        assert tab.do(f"{links}.filter((one) => !document.getElementById(one.slice(1)))") == [], "each leads somewhere"
        press(tab, "Tab")
        assert tab.do("document.activeElement.textContent").startswith("The image")
        tab.do("document.querySelector('.layers summary').focus()")
        press(tab, "Enter")
        assert tab.do("document.querySelector('.layers details').open")
        assert tab.do("document.querySelector('.layers .things .name').checkVisibility()")
        nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
        named = {"image", "table", "textbox", "combobox", "slider", "button", "tab", "link", "region", "navigation"}
        found = [
            (node["role"]["value"], node["name"]["value"])
            for node in nodes
            if node.get("role", {}).get("value") in named and not node.get("ignored")
        ]
        assert len(found) > 20
        assert [role for role, name in found if not name and role != "table"] == []
        check_harmless(tab, page)


def press(tab: Tab, key: str) -> None:
    code = {"Tab": 9, "Enter": 13}[key]
    text = {"text": "\r"} if key == "Enter" else {}
    tab.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **text)
    tab.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)


def test_the_form_writes_calls_and_asks_nobody(browser: Browser, page: str) -> None:
    with browser.tab() as tab:
        tab.open(page)
        tab.type("#input-prompt", "a frog")
        assert '"prompt": "a frog"' in tab.do("document.getElementById('snippet').textContent")
        assert not tab.do("document.querySelector('.primary, .history')")
        check_harmless(tab, page)


def test_what_is_folded_is_printed(browser: Browser, page: str) -> None:
    with browser.tab() as tab:
        tab.open(page)
        tab.call("Emulation.setEmulatedMedia", media="print")
        shown = "document.querySelector('.layers .things .name').getBoundingClientRect().height > 5"
        assert tab.do(shown)
        assert not tab.do("document.querySelector('.contents').checkVisibility()")
        paper = base64.b64decode(tab.call("Page.printToPDF", printBackground=True)["data"])
        assert paper.startswith(b"%PDF-")
        assert 2 <= paper.count(b"/Type /Page\n") + paper.count(b"/Type /Page ") + paper.count(b"/Type /Page/") <= 30
