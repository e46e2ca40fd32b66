"""Build requirements are resolved for the image's Python as the project's own are, and fetched; wheels only.

What the project pins is preferred: an extension is then built with the numpy that it will meet, and torch, where a
source asks for it, is the one that the image fetches anyway.
"""

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property, partial

from packaging.requirements import Requirement

from cogpack.artifacts import Input
from cogpack.lockfile import LockedWheel
from cogpack.locking.wheels.indexes import indexes_of, uv_of
from cogpack.locking.wheels.outlines import wheel_artifact
from cogpack.project import Project
from cogpack.requirements.model import Requirements
from cogpack.resolve.wheels.addresses import wheel_urls
from cogpack.resolve.wheels.compile import WheelQuestion
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import resolve_wheels
from cogpack.resolve.wheels.sources import Neighbours
from cogpack.resolve.wheels.target import TargetPython
from cogpack.resolve.wheels.torch import BUILT, TorchChoice, TorchIndex, choose_torch
from cogpack.session import Session


def pinned(requirements: Requirements, environment: Mapping[str, str], torch: TorchIndex | None) -> dict[str, str]:
    """Give the versions that requirements and constraints name where markers have these values. `torch`: the index that
    torch and its like come from, whose label their versions have there: uv prefers just what is said."""
    found: dict[str, str] = {}
    for line in (*requirements.required, *requirements.constrained):
        requirement = Requirement(line.text)
        if requirement.marker and not requirement.marker.evaluate({**environment, "extra": ""}):
            continue
        exact = [one.version for one in requirement.specifier if one.operator in ("==", "===")]
        if len(exact) == 1 and not exact[0].endswith(".*"):
            label = f"+{torch.name}" if torch and line.name in BUILT and "+" not in exact[0] else ""
            found.setdefault(line.name, exact[0] + label)
    return found


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
                    WheelQuestion(
                        requirements=question[0],
                        constraints=question[1],
                        root=self._project.root,
                        preferences=pinned(
                            self._chosen.requirements, self._target.environment(), TorchIndex.named(self._chosen.index)
                        ),
                    ),
                    uv_of(session, self._project, self._target, self._indexes),
                    title="build requirements",
                    progress=session.progress,
                )
                self._known[question] = resolved.wheels
                self._addresses |= {sha256: [address] for sha256, address in resolved.addresses.items()}
            return self._known[question]

    def inputs(self, wheels: Sequence[LockedWheel], neighbours: Neighbours | None = None) -> list[Input]:
        """Have them here; where they are is asked anew of those that nobody resolved in this run, and are none of the
        image's, `neighbours`."""
        own = frozenset(neighbours.wheels if neighbours else ())
        found = [
            Input(
                supply=self._session.supply,
                artifact=wheel_artifact(wheel),
                noun="build requirement",
                urls=partial(self._image_urls, neighbours, wheel)
                if neighbours and wheel in own
                else partial(self._urls, wheel, wheels),
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

    def _image_urls(self, neighbours: Neighbours, wheel: LockedWheel) -> list[str]:
        return [found] if (found := neighbours.address(wheel)) else []

    def _urls(self, wheel: LockedWheel, wheels: Sequence[LockedWheel]) -> list[str]:
        if wheel.path is not None:
            return [str(self._project.root / wheel.path)]
        if wheel.url is not None:
            return [self._indexes.authorised(wheel.url)]
        with self._lock:
            if wheel.sha256 not in self._addresses:
                self._addresses |= wheel_urls(
                    [one for one in wheels if one.sha256 not in self._addresses],
                    uv_of(self._session, self._project, self._target, self._indexes, newer=True),
                )
            return self._addresses.get(wheel.sha256, [])
