"""What this machine lets us do: of each rung, whether it works, or which call was refused and what would help.

`probe` asks the kernel itself (`questions`), since neither a container's engine nor a kernel's version tells; `choose`
takes a rung by the answers, and `choose_for` one for another architecture.
"""

import base64
import errno
import json
import os
import platform
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from cogpack.config import Isolation
from cogpack.disk import UNFINISHED, writing
from cogpack.errors import CogpackError, InputError, UnavailableError
from cogpack.sandbox import helpers
from cogpack.sandbox.rungs import emulation
from cogpack.sandbox.system_calls.seccomp import Rule, program
from cogpack.sandbox.trees.directories import remove_tree

_TIMEOUT = 60


class Rung(StrEnum):
    """A way to run a command over the tree of an image. The first that works is taken: each gives the same files, or
    fails; what each hides of the machine is in docs/sandbox.md."""

    ROOT = "root"
    """Mount, PID and IPC namespaces, made by root."""
    USERNS = "userns"
    """The same in a user namespace of one user; chown(2) is recorded, and done by nobody."""
    CHROOT = "chroot"
    """chroot(2), for root of a container that may make no namespaces."""
    PROOT = "proot"
    """proot, which traces each call with a path in it: for who may do nothing else."""

    @property
    def one_user(self) -> bool:
        """Whether all files are one user's, who is root inside: a tree for it is laid without its owners."""
        return self in (Rung.USERNS, Rung.PROOT)

    @property
    def hides(self) -> bool:
        """Tell whether this machine's files can't be reached from a guest, but for what is bound there."""
        return self in (Rung.ROOT, Rung.USERNS)

    @property
    def left_open(self) -> str:
        """Say in a few words what commands are not kept from: all of it is in docs/sandbox.md."""
        match self:
            case Rung.ROOT | Rung.USERNS:
                return "the machine's network"
            case Rung.CHROOT:
                return "the machine's network; other processes of root can be killed; root leaves it if he means to"
            case Rung.PROOT:
                return (
                    "the machine's network; and, without Linux 6.12 and its Landlock, files and processes of this user "
                    "for a program that means to"
                )


class Refusal(msgspec.Struct, frozen=True):
    """A call that a rung needs and this machine refuses. `error`: name of the errno; `help`: what would change it."""

    call: str
    error: str
    help: str

    def __str__(self) -> str:
        return f"{self.call}: {self.error}"


class Findings(msgspec.Struct, frozen=True):
    """What was found. A rung without a refusal works; `listener`: why owners can't be recorded, None where they can;
    `emulation`: why programs of another architecture can't be run in `userns`; `overlays`: the rungs that can lay what
    is written over a tree that stays as it is (overlayfs)."""

    refusals: Mapping[Rung, Refusal]
    listener: Refusal | None = None
    emulation: Refusal | None = None
    overlays: frozenset[Rung] = frozenset()

    def refusal(self, rung: Rung, *, owners: bool) -> Refusal | None:
        """Say why `rung` doesn't work, None if it does. `owners`: whether it must be known whose the files become."""
        if (refused := self.refusals.get(rung)) is not None:
            return refused
        return self.listener if owners and rung.one_user else None


class Machine(msgspec.Struct, frozen=True):
    """What explains refusals: who we are, whether a filter lies on us already, and the kernel's settings."""

    uid: int
    filtered: bool
    settings: Mapping[str, str] = {}


