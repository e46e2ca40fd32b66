"""`inspect --html` and `plan --html`: a page tells what the text tells, and nothing in it becomes markup."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cogpack.cli import run
from cogpack.commands.inspect import Inspected, InspectedLayer
from cogpack.commands.plan import Planned, PlannedFile, PlannedLayer, PlannedStep, PlannedWeight
from cogpack.digest import Digest, sha256

HOSTILE = '</script><img src=x onerror=alert(1)>&"'
SCHEMA = json.dumps(
    {"components": {"schemas": {"Input": {"properties": {"text": {"type": "string", "description": HOSTILE}}}}}}
)
DIGEST = Digest(sha256(b"layer"))


class Page(HTMLParser):
    """Collects what a browser would find: elements, the text of each kind of cell, and data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.headings: list[str] = []
        self.texts: list[str] = []
        self.data: Any = None
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "h2":
            self.headings.append(data)
        if tag == "script" and attributes.get("id") == "data":
            self.data = json.loads(data)
        elif tag not in ("script", "style"):
            self.texts.append(data)


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> Inspected:
    layer = InspectedLayer(
        name=HOSTILE, key=None, media_type="x", digest=DIGEST, size=1_500_000, origin="base", repositories=(HOSTILE,)
    )
    found = Inspected(
        reference="host.example/me/model:v1",
        digest=DIGEST,
        index=None,
        platform="linux/amd64",
        platforms=(),
        size=1_500_000,
        layers=(layer,),
        environment=(f"A={HOSTILE}",),
        labels={"run.cog.openapi_schema": SCHEMA, "run.cog.config": '{"build":{"gpu":true}}', HOSTILE: HOSTILE},
        inputs={},
        output={},
    )
    monkeypatch.setattr("cogpack.commands.inspect.inspect", lambda *_, **__: found)
    return found


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Planned:
    found = Planned(
        layers=(
            PlannedLayer(name="debian: trixie", key="k", digest=DIGEST, size=2000, about=None, moves=False),
            PlannedLayer(name="wheels: numpy", key="k", digest=None, size=None, about=16_600_000, moves=True),
            PlannedLayer(name=HOSTILE, key="k", digest=None, size=None, about=None, moves=True, compression=HOSTILE),
        ),
        weights=(PlannedWeight(path=HOSTILE, size=3, rule="none", why=HOSTILE, others=(HOSTILE,), equal_to=HOSTILE),),
        steps=(
            PlannedStep(command=HOSTILE, known=True, effect=("writes /a",)),
            PlannedStep(command="make", sandboxed="make is not known"),
            PlannedStep(command="docker", impossible=HOSTILE),
        ),
        isolation=HOSTILE,
        laid=3_000_000,
        laying=2.0,
        files=(PlannedFile(path=HOSTILE, size=1, target=HOSTILE),),
    )
    monkeypatch.setattr("cogpack.commands.plan.plan", lambda *_, **__: found)
    return found


def out_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(arguments) == 0
    return capsys.readouterr().out


def test_an_image_is_told_in_a_page_with_the_form_of_its_model(
    inspected: Inspected, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Page(out_of(capsys, "inspect", "host.example/me/model:v1", "--html"))
    assert page.headings == ["Run it", "Layers", "Environment", "Labels", "Schema"]
    assert "img" not in page.tags
    assert page.tags.count("script") == 2
    text = "\n".join(page.texts)
    assert "docker run --rm -p 5000:5000 --gpus all host.example/me/model:v1" in text
    assert "cogpack serve host.example/me/model:v1 -p 5000 --playground" in text
    for told in (HOSTILE, f"of the base; also in {HOSTILE}", "1.5 MB", DIGEST[7:19], f"A={HOSTILE}", DIGEST):
        assert told in page.texts, told
    (one,) = page.data["form"]["inputs"]
    assert one == {"name": "text", "shape": {"kind": "text"}, "description": HOSTILE}
    assert page.data["runs"] is False, "nobody has started it"


def test_an_image_without_a_schema_has_no_form_and_no_script(
    inspected: Inspected, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = msgspec.structs.replace(inspected, labels={}, reference="layout", environment=())
    monkeypatch.setattr("cogpack.commands.inspect.inspect", lambda *_, **__: bare)
    page = Page(out_of(capsys, "inspect", "./layout", "--html"))
    assert page.headings == ["Run it", "Layers"]
    assert "script" not in page.tags
    assert "docker run" not in "".join(page.texts), "an engine can't read a layout"


def test_a_plan_is_told_in_a_page(planned: Planned, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.html"
    assert out_of(capsys, "plan", "-C", str(tmp_path), "--html", "-o", str(file)) == f"{file}\n"
    page = Page(file.read_text())
    assert page.headings == ["Layers", "Steps of build.run", "Weights", "Files of the project"]
    assert not {"img", "script"} & set(page.tags)
    text = "".join(page.texts)
    for told in (
        *("moves", "there", "about 16.6 MB", "2 of 3 layers move", "not run: writes /a", "run: make is not known"),
        *(f"impossible: {HOSTILE}", f"or {HOSTILE}", f"{HOSTILE} -> {HOSTILE}", "about 3.0 MB in the cache"),
    ):
        assert told in text, told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("inspect", "a.example/b", "--html", "--json"), "two forms of the same"),
        (("inspect", "a.example/b", "-o", "page.html"), "add --html"),
        (("plan", "-o", "page.html"), "add --html"),
    ],
)
def test_a_page_is_asked_for_by_name_and_alone(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert told in out + err
