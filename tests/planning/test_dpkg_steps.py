"""Packages whose scripts nobody stands in for are installed by dpkg, as a step of their own over the base alone."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from support.debs import deb, deb_file
from support.private_guests import runner
from support.programs_base import PROGRAMS, programs_base

from cogpack.config import RunStep, StepLimits
from cogpack.digest import DiffID, Digest
from cogpack.errors import InputError
from cogpack.formats import FORMATS
from cogpack.layers.built import BaseLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.debs.deb.package import DebFile
from cogpack.lockfile import Results
from cogpack.oci import Descriptor, LayerInfo
from cogpack.planning.steps import run as run_steps
from cogpack.planning.steps.changes import Recorded, StepChanges
from cogpack.planning.steps.steps import Steps, dpkg_steps
from cogpack.sandbox.guest import Guest
from cogpack.sandbox.rungs.choice import probe

APT = """#!/bin/sh
# Stands for apt: what it is given is there, and there is no network.
for word in "$@"; do case $word in *.deb) cat "$word" > "/var/lib/${word##*/}"; echo "${word##*/}" ;; esac; done
cat /var/lib/*.deb > /dev/null && [ "$DEBIAN_FRONTEND" = noninteractive ] || exit 100
"""
LDCONFIG = "#!/bin/sh\nls /var/lib > /etc/ld.so.cache\n"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseLayer:
    found = io.BytesIO(programs_base(tmp_path_factory.mktemp("programs"), PROGRAMS))
    with tarfile.open(fileobj=found, mode="a") as archive:
        for name, script in (("apt-get", APT), ("ldconfig", LDCONFIG)):
            member = tarfile.TarInfo(f"bin/{name}")
            member.mode, member.size = 0o755, len(script.encode())
            archive.addfile(member, io.BytesIO(script.encode()))
    plain = found.getvalue()
    data = gzip.compress(plain, 1, mtime=0)
    digest = Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
    info = LayerInfo(
        descriptor=Descriptor(media_type="application/vnd.oci.image.layer.v1.tar+gzip", digest=digest, size=len(data)),
        diff_id=DiffID(Digest(f"sha256:{hashlib.sha256(plain).hexdigest()}")),
    )
    return BaseLayer("base", info, lambda _: iter((data,)), ())


@pytest.fixture
def debs(tmp_path: Path) -> list[DebFile]:
    (tmp_path / "debs").mkdir()
    return [deb_file(tmp_path / "debs", name, deb(name)) for name in ("one", "two")]


def changes(steps: Steps, directory: Path) -> StepChanges:
    own = msgspec.structs.replace(
        runner(directory, StepLimits()),
        secrets={},
        places=("cog.yaml:4: build.system_packages",),
        variables={},
        proot=lambda _, __: pytest.skip("namespaces or root are needed"),
    )
    return StepChanges(steps, lambda _, __: Gzip(), Recorded(None, Results()), FORMATS[2], own)


@pytest.mark.slow
def test_dpkg_has_the_packages_and_nothing_of_them_stays(base: BaseLayer, debs: list[DebFile], tmp_path: Path) -> None:
    steps = dpkg_steps(debs, [base])
    assert steps is not None
    assert steps.name == "dpkg: one, two"
    found = {path for path, _ in changes(steps, tmp_path).try_run().items()}
    assert "etc/ld.so.cache" in found, "written anew of all, whatever they trigger"
    assert {path for path in found if path.endswith(".deb")} == {"var/lib/one.deb", "var/lib/two.deb"}
    assert not {path for path in found if path.startswith("run/") or "site-packages" in path}


@pytest.mark.slow
def test_a_package_that_fails_is_told_by_its_key(base: BaseLayer, debs: list[DebFile], tmp_path: Path) -> None:
    steps = dpkg_steps(debs, [base])
    assert steps is not None
    broken = msgspec.structs.replace(steps, environment={"PATH": "/bin"})
    with pytest.raises(
        InputError, match=r"cog.yaml:4: build.system_packages: apt-get install .* ended with 100"
    ) as told:
        changes(broken, tmp_path).try_run()
    assert "in build.run, where there is a network" in told.value.next_step


@pytest.mark.slow
def test_steps_see_what_dpkg_installed(base: BaseLayer, debs: list[DebFile], tmp_path: Path) -> None:
    steps = dpkg_steps(debs, [base])
    assert steps is not None
    changes(steps, tmp_path).run({})
    again = dpkg_steps([debs[1]], [base, *changes(steps, tmp_path).layers])
    assert again is not None
    assert "var/lib/one.deb" not in changes(again, tmp_path).try_run()  # it was there


def test_where_packages_can_not_be_installed_it_is_told_what_spares_them(
    base: BaseLayer, debs: list[DebFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise InputError("no rung", next_step="either helps")

    monkeypatch.setattr(run_steps, "choose_rung", refuse)
    steps = dpkg_steps(debs, [base], instead="less")
    assert steps is not None
    with pytest.raises(InputError, match="no rung") as told:
        changes(steps, tmp_path).try_run()
    assert told.value.next_step == "either helps; or write less"


def test_packages_and_the_base_name_the_changes(base: BaseLayer, debs: list[DebFile]) -> None:
    one, both = dpkg_steps(debs[:1], [base]), dpkg_steps(debs, [base])
    assert one is not None
    assert both is not None
    assert len({one.key, both.key, (dpkg_steps(debs[::-1], [base]) or one).key}) == 2
    assert dpkg_steps([], [base]) is None


@pytest.mark.slow
def test_commands_have_no_metadata_and_packages_no_network(
    base: BaseLayer, debs: list[DebFile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if probe(tmp_path).listener is not None:
        pytest.skip("this machine has no seccomp listener")
    asked = []

    class Noting(Guest):
        def __init__(self, *arguments: Any, network: bool, metadata: bool, **options: Any) -> None:
            asked.append((network, metadata))
            super().__init__(*arguments, network=network, metadata=metadata, **options)

    monkeypatch.setattr(run_steps, "Guest", Noting)
    steps = dpkg_steps(debs, [base])
    assert steps is not None
    changes(steps, tmp_path).try_run()
    line = msgspec.structs.replace(steps, commands=(RunStep(command="true"),), numbers=(1,), debs=())
    changes(line, tmp_path).try_run()
    assert asked == [(False, False)] * 2 + [(True, False)]
