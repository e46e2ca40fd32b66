"""An interpreter of python-build-standalone is found as uv finds it: versions, addresses and hashes are those that uv
knows, or those of a list that the user names to uv."""

import gzip
import io
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from cogpack.cache.scratch import scratch_directory
from cogpack.disk import writing
from cogpack.errors import CogpackError, InputError, UnavailableError
from cogpack.http import Http
from cogpack.lockfile import LockedInterpreter
from cogpack.remote import NoRangesError, remote_size
from cogpack.requirements.environment import MACHINES
from cogpack.requirements.model import anonymous
from cogpack.resolve.wheels.compile import uv_program

MIRROR = "UV_PYTHON_INSTALL_MIRROR"
LIST = "UV_PYTHON_DOWNLOADS_JSON_URL"
"""uv's own variables: what stands for the publisher, and a list instead of uv's."""

_PUBLISHED = (
    "https://releases.astral.sh/github/python-build-standalone/releases/download/",
    "https://github.com/astral-sh/python-build-standalone/releases/download/",
)
_OLDEST = (3, 10)
"""That Cog's SDK runs on."""
_RELEASE = re.compile(r"3\.[0-9]+\.[0-9]+")
_EXPECTED = re.compile(r"Expected:\s+([0-9a-f]{64})\b")
_SECONDS = 60
_LIST_LIMIT = 64 * 1024 * 1024


class _OfUv(msgspec.Struct, frozen=True):
    """Is an entry of what `uv python list` says."""

    key: str
    version: str
    url: str
    implementation: str
    os: str
    arch: str
    libc: str
    variant: str


class _Architecture(msgspec.Struct, frozen=True):
    family: str
    variant: str | None = None


class _OfList(msgspec.Struct, frozen=True, kw_only=True):
    """Is an entry of a list in the form of uv's own `download-metadata.json`."""

    name: str
    arch: _Architecture
    os: str
    libc: str
    major: int
    minor: int
    patch: int
    prerelease: str | None = None
    url: str
    sha256: str | None = None
    variant: str | None = None


class _Listed(msgspec.Struct, frozen=True):
    """Is a build for Linux that uv can install. `key`: by which uv is asked for it; `sha256`: where a list says it."""

    key: str
    version: str
    url: str
    sha256: str | None

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(map(int, self.version.split(".")))


def find_interpreter(
    version: str,
    arch: str,
    *,
    http: Http,
    environment: Mapping[str, str],
    scratch: Path,
    where: str,
    debian: Sequence[str] = (),
) -> LockedInterpreter:
    """Find the newest build of `version`, "3.12" or "3.12.16", for `arch` as OCI names it, and see that it is there.

    `where`: what asks for it; `scratch`: a directory for temporary files; `debian`: minor versions that
    would come from Debian.
    """
    builds = _from_list(http, environment[LIST], arch) if environment.get(LIST) else _from_uv(arch)
    fitting = [one for one in builds if f"{one.version}.".startswith(f"{version}.")]
    if not fitting:
        raise _unknown(version, arch, builds, where)
    chosen = max(fitting, key=lambda one: one.order)
    sha256 = chosen.sha256 or _sha256_of(chosen, scratch)
    try:
        size = _size(chosen.url, http=http, environment=environment)
    except UnavailableError as error:
        raise unreachable(version, error.message, where=where, debian=debian) from error
    return LockedInterpreter(version=chosen.version, url=chosen.url, sha256=sha256, size=size)


def interpreter_urls(url: str, environment: Mapping[str, str]) -> list[str]:
    """Give where the archive is asked for: at the mirror alone where there is one, as uv does."""
    for published in _PUBLISHED:
        if url.startswith(published):
            rest = url.removeprefix(published)
            mirror = environment.get(MIRROR)
            _scheme(mirror or "", MIRROR)
            return [f"{mirror.rstrip('/')}/{rest}"] if mirror else [f"{place}{rest}" for place in _PUBLISHED]
    return [url]


def _scheme(address: str, name: str) -> str:
    """Give that of an address or path that the variable `name` has; `InputError` of one that is none."""
    try:
        return urlsplit(address).scheme
    except ValueError:
        text = f"{name}: {anonymous(address)!r:.200} is no address"
        raise InputError(text, next_step="correct the variable: https://HOST/PATH") from None


def unreachable(version: str, why: str, *, where: str, debian: Sequence[str]) -> UnavailableError:
    """Make the error of a publisher that can't be asked for `version`; the others: as of `find_interpreter`."""
    names = " or ".join(f'"{one}"' for one in debian if one != version)
    own = f"write {names}, which may do as well and would come from Debian; or " if names else ""
    return UnavailableError(
        f"{where}: CPython {version} of python-build-standalone can't be had: {why}",
        next_step=f"{own}name a mirror of its releases in {MIRROR}, or an image that has it: "
        f"`cogpack: {{base: python:{version}-slim}}`",
    )


