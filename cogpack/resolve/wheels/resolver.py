"""uv as a subprocess: wheels only, for the target, with hashes, in an environment that holds nothing to sway it."""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import uv
from packaging.pylock import Package, PackageWheel, Pylock, PylockValidationError
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cogpack.errors import CogpackError, InputError, MismatchError, UnavailableError
from cogpack.lock import FILE, LockedWheel
from cogpack.progress import SILENT, Progress
from cogpack.requirements.model import anonymous
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.target import Target

_SECONDS = 900
_LOCK = "pylock.cogpack.toml"
_NETWORK = ("Failed to fetch", "error sending request", "dns error", "Connection refused", "timed out")


def resolve_wheels(
    requirements: Sequence[str],
    *,
    constraints: Sequence[str],
    root: Path,
    target: Target,
    indexes: Indexes,
    exclude_newer: str | None,
    preferences: Sequence[LockedWheel],
    cache: Path,
    progress: Progress = SILENT,
) -> tuple[LockedWheel, ...]:
    """The wheels that fulfil `requirements` (lines; `./x.whl` relative to `root`), sorted by name.

    `preferences`: pins that are kept where they still fit.
    """
    task = progress.task(f"resolve {len(requirements)} requirements for Python {target.python}", None)
    direct = [_absolute(line, root) for line in requirements]
    found = _compile(
        direct,
        constraints,
        target=target,
        indexes=indexes,
        exclude_newer=exclude_newer,
        preferences=[f"{wheel.name}=={wheel.version}" for wheel in preferences if not wheel.url and not wheel.path],
        cache=cache,
    )
    wheels = sorted((_locked(package, target, root, direct) for package in found), key=lambda wheel: wheel.name)
    task.done("resolved")
    return tuple(wheels)


def wheel_urls(wheels: Sequence[LockedWheel], *, indexes: Indexes, target: Target, cache: Path) -> dict[str, list[str]]:
    """sha256 -> addresses of locked wheels, on whatever indexes are configured now; file name and hash must agree."""
    if not wheels:
        return {}
    found = _compile(
        [f"{wheel.name}=={wheel.version}" for wheel in wheels],
        (),
        target=target,
        indexes=indexes,
        exclude_newer=None,
        preferences=(),
        cache=cache,
        more=["--no-deps"],
    )
    listed = {_filename(wheel): wheel for package in found for wheel in package.wheels or ()}
    urls: dict[str, list[str]] = {}
    for wheel in wheels:
        if (there := listed.get(wheel.filename)) is None:
            continue
        if there.hashes["sha256"] != wheel.sha256:
            raise MismatchError(
                f"{FILE} pins {wheel.filename} to sha256:{wheel.sha256}, the index has sha256:{there.hashes['sha256']}",
                next_step="restore the lock from git; if the file was replaced, ask its publisher",
            )
        urls[wheel.sha256] = [str(there.url or there.path)]
    return urls


def _absolute(line: str, root: Path) -> str:
    return f"{root}/{line[2:]}" if line.startswith("./") else line


