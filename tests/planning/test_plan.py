"""From the lock to layers: what no fake of a plan can show."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.supplies import no_supply

from cogpack.artifacts import Input
from cogpack.config import Config, PackOptions
from cogpack.digest import DiffID, sha256
from cogpack.errors import InputError
from cogpack.formats import FORMATS
from cogpack.images.assemble import LAYER_LIMIT
from cogpack.layers.fingerprints import Fingerprints
from cogpack.layers.listed import ListedFiles
from cogpack.layers.wheels.libraries import WheelLibraries
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.base_kinds import LockedDeb, RegistryBase, RegistryLayer, SystemPackages
from cogpack.locking.maintainer_scripts import deb_artifact
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.oci import OCI_LAYER
from cogpack.planning.plan import Plan, Suppliers, make_plan
from cogpack.planning.recipes.base import BaseSupply
from cogpack.planning.recipes.libraries import LibrarySupply
from cogpack.planning.recipes.weights import Gathered
from cogpack.progress import SILENT, Cancellation
from cogpack.project import Files
from cogpack.runtime.schema import Described

OURS = 3
"""Layers upon the base of a project with one small wheel: venv, wheels, project."""


def never(*_: object) -> Any:
    raise AssertionError("a plan reads nothing")


def planned(
    base_layers: int,
    *others: LockedWheel,
    pack: PackOptions | None = None,
    init: str | None = None,
    glibc: str = "2.36",
    debs: tuple[LockedDeb, ...] = (),
) -> Plan:
    digest = sha256(b"layer")
    layer = RegistryLayer(media_type=OCI_LAYER, digest=digest, size=5, diff_id=DiffID(digest))
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [digest] * base_layers}}
    base = RegistryBase(
        reference="registry.test/base:1",
        digest=digest,
        python="3.12",
        glibc=glibc,
        interpreter="/usr/bin/python3.12",
        init=init,
        config=json.dumps(config),
        layers=(layer,) * base_layers,
        system_packages=SystemPackages(packages=debs),
    )
    wheel = LockedWheel(
        name="cog", version="1", filename="cog-1-py3-none-any.whl", sha256=digest.removeprefix("sha256:"), size=9
    )
    return make_plan(
        Config(pack=pack or PackOptions()),
        Decisions(base=base, wheels=(wheel, *others), clashes=()),
        FORMATS[2],
        Described(b"{}", None, ()),
        Files(b"", b"", b""),
        Gathered(weights=(), layer_size=1 << 30),
        Suppliers(
            base=BaseSupply(
                package=lambda _, deb: Input(
                    supply=no_supply(), artifact=deb_artifact(deb), noun="package", urls=never
                ),
                blob=never,
                ground=never,
                spool=Path("/nowhere"),
                kept=never,
                progress=SILENT,
                cancellation=Cancellation(),
            ),
            interpreter=never,
            wheel=lambda wheel: Input(supply=no_supply(), artifact=wheel_artifact(wheel), noun="wheel", urls=never),
            libraries=LibrarySupply(wheels=WheelLibraries(), members=never, cancellation=Cancellation()),
            bytecode=never,
            steps=never,
            fetched=never,
            dpkg=never,
            hub_file=never,
            cloned=never,
            listed=partial(ListedFiles, Fingerprints(Path("/nowhere")), "/nowhere"),
            part=never,
            probe=never,
            read=never,
        ),
    )


def test_an_image_of_too_many_layers_is_refused_before_anything_is_read() -> None:
    assert len(planned(LAYER_LIMIT - OURS).layers) == LAYER_LIMIT
    with pytest.raises(InputError, match="would have 101 layers"):
        planned(LAYER_LIMIT - OURS + 1)


def test_the_first_process_is_tini_where_the_base_has_it_and_nobody_said_no() -> None:
    plan = planned(1, init="/sbin/tini")
    assert plan.run.entrypoint == ("/sbin/tini", "--")
    assert plan.run.labels["run.cog.has_init"] == "true"
    for other in (planned(1), planned(1, init="/sbin/tini", pack=PackOptions(init=False))):
        assert other.run.entrypoint == ()
        assert "run.cog.has_init" not in other.run.labels


def test_a_library_cache_lies_above_all_wheels_where_some_are_of_cuda_and_is_seen_by_steps() -> None:
    assert "library cache" not in [layer.name for layer in planned(1).layers]
    filename = "nvidia_cublas_cu12-12.4.5.8-py3-none-manylinux2014_x86_64.whl"
    cublas = LockedWheel(name="nvidia-cublas-cu12", version="12.4.5.8", filename=filename, sha256="c" * 64, size=9)
    plan = planned(1, cublas)
    assert [layer.name for layer in plan.layers][-3:] == ["wheels: cog 1", "library cache", "project"]
    assert plan.seen[-1] is plan.layers[-2]
    assert [one.artifact.name for one in plan.inputs_of(plan.layers[-2])] == [filename]


def package(name: str, size: int) -> LockedDeb:
    digest = sha256(name.encode()).removeprefix("sha256:")
    return LockedDeb(
        name=name, version="1", arch="amd64", archive="debian", path="p", size=size, sha256=digest, requested=True
    )


def test_a_large_package_is_one_layer_over_any_image_whose_usr_is_merged() -> None:
    debs = (package("large", 4_000_000), package("small", 3_999_999))
    one, other = planned(1, debs=debs), planned(2, glibc="2.41", debs=debs)
    assert [layer.name for layer in one.own][:2] == ["package: large 1", "packages: small"]
    assert one.own[0].key == other.own[0].key
    assert one.own[1].key != other.own[1].key, "what describes the whole is of one image"
    assert [one.fetched(layer) for layer in one.own[:2]] == [4_000_000, 3_999_999]
    assert planned(1, glibc="2.31", debs=debs).own[0].name == "packages: large, small"
