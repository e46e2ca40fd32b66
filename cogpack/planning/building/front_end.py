"""This program runs where a wheel is built, and is the build frontend there (PEP 517): it unpacks a source, asks its
backend what it requires, and has it build.

Standard library alone, of Python 3.10 or later, and nothing of ours: it lies beside `request.json`, which its only
argument names, and answers by `answer.json`. Each hook has a process of its own, as PEP 517 has it.
"""

import builtins
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_MOST_FILES = 500_000
_BARE = re.compile(r"[A-Za-z0-9._-]+")


def main() -> None:
    request_path = Path(sys.argv[1])
    request = json.loads(request_path.read_bytes())
    os.umask(0o022)
    if request["dies"]:
        _die_with_parent()
    place = Path(request["place"])
    if len(sys.argv) > 2:
        answer = _hook(request, place, sys.argv[2])
        (place / "hook.json").write_text(json.dumps(answer))
        return
    found = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if found != request["python"]:
        sys.exit(f"this is Python {found}, and {request['python']} was to be here")
    shutil.rmtree(place, ignore_errors=True)
    for name in ("source", "home", "tmp", "wheel"):
        (place / name).mkdir(parents=True)
    os.chdir(_unpacked(request, place / "source"))
    if request["backend"].startswith("setuptools.") and not any(map(os.path.exists, _PROJECT_FILES)):
        sys.exit(f"there is none of {', '.join(_PROJECT_FILES)} in it: it is no Python project")
    requires = _asked(request_path, place, "get_requires_for_build_wheel")
    if request["known"] is not None and (more := list(_missing(requires, request))):
        _answer(place, {"requires": more})
        return
    _answer(place, {"wheel": _asked(request_path, place, "build_wheel")})


_PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg")


def _answer(place: Path, answer: dict[str, Any]) -> None:
    (place / "answer.json").write_text(json.dumps(answer))


def _missing(requires: list[str], request: dict[str, Any]) -> Iterator[str]:
    """Give what the backend requires besides what it was told that it has."""
    for line in requires:
        name = re.sub(r"[-_.]+", "-", line.strip()).lower()
        if line not in request["known"] and not (_BARE.fullmatch(line.strip()) and name in request["installed"]):
            yield line


def _asked(request: Path, place: Path, hook: str) -> Any:
    """Have a hook run in a process of its own; give its answer."""
    environment = {**os.environ, "HOME": str(place / "home"), "TMPDIR": str(place / "tmp")}
    done = subprocess.run([sys.executable, __file__, str(request), hook], env=environment, check=False)
    if done.returncode:
        sys.exit(done.returncode if done.returncode > 0 else 128 - done.returncode)
    return json.loads((place / "hook.json").read_bytes())


def _hook(request: dict[str, Any], place: Path, name: str) -> Any:
    del sys.path[0]  # where this program lies
    root = Path.cwd().resolve()
    for one in reversed(request["backend_path"]):
        path = (root / one).resolve()
        if root not in (path, *path.parents):
            sys.exit(f"its backend-path {one} is not in it")
        sys.path.insert(0, str(path))
    sys.argv = ["build"]
    _stop_clock(int(os.environ["SOURCE_DATE_EPOCH"]))
    if request["exec_into_locals"]:
        builtins.exec = _exec_into_locals
    module, _, attributes = request["backend"].partition(":")
    backend: Any = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    if name == "build_wheel":
        return Path(backend.build_wheel(str(place / "wheel"), {}, None)).name
    hook = getattr(backend, name, None)
    return [str(line) for line in hook({})] if hook else []


def _stop_clock(epoch: int) -> None:
    """Have the `time` module tell one date to who asks for now: some setup.py write it into a file."""
    gmtime, localtime, asctime, strftime = time.gmtime, time.localtime, time.asctime, time.strftime
    time.gmtime = lambda *given: gmtime(*(given or (epoch,)))
    time.localtime = lambda *given: localtime(*(given or (epoch,)))
    time.asctime = lambda *given: asctime(*(given or (localtime(epoch),)))
    time.ctime = lambda *given: asctime(localtime(*(given or (epoch,))))
    time.strftime = lambda form, *given: strftime(form, *(given or (localtime(epoch),)))


_EXEC = exec


def _exec_into_locals(code: Any, names: Any = None, variables: Any = None, /, **more: Any) -> None:
    """Do as exec did before Python 3.13 (PEP 667), where `locals()` has afterwards what the code has assigned."""
    if names is None and variables is None:
        frame = sys._getframe(1)  # noqa: SLF001 - the one way to it
        names, variables = frame.f_globals, frame.f_locals
    _EXEC(code, names, variables, **more)


def _unpacked(request: dict[str, Any], place: Path) -> Path:
    """Unpack the source; give the directory of its project."""
    with _reported(request["archive"]):
        with open(request["archive"], "rb") as stream:
            is_zip = stream.read(4) == b"PK\3\4"  # zipfile.is_zipfile also says so of a tar with a zip at its end
        if is_zip:
            _unzip(request["archive"], place)
        else:
            _untar(request["archive"], place)
    found = list(place.iterdir())
    root = found[0] if len(found) == 1 and found[0].is_dir() else place
    project = Path(root, request["subdirectory"]).resolve()
    if not project.is_dir() or place.resolve() not in (project, *project.parents):
        sys.exit(f"there is no directory {request['subdirectory'] or '.'} in it")
    return project


@contextmanager
def _reported(archive: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        sys.exit(f"{Path(archive).name} can't be unpacked: {error}")


def _untar(archive: str, place: Path) -> None:
    with tarfile.open(archive, mode="r:*") as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        for number, member in enumerate(tar):
            if number > _MOST_FILES:
                raise ValueError(f"it has more than {_MOST_FILES} files")
            tar.extract(member, place)


def _unzip(archive: str, place: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        if len(packed.infolist()) > _MOST_FILES:
            raise ValueError(f"it has more than {_MOST_FILES} files")
        for member in packed.infolist():
            path = Path(packed.extract(member, place))
            if member.external_attr >> 16 & 0o111 and path.is_file():
                path.chmod(path.stat().st_mode | 0o111)


def _die_with_parent() -> None:
    """Be killed when who started us is (prctl(2), PR_SET_PDEATHSIG), where no namespace sees to that."""
    import ctypes

    ctypes.CDLL(None).prctl(1, 9)


if __name__ == "__main__":
    main()
