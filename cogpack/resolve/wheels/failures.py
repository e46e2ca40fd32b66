"""What uv says when it fails becomes our errors: it names causes and hints well, so they are passed on, shortened."""

import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from cogpack.disk import DiskError
from cogpack.errors import CogpackError, DeniedError, InputError, UnavailableError
from cogpack.notes import Code, Note
from cogpack.resolve.wheels.target import TargetPython

_LENGTH = 1500
_DISK = re.compile(
    r"(No space left on device|Disk quota exceeded|Read-only file system|Input/output error|Permission denied)"
    r" \(os error \d+\)"
)
_EXTRA = re.compile(r"The package `([^`]+)` does not have an extra named `([^`]+)`")
_YANKED = re.compile(r"^warning: `([^`]+)` is yanked(.*)$", re.MULTILINE)
_NETWORK = ("Failed to fetch", "error sending request", "dns error", "Connection refused", "timed out")
_DENIED = ("401 Unauthorized", "403 Forbidden", "lack of valid authentication credentials")
_NO_PAGE = ("Received some unexpected JSON from", "Unsupported `Content-Type`", "Could not parse absolute URL `http")
_NO_WHEELS = ("no usable wheels", "no wheels with a matching", "no wheels are available")
_OVERRIDE = re.compile(r"\.? *Consider using `exclude-newer-package`[^;]*")
"""uv gives this advice of a setting that is not ours."""
_BLAMED = re.compile(
    r"Wheels are required for `([^`]+)`|we only found wheels for `([^`]+)`"
    r"|(?<![A-Za-z0-9._-])([A-Za-z0-9._-]+) was not found in the (?:package registry|provided package locations)"
    r"|there is no version of ([A-Za-z0-9._-]+)(?:\[[^]]*\])?==\S+ and you require \4[=\[]"
)
"""Who is at fault alone, whatever else is required."""
_NO_VERSION = re.compile(r"there is no version of ([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s,]+) and you require \1[=\[]")
"""Says that who named a version can name another one: not so where somebody else requires it."""

_PYTHON = re.compile(
    r"the requested Python version \([^)]*\) does not satisfy Python(\S+) and (\S+) depends on Python\1"
)
"""Says that a version wants another Python, where there is no version that takes this one."""
_TORCH = re.compile(r"\bcogpack-torch(?:==0)? depends on\b")
"""The project that names an index for torch: what it requires, the user does."""
_ADDRESS = re.compile(r"Failed to download `([A-Za-z0-9._-]+) @ ([^`\s]+)`")
_DAMAGED = re.compile(r"Failed to read `(?!--)[^`]*`|Failed to extract archive|Invalid zip file|file is invalid")
_AUTHORITY = "if a company's own authority signed it, set SSL_CERT_FILE to a file that holds it"
_LABEL = re.compile(r"^[\s×├└╰─▶]*(?:error:|cause:|hint:|Caused by:|[×├└╰])\s*")
_CONTINUED = re.compile(r"^[\s│]+")


class BlamedError(InputError):
    """Says that nothing fits because of `packages`, normalised names: each would have to change whatever the others
    are. `missing`: a name and a version that there is not, which the user asks for."""

    packages: tuple[str, ...] = ()
    missing: tuple[str, str] | None = None


class AddressError(UnavailableError):
    """Says that a file which a requirement names by its address can't be reached."""


class AddressDeniedError(DeniedError):
    """Says that a file which a requirement names by its address is refused."""


def warned(errors: str) -> Iterator[Note]:
    """Give a note of each thing that uv only warns of and a user should know."""
    for pin, extra in _EXTRA.findall(errors):
        text = f"{pin} has no extra {extra}: nothing is installed for it"
        yield Note(Code.MISSING_EXTRA, text)
    for pin, reason in _YANKED.findall(errors):
        yield Note(Code.YANKED, f"{pin} is yanked: its publisher took it back{reason}")