def probe(directory: Path, *, under: Sequence[Rule] = ()) -> Findings:
    """Ask what each rung would ask, with trees in `directory`. `under`: rules of a filter that it is asked under, as a
    container's engine would have laid it."""
    if (system := platform.system()) != "Linux":
        refused = Refusal("the sandbox", f"there is none on {system}", "a machine with Linux, or a virtual one")
        return Findings(dict.fromkeys(Rung, refused), listener=refused, emulation=refused)
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    place = directory / f"{UNFINISHED}{secrets.token_hex(8)}"
    place.mkdir(mode=0o700)
    try:
        asked = {"place": str(place), "filter": base64.b64encode(program(under)).decode() if under else ""}
        done = subprocess.run(
            helpers.command("rungs.questions"),
            input=json.dumps(asked).encode(),
            capture_output=True,
            env={},
            cwd="/",
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(
            f"the probe of the sandbox took longer than {_TIMEOUT} s",
            next_step="run it again when the machine has time",
        ) from None
    finally:
        remove_tree(place)
    if done.returncode != 0:
        raise CogpackError(
            f"the probe of the sandbox ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}",
            next_step="report it as a bug",
        )
    answers = msgspec.json.decode(done.stdout, type=dict[str, tuple[str, int] | None])
    machine = _machine()
    overlays = frozenset(rung for rung in (Rung.ROOT, Rung.USERNS) if answers.pop(f"{rung} overlay") is None)
    refusals = {name: explained(name, *answer, machine) for name, answer in answers.items() if answer is not None}
    listener = refusals.pop("listener", None)
    emulation = refusals.pop("emulation", None)
    return Findings({Rung(name): refusal for name, refusal in refusals.items()}, listener, emulation, overlays)


def choose(isolation: Isolation, findings: Findings, *, owners: bool) -> Rung:
    """Take the rung that was asked for, or the first that works; an `InputError` that says what was refused and what
    helps. `owners`: whether files are captured, so that it must be known whose they become."""
    wanted = list(Rung) if isolation == "auto" else [Rung(isolation)]
    refused: list[tuple[Rung, Refusal]] = []
    for rung in wanted:
        refusal = findings.refusal(rung, owners=owners)
        if refusal is None:
            return rung
        refused.append((rung, refusal))
    told = ", ".join(f"{rung} ({refusal})" for rung, refusal in refused)
    helps = list(dict.fromkeys(refusal.help for _, refusal in refused))
    if isolation == "auto":
        message = f"no command can be run here over the files of an image; this machine refuses {told}"
    else:
        message = f"isolation: {isolation} doesn't work here: this machine refuses {refused[0][1]}"
        working = next((rung for rung in Rung if findings.refusal(rung, owners=owners) is None), None)
        helps += [f"--isolation {working}, which works"] if working else []
    raise InputError(message, next_step=f"any one of these helps: {'; '.join(helps)}")


def choose_for(
    architecture: str, isolation: Isolation, findings: Findings, *, owners: bool, elsewhere: str
) -> tuple[Rung, bool]:
    """Choose the rung for programs of `architecture`, "amd64" or "arm64"; tell whether they need an emulator of ours
    there. `owners`: as of `choose`; `elsewhere`: what helps where they can't be run."""
    if emulation.is_native(architecture):
        return choose(isolation, findings, owners=owners), False
    helps = [elsewhere]
    if architecture != "arm64":
        why = "no emulator is known for it"
    elif (refusal := findings.refusal(Rung.USERNS, owners=owners) or findings.emulation) is not None:
        why = f"this machine refuses {refusal}"
        helps.append(refusal.help)
    elif isolation not in ("auto", "userns"):
        why = f"isolation {isolation} has no emulator"
        helps.append("--isolation userns")
    else:
        return Rung.USERNS, True
    helps.append("an emulator that this machine knows (apt-get install qemu-user-binfmt)")
    raise InputError(
        f"programs of linux/{architecture} can't be run here: {why}",
        next_step=f"any one of these helps: {'; '.join(helps)}",
    )


def explained(name: str, call: str, code: int, machine: Machine) -> Refusal:
    """Say of a refused call what would change it."""
    return Refusal(call, errno.errorcode.get(code, "killed"), _help(name, call, code, machine))


def _help(name: str, call: str, code: int, machine: Machine) -> str:
    settings = machine.settings
    if call == "execve":
        return "a cache on a file system that is not mounted noexec (--cache-dir)"
    if call == "open of a device":
        return "a cache on a file system that is not mounted nodev (--cache-dir)"
    if call == "chown" and machine.uid == 0 and name in ("root", "chroot"):
        return "a cache on a disk of this machine (--cache-dir), where root may give files away"
    if name == "userns":
        if settings.get("kernel/apparmor_restrict_unprivileged_userns") == "1" and machine.uid != 0:
            return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or sudo cogpack"
        if settings.get("kernel/unprivileged_userns_clone") == "0" and machine.uid != 0:
            return "sudo sysctl -w kernel.unprivileged_userns_clone=1"
        if settings.get("user/max_user_namespaces") == "0" or code == errno.ENOSPC:
            return "sudo sysctl -w user.max_user_namespaces=15000"
    if name == "proot" and settings.get("kernel/yama/ptrace_scope") in ("2", "3"):
        return "sudo sysctl -w kernel.yama.ptrace_scope=1"
    if name == "emulation":
        return "Linux 6.7 or newer, which lets a user namespace have an emulator of its own"
    if name == "listener":
        return "Linux 5.5 or newer without another listener (seccomp_unotify(2)), or root"
    if machine.uid != 0 and name in ("root", "chroot"):
        return "root: sudo, or the container's own root user"
    if machine.filtered:
        return "a container without its engine's filter (--security-opt seccomp=unconfined)"
    return "a container that may do this (--privileged), or the machine itself"


_SETTINGS = (
    *("kernel/apparmor_restrict_unprivileged_userns", "kernel/unprivileged_userns_clone"),
    *("user/max_user_namespaces", "kernel/yama/ptrace_scope"),
)


def _machine() -> Machine:
    status = _read("/proc/self/status")
    settings = {name: text.strip() for name in _SETTINGS if (text := _read(f"/proc/sys/{name}"))}
    return Machine(os.geteuid(), "\nSeccomp:\t2" in status, settings)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
