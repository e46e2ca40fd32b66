"""What commands leave is divided into layers: what is large or one distribution alone, the rest together."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.archives import archive, directory, file

from cogpack.images.assemble import LAYER_LIMIT
from cogpack.layers.entry import Directory
from cogpack.lockfile import LockedDistribution
from cogpack.planning.steps.captured_layers import CapturedLayer, changed_distributions, divide, most_layers
from cogpack.sandbox.capture.capture import Captured, capture
from cogpack.sandbox.capture.snapshot import Snapshot
from cogpack.sandbox.trees.lay import lay
from cogpack.sizes import MiB

SITE = "opt/venv/lib/python/site-packages"


@pytest.fixture
def left(tmp_path: Path) -> Callable[..., Captured]:
    """Captures files that commands leave in an environment with the distribution old 1.0."""

    def capturing(files: dict[str, bytes | int], *, change: Callable[[Path], object] = lambda _: None) -> Captured:
        old = f"{SITE}/old-1.0.dist-info"
        members = [
            directory(SITE),
            file(f"{SITE}/old.py"),
            directory(old),
            file(f"{old}/METADATA", b"Name: old\nVersion: 1.0\n"),
            file("usr/lib/large.bin"),
        ]
        tree = lay(tmp_path / "place", [archive(*members)], owned=False)
        before = Snapshot.of(tree.root)
        for name, data in files.items():
            path = tree.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else b"")
            if isinstance(data, int):  # zeros that take no room
                with path.open("r+b") as stream:
                    stream.truncate(data)
        change(tree.root)
        return capture(tree, before)

    return capturing


def installed(name: str, version: str, *sizes: int) -> dict[str, bytes | int]:
    """The files of a distribution, as pip leaves them."""
    info, module = f"{SITE}/{name}-{version}.dist-info", name.lower()
    record = "".join(f"{module}/{number}.so,sha256=x,{size}\n" for number, size in enumerate(sizes))
    return {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: text\n".encode(),
        f"{info}/RECORD": f"{record}{name}-{version}.dist-info/RECORD,,\n../../../bin/{module},,\n".encode(),
        **{f"{SITE}/{module}/{number}.so": size for number, size in enumerate(sizes)},
        f"opt/venv/bin/{module}": b"#!",
    }


def divided(captured: Captured, most: int = 34) -> dict[str, CapturedLayer]:
    return {layer.name: layer for layer in divide(captured, "run: 1 step", large=4_000_000, most=most)}


def paths(layer: CapturedLayer) -> list[str]:
    return [entry.path for entry in layer.entries if not isinstance(entry, Directory)]


def test_a_large_file_is_a_layer_of_its_own_and_small_weights_share_one(left: Callable[..., Captured]) -> None:
    layers = divided(
        left(
            {"root/.cache/big": 64 * MiB, "opt/m/w.safetensors": 2 * MiB, "opt/m/v.pt": MiB, "opt/m/config.json": b"{}"}
        )
    )
    assert list(layers) == ["run: /root/.cache/big", "run: 2 files below 64 MiB", "run: 1 step"]
    assert [layer.kind for layer in layers.values()] == ["files", "weights", "rest"]  # zeros compress
    assert paths(layers["run: 2 files below 64 MiB"]) == ["opt/m/v.pt", "opt/m/w.safetensors"]
    assert paths(layers["run: 1 step"]) == ["opt/m/config.json"]


def test_what_lies_in_the_place_of_another_file_is_in_the_rest(left: Callable[..., Captured]) -> None:
    def change(root: Path) -> None:
        (root / "opt/again.pt").hardlink_to(root / "usr/lib/large.bin")

    layers = divided(left({"usr/lib/large.bin": 64 * MiB}, change=change))
    assert list(layers) == ["run: 1 step"]
    assert paths(layers["run: 1 step"]) == ["opt/again.pt", "usr/lib/large.bin"]


def test_a_distribution_from_4_mb_on_is_a_layer_with_all_that_its_record_names(left: Callable[..., Captured]) -> None:
    files = {**installed("Torch", "2.1.0+cpu", 3_000_000, 1_000_000), **installed("tiny", "1", 10)}
    layers = divided(left({**files, f"{SITE}/loose.py": b"x", "etc/more": b""}))
    assert list(layers) == ["run: torch 2.1.0+cpu", "run: 1 step"]
    assert layers["run: torch 2.1.0+cpu"].kind == "distribution"
    assert paths(layers["run: torch 2.1.0+cpu"]) == [
        "opt/venv/bin/torch",
        f"{SITE}/Torch-2.1.0+cpu.dist-info/RECORD",
        f"{SITE}/torch/0.so",
        f"{SITE}/torch/1.so",
    ]
    rest = layers["run: 1 step"]
    assert {"etc/more", f"{SITE}/loose.py", f"{SITE}/tiny/0.so"} <= set(paths(rest))
    assert f"{SITE}/torch" not in [entry.path for entry in rest.entries]  # or another torch would change the rest


def test_a_record_may_name_nothing_outside_and_what_is_no_record_is_none(left: Callable[..., Captured]) -> None:
    info = f"{SITE}/thing-1.dist-info"
    record = b"../../../../../../../../etc/passwd,,\n/etc/made,,\nthing.py,,\n\n\xff,,\n"
    layers = divided(
        left(
            {
                f"{info}/RECORD": record,
                f"{SITE}/thing.py": 5_000_000,
                "etc/made": b"x",
                f"{SITE}/a-1.dist-info/RECORD": b'"',
            }
        )
    )
    assert list(layers) == ["run: thing 1", "run: 1 step"]
    assert "etc/made" in paths(layers["run: thing 1"])


@pytest.mark.parametrize("most", [1, 2, 3, 4, 7])
def test_layers_are_never_more_than_there_is_room_for(left: Callable[..., Captured], most: int) -> None:
    files = {f"opt/{number}.pt": 64 * MiB for number in range(9)} | {"opt/small.pt": 2 * MiB, "opt/x": 64 * MiB}
    captured = left({**files, **installed("one", "1", 5_000_000), **installed("two", "1", 6_000_000)})
    layers = list(divided(captured, most).values())
    assert len(layers) <= most
    assert layers[-1].kind == "rest"
    assert sorted(path for layer in layers for path in paths(layer)) == sorted(
        entry.path for entry in captured.entries if not isinstance(entry, Directory)
    )


def test_weights_of_the_project_have_as_much_room_as_those_of_steps() -> None:
    for seen in range(LAYER_LIMIT - 5):
        assert 2 * most_layers(seen) + seen + 1 <= LAYER_LIMIT


def test_the_layer_of_what_did_not_change_is_the_same_whatever_else_did(left: Callable[..., Captured]) -> None:
    layers = divided(left({"opt/m/w.pt": 2 * MiB, "opt/m/made": b"now"}))
    assert [entry.path for entry in layers["run: /opt/m/w.pt"].entries] == ["opt", "opt/m", "opt/m/w.pt"]


def test_distributions_that_come_and_go_are_told_by_their_metadata(left: Callable[..., Captured]) -> None:
    def change(root: Path) -> None:
        for path in (root / SITE / "old-1.0.dist-info/METADATA", root / SITE / "old.py"):
            path.unlink()
        (root / SITE / "old-1.0.dist-info").rmdir()

    egg = {f"{SITE}/Egg_info.One-2-py3.13.egg-info/PKG-INFO": b"Name: Egg_info.One\r\nVersion: 2\r\n"}
    odd = {f"{SITE}/odd-1.dist-info/METADATA": b"Name: od d\nVersion: 1\n", f"{SITE}/no-1.dist-info/METADATA": b"\xff"}
    vendored = {f"{SITE}/pip/_vendor/x-1.dist-info/METADATA": b"Name: x\nVersion: 1\n"}
    captured = left({**installed("New", "3.0"), **egg, **odd, **vendored}, change=change)
    assert changed_distributions(captured) == (
        LockedDistribution(name="egg-info-one", version="2"),
        LockedDistribution(name="new", version="3.0"),
        LockedDistribution(name="old"),
    )


def test_an_upgraded_distribution_is_there_in_its_new_version(left: Callable[..., Captured]) -> None:
    def change(root: Path) -> None:
        (root / SITE / "old-1.0.dist-info").rename(root / SITE / "old-2.0.dist-info")
        (root / SITE / "old-2.0.dist-info/METADATA").write_text("Name: old\nVersion: 2.0\n")

    assert changed_distributions(left({}, change=change)) == (LockedDistribution(name="old", version="2.0"),)
