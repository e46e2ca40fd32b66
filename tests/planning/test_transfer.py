"""Layers in any order, the tag last, and nothing visible before it is whole."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from support.disks import no_file_beyond
from support.images import drain
from support.supplies import no_supply

from cogpack.errors import InputError, UnavailableError
from cogpack.images.assemble import BaseImage, NamedLayer, Run, assemble
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Uncompressed
from cogpack.layers.facts import Facts
from cogpack.layers.files import FilesSource, generated
from cogpack.layers.known import NOTHING, Claims, Known, Outgoing
from cogpack.layers.layer import Body, Form, key_of
from cogpack.oci import MADE_LIMIT, Descriptor, Image, LayerInfo, Platform
from cogpack.planning.delivery.transfer import Resources, Transferred, known_image, transfer
from cogpack.planning.plan import Plan
from cogpack.progress import SILENT, Cancellation, Cancelled
from cogpack.threads import each

RUN = Run(
    environment=(("A", "1"), ("B", "two words")),
    path="/opt/venv/bin",
    command=("python", "-m", "cog.server.http"),
    working_directory="/src",
    ports=("5000/tcp",),
    labels={"run.cog.version": "0.23.1"},
)
AMD64 = Platform.parse("linux/amd64")


def plan(*names: str) -> Plan:
    layers = tuple(
        BuiltLayer(FilesSource(name, [generated(f"src/{name}", name.encode())]), Uncompressed()) for name in names
    )
    return Plan(
        layers=layers,
        base_layers=0,
        base=None,
        run=RUN,
        platform=AMD64,
        annotations={"note": "x"},
        created=None,
    )


class Sink:
    """Remembers what happened; `fail` names a layer that can't be added."""

    form = Form.STORED

    def __init__(self, *, parallel: bool = True, fail: str = "") -> None:
        self.parallel = parallel
        self.fail = fail
        self.events: list[str] = []

    def has(self, blob: Descriptor) -> bool:
        return False

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        if layer.name == self.fail:
            raise UnavailableError("down", next_step="wait")

        def consume(body: Body) -> None:
            for block in body:
                on_bytes(len(block))

        info = layer.copy_to(consume)
        self.events.append(layer.name)
        return info

    def put(self, image: Image) -> Descriptor:
        self.events.append("image")
        return image.descriptor

    def commit(self, root: Descriptor, tags: Sequence[str]) -> None:
        self.events.append(f"tags {' '.join(tags)}")


def moved(made: Plan, sink: Sink, facts: Facts, jobs: int = 2, known: Known = NOTHING) -> Transferred:
    return transfer(
        made,
        known,
        sink,
        Resources(
            jobs=jobs,
            supply=no_supply(),
            facts=facts,
            progress=SILENT,
            cancellation=Cancellation(),
        ),
        tags=["v1"],
    )


def move(made: Plan, sink: Sink, facts: Facts, jobs: int = 2) -> Image:
    return moved(made, sink, facts, jobs).image


def test_the_image_follows_all_layers_and_the_tag_is_last(tmp_path: Path) -> None:
    sink = Sink()
    move(plan("a", "b", "c"), sink, Facts(tmp_path))
    assert sorted(sink.events[:3]) == ["a", "b", "c"]
    assert sink.events[3:] == ["image", "tags v1"]


def test_a_sink_that_is_not_parallel_gets_the_layers_bottom_first(tmp_path: Path) -> None:
    sink = Sink(parallel=False)
    move(plan("a", "b", "c"), sink, Facts(tmp_path), jobs=8)
    assert sink.events == ["a", "b", "c", "image", "tags v1"]


def test_a_layer_that_follows_from_what_passes_of_others_tell_goes_after_them(tmp_path: Path) -> None:
    sink, made = Sink(), plan("learnt", "a", "b")
    move(msgspec.structs.replace(made, learnt=made.layers[:1]), sink, Facts(tmp_path), jobs=8)
    assert sink.events[2:] == ["learnt", "image", "tags v1"]


