"""`inspect --html` and `plan --html`: a page draws an image, and nothing in it becomes markup."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cogpack.cli import run
from cogpack.cli.image_drawn import kind_of
from cogpack.commands.inspect import Inspected, InspectedLayer, Referrer
from cogpack.commands.plan import Planned, PlannedFile, PlannedLayer, PlannedStep, PlannedWeight
from cogpack.digest import Digest, sha256
from cogpack.errors import InputError
from cogpack.planning.layer_items import LayerItem

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
        self.bars: dict[str, list[float]] = {}
        """The widths of the stretches of each bar, in percent, by its label."""
        self.tables: dict[str, list[list[str]]] = {}
        """The text of each cell but those of the head, by the table's label."""
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append((tag, dict(attributes)))
        found = dict(attributes)
        if tag == "svg":
            self.bars[found["aria-label"] or ""] = []
        if tag == "rect":
            list(self.bars.values())[-1].append(float((found["width"] or "").rstrip("%")))
        if found.get("role") == "region":
            self.tables[found["aria-label"] or ""] = []
        if tag == "tr" and self._open[-2][0] == "tbody":
            list(self.tables.values())[-1].append([])
        if tag == "td":
            list(self.tables.values())[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, attributes = self._open[-1] if self._open else ("", {})
        if any(one == "td" for one, _ in self._open):
            list(self.tables.values())[-1][-1][-1] += data
        if tag == "h2":
            self.headings.append(data)
        if tag == "script" and attributes.get("id") == "data":
            self.data = json.loads(data)
        elif tag not in ("script", "style"):
            self.texts.append(data)


WHEELS = (
    LayerItem(kind="wheel", name="click", version="8.3.0", size=100_000),
    LayerItem(kind="wheel", name=HOSTILE, version=HOSTILE, size=5_000),
)


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> Inspected:
    def layer(name: str, size: int, **more: Any) -> InspectedLayer:
        settings = {"origin": "base", "repositories": (), "key": None, "media_type": "x"} | more
        return InspectedLayer(name=name, digest=Digest(sha256(name.encode())), size=size, **settings)

    found = Inspected(
        reference="host.example/me/model:v1",
        digest=DIGEST,
        index=None,
        platform="linux/amd64",
        platforms=(),
        size=2_000_000,
        layers=(
            layer(HOSTILE, 1_500_000, repositories=(HOSTILE,)),
            layer("weights: w.pt", 300_000),
            layer("wheels: 2 small ones", 180_000, items=WHEELS),
            layer("run: make", 19_000),
            layer("project", 1_000),
        ),
        environment=(f"A={HOSTILE}",),
        labels={
            "run.cog.openapi_schema": SCHEMA,
            "run.cog.config": '{"build":{"gpu":true}}',
            "run.cog.pip_freeze": "click==8.3.0",
            HOSTILE: HOSTILE,
        },
        inputs={},
        output={},
        referrers=(Referrer(artifact_type=HOSTILE, digest=DIGEST, size=700),),
    )
    monkeypatch.setattr("cogpack.commands.inspect.inspect", lambda *_, **__: found)
    return found


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Planned:
    def layer(name: str, size: int | None, moves: bool | None, **more: Any) -> PlannedLayer:
        settings = {"key": "k", "digest": None, "about": None, "platforms": ("linux/amd64",)} | more
        return PlannedLayer(name=name, size=size, moves=moves, **settings)

    found = Planned(
        layers=(
            layer("debian: trixie, 90 packages", 2_000, False, digest=DIGEST, tagged=True),
            layer("wheels: numpy 2.3.0", None, True, about=16_600_000, tagged=False),
            layer("weights: w.pt", 5_000_000, False, tagged=True),
            layer("wheels: 2 small ones", 70_000, True, mounts=True, items=WHEELS, tagged=False),
            layer(HOSTILE, None, True, compression=HOSTILE, tagged=False),
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
        schema=json.loads(SCHEMA),
        files=(PlannedFile(path=HOSTILE, size=1, target=HOSTILE), PlannedFile(path="predict.py", size=900)),
    )
    monkeypatch.setattr("cogpack.commands.plan.plan", lambda *_, **__: found)
    return found


def drawn(capsys: pytest.CaptureFixture[str], file: Path, *arguments: str) -> Page:
    assert run((*arguments, "--html", str(file))) == 0
    return Page(file.read_text())


def test_an_image_is_drawn_with_what_moves_and_the_form_of_its_model(
    inspected: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = drawn(capsys, tmp_path / "page.html", "inspect", "host.example/me/model:v1")
    assert capsys.readouterr().out.startswith("host.example/me/model:v1\n"), "the text is told, too"
    assert page.headings == [
        "The image", "What moves", "Layers", "Run it", "Environment", "Labels", "Attached", "Schema",
    ]  # fmt: skip
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


def test_layers_are_drawn_by_how_often_they_change_and_each_tells_what_moves_then(
    inspected: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = drawn(capsys, tmp_path / "page.html", "inspect", "host.example/me/model:v1")
    # What changes, its bytes, what a push or pull moves, what Docker's own store pulls: all above it, too.
    assert [(row[0][:9], *row[1:]) for row in page.tables["layers by how often they change"]] == [
        ("Each push", "1 kB", "1 kB", "1 kB"),
        ("Lines of ", "19 kB", "19 kB", "20 kB"),
        ("Requireme", "180 kB", "199 kB", "200 kB"),  # commands see wheels, and are run again
        ("Weightson", "300 kB", "300 kB", "500 kB"),  # which they do not see
        ("Otherslay", "1.5 MB", "1.5 MB", "2.0 MB"),
    ]
    assert page.bars["Weights: 300 kB"] == [15.0], "of all bytes"
    (whole,) = [widths for label, widths in page.bars.items() if label.startswith("the layers from the lowest")]
    assert whole == [74.59, 14.92, 8.95, 0.94, 0.6], "the smallest is to be seen, and none too much"


def test_each_layer_tells_what_it_holds(
    inspected: Inspected, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = drawn(capsys, tmp_path / "page.html", "inspect", "host.example/me/model:v1")
    rows = page.tables["layers"]
    (at,) = [at for at, row in enumerate(rows) if row[0].startswith("wheels")]
    assert rows[at + 1] == [f"2 wheelsclick8.3.0100 kB{HOSTILE}{HOSTILE}5 kB"]
    assert len(rows) == 6, "of the others nothing is known"
    assert "Python packages" not in page.headings, "which the label would tell again"


def test_without_a_lock_the_label_tells_of_packages(
    inspected: Inspected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = tuple(msgspec.structs.replace(layer, items=()) for layer in inspected.layers)
    bare = msgspec.structs.replace(inspected, layers=layers)
    monkeypatch.setattr("cogpack.commands.inspect.inspect", lambda *_, **__: bare)
    page = drawn(capsys, tmp_path / "page.html", "inspect", "host.example/me/model:v1")
    assert "Python packages" in page.headings
    assert "click" in page.texts


def test_an_index_is_told_by_platform_with_what_the_images_share(
    inspected: Inspected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platforms = ("linux/amd64", "linux/arm64")
    whole = msgspec.structs.replace(inspected, index=DIGEST, platforms=platforms)
    other = msgspec.structs.replace(whole, platform="linux/arm64", layers=inspected.layers[1:3], size=480_000)
    monkeypatch.setattr("cogpack.commands.inspect.inspect", lambda *_, **__: whole)
    monkeypatch.setattr("cogpack.commands.inspect.inspect_others", lambda *_: [other])
    page = drawn(capsys, tmp_path / "page.html", "inspect", "host.example/me/model:v1")
    assert page.tables["platforms"] == [
        ["linux/amd64 (this page)", "5", "2.0 MB", "", DIGEST[7:19]],
        ["linux/arm64", "2", "480 kB", "480 kB", DIGEST[7:19]],
    ]


def test_an_image_of_others_without_a_schema_has_no_form_no_script_and_no_order_of_changes(
    inspected: Inspected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = tuple(msgspec.structs.replace(layer, name="") for layer in inspected.layers)
    bare = msgspec.structs.replace(
        inspected, labels={}, reference="./layout", environment=(), layers=layers, referrers=None
    )
    monkeypatch.setattr("cogpack.commands.inspect.inspect", lambda *_, **__: bare)
    page = drawn(capsys, tmp_path / "page.html", "inspect", "./layout")
    assert page.headings == ["The image", "What moves", "Layers", "Run it"]
    assert "script" not in page.tags
    assert "docker run" not in "".join(page.texts), "an engine can't read a layout"
    assert "layers by how often they change" not in page.tables


def test_a_plan_is_drawn_with_what_a_push_and_a_pull_move(
    planned: Planned, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = drawn(capsys, tmp_path / "plan.html", "plan", "-C", str(tmp_path), "host.example/me/model:v1")
    assert page.headings == [
        *("The image", "What moves", "Layers", "Steps of build.run", "Weights", "Files of the project"),
    ]
    assert "img" not in page.tags
    assert page.tables["what moves"] == [
        ["A push sends2 layers", "", "16.6 MB"],
        ["A push mounts1 layer, if the registry lets them", "", "70 kB"],
        ["The registry has2 layers", "", "5.0 MB"],
        ["A pull by containerd or podman brings3 layers, over the image of the tag now", "", "16.7 MB"],
        ["A pull by Docker's own store brings4 layers, all from the lowest new one up", "", "21.7 MB"],
    ]
    assert [row[1] for row in page.tables["layers"] if len(row) > 1] == ["there", "moves", "there", "mounts", "moves"]
    text = "".join(page.texts)
    for told in (
        *("about 16.6 MB", "2 of 5 layers move", "not run: writes /a", "run: make is not known", "8.3.0"),
        *(f"impossible: {HOSTILE}", f"or {HOSTILE}", f"{HOSTILE} -> {HOSTILE}", "about 3.0 MB in the cache"),
    ):
        assert told in text, told
    assert page.data["reference"] == "", "the calls are of the directory's project"
    assert [row[0] for row in page.tables["files"]] == ["predict.py", f"{HOSTILE} -> {HOSTILE}"]


def test_a_plan_without_a_target_tells_what_is_known_and_lists_files_on_the_page_alone(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = tuple(
        msgspec.structs.replace(
            layer, moves=None, tagged=None, mounts=False, vouched="cogpack.lock" if layer.digest else ""
        )
        for layer in planned.layers
    )
    alone = msgspec.structs.replace(planned, layers=layers)
    monkeypatch.setattr("cogpack.commands.plan.plan", lambda *_, **__: alone)
    page = drawn(capsys, tmp_path / "plan.html", "plan", "-C", str(tmp_path), "--json")
    assert page.tables["what is known"] == [
        ["Known1 layer, by cogpack.lock", "", "2 kB"],
        ["To be made, or read4 layers", "", "21.7 MB"],
    ]
    assert "No registry was asked" in "".join(page.texts)
    told = json.loads(capsys.readouterr().out)
    assert told["files"] is None, "--files asks for them"
    assert told["layers"][3]["items"][0] == {"kind": "wheel", "name": "click", "version": "8.3.0", "size": 100_000}


def test_a_plan_of_several_platforms_draws_each_image(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ("linux/amd64", "linux/arm64")
    layers = [msgspec.structs.replace(layer, platforms=both[:1]) for layer in planned.layers]
    layers[2] = msgspec.structs.replace(layers[2], platforms=both)
    several = msgspec.structs.replace(planned, layers=tuple(layers))
    monkeypatch.setattr("cogpack.commands.plan.plan", lambda *_, **__: several)
    page = drawn(capsys, tmp_path / "plan.html", "plan", "-C", str(tmp_path))
    assert [title for title in page.headings if title.startswith("Layers")] == [f"Layers, {one}" for one in both]
    assert page.texts.count("weights: w.pt") == 2, "what both have is in both"
    assert page.texts.count("wheels: numpy 2.3.0") == 1


def test_a_page_appears_whole_and_a_place_that_cannot_be_written_is_told_before_any_work(
    inspected: Inspected, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "page.html"
    file.write_text("old")

    def fails(*_: object, **__: object) -> None:
        raise InputError("no such image", next_step="look")

    monkeypatch.setattr("cogpack.commands.inspect.inspect", fails)
    assert run(("inspect", "host.example/me/model:v1", "--html", str(file))) == 2
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
    assert run(("inspect", "host.example/me/model:v1", "--html", str(tmp_path / "no" / "page.html"))) == 2
    assert "no such image" not in "".join(capsys.readouterr().err.splitlines()[-2:])


@pytest.mark.parametrize("words", [("inspect", "a.example/b", "--html"), ("plan", "--html", "-")])
def test_a_page_is_a_file(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert "--html" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("project", "project"),
        ("run: 3 commands", "run"),
        ("files of build.run", "run"),
        ("clone: https://a.example/b in /b", "run"),
        ("wheels: 14 small ones", "small"),
        ("wheels: 3 built ones", "small"),
        ("bytecode: 14 small ones", "small"),
        ("library cache", "small"),
        ("weights: model.safetensors part 1", "weights"),
        ("hub: a/b/model.bin", "run"),
        ("fetched: /w", "run"),
        ("wheels: torch 2.13.0", "wheels"),
        ("bytecode: torch 2.13.0", "wheels"),
        ("bytecode: 4 large ones", "wheels"),
        ("bytecode: Python 3.13.5", "packages"),
        ("python: CPython 3.13.5", "packages"),
        ("venv: Python 3.13", "packages"),
        ("packages: ffmpeg and 40 more", "packages"),
        ("package: ffmpeg 7", "packages"),
        ("dpkg: x", "packages"),
        ("debian: trixie, 90 packages", "base"),
        ("base: library/python 1", "base"),
        ("", "other"),
        ("wheelsome", "other"),
    ],
)
def test_what_a_layer_changes_with_is_told_by_its_name(name: str, kind: str) -> None:
    assert kind_of(name) == f"layer-{kind}"
