"""A lock is decided: base, wheels and weights, each asked of `resolve/`."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import Version

from cogpack.config import PLATFORMS, Suite
from cogpack.errors import InputError
from cogpack.lockfile import (
    REQUIRES,
    VERSION,
    Decisions,
    Lock,
    Results,
    input_digests,
)
from cogpack.locking.below import decide_below
from cogpack.locking.decide_bytecode import decide_bytecode
from cogpack.locking.deviations import check_cuda, check_left_to_wheels
from cogpack.locking.executable_stacks import find_executable_stacks, refuses_executable_stacks
from cogpack.locking.fitting import decide_fitting
from cogpack.locking.lines.decide import decide_lines
from cogpack.locking.lines.renewals import check_step, renewed
from cogpack.locking.lines.versions_as_files import versions_as_files
from cogpack.locking.missing_imports import look_at_imports, read_modules
from cogpack.locking.missing_packages import missing_packages
from cogpack.locking.proposed_toolkit import proposed_toolkit
from cogpack.locking.question import PlatformQuestion
from cogpack.locking.slim import check_slim
from cogpack.locking.sources.bring import Sources
from cogpack.locking.sources.direct import DirectWheels
from cogpack.locking.unasked import Unasked
from cogpack.locking.upgrade import NOTHING, Upgrade
from cogpack.locking.weights.remote import pin_weights
from cogpack.locking.wheels.building import Building
from cogpack.locking.wheels.clashes import check_clashes, compare_wheels
from cogpack.locking.wheels.indexes import indexes_of
from cogpack.locking.wheels.requirements import resolve_requirements
from cogpack.locking.wheels.torch_cuda import cuda_of_torch
from cogpack.notes import Code, Note
from cogpack.project import Project, each_platform, for_platforms
from cogpack.session import Session


def named_wheels(names: Sequence[str], decisions: Iterable[Decisions]) -> dict[str, str]:
    """Give `names` as the user wrote them by those of wheels, which must be among those decided for any platform."""
    wanted: dict[str, str] = {canonicalize_name(name): name for name in names}
    known = {wheel.name for one in decisions for wheel in (*one.wheels, *one.replaced)}
    for name, written in wanted.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise InputError(
                f"--upgrade-package {written}: the lock has no such wheel"
                + (f"; did you mean {near[0]}?" if near else ""),
                next_step=f"cogpack lock -P {near[0]}" if near else "name one of those that it has",
            )
    return wanted


def resolve_lock(
    session: Session,
    project: Project,
    previous: Lock | None,
    building: Building | None = None,
    *,
    upgrade: Upgrade = NOTHING,
    seeds: Mapping[str, str] = {},
) -> Lock:
    """`previous`: of which pins are kept, and the format as long as it is built; `building`: of wheels that nobody
    publishes; `seeds`: versions of wheels that go before those pins.

    All platforms of the project are decided, one after the other: of a wheel that nothing pins for one, it is the
    version that another one has, now or in `previous` while that holds, where there is that.
    """
    if upgrade.step is not None:
        check_step(project.config, upgrade.step)
    formats = session.formats
    kept_format = previous is not None and previous.format in formats and not upgrade.format
    number = previous.format if previous and kept_format else max(formats)
    same_format = previous is not None and previous.format == number
    rules = formats[number]
    inputs = input_digests(project.inputs())
    wanted = project.config.pack.platforms
    pinned = {} if previous is None else {name: it for name, it in previous.platforms.items() if name in wanted}
    others = {} if previous is None else {name: it for name, it in previous.platforms.items() if name not in wanted}
    if pinned and not upgrade.all:
        named_wheels(upgrade.wheels, pinned.values())
    if previous is not None and (previous.stale(inputs) or not same_format):
        why = "which was made from other inputs" if same_format else f"which was of format {previous.format}"
        for name in others:
            text = f"{project.lock_path.name} no longer has {name}, {why}: cogpack lock --platform {name}"
            session.progress.note(Note(Code.PLATFORM_STALE, text))
        others = {}
    known = {} if upgrade.all else pinned | others
    pins = {
        name: renewed(known[name], for_platforms(project, [name]).config, upgrade)
        for name in PLATFORMS
        if name in known
    }
    decided: dict[str, Decisions] = {}
    for one in each_platform(project):
        platform = one.config.pack.platform
        kept = pins.get(platform)
        own = {wheel.name for wheel in kept.required} if kept else ()
        beside = next((it for name, it in (*decided.items(), *pins.items()) if name != platform), None)
        before = {it.name: it.version for it in beside.wheels if it.name not in own} if beside else {}
        question = PlatformQuestion(
            session=session,
            project=one,
            kept=kept,
            last=previous.platforms.get(platform) if previous else None,
            beside=beside,
            building=building,
            seeds={**before, **seeds},
            same_format=same_format,
            upgrade_system=upgrade.system,
        )
        decided[platform] = decide_fitting(session, one, kept, partial(_decide, question))
    return Lock(
        version=VERSION,
        requires=f"cogpack>={max(REQUIRES, rules.since, key=Version)}",
        format=number,
        inputs=inputs,
        platforms=dict(sorted((decided | others).items())),
        weights=pin_weights(session, project, previous.weights if previous and not upgrade.all else (), rules),
        results=previous.results if previous else Results(),
    )


def _decide(
    question: PlatformQuestion, suite: Suite | None, /, *, unasked: Unasked | None, cuda: str | None = None
) -> Decisions:
    """`suite`: of Debian, where wheels may want another than the usual one, and are looked into for that; `unasked`:
    what is there though nobody asked for it, None for a guess; `cuda`: torch's, where it is known."""
    session, project = question.session, question.project
    config = project.config
    below = decide_below(question, suite, unasked, cuda)
    kept, ground = below.kept, below.ground
    over = msgspec.structs.replace(question, kept=kept)
    direct = DirectWheels(session, Sources(session, project), question.building, ground, kept)
    resolved = resolve_requirements(over, project.requirements(), ground.target, direct)
    for note in resolved.notes:
        session.progress.note(note)
    lines = decide_lines(over, below, resolved, direct)
    pip = lines.pip
    with indexes_of(session, project, project.requirements(), resolved.torch_index).hiding():
        known = kept if question.same_format else None
        wheels, clashes = compare_wheels(session, pip.outlines, pip.wheels, ground.target, known, lines=pip.lines)
        looks = suite is not None or refuses_executable_stacks(below.base)
        stacks = find_executable_stacks(pip.outlines, wheels, kept, session.cancellation) if looks else ()
    pinned = (*wheels, *pip.replaced)
    builds = {build.wheel: build for build in (*direct.builds(pinned), *resolved.builds)}
    builds = {wheel.filename: builds[wheel.filename] for wheel in pinned if wheel.filename in builds}
    requirements = {wheel.filename: wheel for wheel in (*direct.requirements(pinned), *resolved.build_requirements)}
    took = {name for build in builds.values() for name in build.requires}
    decided = Decisions(
        base=below.base,
        interpreter=below.interpreter,
        compiler=below.unasked.compiler,
        tools=below.unasked.tools,
        torch_index=resolved.torch_index,
        bytecode=decide_bytecode(config, below.base, below.interpreter),
        wheels=wheels,
        builds=tuple(build for _, build in sorted(builds.items())),
        build_requirements=tuple(requirements[name] for name in sorted(took)),
        toolkit=ground.toolkit,
        build_compiler=below.compiler.packages(builds.values()),
        clashes=clashes,
        executable_stacks=stacks,
        sandboxed=lines.sandboxed,
        replaced=pip.replaced,
        pip_lines=pip.lines,
        breaks=pip.breaks,
        places=lines.places,
        fetches=lines.fetches,
        hub_revisions=lines.hub.revisions,
        hub_files=lines.hub.files,
        clones=lines.clones,
        steps=kept.steps if kept else None,
        dpkg=kept.dpkg if kept else None,
        created=_created(session.environment),
    )
    if ground.toolkit and (found := cuda_of_torch(config, wheels, pip.outlines)) != ground.toolkit.cuda:
        return _decide(question, suite, unasked=below.unasked, cuda=found)
    check_clashes(project, decided)
    check_left_to_wheels(config, decided)
    check_cuda(config, decided)
    check_slim(config, decided)
    for note in (
        *missing_packages(project, decided, asked=below.unasked.packages),
        *proposed_toolkit(project, decided),
        *look_at_imports(project, decided, read_modules(pip.outlines, session)).notes,
        *versions_as_files(config, decided),
    ):
        session.progress.note(note)
    return decided


def _created(environment: Mapping[str, str]) -> int | None:
    """Read SOURCE_DATE_EPOCH (reproducible-builds.org), which is taken into the lock so that no builder's own can
    matter."""
    text = environment.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) > 253402300799:
        raise InputError(f"SOURCE_DATE_EPOCH: expected seconds since 1970, found {text!r:.200}", next_step="correct it")
    return int(text)
