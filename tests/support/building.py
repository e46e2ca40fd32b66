"""A builder of wheels that runs nothing: a wheel has the modules of its source, as pyproject.toml names it."""

import io
import platform
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.wheels import make_wheel

from cogpack.artifacts import Store
from cogpack.errors import InputError
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.building import Built, Ground, Source, WantsWheelsError
from cogpack.planning import built_wheels
from cogpack.project import Project
from cogpack.session import Session


@dataclass
class FakeBuilder:
    """Builds what has `[project]` in its pyproject.toml, flat or in `src`; keeps its wheels in `store`. `built`: titles
    of all that it was asked for, `seen`: names of the files in their trees, `beside`: names of the wheels that
    they were built among, `with_these`: what it was to build again with. What has `[tool.wants]` is built with
    those of the image of these names."""

    store: Store
    built: list[str] = field(default_factory=list)
    seen: list[set[str]] = field(default_factory=list)
    beside: list[set[str]] = field(default_factory=list)
    with_these: list[Sequence[LockedWheel]] = field(default_factory=list)

    def build(self, sources: Sequence[Source], ground: Ground) -> Sequence[Built | InputError]:
        return [self._build(source) for source in sources]

    def rebuild(self, source: Source, requires: Sequence[LockedWheel], ground: Ground) -> Built:
        self.with_these.append(requires)
        found = self._build(source)
        assert isinstance(found, Built)
        return found

    def _build(self, source: Source) -> Built | InputError:
        self.built.append(source.title)
        with tempfile.TemporaryDirectory() as scratch:
            top = source.path if source.path.is_dir() else _unpacked(source.path, Path(scratch) / "in")
            tree = top / source.subdirectory
            self.seen.append({path.relative_to(top).as_posix() for path in top.rglob("*")})
            if not (tree / "pyproject.toml").exists():
                return InputError(
                    f"{source.title}: nothing says how it is built\n  of it\n  ValueError: no file",
                    next_step="add a pyproject.toml",
                )
            (tree / "build").mkdir()  # as builds do
            table = tomllib.loads((tree / "pyproject.toml").read_text())
            said, wants = table["project"], table.get("tool", {}).get("wants", {})
            if wants and not source.neighbours:
                return WantsWheelsError(f"{source.title}: it imports {wants}")
            there = {one.name: one for one in source.neighbours.wheels} if source.neighbours else {}
            self.beside.append(set() if source.isolated and not wants else set(there))
            root = tree / "src" if (tree / "src").is_dir() else tree
            files = {
                path.relative_to(root).as_posix(): path.read_bytes()
                for path in sorted(root.rglob("*.py"))
                if path.name != "setup.py"
            }
            extras = dict(said.get("optional-dependencies", {}))
            more = [f"{line} ; extra == {extra!r}" for extra, lines in extras.items() for line in lines]
            version = said.get("version") or _described(tree)
            wheel = make_wheel(
                Path(scratch) / "out",
                said["name"],
                version,
                files=files or {f"{said['name']}-0.data/data/empty": b""},
                requires=(*said.get("dependencies", ()), *more),
                extras=tuple(extras),
                tag=f"cp313-cp313-linux_{platform.machine()}" if wants else "py3-none-any",
            )
            artifact = self.store.take(wheel.name, [wheel.read_bytes()])
            assert artifact.size is not None
            path = self.store.verified(artifact, tuple)[0]
            return Built(
                filename=wheel.name,
                path=path,
                sha256=artifact.digest.removeprefix("sha256:"),
                size=artifact.size,
                requires=tuple(there[name] for name in sorted(wants)),
            )


def _described(tree: Path) -> str:
    return (tree / ".git_archival.txt").read_text().partition("describe-name: v")[2].partition("-")[0]


def _unpacked(archive: Path, into: Path) -> Path:
    data = io.BytesIO(archive.read_bytes())
    if zipfile.is_zipfile(data):
        with zipfile.ZipFile(data) as opened:
            opened.extractall(into)
    else:
        data.seek(0)
        with tarfile.open(fileobj=data) as opened_tar:
            opened_tar.extractall(into, filter="data")
    (top,) = into.iterdir()
    return top


def install(patch: pytest.MonkeyPatch, told: Callable[[Sequence[Source], Ground], object]) -> None:
    """Have whole commands build by a FakeBuilder; `told` is given what it builds, before, and may raise."""

    class Builder:
        def __init__(self, session: Session, project: Project) -> None:
            self._builder = FakeBuilder(session.store)

        def build(self, sources: Sequence[Source], ground: Ground) -> Sequence[Built | InputError]:
            told(sources, ground)
            return self._builder.build(sources, ground)

        def rebuild(self, source: Source, requires: Sequence[LockedWheel], ground: Ground) -> Built:
            (built,) = self.build([source], ground)
            assert isinstance(built, Built)
            return built

    patch.setattr(built_wheels, "_Builder", Builder)
