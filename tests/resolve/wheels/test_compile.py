"""uv is called to resolve; what stands in the way of that is told."""

from pathlib import Path

import pytest

from cogpack.errors import InputError
from cogpack.requirements import Requirements
from cogpack.resolve.wheels import Indexes, TargetPython
from cogpack.resolve.wheels.compile import compile_lock


def test_a_uv_without_its_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> str:
        raise FileNotFoundError("nowhere")

    monkeypatch.setattr("uv.find_uv_bin", find)
    with pytest.raises(InputError, match="uv is installed without its program: nowhere") as caught:
        compile_lock(
            ["one"],
            [],
            target=TargetPython(python="3.12", glibc="2.36", arch="amd64"),
            indexes=Indexes.from_environment({}, Requirements()),
            exclude_newer=None,
            preferences=[],
            cache=tmp_path,
            metadata=tmp_path,
        )
    assert "install cogpack anew" in (caught.value.next_step or "")
