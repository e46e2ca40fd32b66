"""Archives as python-build-standalone publishes them: of a few files, or made from a CPython of this machine.

None can be fetched where the tests run. What is the same as in theirs: all of it lies in `python/`; `_sysconfigdata_*`
and the `.pc` files speak of /install, and of a clang that nobody else has; links are relative.
"""

import ast
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from cogpack.digest import sha256

GITHUB = "https://github.com/astral-sh/python-build-standalone/releases/download"
_TAG = "20261110"
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_LEFT_OUT = re.compile(
    r"(?:^|/)(?:__pycache__|test|tests|idlelib|tkinter|turtledemo|ensurepip|lib2to3|pydoc_data|config-[^/]*)(?:/|$)"
    r"|site-packages/(?!pip(?:/|-))|^share/|\.a$|_tkinter|^bin/(?!python)"
)
_VARIABLES = """# system configuration generated and used by the sysconfig module
build_time_vars = {'AR': '/tools/clang-linux64/bin/llvm-ar',
 'BINDIR': '/install/bin',
 'CC': 'clang -pthread',
 'CONFINCLUDEPY': '/install/include/python%(minor)s',
 'CXX': 'clang++ -pthread',
 'LDSHARED': 'clang -pthread -shared -L/install/lib '
             '-Wl,-O1',
 'LIBDIR': '/install/lib',
 'Py_DEBUG': 0,
 'prefix': '/install'}
"""
DESCRIPTION = "# See: man pkg-config\nprefix=/install\nexec_prefix=${prefix}\nlibdir=${exec_prefix}/lib\n"


def archive_of(files: Mapping[str, bytes | str], programs: Iterable[str] = ()) -> bytes:
    """Pack `files`, by path in the archive; a text is the target of a link."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz", compresslevel=1) as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.uid, info.gid, info.mtime = 1000, 1000, 1_700_000_000
            info.mode = 0o775 if path in programs else 0o664
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return held.getvalue()


def few_files(minor: str = "3.12") -> dict[str, bytes | str]:
    """Give the least that is taken for an interpreter, with one of each kind of file."""
    library = f"python/lib/python{minor}"
    return {
        f"python/bin/python{minor}": b"\x7fELF",
        "python/bin/python3": f"python{minor}",
        f"{library}/os.py": b"import sys\n",
        f"{library}/__pycache__/os.cpython-312.pyc": b"bytecode",
        f"{library}/_sysconfigdata__linux_x86_64-linux-gnu.py": (_VARIABLES % {"minor": minor}).encode(),
        f"python/lib/pkgconfig/python-{minor}.pc": DESCRIPTION.encode(),
    }


def small_archive(minor: str = "3.12") -> bytes:
    return archive_of(few_files(minor), programs={f"python/bin/python{minor}"})


def installed(minor: str) -> Path:
    """Find one of this machine that was built for a directory of its own, which has a library there."""
    for root in sorted(Path.home().glob(f".pyenv/versions/{minor}.*")):
        if (root / "lib" / f"libpython{minor}.so.1.0").exists():
            return root
    pytest.skip(f"no CPython {minor} of pyenv is here to make an archive of")


def archive_from(root: Path, minor: str) -> bytes:
    """Make one of the CPython that is installed at `root`, which must find its library from there."""
    own, library = str(root), f"lib/python{minor}"
    files = {f"python/{path}": content for path, content in _files(root)}
    for path, content in files.items():
        if isinstance(content, str):
            continue
        if content.startswith(b"\x7fELF"):
            # As theirs are linked; a shorter name fits where the longer one was.
            rpath, needed = f"{own}/lib\0".encode(), b"$ORIGIN/../lib\0"
            files[path] = content.replace(rpath, needed.ljust(len(rpath), b"\0"))
        elif path.startswith(f"python/{library}/_sysconfigdata_"):
            files[path] = _raw(content.decode().replace(own, "/install")).encode()
        elif path.endswith((".pc", "-config")):
            files[path] = content.replace(own.encode(), b"/install")
    return archive_of(files, programs={path for path in files if path.startswith("python/bin/")})


def _files(root: Path) -> Iterator[tuple[str, bytes | str]]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if _LEFT_OUT.search(name):
            continue
        if path.is_symlink():
            yield name, str(path.readlink())
        elif path.is_file():
            yield name, path.read_bytes()


def _raw(source: str) -> str:
    """Give a module of build variables as a clang elsewhere would have left it."""
    (found,) = [node.value for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    variables = ast.literal_eval(found)
    for name in ("BLDSHARED", "CC", "LDSHARED", "LINKCC"):
        variables[name] = re.sub(r"^gcc", "clang", variables[name])
    for name in ("CXX", "LDCXXSHARED"):
        variables[name] = re.sub(r"^g\+\+", "clang++", variables[name])
    variables["AR"] = "/tools/clang-linux64/bin/llvm-ar"
    return f"build_time_vars = {variables!r}\n"


def address(version: str, arch: str = "amd64") -> str:
    """Give the address of a build at its publisher."""
    return (
        f"{GITHUB}/{_TAG}/cpython-{version}%2B{_TAG}-{_MACHINES[arch]}-unknown-linux-gnu-install_only_stripped.tar.gz"
    )


def downloads_list(archives: Mapping[str, bytes], arch: str = "amd64", *, at: str | None = None) -> bytes:
    """Write a list as uv reads it (`UV_PYTHON_DOWNLOADS_JSON_URL`) of archives by version; `at`: where they lie, if
    that is not where their publisher has them."""
    entries = {}
    for version, data in archives.items():
        major, minor, patch = map(int, version.split("."))
        entries[f"cpython-{version}-linux-{_MACHINES[arch]}-gnu"] = {
            "name": "cpython",
            "arch": {"family": _MACHINES[arch], "variant": None},
            "os": "linux",
            "libc": "gnu",
            "major": major,
            "minor": minor,
            "patch": patch,
            "prerelease": "",
            "url": address(version, arch) if at is None else f"{at}/{version}.tar.gz",
            "sha256": sha256(data).removeprefix("sha256:"),
            "variant": None,
            "build": _TAG,
        }
    return json.dumps(entries).encode()