def test_a_layer_that_fails_leaves_no_image_and_finished_layers_are_remembered(tmp_path: Path) -> None:
    sink, facts, made = Sink(parallel=False, fail="c"), Facts(tmp_path), plan("a", "b", "c")
    with pytest.raises(UnavailableError, match="down"):
        move(made, sink, facts)
    assert sink.events == ["a", "b"]
    assert [facts.get(key_of(layer)) is not None for layer in made.layers] == [True, True, False]


def test_a_cache_that_can_not_be_written_is_a_note_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "facts").write_text("a file where a directory should be, as a full disk leaves it")
    notes: list[str] = []
    sink = Sink()
    move(plan("a", "b", "c"), sink, Facts(tmp_path / "facts", note=lambda note: notes.append(note.text)), jobs=1)
    assert sink.events[3:] == ["image", "tags v1"]
    (note,) = notes
    assert note.startswith(f"{tmp_path}/facts/")
    assert "can't write" in note


@pytest.mark.parametrize("room", [0, 1, 100])
def test_a_cache_that_can_not_be_written_to_the_end_keeps_no_half_of_a_fact(tmp_path: Path, room: int) -> None:
    """F36: the disk is full in the middle of a write."""
    notes: list[str] = []
    sink, made = Sink(), plan("a", "b", "c")
    with no_file_beyond(room):
        move(made, sink, Facts(tmp_path / "facts", note=lambda note: notes.append(note.text)), jobs=1)
    assert sink.events[3:] == ["image", "tags v1"]
    (note,) = notes
    assert "can't write: File too large" in note
    assert [path for path in (tmp_path / "facts").rglob("*") if path.is_file()] == []
    facts = Facts(tmp_path / "facts")
    move(made, Sink(), facts)
    assert all(facts.get(key_of(layer)) for layer in made.layers)


def test_the_number_of_jobs_changes_nothing(tmp_path: Path) -> None:
    images = {move(plan("a", "b", "c"), Sink(), Facts(tmp_path / str(jobs)), jobs).manifest for jobs in (1, 2, 8)}
    assert len(images) == 1


@pytest.mark.parametrize(
    "made",
    [
        msgspec.structs.replace(plan("a", "b"), annotations={"note": "x" * MADE_LIMIT}),
        plan(*(f"{number:02}" + "x" * 40_000 for number in range(100))),
    ],
    ids=["annotation", "names of layers"],
)
def test_an_image_whose_manifest_registries_may_refuse_is_refused_before_a_layer_moves(
    tmp_path: Path, made: Plan
) -> None:
    sink = Sink()
    with pytest.raises(InputError, match=rf"the manifest would have \d+ bytes; {MADE_LIMIT} are sure to be taken"):
        move(made, sink, Facts(tmp_path))
    assert sink.events == []


def test_a_manifest_may_have_three_and_a_half_mebibytes() -> None:
    def size(note: int) -> int:
        return len(assemble([], RUN, platform=AMD64, annotations={"note": "x" * note}).manifest)

    room = MADE_LIMIT - size(0)
    assert size(room) == MADE_LIMIT
    with pytest.raises(InputError):
        size(room + 1)


def test_an_image_is_known_when_all_its_layers_are(tmp_path: Path) -> None:
    facts, made = Facts(tmp_path), plan("a", "b")
    image = move(made, Sink(), facts)
    again = plan("a", "b")
    assert known_image(again, NOTHING) is None
    assert known_image(again, Known.weighed(again.own, [Claims("the cache", facts)])) == image


class Has(Sink):
    """Has every layer that is known."""

    def add_layer(self, layer: Outgoing, on_bytes: Callable[[int], None]) -> LayerInfo:
        return layer.known or super().add_layer(layer, on_bytes)


