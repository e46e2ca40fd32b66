"""What `uv pip install` does over what is there is what uv resolves where that goes before newer versions."""

import random
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import uv
from support.pip_universe import NAMES, made_up, requirement
from support.wheels import make_wheel

from cogpack.errors import InputError
from cogpack.requirements.model import LocalLinks, Options, Requirements
from cogpack.resolve.wheels.compile import Uv, WheelQuestion
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import resolve_wheels
from cogpack.resolve.wheels.target import TargetPython

pytestmark = pytest.mark.slow

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.mark.parametrize("seed", [3, 4])
def test_uv_keeps_what_is_there_and_fits(seed: int, tmp_path: Path) -> None:
    """Over made-up packages, each line over what those before it left. (Of 425 such lines, none differed.)"""
    wheels = tmp_path / "wheels"
    for one in made_up(seed, 0).releases:
        if not one.source:
            make_wheel(wheels, one.name, one.version, requires=one.requires, extras=one.extras, python=one.python)
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/*/site-packages")
    chance = random.Random(seed)
    changed = 0
    for _ in range(5):
        before = there(site)
        lines = [requirement(chance, NAMES) for _ in range(chance.choice((1, 1, 2, 3)))]
        upgrade, dependencies = chance.random() < 0.3, chance.random() > 0.15
        expected = resolved(lines, {} if upgrade else before, wheels, tmp_path, dependencies=dependencies)
        options = [*(["-U"] if upgrade else []), *([] if dependencies else ["--no-deps"])]
        command = [uv.find_uv_bin(), "pip", "install", "--python", str(tmp_path / "venv/bin/python"), *options, *lines]
        command += ["--no-index", "--find-links", str(wheels), "--cache-dir", str(tmp_path / "cache"), "--no-config"]
        done = subprocess.run(command, capture_output=True, check=False)
        assert there(site) == before | (expected or {}), lines
        assert (done.returncode == 0) == (expected is not None), done.stderr
        changed += there(site) != before
    assert changed > 1


def there(site: Path) -> dict[str, str]:
    stems = (path.name.removesuffix(".dist-info").partition("-") for path in site.glob("*.dist-info"))
    return {name: version for name, _, version in stems}


def resolved(
    lines: list[str], before: dict[str, str], wheels: Path, root: Path, *, dependencies: bool
) -> dict[str, str] | None:
    links = LocalLinks(directory=str(wheels), path="", line=0)
    found = Requirements(options=Options(no_index=True), local_links=(links,))
    try:
        chosen = resolve_wheels(
            WheelQuestion(requirements=lines, dependencies=dependencies, root=root, preferences=before),
            Uv(
                target=TargetPython(python=PYTHON, glibc="2.36", arch="amd64"),
                indexes=Indexes.from_environment({}, found, root),
                cache=root / "scratch",
                metadata=root / "metadata",
            ),
        )
    except InputError:
        return None
    return {wheel.name: wheel.version for wheel in chosen.wheels}
