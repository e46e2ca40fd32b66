"""`cogpack doctor` holds the GPUs of this machine to the project: has its torch kernels for them, and is their driver
new enough?

A wheel has kernels for some compute capabilities, and binaries of one major version don't run on another. Floors are
those of Cog's doctor (replicate/cog, `pkg/doctor/gpu_compatibility.go`), measured by `torch._C._cuda_getArchFlags()` of
wheels at and below each.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator

import msgspec
from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from cogpack.commands.results import Check
from cogpack.errors import CogpackError
from cogpack.lockfile import Decisions
from cogpack.locking.deviations import cuda_of
from cogpack.locking.minimum_driver import MinimumDriver, minimum_driver
from cogpack.project import Project
from cogpack.requirements.environment import marker_environment
from cogpack.session import Session

SKIP = "COG_SKIP_GPU_CHECK"
_FLOORS = (((12, 0), "2.7.0", "12.8"), ((10, 0), "2.7.0", "12.8"), ((9, 0), "2.0.1", "11.8"))
"""From which compute capability on torch and CUDA are wanted that are no older, the highest first; of lower ones, all
wheels that were looked at have kernels."""
_ASKED = ("--query-gpu=compute_cap,driver_version", "--format=csv,noheader")
_ROW = re.compile(r"\s*(\d{1,3})\.(\d{1,3})\s*,\s*(\d[\d.]{0,30})\s*")
_PATIENCE = 10


class Torch(msgspec.Struct, frozen=True, kw_only=True):
    """Is what the image has for a GPU. `cuda`: "" where nothing tells it; 12 may be any 12.x."""

    version: str
    cuda: str = ""
    driver: MinimumDriver | None = None


def check_gpus(session: Session, project: Project, decisions: Decisions | None) -> Iterator[Check]:
    """Compare, where the project wants a GPU and this machine has one. `decisions`: of a lock that fits; without it,
    what requirements pin counts."""
    if not project.config.gpu or session.environment.get(SKIP):
        return
    found = _gpus(session)
    if not found:
        said = "this machine has none that nvidia-smi tells of: nothing is compared"
        yield Check(name="gpu", verdict="ok", said=said)
        return
    torch = _locked(decisions) if decisions is not None else _required(project)
    faults = list(compared(torch, found)) if torch is not None else []
    yield from faults
    if not faults:
        names = ", ".join(f"sm_{major}{minor}" for major, minor, _ in found)
        unread = "no exact pin of torch is read" if decisions is None else "the lock has no torch"
        fits = f"torch {torch.version} has kernels for it" if torch else unread
        yield Check(name="gpu", verdict="ok", said=f"{names}, driver {found[0][2]}: {fits}")


def compared(torch: Torch, found: list[tuple[int, int, str]]) -> Iterator[Check]:
    """Tell what of `torch` won't run: advice, since the image is right on other machines."""
    for major, minor, _ in found:
        floor = next((floor for floor in _FLOORS if (major, minor) >= floor[0]), None)
        old_cuda = floor and "." in torch.cuda and _older(torch.cuda, floor[2])
        if floor is None or not (old_cuda or _older(torch.version, floor[1])):
            continue
        cuda = f" of CUDA {torch.cuda}" if torch.cuda else ""
        yield Check(
            name="gpu",
            verdict="advice",
            said=f"torch {torch.version}{cuda} has no kernels for sm_{major}{minor}, this machine's GPU: the image is "
            'made, and fails here with "no kernel image is available for execution on the device"',
            next_step=f"require torch>={floor[1]} with CUDA {floor[2]} or newer; or set {SKIP}=1, if it is for others",
        )
    wanted = torch.driver
    if wanted is not None and (old := [driver for *_, driver in found if _older(driver, wanted.version)]):
        yield Check(
            name="gpu",
            verdict="advice",
            said=f"the image {wanted.line()}, and this machine has {old[0]}",
            next_step="install a newer driver, or require a torch of an older CUDA",
        )


def _gpus(session: Session) -> list[tuple[int, int, str]]:
    """Ask for compute capability and driver of each, without those that are alike."""
    program = shutil.which("nvidia-smi", path=session.environment.get("PATH"))
    if program is None:
        return []
    try:
        done = subprocess.run([program, *_ASKED], capture_output=True, errors="replace", timeout=_PATIENCE, check=True)
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    rows = [match for line in done.stdout.splitlines() if (match := _ROW.fullmatch(line))]
    return sorted({(int(row[1]), int(row[2]), row[3]) for row in rows})


def _locked(decisions: Decisions) -> Torch | None:
    version = next((wheel.version for wheel in decisions.wheels if wheel.name == "torch"), None)
    cuda = max((version for _, version in cuda_of(decisions)), key=_version, default="")
    return Torch(version=version, cuda=cuda, driver=minimum_driver(decisions)) if version else None


def _required(project: Project) -> Torch | None:
    """Read an exact pin that counts for the model's Python; what is unlike that, only a lock decides."""
    try:
        lines = project.requirements().required
    except CogpackError:  # a row of its own tells of it
        return None
    arch = project.config.pack.platforms[0].partition("/")[2]
    environment = marker_environment(project.config.python_minor, arch)
    for line in lines:
        if line.name != "torch":
            continue
        asked = Requirement(line.text)
        if asked.marker is None or asked.marker.evaluate(environment):
            for pin in asked.specifier:
                if pin.operator == "==" and not pin.version.endswith(".*"):
                    return Torch(version=pin.version)
    return None


def _older(version: str, floor: str) -> bool:
    """Compare releases: 2.7, 2.7.0+cu128 and 2.7.0rc1 are no older than 2.7.0; nor is what is no version."""
    try:
        return Version(Version(version).base_version) < Version(floor)
    except InvalidVersion:
        return False


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")
