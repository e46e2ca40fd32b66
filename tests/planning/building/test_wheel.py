"""A built wheel is the same bytes wherever its files are the same, and is what its source was to be."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from support.wheels import make_wheel

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.placing import wheel_files
from cogpack.locking.wheels.building import Source
from cogpack.planning.building.wheel import canonical
from cogpack.resolve.wheels.target import TargetPython

TARGET = TargetPython(python="3.12", glibc="2.41", arch="amd64")


def kept(path: Path, *, name: str = "", version: str = "", pure: bool = False) -> bytes:
    source = Source(title="demo 1.0", path=path, name=name, version=version)
    return b"".join(canonical(LocalFile.of(path), path.name, source, TARGET, pure=pure))


def test_neither_order_nor_dates_nor_compression_count(tmp_path: Path) -> None:
    files = {"demo/b.py": b"b" * 5000, "demo/a.py": b"a", "demo/__pycache__/a.cpython-312.pyc": b""}
    other = dict(reversed([*files.items()]))
    one = make_wheel(tmp_path / "one", "demo", files=files, executable=frozenset({"demo/a.py"}))
    two = make_wheel(
        tmp_path / "two", "demo", files=other, executable=frozenset({"demo/a.py"}), method=zipfile.ZIP_STORED
    )
    data = kept(one)
    assert data == kept(two)
    # No library has a say in it, so it is what it is for ever.
    assert hashlib.sha256(data).hexdigest() == "86cf0dad95fc5fbb636cdfad4ac19cd130410e0a5d151f130c7ada5c3c4d2fc3"


def test_it_can_be_installed_and_its_record_is_true(tmp_path: Path) -> None:
    lying = {"demo-1.0.dist-info/RECORD": b"demo.py,sha256=AAAA,17\ngone.py,,\n"}
    path = make_wheel(tmp_path / "built", "demo", entry_points="[console_scripts]\ndemo = demo:main\n", raw=lying)
    (tmp_path / path.name).write_bytes(kept(path))
    with zipfile.ZipFile(tmp_path / path.name) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "demo-1.0.dist-info/RECORD"
        assert "gone.py" not in archive.read("demo-1.0.dist-info/RECORD").decode()
        assert {one.date_time for one in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    installed = {file.path for file in wheel_files(LocalFile.of(tmp_path / path.name), path.name)}
    assert {"opt/venv/bin/demo", "opt/venv/lib/python/site-packages/demo.py"} <= installed


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"../../etc/cron.d/x": b""}, "not a relative path"),
        ({"/etc/passwd": b""}, "not a relative path"),
        ({"demo-1.0.data/scripts/../../../x": b""}, "not a relative path"),
        ({"demo-1.0.dist-info/METADATA": b"Name: other\nVersion: 1.0\n"}, "its METADATA is of other 1.0"),
        ({"demo-1.0.dist-info/METADATA": b"Name: demo\nVersion: 2.0\n"}, "its METADATA is of demo 2.0"),
        ({"demo-1.0.dist-info/METADATA": b"Name: demo\nVersion: 1.0 beta what\n"}, "its METADATA says version"),
        ({"demo-1.0.dist-info/WHEEL": b"Wheel-Version: 9.0\n"}, "wheel format version '9.0'"),
    ],
)
def test_what_is_unsafe_or_of_two_minds_is_refused(tmp_path: Path, raw: dict[str, bytes], why: str) -> None:
    with pytest.raises(InputError, match=why):
        kept(make_wheel(tmp_path, "demo", raw=raw))


def test_it_is_of_the_project_and_version_that_were_asked_for(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, "Demo.Thing", "1.0.post1")
    assert kept(path, name="demo-thing", version="1.0-1")
    with pytest.raises(InputError, match=r"its source builds demo-thing 1\.0\.post1, expected demo-thing 1\.0"):
        kept(path, name="demo-thing", version="1.0")
    with pytest.raises(InputError, match="expected other"):
        kept(path, name="other")


def test_it_fits_the_image(tmp_path: Path) -> None:
    assert kept(make_wheel(tmp_path, "demo", tag="cp312-cp312-linux_x86_64"))
    for tag in ("cp312-cp312-linux_aarch64", "cp311-cp311-linux_x86_64", "py3-none-macosx_11_0_arm64"):
        with pytest.raises(InputError, match=r"none of what Python 3\.12 on x86_64 takes"):
            kept(make_wheel(tmp_path, "demo", tag=tag))


def test_what_this_machine_compiled_is_not_taken_for_any(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"demo 1\.0: its wheel, demo.*, is for one platform"):
        kept(make_wheel(tmp_path / "one", "demo", tag="cp312-cp312-linux_x86_64"), pure=True)
    with pytest.raises(InputError, match=r"demo/_c\.so of its wheel is machine code"):
        kept(make_wheel(tmp_path / "two", "demo", files={"demo/_c.so": b"\x7fELF..."}), pure=True)
