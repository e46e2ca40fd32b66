"""uv is called to resolve; what stands in the way of that is told."""

from pathlib import Path

import pytest
from support.fake_http import serving

from cogpack.errors import InputError, UnavailableError
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


_FILE = '{"filename": "one-1.0-py3-none-any.whl", "url": "one-1.0-py3-none-any.whl", "hashes": {}, "size": %s}'
_PAGE = '{"meta": {"api-version": "1.1"}, "name": "one", "files": [' + _FILE + "]}"


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        *((_PAGE % size, "application/vnd.pypi.simple.v1+json") for size in ("1e400", "-1", "9" * 5000)),
        ("<html>log in</html>", "application/vnd.pypi.simple.v1+json"),
        ("log in", "text/plain"),
    ],
)
def test_a_page_that_is_none_is_the_fault_of_the_index_and_not_of_who_requires_something(
    page: str, kind: str, tmp_path: Path
) -> None:
    with serving(lambda _: (200, {"Content-Type": kind}, page.encode())) as fake:
        places = {"UV_DEFAULT_INDEX": f"{fake.url}/simple", "UV_HTTP_RETRIES": "0"}
        with pytest.raises(UnavailableError, match=r"a page of a package index can't be read: .*/simple/one/") as told:
            compile_lock(
                ["one"],
                [],
                target=TargetPython(python="3.12", glibc="2.36", arch="amd64"),
                indexes=Indexes.from_environment(places, Requirements()),
                exclude_newer=None,
                preferences=[],
                cache=tmp_path / "scratch",
                metadata=tmp_path / "uv",
            )
    assert told.value.next_step.startswith("check the index's address")
