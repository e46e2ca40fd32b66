"""The steps of `build.run` are told apart: those that are known and taken out, those for the sandbox, the impossible.

The order of what they do is kept. A line is taken out only while none before it is unknown, since an unknown one may
have changed what it works on; after one, only downloads and clones (and `mkdir -p`) of paths that no earlier line
names are, as nothing that runs before can tell them from files that were always there.
"""

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from cogpack.config import RunStep
from cogpack.patterns import pattern
from cogpack.run_lines.effects import (
    Clone,
    Fetch,
    KnownStep,
    MakeDirectories,
    SetMode,
    UnknownStep,
    above,
    touched,
    within,
)
from cogpack.run_lines.surroundings import Surroundings

if TYPE_CHECKING:
    from cogpack.run_lines.site import Site


class SandboxedStep(msgspec.Struct, frozen=True, tag=True):
    """Says that a step is run, and `why`. `because`: the index of the step that makes it so, where that is another."""

    why: str
    because: int | None = None


class ImpossibleStep(msgspec.Struct, frozen=True, tag=True):
    """Says that a step can't succeed in any build of an image here, and `why`."""

    why: str


ReadStep: TypeAlias = KnownStep | SandboxedStep | ImpossibleStep

_ENGINES = "it needs a container engine, which no build step has"
_KERNEL = "it changes the machine's kernel, which no build step may"
_INIT = "it needs systemd to run, which no build step has"
_IMPOSSIBLE: Mapping[str, str] = {
    **dict.fromkeys(("docker", "dockerd", "podman", "buildah", "nerdctl", "containerd"), _ENGINES),
    **dict.fromkeys(("mount", "umount", "modprobe", "insmod", "rmmod", "losetup", "swapon", "swapoff"), _KERNEL),
    **dict.fromkeys(("reboot", "shutdown", "poweroff", "halt"), "it ends the machine"),
    "nvidia-smi": "it needs a GPU, which no build step has",
}
_NEEDS_INIT = frozenset({"start", "restart", "reload", "stop", "status", "daemon-reload", "is-active"})

_SHARED = ("/bin", "/etc", "/lib", "/lib64", "/opt/venv", "/sbin", "/usr", "/var")
_COMMAND_END = pattern(r"[;&|\n]")
_SETS_UP_GIT = pattern(r"gitconfig|GIT_|git-lfs|\A(?:(?!\bgit\b).)*\bgit\b.*\s(?:config|lfs)\b")
_PATH_LIKE = pattern(r"[^\s'\"`;&|<>()=:,]+")


def classify(
    steps: Sequence[RunStep], surroundings: Surroundings, sandboxed: Mapping[int, str] = {}
) -> tuple[ReadStep, ...]:
    """Decide for each step, in order. `sandboxed`: why, of steps that are run although what they do can be read, by
    index."""
    if not steps:
        return ()
    from cogpack.run_lines.site import Site  # with it, the grammar of the shell

    found: list[ReadStep] = []
    site = Site(surroundings=surroundings)
    first: int | None = None
    named = _Named(surroundings.directory)
    before: frozenset[str] = frozenset()
    for index, step in enumerate(steps):
        decision = _alone(step, site)
        if isinstance(decision, KnownStep) and index in sandboxed:
            decision = SandboxedStep(sandboxed[index])
        if isinstance(decision, KnownStep) and first is not None:
            decision = _after_unknown(decision, first, named, before)
        if isinstance(decision, KnownStep):
            for effect in decision.effects:
                site = site.after(effect)
        else:
            named.add(step.command)
            if first is None:
                first, before = index, site.made
        found.append(decision)
    return tuple(found)


def _alone(step: RunStep, site: "Site") -> ReadStep:
    from cogpack.run_lines.known import meaning

    if impossible := _impossible(step.command, site.surroundings):
        return impossible
    if step.secrets:
        return SandboxedStep(f"it is given the secret {step.secrets[0].id}")
    found = meaning(step.command, site)
    if isinstance(found, UnknownStep):
        return SandboxedStep(f"{found.program}: {found.why}" if found.program else found.why)
    return found


def _after_unknown(known: KnownStep, first: int, named: "_Named", before: Collection[str]) -> ReadStep:
    """Keep a known step that follows an unknown one only where the unknown ones can't have to do with it. `before`:
    what known ones made that they find as it was then."""
    for effect in known.effects:
        match effect:
            case Fetch() | SetMode() | MakeDirectories(parents=True):
                pass
            case Clone() if not named.sets_up_git:
                pass
            case _:
                return SandboxedStep("an earlier line, whose effect isn't known, precedes it", first)
        for path in touched(effect):
            if isinstance(effect, Fetch | Clone) and path in before:
                return SandboxedStep(f"an earlier line, whose effect isn't known, finds another {path}", first)
            if _is_shared(path) or named.may_be(path):
                return SandboxedStep(f"an earlier line, whose effect isn't known, may name {path}", first)
    return known


def _is_shared(path: str) -> bool:
    """Tell whether programs that install write there without being told the path."""
    if "site-packages" in path or "dist-packages" in path:
        return True
    return any(within(path, root) for root in _SHARED) and posixpath.dirname(path) != "/usr/local/bin"


class _Named:
    """Has what the words of unknown lines, which begin in `start`, may lead to. It is asked once for each known line
    behind them, and so by sets."""

    def __init__(self, start: str) -> None:
        self._start = start
        self._all = False
        self._paths: set[str] = set()
        self._above: set[str] = set()
        self._names: set[str] = set()
        self._beginnings: set[str] = set()
        self._lines: list[str] = []

    @property
    def sets_up_git(self) -> bool:
        commands = (command for line in self._lines for command in _COMMAND_END.split(line))
        return any(_SETS_UP_GIT.search(command) for command in commands)

    def add(self, line: str) -> None:
        self._lines.append(line)
        for word in _PATH_LIKE.findall(line):
            sure = re.split(r"[*?\[{$~]", word, maxsplit=1)[0]
            whole = "/" + posixpath.normpath(posixpath.join(self._start, sure)).lstrip("/")
            self._all = self._all or not sure
            self._paths.add(whole)
            self._above.update(above(whole))
            self._names.add(posixpath.basename(whole))
            if sure != word:
                self._beginnings.add(whole)

    def may_be(self, path: str) -> bool:
        """Tell whether a word may lead to `path`: itself, what lies above or below, or its last name."""
        if self._all or posixpath.basename(path) in self._names or path in self._above:
            return True
        return not self._paths.isdisjoint(above(path)) or path.startswith(tuple(self._beginnings))


def _impossible(line: str, surroundings: Surroundings) -> ImpossibleStep | None:
    """Look at those commands only whose failure is the line's."""
    from cogpack.run_lines.expansion import commands
    from cogpack.run_lines.known import without_cache_mounts
    from cogpack.run_lines.shell import Refusal, RefusedError, parse

    line = without_cache_mounts(line)
    if re.match(r"\s*--security=insecure\s", line):
        return ImpossibleStep("--security=insecure: the step wants more rights than any build here gives")
    script = parse(line)
    if isinstance(script, Refusal) or not script.lists:
        return None
    try:
        found = tuple(commands(script, surroundings))
    except RefusedError:
        return None
    begins = script.lists[-1][0].at
    for command in found:
        if command.at < begins:
            continue
        program = posixpath.basename(command.words[0])
        if program in _IMPOSSIBLE:
            return ImpossibleStep(f"{program}: {_IMPOSSIBLE[program]}")
        if program == "systemctl" and _NEEDS_INIT & set(command.words):
            return ImpossibleStep(f"systemctl: {_INIT}")
    return None
