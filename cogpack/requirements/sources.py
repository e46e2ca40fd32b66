"""Requirements that name source code by its place: a repository of git, an archive, a path of the project.

As pip reads them (pip docs, "VCS Support", "Local project installs"; PEP 508, "URL"). Nothing is looked at.
"""

import re
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from cogpack.patterns import pattern
from cogpack.requirements.model import (
    ARCHIVES,
    VARIABLE,
    ArchiveAddress,
    DirectAddress,
    GitAddress,
    LocalPath,
    SourceLine,
    anonymous,
)
from cogpack.requirements.paths import LineFaultError, named_path, path_of, read_marker, split_extras

_GIT = pattern(r"git\+(https?|ssh)://", re.IGNORECASE)
_OTHERS = pattern(r"(?:git|hg|svn|bzr)\+|git@", re.IGNORECASE)
_WEB = pattern(r"https?://|\$\{[A-Z0-9_]+\}", re.IGNORECASE)
_NAMED = pattern(r"[A-Za-z0-9._-]+(?:\s*\[[^\]]*\])?\s*@")
_MARKER = pattern(r"\s;\s*|;\s+")
_REVISION = pattern(r"(?![-.])[A-Za-z0-9._/+@#=,-]+(?<![/.])")
_HASH = pattern(r"sha256=([0-9a-fA-F]{64})")


def read_source(text: str, *, editable: bool, path: str, line: int) -> SourceLine | None:
    """Read a requirement without its options; None of one that names no source. `LineFaultError` of one that can't be
    taken."""
    name, extras, marker, address = _taken_apart(text, editable=editable)
    if (source := _of_address(address, editable=editable)) is None:
        if editable:
            raise LineFaultError(f"-e {anonymous(address):.80} names no directory and no repository", _FORMS)
        return None
    egg = _egg(address) if not name and not isinstance(source, LocalPath) else None
    if egg is not None:
        name, extras = egg.name, tuple(egg.extras)
    found = tuple(sorted({canonicalize_name(extra) for extra in extras}))
    hashes = tuple(map(str.lower, _HASH.findall(address))) if isinstance(source, ArchiveAddress) else ()
    return SourceLine(
        name=canonicalize_name(name) if name else "",
        extras=found,
        marker=marker,
        source=source,
        editable=editable,
        hashes=hashes,
        path=path,
        line=line,
    )


_FORMS = "write ./DIRECTORY, or git+https://HOST/PATH@REVISION#egg=NAME"


def _taken_apart(text: str, *, editable: bool) -> tuple[str, tuple[str, ...], str, str]:
    """Give name, extras, marker and address; of what is no address, what there is to see."""
    named = named_path(text)
    if named is None and _NAMED.match(text) and not text.startswith("git@"):
        try:
            found = Requirement(text)
        except (InvalidRequirement, RecursionError, ValueError):
            return "", (), "", ""
        return found.name, tuple(found.extras), str(found.marker or ""), found.url or ""
    address, *rest = _MARKER.split(named.path if named else text, maxsplit=1)
    extras: tuple[str, ...] = named.extras if named else ()
    address = path_of(address.strip())
    if rest and not (address.startswith(("git+", ".")) or _WEB.match(address) or _is_path(address)):
        return "", (), "", ""
    marker = read_marker(rest[0]) if rest else ""
    if (editable or _is_path(address)) and not _GIT.match(address):
        address, more = split_extras(address)
        extras = (*extras, *more)
    return named.name if named else "", extras, marker, address


def _of_address(address: str, *, editable: bool) -> DirectAddress | None:
    if _GIT.match(address):
        return _repository(address)
    if found := _OTHERS.match(address):
        raise LineFaultError(
            f"{anonymous(address):.200} is a repository that is not fetched: only git's are, by https or ssh",
            "name it by its address of https or ssh, with git+ before that"
            if found[0] in ("git+", "git@")
            else "build a wheel (pip wheel --no-deps), put it into the project and name it: ./wheels/NAME.whl",
        )
    if _WEB.match(address):
        return _archive(address) if not editable else None
    named = editable and re.fullmatch(r"[^-$:@\s][^:@]*", address)
    if not (named or _is_path(address)) or address.endswith(".whl"):
        return None
    if "\\" in address:
        raise LineFaultError(f"{address:.120}: backslash in a path", "write forward slashes")
    if editable and address.lower().endswith(ARCHIVES):
        return None
    return LocalPath(path=address.rstrip("/") or "/")


def _is_path(text: str) -> bool:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text) or text.startswith(("-", "$")) or _NAMED.match(text):
        return False
    bare = text.partition("[")[0]
    return (
        bare.startswith(("./", "../", "/", "~"))
        or bare in (".", "..")
        or "\\" in bare
        or bare.lower().endswith(ARCHIVES)
        or (bare.endswith("/") and " " not in bare)
    )


def _repository(address: str) -> GitAddress:
    try:
        parts = urlsplit(address)
        sound = bool(parts.hostname or VARIABLE.search(parts.netloc)) and not parts.query
    except ValueError:
        sound = False
    if not sound or "\\" in address:
        raise LineFaultError(f"{anonymous(address):.200} is no address of a repository", _FORMS)
    path, at, revision = parts.path.rpartition("@")
    if not at:
        path, revision = parts.path, ""
    if at and not _REVISION.fullmatch(revision):
        raise LineFaultError(f"{revision!r:.100} is no commit, tag or branch", "write it behind an @, or leave it out")
    url = urlunsplit(parts._replace(scheme=parts.scheme.removeprefix("git+"), path=path, fragment=""))
    return GitAddress(url=url, revision=revision, subdirectory=_subdirectory(parts.fragment))


def _archive(address: str) -> ArchiveAddress | None:
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if not unquote(parts.path).lower().endswith(ARCHIVES) or "\\" in address:
        return None
    return ArchiveAddress(url=urlunsplit(parts._replace(fragment="")), subdirectory=_subdirectory(parts.fragment))


def _subdirectory(fragment: str) -> str:
    value = dict(parse_qsl(fragment)).get("subdirectory", "")
    parts = value.split("/")
    if value.startswith("/") or ".." in parts or "\\" in value or "\0" in value:
        raise LineFaultError(f"#subdirectory={value:.80} leads out of the source", "correct it")
    return "/".join(part for part in parts if part not in ("", "."))


def _egg(address: str) -> Requirement | None:
    """Give the name, and perhaps extras, that a fragment says, as long as it is one."""
    try:
        found = Requirement(dict(parse_qsl(urlsplit(address).fragment)).get("egg", ""))
    except (InvalidRequirement, RecursionError, ValueError):
        return None
    return None if found.specifier or found.url else found