def _from_uv(arch: str) -> list[_Listed]:
    all_there_are = ("--all-versions", "--all-platforms", "--all-arches")
    said = _run("python", "list", "--only-downloads", *all_there_are, "--output-format", "json")
    if said.returncode:
        raise _uv_fails(said.stderr)
    try:
        listed = msgspec.json.decode(said.stdout, type=list[_OfUv])
    except msgspec.MsgspecError as error:
        raise _uv_fails(str(error)) from error
    return [
        _Listed(one.key, one.version, one.url, None)
        for one in listed
        if (one.implementation, one.os, one.arch, one.libc, one.variant)
        == ("cpython", "linux", MACHINES[arch], "gnu", "default")
        and _RELEASE.fullmatch(one.version)
    ]


def _from_list(http: Http, place: str, arch: str) -> list[_Listed]:
    """Read the list at an address or path, in the form of uv's `download-metadata.json`."""
    if _scheme(place, LIST) in ("http", "https"):
        answer = http.request("GET", place, origin=place, limit=_LIST_LIMIT, tries="few", follow=True)
        if answer.status != 200:
            raise UnavailableError(
                f"{LIST}: {http.shown(place)}: HTTP {answer.status}", next_step="correct the address"
            )
        data = answer.body
    else:
        path = Path(unquote(urlsplit(place).path)) if place.startswith("file://") else Path(place)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"{LIST}: {path}: {error.strerror}", next_step="name a file that is there") from error
    try:
        listed = msgspec.json.decode(data, type=dict[str, _OfList])
    except msgspec.MsgspecError as error:
        raise InputError(
            f"{LIST}: {http.shown(place)}: not a list of uv's form: {error}",
            next_step="see download-metadata.json of uv for the form",
        ) from error
    return [
        _Listed(key, f"{one.major}.{one.minor}.{one.patch}", one.url, one.sha256)
        for key, one in listed.items()
        if (one.name, one.os, one.arch.family, one.libc) == ("cpython", "linux", MACHINES[arch], "gnu")
        and not (one.arch.variant or one.variant or one.prerelease)
    ]


def _sha256_of(build: _Listed, scratch: Path) -> str:
    """Ask uv which hash an archive must have: it says so of one that has another, as an empty archive does."""
    published = next((place for place in _PUBLISHED if build.url.startswith(place)), None)
    if published is None:
        raise InputError(f"{LIST}: {build.key} has no sha256", next_step="write it into the list")
    with scratch_directory(scratch, "interpreter-") as directory, writing(directory):
        archive = directory / "mirror" / unquote(build.url.removeprefix(published))
        archive.parent.mkdir(parents=True)
        archive.write_bytes(_empty_archive())
        mirror, installed = (directory / "mirror").absolute().as_uri(), f"{directory}/installed"
        said = _run("python", "install", "--no-bin", "--install-dir", installed, "--mirror", mirror, build.key)
    found = _EXPECTED.search(said.stderr)
    if found is None:
        raise _uv_fails(said.stderr)
    return found[1]


def _empty_archive() -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w"):
        pass
    return gzip.compress(held.getvalue(), mtime=0)


def _size(url: str, *, http: Http, environment: Mapping[str, str]) -> int | None:
    """Tell the size of the archive, None where a server does not say it; that none has it is an error now, and not
    when an image is built."""
    tried = []
    for place in interpreter_urls(url, environment):
        try:
            if urlsplit(place).scheme in ("http", "https"):
                return http.retries(2, wait_out=False).persist(partial(remote_size, http, place))
            return Path(unquote(urlsplit(place).path)).stat().st_size
        except NoRangesError:
            return None
        except OSError as error:
            tried.append(f"{place}: {error.strerror}")
        except CogpackError as error:
            tried.append(error.message)
    raise UnavailableError("; ".join(tried), next_step=f"name a mirror in {MIRROR}")


def _unknown(version: str, arch: str, builds: Sequence[_Listed], where: str) -> InputError:
    versions = sorted({one.order for one in builds})
    minors = sorted({order[:2] for order in versions if order >= _OLDEST})
    minor = version if version.count(".") == 1 else version.rpartition(".")[0]
    own = [order for order in versions if f"{order[0]}.{order[1]}" == minor]
    if own:
        there = f"of {minor} it has {_dotted(own[0])}" + (f" to {_dotted(own[-1])}" if own[1:] else "")
        advice = f'write "{minor}" for the newest, or a patch level that is there; a newer uv may know more'
    else:
        there = f"it has {_dotted(minors[0])} to {_dotted(minors[-1])}" if minors else "it has none at all"
        advice = "choose one of these; a newer uv may know more"
    return InputError(
        f"{where}: python-build-standalone has no CPython {version} for linux/{arch}: {there}", next_step=advice
    )


def _dotted(order: Sequence[int]) -> str:
    return ".".join(map(str, order))


def _run(*words: str) -> "subprocess.CompletedProcess[str]":
    try:
        # Nothing of the user's: what counts of it is read here, and what is asked needs no network.
        return subprocess.run(
            [uv_program(), "--no-config", "--no-cache", *words],
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _uv_fails(str(error)) from error


def _uv_fails(said: str) -> CogpackError:
    return UnavailableError(
        f"uv does not tell which interpreters there are: {said.strip()!r:.500}",
        next_step="install another version of uv, with cogpack",
    )
