"""The weights of a project, before they are split."""

from pathlib import Path
from typing import cast

import pytest

from cogpack.errors import MismatchError
from cogpack.lockfile import Lock
from cogpack.planning.recipes.weights import _own
from cogpack.project import find_project


def test_a_link_that_took_the_place_of_a_directory_brings_no_weights_from_outside(tmp_path: Path) -> None:
    for name in ("project/model", "outside"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "w.pt").write_bytes(name.encode() * 200_000)
    (tmp_path / "project/cog.yaml").touch()
    project = find_project(tmp_path / "project")
    (file,) = project.weights
    rules, lock = project.split_rules({}), cast("Lock", None)  # it is asked of git-lfs pointers alone
    assert _own(project, lock, rules, file, 1 << 30).weight.size == file.size
    (tmp_path / "project/model").rename(tmp_path / "away")
    (tmp_path / "project/model").symlink_to(tmp_path / "outside")
    with pytest.raises(MismatchError, match=r"model/w\.pt: changed while it was read"):
        _own(project, lock, rules, file, 1 << 30)
