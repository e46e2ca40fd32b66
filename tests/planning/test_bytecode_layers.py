"""How bytecode is cut into layers, and which Python is the one that makes it."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.supplies import no_supply
from test_plan import never

from cogpack.artifacts import Input
from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.formats import FORMATS
from cogpack.layers.bytecode import BytecodeSource, Packs
from cogpack.layers.compression import Gzip, SplicedGzip
from cogpack.lockfile import Decisions, LockedClash, LockedInterpreter, LockedWheel
from cogpack.lockfile.base_kinds import DebianBase, LockedDeb
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.planning import compiling, private_guest
from cogpack.planning.compiling import Compiler, is_release
from cogpack.planning.own_python import OwnPython
from cogpack.planning.recipes.base import PlannedBase
from cogpack.planning.recipes.bytecode import BytecodeLayers, plan_bytecode, wheel_unit_key
from cogpack.planning.recipes.maker import LayerMaker, MaybeLayer
from cogpack.planning.recipes.python import plan_environment
from cogpack.sandbox.rungs.choice import Rung

RELEASE = "cpython-3.12.16"
DEB = LockedDeb(name="a", version="1", arch="amd64", archive="debian", path="p", size=1, sha256="0" * 64)
BASE = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=(DEB,))
MAKER = LayerMaker(compressed=Gzip(), spliced=SplicedGzip(), inherited={})
LARGE = 5_000_000


def wheel(name: str, size: int = 9, version: str = "1") -> LockedWheel:
    digest = sha256(f"{name}{version}".encode()).removeprefix("sha256:")
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return LockedWheel(name=name, version=version, filename=filename, sha256=digest, size=size)


class Nothing:
    """Keeps no bytecode, but of those wheels whose units are `kept`."""

    kept: frozenset[str] = frozenset()

    def check(self) -> None:
        raise AssertionError("nobody asked for it")

    def has(self, unit: Any) -> bool:
        return unit.key in self.kept


def planned(
    *wheels: LockedWheel, clashes: tuple[LockedClash, ...] = (), packs: Nothing | None = None
) -> BytecodeLayers:
    interpreter = LockedInterpreter(version="3.12.16", url="https://p.example/a.tar.gz", sha256="0" * 64)
    decisions = Decisions(base=BASE, interpreter=interpreter, bytecode=RELEASE, wheels=wheels, clashes=clashes)

    def had(one: LockedWheel) -> Input:
        return Input(supply=no_supply(), artifact=wheel_artifact(one), noun="wheel", urls=never)

    environment = plan_environment(decisions, FORMATS[2], MAKER, had, local=())
    own = MAKER.compress(cast("Any", SimpleNamespace(name="python", key=lambda: "cpython:1", entries=never)))
    key = own.key
    assert key is not None

    def packs_for(release: str, python: OwnPython) -> Packs:
        assert (release, python.prefix) == (RELEASE, "opt/cpython-3.12")
        return cast("Packs", packs or Nothing())

    return plan_bytecode(
        decisions, PlannedBase(layers=()), MaybeLayer((own,), {key: ()}), environment, packs_for, MAKER
    )


def names(layers: BytecodeLayers) -> list[str]:
    return [layer.name.removeprefix("bytecode: ") for layer in (*layers.large, *layers.small)]


def test_it_is_cut_as_its_sources_are_and_what_no_model_imports_has_none() -> None:
    cuda = (wheel("nvidia-cublas-cu12", LARGE), wheel("nvidia-nvtx-cu12"), wheel("coglet", LARGE))
    layers = planned(wheel("torch", LARGE), wheel("numpy", LARGE), *cuda, wheel("a"), wheel("pip"))
    assert [layer.name for layer in layers.large] == [
        f"bytecode: {one}" for one in ("Python 3.12.16", "torch 1", "numpy 1")
    ]
    (small,) = layers.small
    assert small.name == "bytecode: 2 small ones"
    assert [one.artifact.name for one in layers.inputs[str(small.key)]] == [wheel("a").filename]


def test_of_many_large_wheels_the_first_have_layers_of_their_own_and_the_others_share_one() -> None:
    layers = planned(*(wheel(f"w{number:02}", LARGE) for number in range(20)), wheel("a"))
    assert names(layers)[-3:] == ["w11 1", "8 large ones", "a 1"]
    assert len(layers.large) == 14


def test_another_small_wheel_is_another_layer_of_small_ones_alone() -> None:
    before = planned(wheel("torch", LARGE), wheel("a"), wheel("b"))
    after = planned(wheel("torch", LARGE), wheel("a"), wheel("b", version="2"))
    assert [layer.key for layer in before.large] == [layer.key for layer in after.large]
    assert [layer.key for layer in before.small] != [layer.key for layer in after.small]


def test_what_is_fetched_is_what_nobody_keeps_compiled() -> None:
    before = planned(wheel("torch", LARGE), wheel("a"), wheel("b"))
    (layer,) = before.small
    assert sorted(one.artifact.name for one in before.inputs[str(layer.key)]) == [
        wheel("a").filename,
        wheel("b").filename,
    ]
    assert isinstance(layer.source, BytecodeSource)
    packs = Nothing()
    packs.kept = frozenset({layer.source.parts[0].unit.key})
    after = planned(wheel("torch", LARGE), wheel("a"), wheel("b"), packs=packs)
    assert [one.artifact.name for one in after.inputs[str(layer.key)]] == [wheel("b").filename]


def test_a_file_that_another_wheel_has_instead_has_no_bytecode_of_its_own() -> None:
    path = "opt/venv/lib/python/site-packages/cv.py"
    clash = LockedClash(wheel=wheel("zcv").filename, over=(wheel("acv").filename,), paths=(path,))
    (layer,) = planned(wheel("acv"), wheel("zcv"), clashes=(clash,)).small
    assert isinstance(layer.source, BytecodeSource)
    assert [part.hidden for part in layer.source.parts] == [{path}, frozenset()]


@pytest.mark.parametrize(
    ("program", "release", "counts"),
    [
        (sys.executable, f"cpython-{'.'.join(map(str, sys.version_info[:3]))}", True),
        (sys.executable, "cpython-3.12.999", False),
        ("/bin/false", RELEASE, False),
        ("/nowhere/python3", RELEASE, False),
    ],
)
def test_only_a_python_of_the_very_release_is_taken(program: str, release: str, counts: bool) -> None:
    assert is_release(program, release) is counts


def test_a_program_that_says_what_is_no_text_is_none(tmp_path: Path) -> None:
    program = tmp_path / "python3"
    program.write_text("#!/bin/sh\nprintf '\\351'\n")
    program.chmod(0o755)
    assert not is_release(str(program), RELEASE)


@pytest.mark.parametrize("runs", [True, False])
def test_it_is_known_beforehand_where_nobody_can_compile(runs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def way_of(runner: Any) -> private_guest.Way:
        if not runs:
            raise InputError("programs of linux/s390x can't be run here", next_step="")
        return private_guest.Way(runner, Rung.USERNS, emulated=False, overlays=True)

    monkeypatch.setattr(compiling, "is_release", lambda *_: False)
    monkeypatch.setattr(private_guest, "way_of", way_of)
    session = cast("Any", SimpleNamespace(environment={}))
    compiler = Compiler(session, RELEASE, own_python(), cast("Any", None))
    if runs:
        compiler.check()
        return
    with pytest.raises(InputError, match="programs of linux/s390x can't be run here") as caught:
        compiler.check()
    assert "uv python install 3.12.16" in caught.value.next_step


def own_python(*below: str, archive: str = "cpython:1") -> OwnPython:
    layer, *others = (
        MAKER.compress(cast("Any", SimpleNamespace(name="p", key=partial(str, key)))) for key in (archive, *below)
    )
    return OwnPython(
        layer=layer, below=tuple(others), inputs=(), below_inputs=(), path="/opt/cpython-3.12/bin/python3.12"
    )


def test_what_the_pythons_of_two_images_compile_has_two_keys_unless_all_their_files_are_equal() -> None:
    """So that a lock with a Python of its author's poisons nothing that other projects find kept."""
    keys = {
        wheel_unit_key("0" * 64, RELEASE, python.key(RELEASE))
        for python in (
            own_python("base:1"),
            own_python("base:1"),
            own_python("base:2"),
            own_python("base:1", archive="cpython:evil"),
        )
    }
    assert len(keys) == 3
