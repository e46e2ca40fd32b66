"""An archive of python-build-standalone as a layer: it ends as uv leaves it, and none of it is believed or run."""

import ast
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from support.interpreters import DESCRIPTION, archive_of, few_files

from cogpack.digest import sha256
from cogpack.errors import InputError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip
from cogpack.layers.content import LocalFile
from cogpack.layers.cpython import CPythonSource
from cogpack.layers.entry import Directory, Entry, File, HardLink, Symlink
from cogpack.layers.layer import Form

PREFIX = "/opt/cpython-3.12"
ROOT = "opt/cpython-3.12"
LIBRARY = f"{ROOT}/lib/python3.12"
VARIABLES = "python/lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py"


def source(data: bytes, directory: Path) -> CPythonSource:
    archive = directory / "archive"
    archive.write_bytes(data)
    return CPythonSource(
        version="3.12.16",
        sha256=sha256(data).removeprefix("sha256:"),
        prefix=PREFIX,
        archive=lambda: LocalFile.of(archive),
        spool=directory,
    )


def entries(data: bytes, directory: Path) -> dict[str, Entry]:
    return {entry.path: entry for entry in source(data, directory).entries()}


def content(entry: Entry) -> bytes:
    assert isinstance(entry, File)
    with entry.content.open() as stream:
        return stream.read()


def variables(text: str, directory: Path) -> dict[str, Any]:
    found = entries(archive_of({**few_files(), VARIABLES: text.encode()}), directory)
    (name,) = [path for path in found if "_sysconfigdata_" in path]
    (value,) = [node.value for node in ast.parse(content(found[name])).body if isinstance(node, ast.Assign)]
    return dict(ast.literal_eval(value))


def test_it_ends_as_uv_leaves_one_that_it_installs(tmp_path: Path) -> None:
    found = entries(archive_of(few_files(), programs={"python/bin/python3.12"}), tmp_path)
    assert found.pop(f"{ROOT}/bin/python") == Symlink(f"{ROOT}/bin/python", "python3.12")
    assert found.pop(f"{ROOT}/bin/python3") == Symlink(f"{ROOT}/bin/python3", "python3.12")
    assert content(found.pop(f"{LIBRARY}/EXTERNALLY-MANAGED")).startswith(b"[externally-managed]\nError=")
    program = found.pop(f"{ROOT}/bin/python3.12")
    assert isinstance(program, File)
    assert (program.mode, program.uid, program.gid, content(program)) == (0o755, 0, 0, b"\x7fELF")
    description = found.pop(f"{ROOT}/lib/pkgconfig/python-3.12.pc")
    assert content(description).decode() == DESCRIPTION.replace("=/install", "=${pcfiledir}/../..")
    assert sorted(found) == [f"{LIBRARY}/_sysconfigdata__linux_x86_64-linux-gnu.py", f"{LIBRARY}/os.py"]
    module = found[f"{LIBRARY}/os.py"]
    assert isinstance(module, File)
    assert module.mode == 0o644


def test_extensions_are_built_by_the_compiler_that_is_there_and_for_the_place_where_it_lies(tmp_path: Path) -> None:
    found = variables(few_files()[VARIABLES].decode(), tmp_path)  # type: ignore[union-attr]
    assert found == {
        "AR": "ar",
        "BINDIR": f"{PREFIX}/bin",
        "CC": "cc -pthread",
        "CONFINCLUDEPY": f"{PREFIX}/include/python3.12",
        "CXX": "c++ -pthread",
        "LDSHARED": f"cc -pthread -shared -L{PREFIX}/lib -Wl,-O1",
        "LIBDIR": f"{PREFIX}/lib",
        "PYTHON_BUILD_STANDALONE": 1,
        "Py_DEBUG": 0,
        "prefix": PREFIX,
    }


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("CC", "/usr/bin/aarch64-linux-gnu-gcc -pthread", "cc -pthread"),
        ("CXX", "/usr/bin/x86_64-linux-gnu-g++", "c++"),
        ("LINKCC", "musl-clang", "cc"),
        ("CFLAGS", "-O3 clang -I/install/include", f"-O3 clang -I{PREFIX}/include"),
        ("CPPFLAGS", "-I/tools/deps/include", "-I/tools/deps/include"),
        ("A", "/installed /install", f"/installed {PREFIX}"),
        ("B", "-Wl,-rpath,/install/lib:/install", f"-Wl,-rpath,{PREFIX}/lib:{PREFIX}"),
        ("C", "x/install", "x/install"),
    ],
)
def test_other_words_of_its_variables_are_as_they_were(name: str, before: str, after: str, tmp_path: Path) -> None:
    assert variables(f"build_time_vars = {{{name!r}: {before!r}}}", tmp_path)[name] == after