def _compile(
    requirements: Iterable[str],
    constraints: Iterable[str],
    *,
    target: Target,
    indexes: Indexes,
    exclude_newer: str | None,
    preferences: Iterable[str],
    cache: Path,
    more: Sequence[str] = (),
) -> Sequence[Package]:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="resolve-", dir=cache) as scratch:
        work = Path(scratch)
        (work / "requirements.in").write_text("\n".join(requirements) + "\n")
        command = [
            *(uv.find_uv_bin(), "--no-config", "pip", "compile", "requirements.in"),
            *("--format", "pylock.toml", "--output-file", _LOCK, "--no-header"),
            # uv needs some interpreter to run, and would install one if it found none.
            *("--python", sys.executable, "--no-python-downloads"),
            *("--python-version", target.python, "--python-platform", target.uv_platform),
            *("--only-binary", ":all:", "--generate-hashes"),
            *more,
            *indexes.arguments(),
        ]
        if exclude_newer:
            command += ["--exclude-newer", exclude_newer]
        if lines := list(constraints):
            (work / "constraints.txt").write_text("\n".join(lines) + "\n")
            command += ["--constraints", "constraints.txt"]
        if pins := list(preferences):
            # The output file of an earlier run is uv's way to prefer without requiring.
            _write_preferences(work / _LOCK, pins)
        environment = indexes.variables() | {
            "UV_CACHE_DIR": str(cache / "uv"),
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "NO_COLOR": "1",
        }
        try:
            done = subprocess.run(
                command, cwd=work, env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(
                f"uv found no answer in {_SECONDS} s", next_step="check the package index, or pin more versions"
            ) from None
        if done.returncode != 0:
            raise _failure(done.stderr, target)
        if missing := re.search(r"The package `([^`]+)` does not have an extra named `([^`]+)`", done.stderr):
            raise InputError(
                f"requirements: {missing[1]} has no extra {missing[2]}, for Python {target.python} and glibc "
                f"{target.glibc}",
                next_step="correct the extra, or pin a version that has it",
            )
        return _read(work / _LOCK, target)


def _write_preferences(path: Path, pins: Iterable[str]) -> None:
    lines = ['lock-version = "1.0"', 'created-by = "cogpack"', ""]
    for pin in pins:
        name, _, version = pin.partition("==")
        # The wheel is a placeholder: only name and version are read from a former output.
        wheel = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{version}"']
        lines += [f'wheels = [{{ url = "https://invalid.invalid/{wheel}", hashes = {{ sha256 = "{"0" * 64}" }} }}]', ""]
    path.write_text("\n".join(lines))


def _read(path: Path, target: Target) -> Sequence[Package]:
    document: Mapping[str, Any] = tomllib.loads(path.read_text())
    try:
        packages = Pylock.from_dict(document).packages
    except PylockValidationError as error:
        raise UnavailableError(f"uv wrote a lock that can't be read: {error}", next_step="update uv") from error
    environment = dict(target.environment())
    return [package for package in packages if package.marker is None or package.marker.evaluate(environment)]


def _locked(package: Package, target: Target, root: Path, direct: Sequence[str]) -> LockedWheel:
    name = canonicalize_name(package.name)
    if package.archive is not None:  # a requirement that names one file
        archive = package.archive
        place = str(archive.url or archive.path)
        filename = unquote(urlsplit(place).path).rpartition("/")[2]
        if not filename.endswith(".whl"):
            raise _no_wheel(name, str(package.version or ""), target)
        version = str(package.version or parse_wheel_filename(filename)[1])
        path = None if archive.url else _relative(place, filename, root, direct)
        return LockedWheel(
            name=name,
            version=version,
            filename=filename,
            sha256=archive.hashes["sha256"],
            size=archive.size,
            # Without user and password: the lock is committed.
            url=anonymous(archive.url) if archive.url else None,
            path=path,
        )
    if package.directory is not None or package.vcs is not None:
        raise _no_wheel(name, str(package.version or ""), target)
    best = _best(package.wheels or (), target.tags())
    if best is None:
        raise _no_wheel(name, str(package.version or ""), target)
    return LockedWheel(
        name=name,
        version=str(package.version),
        filename=_filename(best),
        sha256=best.hashes["sha256"],
        size=best.size,
    )


def _relative(place: str, filename: str, root: Path, direct: Sequence[str]) -> str:
    """The project's own name of a local wheel; uv gives it relative to its scratch directory."""
    for line in direct:
        if line.startswith(f"{root}/") and line.endswith(f"/{filename}"):
            return line[len(str(root)) + 1 :]
    raise InputError(f"{place}: a local wheel outside the project", next_step="put it into the project directory")


def _filename(wheel: PackageWheel) -> str:
    return wheel.name or unquote(urlsplit(str(wheel.url or wheel.path)).path).rpartition("/")[2]


def _best(wheels: Iterable[PackageWheel], tags: Sequence[Tag]) -> PackageWheel | None:
    """The wheel whose tag comes first among the target's; of equals the highest build number (PEP 427)."""
    rank = {tag: index for index, tag in enumerate(tags)}
    candidates: list[tuple[int, tuple[int, str] | tuple[()], PackageWheel]] = []
    for wheel in wheels:
        try:
            _, _, build, wheel_tags = parse_wheel_filename(_filename(wheel))
        except InvalidWheelFilename:
            continue
        ranks = [rank[tag] for tag in wheel_tags if tag in rank]
        if ranks:
            candidates.append((-min(ranks), build, wheel))
    return max(candidates, key=lambda item: (item[0], item[1], _filename(item[2])))[2] if candidates else None


def _no_wheel(name: str, version: str, target: Target) -> InputError:
    return InputError(
        f"requirements: {name} {version} has no wheel for Python {target.python}, {target.machine}, "
        f"glibc {target.glibc}",
        next_step=f"pin another version, or build a wheel (pip wheel {name}) and name its file in the requirements",
    )


def _failure(stderr: str, target: Target) -> CogpackError:
    """uv's own words, shortened: it names causes and hints well."""
    lines = [line.strip() for line in re.sub(r"://[^/@\s]*@", "://", stderr).splitlines() if line.strip()]
    text = " ".join(line for line in lines if not line.startswith("warning:"))
    text = re.sub(r"^(error:|×)\s*|\s*(?:[├└]─▶|cause:)\s*", " ", text).strip()
    network = (
        "Failed to fetch",
        "error sending request",
        "dns error",
        "Connection refused",
        "timed out",
        "Could not connect",
    )
    if any(word in stderr for word in network):
        return UnavailableError(
            f"the package index can't be reached: {text:.600}",
            next_step="check the network and the index (UV_DEFAULT_INDEX, PIP_INDEX_URL)",
        )
    if "no usable wheels" in stderr or "only-binary" in stderr or "no wheels" in stderr:
        advice = "pin a version that has a wheel, or build one (pip wheel NAME) and name its file in the requirements"
    else:
        advice = "change the requirements so that they can hold together"
    return InputError(f"requirements for Python {target.python} can't be resolved: {text:.1500}", next_step=advice)
