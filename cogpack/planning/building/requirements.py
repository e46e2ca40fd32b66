"""Build requirements are resolved for the image's Python as the project's own are, and fetched; wheels only.

What the project pins is preferred: an extension is then built with the numpy that it will meet, and torch, where a
source asks for it, is the one that the image fetches anyway.
"""

import re
import threading
from collections.abc import Sequence
from functools import cached_property

from packaging.utils import canonicalize_name

from cogpack.artifacts import Input
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.locking.wheels.requirements import indexes_of
from cogpack.project import Project
from cogpack.resolve.wheels import Indexes, TargetPython, resolve_wheels, wheel_urls
from cogpack.resolve.wheels.torch import TorchChoice, choose_torch
from cogpack.session import Session

_PINNED = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?\s*==\s*([0-9][\w.]*)(?:\s*$|\s*;|\s+--hash)")


def pinned(lines: Sequence[str]) -> list[LockedWheel]:
    """Give the versions that requirements name, of which only name and version are asked."""
    found = [match for line in lines if (match := _PINNED.match(line))]
    return [
        LockedWheel(name=canonicalize_name(match[1]), version=match[2], filename=f"{match[1]}.whl", sha256="0" * 64)
        for match in found
    ]


class BuildRequirements:
    """Has what sources are built with. Equal questions are asked once: most sources want setuptools."""

    def __init__(self, session: Session, project: Project, target: TargetPython) -> None:
        self._session = session
        self._project = project
        self._target = target
        self._lock = threading.Lock()
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[LockedWheel, ...]] = {}
        self._addresses: dict[str, list[str]] = {}

    def resolve(self, lines: Sequence[str], constraints: Sequence[str]) -> tuple[LockedWheel, ...]:
        """Choose wheels that fulfil `lines`; `InputError` where there are none."""
        question = (tuple(sorted(set(lines))), tuple(sorted(constraints)))
        if not lines:
            return ()
        with self._lock:
            if question not in self._known:
                session = self._session
                resolved = resolve_wheels(
                    question[0],
                    constraints=question[1],
                    root=self._project.root,
                    target=self._target,
                    indexes=self._indexes,
                    exclude_newer=self._project.config.pack.exclude_newer,
                    preferences=pinned(self._chosen.requirements.lines),
                    cache=session.cache,
                    metadata=session.metadata,
                    title="build requirements",
                    progress=session.progress,
                )
                self._known[question] = resolved.wheels
                self._addresses |= {sha256: [address] for sha256, address in resolved.addresses.items()}
            return self._known[question]

    def inputs(self, wheels: Sequence[LockedWheel]) -> list[Input]:
        """Have them here; where they are is asked anew of those that nobody resolved in this run."""
        found = [
            Input(
                supply=self._session.supply,
                artifact=wheel_artifact(wheel),
                noun="build requirement",
                urls=lambda wheel=wheel, all_of_them=wheels: self._urls(wheel, all_of_them),  # type: ignore[misc]
                hiding=lambda: self._indexes.hiding(),
            )
            for wheel in wheels
        ]
        self._session.supply.wait(found)
        return found

    @cached_property
    def _indexes(self) -> Indexes:
        return indexes_of(self._session, self._project, self._chosen.requirements, self._chosen.index)

    @cached_property
    def _chosen(self) -> TorchChoice:
        return choose_torch(self._project.config, self._project.requirements(), self._target.arch)

    def _urls(self, wheel: LockedWheel, wheels: Sequence[LockedWheel]) -> list[str]:
        with self._lock:
            if wheel.sha256 not in self._addresses:
                self._addresses |= wheel_urls(
                    [one for one in wheels if one.sha256 not in self._addresses],
                    indexes=self._indexes,
                    target=self._target,
                    cache=self._session.cache,
                    metadata=self._session.metadata,
                )
            return self._addresses.get(wheel.sha256, [])
