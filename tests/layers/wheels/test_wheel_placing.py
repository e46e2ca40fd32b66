"""Where a wheel's files go: as pip puts them, into an environment that names no Python minor."""

import csv
import importlib.util
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from support.wheels import make_wheel, record_row, wheel_file

from cogpack.errors import InputError
from cogpack.layers.content import LocalFile, Spliceable
from cogpack.layers.entry import Directory, Entry, File, Symlink, complete
from cogpack.layers.wheels.outline import Outline
from cogpack.layers.wheels.placing import wheel_files
from cogpack.layers.wheels.source import WheelsSource
from cogpack.layers.wheels.venv import VenvSource

FULL = {
    "full/__init__.py": b"def main():\n    print('ran full')\n",
    "full/tool": b"#!/bin/sh\n",
    "full/data, with comma.txt": b"x",
    "full/__pycache__/__init__.cpython-313.pyc": b"stale",
    "full-1.0.data/purelib/pure.py": b"PURE = 1\n",
    "full-1.0.data/platlib/plat.so": b"\x7fELF" + bytes(3000),
    "full-1.0.data/scripts/old-script": b"#!python -E\nprint('old')\n",
    "full-1.0.data/scripts/shell": b"#!/bin/sh\necho hi\n",
    "full-1.0.data/scripts/binary": b"\x7fELF" + bytes(range(256)) * 20,
    "full-1.0.data/headers/full.h": b"#define FULL\n",
    "full-1.0.data/data/share/full/x.txt": b"shared",
    "full-1.0.data/data/etc/full.conf": b"conf",
}
ENTRY_POINTS = "[console_scripts]\nfull = full:main\n[gui_scripts]\nfull-gui = full:main\n[other]\nx = y\n"


@pytest.fixture
def full(tmp_path: Path) -> Path:
    executable = frozenset({"full/tool", *(path for path in FULL if "/scripts/" in path)})
    return make_wheel(tmp_path / "wheels", "full", files=FULL, executable=executable, entry_points=ENTRY_POINTS)


def installed(wheel: Path) -> dict[str, File]:
    return {file.path: file for file in wheel_files(LocalFile.of(wheel), wheel.name)}


def wheel_outline(wheel: Path) -> Outline:
    data = wheel.read_bytes()
    return Outline(wheel.name, lambda offset, size: data[offset : offset + size], len(data))


def read(file: File) -> bytes:
    with file.content.open() as stream:
        return stream.read()


def fault(wheel: Path) -> str:
    with pytest.raises(InputError) as caught:
        wheel_files(LocalFile.of(wheel), wheel.name)
    assert caught.value.message.startswith(f"{wheel.name}: ")
    assert caught.value.next_step
    return caught.value.message


def test_every_kind_of_file_has_its_place_and_mode(full: Path) -> None:
    site, info = "opt/venv/lib/python/site-packages", "opt/venv/lib/python/site-packages/full-1.0.dist-info"
    assert {path: file.mode for path, file in installed(full).items()} == {
        f"{site}/full/__init__.py": 0o644,
        f"{site}/full/tool": 0o755,
        f"{site}/full/data, with comma.txt": 0o644,
        f"{site}/pure.py": 0o644,
        f"{site}/plat.so": 0o644,
        f"{info}/METADATA": 0o644,
        f"{info}/WHEEL": 0o644,
        f"{info}/entry_points.txt": 0o644,
        f"{info}/RECORD": 0o644,
        f"{info}/INSTALLER": 0o644,
        "opt/venv/bin/full": 0o755,
        "opt/venv/bin/full-gui": 0o755,
        "opt/venv/bin/old-script": 0o755,
        "opt/venv/bin/shell": 0o755,
        "opt/venv/bin/binary": 0o755,
        "opt/venv/include/site/full/full.h": 0o644,
        "opt/venv/share/full/x.txt": 0o644,
        "opt/venv/etc/full.conf": 0o644,
    }


def test_scripts_run_the_environments_python(full: Path) -> None:
    files = installed(full)
    assert read(files["opt/venv/bin/full"]).startswith(b"#!/opt/venv/bin/python3\n")
    assert b"from full import main" in read(files["opt/venv/bin/full"])
    assert read(files["opt/venv/bin/old-script"]) == b"#!/opt/venv/bin/python3\nprint('old')\n"
    assert read(files["opt/venv/bin/shell"]) == b"#!/bin/sh\necho hi\n"


