"""The Python of an image is whatever a lock names: what it finds of this machine while it compiles, rung by rung."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.guests import EVERY_RUNG, need
from support.private_guests import runner
from support.program_tree import make_tree

from cogpack.config import StepLimits
from cogpack.errors import InputError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.content import Bytes, LocalFile
from cogpack.layers.entry import Directory, Entry, File
from cogpack.planning.guest_python import compile_in_guest
from cogpack.planning.own_python import OwnPython
from cogpack.planning.private_guest import way_of
from cogpack.sandbox.rungs.choice import Rung

pytestmark = pytest.mark.slow

PLACE = "/var/tmp/cogpack-bytecode"
PROGRAMS = {
    "copies": f"cp {PLACE}/0.in {PLACE}/0.out",
    "copies more": f"cat {PLACE}/0.in {PLACE}/0.in > {PLACE}/0.out",
    "looks": "cat {secret}; env; cat /proc/*/environ; exit 3",
    "links": f"ln -s {{secret}} {PLACE}/0.out",
    "claims": f"head -c 0 /dev/zero > {PLACE}/0.out; perl -e 'truncate(\"{PLACE}/0.out\", 3_000_000_000)'",
    "says nothing": "true",
}


class OfZfs:
    """Is a file's status, as ZFS has it of what was just written: no block of it is counted yet."""

    st_blocks = 1

    def __init__(self, found: os.stat_result) -> None:
        self._found = found

    def __getattr__(self, name: str) -> object:
        return getattr(self._found, name)


class Programs:
    """Gives /bin/sh and a few programs, and scripts that a lock calls Python."""

    name = "programs"

    def __init__(self, tree: Path, secret: Path) -> None:
        self._tree = tree
        self._secret = secret

    def key(self) -> str:
        return "programs"

    def entries(self) -> Iterator[Entry]:
        yield Directory("tmp", 0o1777)
        for path in sorted(one for one in self._tree.rglob("*") if one.is_file()):
            yield File(path.relative_to(self._tree).as_posix(), LocalFile.of(path), 0o755)
        for name, script in PROGRAMS.items():
            yield File(f"opt/{name}", Bytes(f"#!/bin/sh\n{script.format(secret=self._secret)}\n".encode()), 0o755)


@EVERY_RUNG
def test_it_reads_the_sources_and_nothing_of_this_machine_and_only_plain_files_of_it_count(
    rung: Rung, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(rung, tmp_path)
    secret = tmp_path / "credentials"
    secret.write_text("secret")
    monkeypatch.setenv("TOKEN", "secret")
    tree = make_tree(tmp_path / "programs", ("sh", "cat", "cp", "env", "head", "ln", "perl"))
    layer = BuiltLayer(Programs(tree, secret), Gzip())
    (tmp_path / "trees").mkdir()
    seen = runner(tmp_path, StepLimits(time=60), isolation=rung.value)
    way = way_of(seen)

    def compiled(name: str) -> tuple[int, str, Path]:
        place = tmp_path / name
        place.mkdir()
        (place / "0.in").write_bytes(b"sources" * 100)
        own = OwnPython(layer=layer, below=(), inputs=(), below_inputs=(), path=f"/opt/{name}")
        return *compile_in_guest(own, way, place, 1, "cpython-3.13.5"), place / "0.out"

    status, _, out = compiled("copies")
    assert (status, out.read_bytes()) == (0, b"sources" * 100)
    with monkeypatch.context() as context:
        real = os.fstat
        context.setattr(os, "fstat", lambda file: OfZfs(real(file)))
        status, _, out = compiled("copies more")
    assert (status, out.read_bytes()) == (0, b"sources" * 200)
    status, said, out = compiled("looks")
    assert status == 3
    assert "secret" not in said
    for name in ("links", "claims", "says nothing"):
        with pytest.raises(InputError, match=r"left no|plain file"):
            compiled(name)
        assert not (tmp_path / name / "0.out").exists()
    assert not [path for path in (tmp_path / "trees").iterdir() if path.name.startswith(".")]
