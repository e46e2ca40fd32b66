"""A wheel of `-e` leads to where its source lies, by a `.pth` file (site, "Path configuration files").

A directory of the project lies in /src, as all of it does. A repository, as pip has it, in `src` of the virtual
environment: the wheel brings its files there.
"""

import base64
import csv
import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from cogpack.disk import writing
from cogpack.errors import InputError
from cogpack.layers.content import LocalFile
from cogpack.layers.wheels.placing import open_wheel
from cogpack.lockfile import GitSource, ProjectSource
from cogpack.runtime.contract import SOURCE, VENV
from cogpack.sizes import BLOCK

_ROOTS = ("", "src", "lib", "python")
"""Where packages lie in sources, usual ones first."""
_DEEPEST = 4
_COMPILED = (".so", ".pyd")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def leading_wheel(built: Path, filename: str, source: GitSource | ProjectSource, tree: Path) -> Iterator[bytes]:
    """Give the bytes of a wheel with the metadata of one that was `built` of `tree`, and no modules of its own."""
    file = LocalFile.of(built)
    wheel, contents = open_wheel(file, filename)
    modules = [name for name in contents if not name.partition("/")[0].endswith((".dist-info", ".data"))]
    if compiled := next((name for name in modules if name.endswith(_COMPILED)), None):
        raise InputError(
            f"{source}: its build compiles {compiled}, which -e would leave in the tree",
            next_step="leave out -e: then the wheel has it",
        )
    root = _root(tree / (source.subdirectory or "" if isinstance(source, GitSource) else ""), modules, source)
    brings = isinstance(source, GitSource) and source.clone is None
    place = _place(source, wheel.project)
    inner = "/".join(filter(None, (source.subdirectory if isinstance(source, GitSource) else None, root)))
    stem = wheel.dist_info.removesuffix(".dist-info")
    files: dict[str, bytes | Path] = {
        name: content.read(content.size)
        for name, content in contents.items()
        if name not in modules and name != f"{wheel.dist_info}/RECORD"
    }
    files[f"__editable__.{stem}.pth"] = f"{place}/{inner}".rstrip("/").encode() + b"\n"
    if brings:
        files |= {f"{stem}.data/data/src/{wheel.project}/{path}": file for path, file in _files(tree)}
    return _zipped(files, f"{wheel.dist_info}/RECORD", built.parent)


def _place(source: GitSource | ProjectSource, project: str) -> str:
    """Tell where the source lies in the image."""
    if isinstance(source, ProjectSource):
        return f"/{SOURCE}/{source.path}"
    return f"/{source.clone}" if source.clone else f"/{VENV}/src/{project}"


def _root(tree: Path, modules: list[str], source: GitSource | ProjectSource) -> str:
    """Find the directory in which all of the wheel's modules lie."""
    code = sorted(name for name in modules if name.endswith(".py")) or sorted(modules)
    firsts = list({name.partition("/")[0]: name for name in reversed(code)}.values())
    others = sorted(_directories(tree), key=lambda path: (path.count("/"), path))
    for root in dict.fromkeys((*_ROOTS, *others)):
        if all((tree / root / name).is_file() for name in firsts):
            return root
    raise InputError(
        f"{source}: {firsts[0]} of its wheel comes from no directory that -e could lead to",
        next_step="leave out -e: then the wheel has its modules",
    )


def _directories(tree: Path) -> Iterator[str]:
    for directory, names, _ in os.walk(tree):
        path = Path(directory).relative_to(tree).as_posix()
        if path.count("/") >= _DEEPEST - 1:
            names.clear()
        yield "" if path == "." else path


def _files(tree: Path) -> Iterator[tuple[str, Path]]:
    """Give all files below `tree`, those that links lead to among them as long as they lie there, too."""
    top = Path(os.path.realpath(tree))
    for directory, names, files in os.walk(top):
        names.sort()
        for name in sorted(files):
            path = Path(directory) / name
            if Path(os.path.realpath(path)).is_relative_to(top) and path.is_file():
                yield path.relative_to(top).as_posix(), path


def _zipped(files: Mapping[str, bytes | Path], record: str, scratch: Path) -> Iterator[bytes]:
    """Write a zip of stored members, whose bytes no library decides, with their RECORD."""
    rows: list[tuple[str, str, str]] = []
    with writing(scratch), tempfile.TemporaryFile(dir=scratch) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, content in sorted(files.items()):
                data = content.read_bytes() if isinstance(content, Path) else content
                executable = isinstance(content, Path) and content.stat().st_mode & 0o100
                mode = 0o100755 if executable else 0o100644
                _add(archive, name, data, mode)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
                rows.append((name, f"sha256={digest}", str(len(data))))
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
            _add(archive, record, text.getvalue().encode(), 0o100644)
        file.seek(0)
        while block := file.read(BLOCK):
            yield block


def _add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 3
    member.external_attr = mode << 16
    archive.writestr(member, data)