def test_contents_are_spliced_where_the_wheel_has_them_deflated(full: Path) -> None:
    files = installed(full)
    content = files["opt/venv/bin/binary"].content
    assert isinstance(content, Spliceable)
    assert content.deflated() is not None
    assert not isinstance(files["opt/venv/bin/old-script"].content, Spliceable)


def test_record_lists_every_file_with_its_true_hash(full: Path) -> None:
    files = installed(full)
    rows = read(files["opt/venv/lib/python/site-packages/full-1.0.dist-info/RECORD"]).decode().splitlines()
    assert list(csv.reader(rows)) == sorted(csv.reader(rows))
    site = "/opt/venv/lib/python/site-packages"
    found = {os.path.normpath(f"{site}/{row[0]}").removeprefix("/"): row for row in csv.reader(rows)}
    assert found.keys() == files.keys()
    for path, row in found.items():
        if path.endswith("/RECORD"):
            assert row[1:] == ["", ""]
        else:
            assert ",".join(row[1:]) == record_row("", read(files[path])).strip().lstrip(",")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="this Python has no pip to compare with")
def test_pip_installs_the_same_files(full: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--no-index"]
    options = ["--root", str(root), "--prefix", "/opt/venv", "--ignore-installed", "--disable-pip-version-check"]
    subprocess.run([*command, *options, "--no-warn-script-location", str(full)], check=True, capture_output=True)
    minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
    theirs = {
        str(path.relative_to(root)).replace(f"lib/{minor}/", "lib/python/").replace(f"site/{minor}/", "site/"): path
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    ours = installed(full)
    by_who = {name for name in (*theirs, *ours) if name.endswith(("/RECORD", "/INSTALLER", "/REQUESTED", "_url.json"))}
    assert theirs.keys() - by_who == ours.keys() - by_who
    for name in ours.keys() - by_who:
        assert bool(theirs[name].stat().st_mode & 0o100) == (ours[name].mode == 0o755), name
        data = theirs[name].read_bytes()
        if name.startswith("opt/venv/bin/full"):  # launchers: each has its own words
            continue
        assert data.partition(b"\n")[2] == read(ours[name]).partition(b"\n")[2], name
        if b"python" not in data.partition(b"\n")[0]:
            assert data == read(ours[name]), name


def unpack(entries: list[Entry], root: Path) -> None:
    for entry in entries:
        path = root / entry.path
        match entry:
            case Directory():
                path.mkdir(exist_ok=True)
            case Symlink():
                path.symlink_to(entry.target)
            case File():
                path.write_bytes(read(entry))
                path.chmod(entry.mode)


@pytest.mark.slow
def test_the_environment_works_in_a_real_python(full: Path, tmp_path: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    venv = VenvSource(python=version, interpreter=os.path.realpath(sys.executable))
    root = tmp_path / "root"
    root.mkdir()
    unpack(complete(venv.entries(), {}), root)
    unpack(complete(WheelsSource([wheel_file(full)]).entries(), {}), root)
    code = (
        "import sys, full, pure, importlib.metadata as m, os\n"
        "d = m.distribution('full')\n"
        "print(sys.prefix != sys.base_prefix, d.version, d.read_text('INSTALLER').strip())\n"
        "print(all(f.locate().exists() for f in d.files), len(d.files))\n"
        "print(os.path.realpath(full.__file__).endswith('lib/python/site-packages/full/__init__.py'))\n"
    )
    for name in ("python", "python3", f"python{version}"):
        command = [str(root / "opt/venv/bin" / name), "-I", "-B", "-c", code]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert done.stdout.split() == ["True", "1.0", "cogpack", "True", "18", "True"]


def test_scripts_may_be_run_whatever_mode_the_wheel_gives_them(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "a", files={"a-1.0.data/scripts/s": b"#!/bin/sh\n"})
    assert installed(wheel)["opt/venv/bin/s"].mode == 0o755


def test_a_launcher_beside_its_entry_point_gives_way(tmp_path: Path) -> None:
    files = {"a.py": b"def main(): pass\n", "a-1.0.data/scripts/a": b"#!python\nold\n"}
    wheel = make_wheel(tmp_path, "a", files=files, entry_points="[console_scripts]\na = a:main\n")
    assert b"from a import main" in read(installed(wheel)["opt/venv/bin/a"])


def test_where_a_wheel_was_made_of_is_written_beside_it_and_recorded(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "a", raw={"a-1.0.dist-info/direct_url.json": b"theirs"})
    files = {file.path: file for file in wheel_files(LocalFile.of(wheel), wheel.name, b"{}")}
    info = "opt/venv/lib/python/site-packages/a-1.0.dist-info"
    assert read(files[f"{info}/direct_url.json"]) == b"{}"
    assert "a-1.0.dist-info/direct_url.json,sha256=" in read(files[f"{info}/RECORD"]).decode()


def test_signatures_and_notes_of_other_installers_are_left_out(tmp_path: Path) -> None:
    names = ("INSTALLER", "REQUESTED", "direct_url.json", "RECORD.jws", "RECORD.p7s")
    wheel = make_wheel(tmp_path, "a", raw={f"a-1.0.dist-info/{name}": b"theirs" for name in names})
    files = installed(wheel)
    assert sorted(path.rpartition("/")[2] for path in files) == ["INSTALLER", "METADATA", "RECORD", "WHEEL", "a.py"]
    assert read(files["opt/venv/lib/python/site-packages/a-1.0.dist-info/INSTALLER"]) == b"cogpack\n"


def test_data_files_never_go_through_the_environments_links(tmp_path: Path) -> None:
    files = {f"a-1.0.data/data/{path}": b"x" for path in ("lib64/a.so", "lib/python3.13/site-packages/a.pth", "lib/b")}
    paths = installed(make_wheel(tmp_path, "a", files=files))
    assert "opt/venv/lib/a.so" in paths
    assert "opt/venv/lib/python/site-packages/a.pth" in paths
    assert "opt/venv/lib/b" in paths


@pytest.mark.parametrize(
    "path",
    [
        *("data/pyvenv.cfg", "data/bin/python", "data/bin/python3", "data/bin/python3.13", "data/lib64", "data/lib"),
        *(
            "data/bin",
            "data/lib/python3.13",
            "data/lib/python3.13/site-packages",
            "scripts/python",
            "scripts/python3/x",
        ),
    ],
)
def test_no_wheel_replaces_a_part_of_the_environment(tmp_path: Path, path: str) -> None:
    wheel = make_wheel(tmp_path, "a", files={f"a-1.0.data/{path}": b"x"})
    assert "would replace a part of the virtual environment" in fault(wheel)


@pytest.mark.parametrize("name", ["a/b", "..", "python3", ".wh.x", "a\u2028b"])
def test_an_entry_point_with_a_strange_name_is_refused(tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path, "a", entry_points=f"[console_scripts]\n{name} = a:main\n")
    assert "entry_points.txt" in fault(wheel) or "no name for a script" in fault(wheel)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[console_scripts]\na = b\n",
            "[console_scripts]\na = b:c d\n",
            "a = b",
            "[console_scripts]\na=%(x)s\n",
            "[x",
        ),
        *("[console_scripts]\na = b:c\na = b:d\n", "[console_scripts]\na = os;system:x\n"),
    ],
)
def test_broken_entry_points_are_refused(tmp_path: Path, text: str) -> None:
    assert "entry_points.txt can't be read" in fault(make_wheel(tmp_path, "a", entry_points=text))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"b-1.0.dist-info/METADATA": b""}, "expected one .dist-info directory, found a-1.0.dist-info, b-1.0.dist-"),
        ({"a-1.0.dist-info/WHEEL": b"Wheel-Version: 2.0\n"}, "wheel format version '2.0'"),
        ({"a-1.0.dist-info/WHEEL": b""}, "wheel format version ''"),
        ({"a-1.0.dist-info/WHEEL": b"\xff"}, "WHEEL is not UTF-8"),
        ({"a-1.0.dist-info/RECORD": b"a.py,,\nonly,two\n"}, "RECORD can't be read"),
        ({"a-1.0.data/nowhere/x": b""}, "SCHEME one of data, headers, platlib, purelib, scripts"),
    ],
)
def test_a_wheel_that_is_none_is_refused(tmp_path: Path, raw: dict[str, bytes], message: str) -> None:
    assert message in fault(make_wheel(tmp_path, "a", raw=raw))