def failure(errors: str, target: TargetPython) -> CogpackError:
    """Make the error of what uv wrote on stderr before it failed."""
    errors = _TORCH.sub("you require", re.sub(r"://[^/@\s]*@", "://", errors))
    text = _shortened(errors)
    if found := _DISK.search(errors):
        return DiskError(
            f"uv can't write: {found[1]}: {text}",
            next_step="check the free space and the rights of the cache and of TMPDIR, or choose other places "
            "(--cache-dir moves the cache)",
        )
    denied = next((word for word in _DENIED if word in errors), "")
    away = any(word in errors for word in _NETWORK)
    if (found := _ADDRESS.search(errors)) and (denied or away):
        return _out_of_reach(found[1], found[2], text, denied)
    if denied:
        return DeniedError(
            f"a package index wants credentials: {text}",
            next_step="put them into the index address, UV_INDEX_NAME_USERNAME and _PASSWORD, or ~/.netrc",
        )
    if away:
        advice = "check the network and the index (UV_DEFAULT_INDEX, PIP_INDEX_URL)"
        return UnavailableError(
            f"a package index can't be reached: {text}", next_step=_AUTHORITY if "certificate" in errors else advice
        )
    if any(word in errors for word in _NO_PAGE):
        return UnavailableError(
            f"a page of a package index can't be read: {text}",
            next_step="check the index's address (UV_DEFAULT_INDEX, PIP_INDEX_URL); if it is right, tell its operator",
        )
    if _DAMAGED.search(errors):
        return InputError(
            f"requirements: a wheel can't be read: {text}",
            next_step="fetch its file again; if it is your own, build it again (pip wheel), else tell its publisher "
            "and pin another version",
        )
    missing = None
    if any(word in errors for word in _NO_WHEELS):
        advice = "pin a version that has a wheel, or build one (pip wheel NAME) and name its file in the requirements"
    elif "exclude-newer" in errors:
        advice = "make cogpack.exclude_newer of cog.yaml later, or choose a version that is older"
    elif missing := _NO_VERSION.search(errors):
        advice = f"name a version that there is; `pip index versions {missing[1]}` lists them"
    elif found := _PYTHON.search(text):
        advice = (
            f"choose another python_version (build.python_version: {found[2]} wants {found[1]}), or a version of "
            f"{found[2].partition('==')[0]} for Python {target.python}"
        )
    elif "was not found in the p" in errors:
        advice = "check the spelling; if it is a package of your own, configure its index (--extra-index-url, UV_INDEX)"
    else:
        advice = "change the requirements so that they can hold together"
    blamed = {canonicalize_name(name) for names in _BLAMED.findall(errors) for name in names if name}
    error = (BlamedError if blamed else InputError)(
        f"requirements can't be met for Python {target.python}, {target.machine}, glibc {target.glibc}: {text}",
        next_step=advice,
    )
    if isinstance(error, BlamedError):
        error.packages = tuple(sorted(blamed))
        error.missing = (missing[1], missing[2]) if missing else None
    return error


def _out_of_reach(name: str, address: str, text: str, denied: str) -> CogpackError:
    """Make the error of a requirement that names the address of its file."""
    causes = [part for part in text.split("; ") if address not in part]
    if "404 Not Found" in text:
        return InputError(f"{name}: {address}: there is no such file (404)", next_step="correct the address")
    if denied:
        return AddressDeniedError(
            f"{name}: {address} is refused ({denied})",
            next_step="correct the address, or put user and password into it or into ~/.netrc",
        )
    return AddressError(
        f"{name}: {address} can't be reached: {'; '.join(causes) or text}",
        next_step=_AUTHORITY if "certificate" in text else "check the address and the network",
    )


def _shortened(errors: str) -> str:
    """Put causes and hints into one line, without uv's frame and what our own advice says better."""
    parts: list[str] = []
    for line in errors.splitlines():
        text = _CONTINUED.sub("", _LABEL.sub("", line)).strip()
        if not text or line.startswith(("warning:", "Resolved")):
            continue
        if parts and _CONTINUED.match(line) and not _LABEL.match(line):
            parts[-1] += f" {text}"
        else:
            parts.append(text)
    parts = [
        part.rstrip(".").replace("(try: `--prerelease=allow`)", "(write --pre into the requirements file)")
        for part in dict.fromkeys(parts)
        if not part.startswith(("No solution found", "Wheels are required for", "The `--python-version` value"))
    ]
    parts = [_OVERRIDE.sub("", part).replace("`exclude-newer`", "`cogpack.exclude_newer`") for part in parts]
    joined = "; ".join(parts) or "uv said nothing"
    return joined if len(joined) <= _LENGTH else joined[:_LENGTH] + " ..."