@pytest.mark.parametrize("trusted", [False, True], ids=["the tag", "cogpack.lock"])
@pytest.mark.parametrize(("sink", "recorded"), [(Has(), False), (Sink(), True)], ids=["reused", "made"])
def test_what_another_says_becomes_a_fact_only_when_a_pass_bears_it_out(
    tmp_path: Path, sink: Sink, recorded: bool, trusted: bool
) -> None:
    """A lock's word, too: it counts as long as that lock does, and the next branch has another."""
    facts, made = Facts(tmp_path), plan("a")
    (layer,) = made.own
    said = {key_of(layer): layer.copy_to(drain)}
    known = Known.weighed(made.own, [Claims("who says so", said, trusted=trusted)])
    done = moved(made, sink, facts, known=known)
    assert done.layers[0].known_from == ("" if recorded else "who says so")
    assert (facts.get(key_of(layer)) is not None) is recorded
    after = done.known.of(layer)
    assert after is not None
    assert after.trusted is (recorded or trusted)


def test_a_whole_image_in_golden_digests(tmp_path: Path) -> None:
    """If these change, every image of every user does: raise the version of what changed, and say so in the log."""
    image = move(plan("a", "b"), Sink(), Facts(tmp_path))
    config = json.loads(image.config)
    assert config["created"] == "1980-01-02T00:00:00Z"
    assert config["config"]["Env"] == [
        "PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "A=1",
        "B=two words",
    ]
    assert config["rootfs"]["diff_ids"] == [info.diff_id for _, info in image.layers]
    assert len(config["history"]) == 2
    assert image.config_descriptor.digest == "sha256:298683b6258553f21a2f690f984acb6453989ee8dae60ea19c00edd4ff7d78b4"
    assert image.descriptor.digest == "sha256:0e643229b8052aa6d9a5078935126ffdb10bcdbea534ad538954c6af7ca92e40"


def test_a_base_keeps_its_unknown_fields_and_loses_its_entrypoint(tmp_path: Path) -> None:
    info = move(plan("a"), Sink(), Facts(tmp_path)).layers[0][1]
    base = BaseImage(
        config={
            "x-unknown": [1],
            "history": [{"created_by": "base"}, {"empty_layer": True}],
            "config": {"Entrypoint": ["/x"], "User": "nobody", "Env": ["PATH=/base", "A=0"], "Labels": {"l": "1"}},
        }
    )
    image = assemble(
        [NamedLayer("b", "k", info), NamedLayer("o", "k2", info)], RUN, platform=AMD64, base=base, base_layers=1
    )
    config = json.loads(image.config)
    assert config["x-unknown"] == [1]
    assert config["config"]["Entrypoint"] == []
    assert "User" not in config["config"]
    run = msgspec.structs.replace(RUN, user="1000:1000")
    ours = assemble([NamedLayer("b", "k", info)], run, platform=AMD64, base=base, base_layers=1)
    assert json.loads(ours.config)["config"]["User"] == "1000:1000"
    assert config["config"]["Env"] == ["PATH=/opt/venv/bin:/base", "A=1", "B=two words"]
    assert config["config"]["Labels"] == {"l": "1", "run.cog.version": "0.23.1"}
    assert len(config["history"]) == 3


@pytest.mark.parametrize("when", [0, 1, 2])
def test_an_interrupt_while_work_is_handed_out_stops_what_runs(when: int) -> None:
    cancellation = Cancellation()

    class Items(list[int]):
        def __iter__(self) -> Iterator[int]:
            yield from self[:when]
            raise KeyboardInterrupt

    def act(_: int) -> None:
        with pytest.raises(Cancelled):
            cancellation.wait(600)

    with pytest.raises(KeyboardInterrupt):
        each(act, Items([1, 2, 3]), jobs=2, name="test", cancellation=cancellation)


def test_results_come_in_the_order_of_the_items_and_the_first_failure_ends_the_others() -> None:
    cancellation = Cancellation()
    assert each(str, [3, 1, 2], jobs=3, name="test", cancellation=cancellation) == ["3", "1", "2"]

    def act(number: int) -> None:
        if number:
            raise ValueError(number)
        cancellation.wait(600)

    with pytest.raises(ValueError, match="7"):
        each(act, [0, 7], jobs=2, name="test", cancellation=cancellation)