def test_a_wheel_with_another_projects_metadata_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "a")
    assert "a-1.0.dist-info belongs to another project" in fault(wheel.rename(tmp_path / "b-1.0-py3-none-any.whl"))


def test_a_script_too_large_to_rewrite_is_refused(tmp_path: Path) -> None:
    script = b"#!python\n" + os.urandom(1024) * (17 * 1024)
    wheel = make_wheel(tmp_path, "a", files={"a-1.0.data/scripts/s": script})
    assert "has more than 16777216 bytes" in fault(wheel)


@pytest.mark.parametrize("size", ["7", "12", "many"])
def test_an_installed_record_tells_the_truth_whatever_the_wheels_own_says_of_a_size(tmp_path: Path, size: str) -> None:
    """torch 1.11.0 and 1.12.1 name their METADATA six bytes too long, with the hash of those bytes."""
    lie = f"a.py,sha256=bm90IHRoaXM,{size}\na-1.0.dist-info/RECORD,,\n".encode()
    files = installed(make_wheel(tmp_path, "a", raw={"a-1.0.dist-info/RECORD": lie}))
    record = read(files["opt/venv/lib/python/site-packages/a-1.0.dist-info/RECORD"]).decode()
    assert record_row("a.py", read(files["opt/venv/lib/python/site-packages/a.py"])) in record
    assert "bm90" not in record