@pytest.mark.parametrize(
    "text",
    [
        "build_time_vars = __import__('os').environ",
        "build_time_vars = {'CC': open('/etc/passwd').read()}",
        "build_time_vars = ['CC']",
        "build_time_vars = {'CC': None}",
        "other = {}",
        "build_time_vars = {",
        "build_time_vars = " + "(" * 5000,
        "x = '\0'",
    ],
)
def test_variables_are_read_and_never_run(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no build_time_vars of names, texts and numbers"):
        variables(text, tmp_path)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"other/file": b""}, "'other/file' is not in python/"),
        ({"python-file": b""}, "'python-file' is not in python/"),
        ({"python/../../etc/passwd": b""}, "leaves the root"),
        ({"python/lib/x": "/etc/passwd"}, "python/lib/x is a link out of it, to '/etc/passwd'"),
        ({"python/lib/x": "../../etc/passwd"}, "python/lib/x is a link out of it"),
        ({VARIABLES: b"\xff"}, "is no UTF-8 text"),
    ],
)
def test_what_would_lie_elsewhere_is_refused(files: Mapping[str, bytes | str], why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="archive of CPython ") as caught:
        entries(archive_of({**few_files(), **files}), tmp_path)
    assert why in caught.value.message


@pytest.mark.parametrize("gone", ["python/bin/python3.12", "python/lib/python3.12/os.py"])
def test_what_has_no_interpreter_of_that_version_is_refused(gone: str, tmp_path: Path) -> None:
    files = {path: data for path, data in few_files().items() if path != gone}
    with pytest.raises(InputError, match=f"it has no {gone}"):
        entries(archive_of(files), tmp_path)


def special(kind: bytes, link: str = "") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        for path in ("python/bin/python3.12", "python/lib/python3.12/os.py"):
            tar.addfile(tarfile.TarInfo(path))
        info = tarfile.TarInfo("python/special")
        info.type, info.linkname = kind, link
        tar.addfile(info)
    return held.getvalue()


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"python/special is a (device|fifo)"):
        entries(special(kind), tmp_path)


def test_a_hard_link_stays_one_and_stays_inside(tmp_path: Path) -> None:
    found = entries(special(tarfile.LNKTYPE, "python/bin/python3.12"), tmp_path)
    assert found[f"{ROOT}/special"] == HardLink(f"{ROOT}/special", f"{ROOT}/bin/python3.12")
    with pytest.raises(InputError, match="'etc/passwd' is not in python/"):
        entries(special(tarfile.LNKTYPE, "etc/passwd"), tmp_path)


def test_the_layer_is_of_the_files_alone_however_the_archive_is_packed(tmp_path: Path) -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        directory = tarfile.TarInfo("python")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        for path, data in few_files().items():
            if "__pycache__" not in path:
                info = tarfile.TarInfo(f"./{path}")
                if isinstance(data, str):
                    info.type, info.linkname = tarfile.SYMTYPE, data
                else:
                    info.size = len(data)
                tar.addfile(info, io.BytesIO(data if isinstance(data, bytes) else b""))
    other = zstandard.compress(held.getvalue())
    layers = []
    for data in (archive_of(few_files()), other):
        layer = BuiltLayer(source(data, tmp_path), Gzip())
        layers.append(layer.copy_to(lambda body: [None for _ in body], Form.PLAIN))
    # When this changes, so does the image of an unchanged lock: another `_RECIPE`, and a line in the changelog.
    assert [layer.diff_id for layer in layers] == [
        "sha256:6659e84dafb92dd9252d3b48d2129618561ff6ef6e8935ffab020d1c7cdd1446"
    ] * 2


def test_its_key_is_of_the_archive_and_the_place(tmp_path: Path) -> None:
    one, other = source(b"1", tmp_path), source(b"2", tmp_path)
    assert one.key().startswith("cpython:")
    assert one.key() != other.key()
    assert one.name == "python: CPython 3.12.16"


def test_entries_are_made_once_and_can_be_read_again(tmp_path: Path) -> None:
    made = source(archive_of(few_files()), tmp_path)
    assert made.entries() is made.entries()
    assert not any(isinstance(entry, Directory) for entry in made.entries())
    programs = [entry for entry in made.entries() if entry.path.endswith("bin/python3.12")]
    assert [content(entry) for entry in (*programs, *programs)] == [b"\x7fELF"] * 2