@pytest.mark.parametrize("stem", ["Big_Case", "big_case-1.0", "big.case-1.0", "BIG-CASE-1.0", "Big-Case", "big_case-1"])
def test_a_data_directory_counts_however_the_project_is_spelled_in_it(tmp_path: Path, stem: str) -> None:
    """maturin wrote NAME.data until 2025; pip takes all of these, uv leaves them lying in site-packages."""
    script = {f"{stem}.data/scripts/hello": b"#!python\nprint(1)\n"}
    files = installed(make_wheel(tmp_path, "Big_Case", files={"big_case.py": b""} | script))
    assert read(files["opt/venv/bin/hello"]) == b"#!/opt/venv/bin/python3\nprint(1)\n"
    assert not any(".data" in path for path in files)


def test_a_member_with_a_links_mode_is_a_file_with_the_links_text_as_pip_has_it(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "a", files={"a/__init__.py": b"", "a/lib.so": b"lib.so.1"}, links=frozenset({"a/lib.so"})
    )
    file = installed(wheel)["opt/venv/lib/python/site-packages/a/lib.so"]
    assert (read(file), file.mode) == (b"lib.so.1", 0o644)


def test_of_two_files_at_one_path_the_one_of_the_data_directory_is_there_as_with_pip_and_uv(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "a", files={"a-1.0.data/purelib/a.py": b"laid last", "a.py": b"beside it"})
    files = installed(wheel)
    assert read(files["opt/venv/lib/python/site-packages/a.py"]) == b"laid last"
    record = read(files["opt/venv/lib/python/site-packages/a-1.0.dist-info/RECORD"]).decode()
    assert record.count("a.py,") == 1
    assert wheel_outline(wheel).files["opt/venv/lib/python/site-packages/a.py"].crc32 == zlib.crc32(b"laid last")


def test_a_directory_that_another_name_has_before_data_is_one_as_any_as_with_uv(tmp_path: Path) -> None:
    files = installed(make_wheel(tmp_path, "a", files={"a.py": b"", "pkg.data/scripts/x": b"#!python\n"}))
    assert read(files["opt/venv/lib/python/site-packages/pkg.data/scripts/x"]) == b"#!python\n"
    assert "opt/venv/bin/x" not in files


@pytest.mark.parametrize("first", ["console", "gui"])
def test_a_script_for_the_terminal_gives_way_to_one_with_windows_as_with_pip(tmp_path: Path, first: str) -> None:
    sections = {"console": "[console_scripts]\nx = a:f\n", "gui": "[gui_scripts]\nx = a:g\n"}
    text = sections[first] + "".join(part for name, part in sections.items() if name != first)
    files = installed(make_wheel(tmp_path, "a", entry_points=text))
    assert b"from a import g" in read(files["opt/venv/bin/x"])
