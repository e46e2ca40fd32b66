"""Two results of the same commands are compared path by path, and the likely cause of a difference is told."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from cogpack.digest import Digest, Hasher
from cogpack.text import count_text
from cogpack.untar import Member, Untar

_TOLD = 50
"""Paths that one message names."""
_READ = 16 * 1024
"""Bytes of a small file that are kept to be compared, and of all together 1024 times as many."""

How: TypeAlias = Literal["type", "content", "mode", "owner", "only in the first", "only in the second"]


class MovedPath(msgspec.Struct, frozen=True):
    """Is a path that two results have differently. `cause`: the likely one; `advice`: what makes both the same."""

    path: str
    how: How
    cause: str
    advice: str

    def __str__(self) -> str:
        return f"/{self.path}: {self.how}: {self.cause}; {self.advice}"


class Seen(msgspec.Struct, frozen=True):
    """Is what a result has at a path. `text`: its bytes, where they are few."""

    member: Member
    digest: Digest
    text: bytes | None


Listing: TypeAlias = Mapping[str, Seen]


class Cause(msgspec.Struct, frozen=True):
    """Is a cause by which paths of a kind differ; `pattern` finds such a path."""

    pattern: re.Pattern[str]
    cause: str
    advice: str


def _cause(pattern: str, cause: str, advice: str) -> Cause:
    return Cause(re.compile(pattern), cause, advice)


_REMOVE = "remove it in the command that makes it"
_PIN = "pin it by version or checksum"
CAUSES = (
    _cause(r"(^|/)__pycache__(/|$)|\.py[co]$", "bytecode, which holds the time of its source", _REMOVE),
    _cause(
        r"(^|/)\.git/(index|logs/|FETCH_HEAD|ORIG_HEAD|objects/)",
        "git keeps times of files, and packs as the server cut them",
        "remove .git in the command that clones, and check a commit out",
    ),
    _cause(r"(^|/)\.git(/|$)", "what was cloned is another commit by now", "check a commit out, and remove .git"),
    _cause(r"(^|/)machine-id$", "made at random", "empty the file: `: > /etc/machine-id`"),
    _cause(r"(^|/)ssh_host_\w+_key", "a key made at random, the same in all containers", "make it when they start"),
    _cause(r"(^|/)random[-_]seed$|\.rnd$", "made at random", _REMOVE),
    _cause(r"\.(key|pem|crt|csr|p12|jks)$", "keys and certificates are made at random", "make them where it runs"),
    _cause(r"\.log(\.\d+)?$|(^|/)(var/log|_?logs)/", "a log, which has times", _REMOVE),
    _cause(r"(^|/)\.(bash_history|wget-hsts|viminfo|lesshst|python_history)$", "a program's history", _REMOVE),
    _cause(r"^etc/(g?shadow|passwd|group)-?$", "an account whose number or password was chosen in the run",
           "give useradd --uid, and set no password"),
    _cause(r"^var/(lib/(dpkg|apt|systemd)|cache/(apt|debconf))(/|$)", "packages of another version, or their state",
           "name them under build.system_packages, which the lock pins"),
    _cause(r"\.dist-info/|\.egg-info(/|$)|(^|/)site-packages/", "a package of another version, or its state",
           "pin it: NAME==VERSION, better in python_requirements"),
    _cause(r"(^|/)node_modules(/|$)|(^|/)package-lock\.json$", "packages of npm that are not pinned", "use npm ci"),
    _cause(r"(^|/)\.?(cache|npm|cargo/registry|ccache)(/|$)|\.cache$", "a cache", _REMOVE),
    _cause(r"\.(tar|tgz|gz|bz2|xz|zst|zip|jar|whl)$", "an archive holds the times of its files",
           "make it with gzip -n, zip -X or tar --mtime=@0 --sort=name"),
    _cause(r"\.(o|a|so(\.\d+)*|pyd|rlib)$|(^|/)s?bin/", "compiled: it holds paths, times or a build ID",
           "pass -ffile-prefix-map, -Wl,--build-id=none, and ar D"),
    _cause(r"(^|/)tmp[\w.-]*$", "a temporary file with a random name", _REMOVE),
)  # fmt: skip
"""By path, the first that fits."""

_DATE = re.compile(
    rb"\d{4}-\d\d-\d\d|\d\d?:\d\d:\d\d(?:\.\d+)?|\b1[5-9]\d{8}(?:\.\d+)?\b|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
    rb"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w* +\d\d?\b"
)
_RANDOM = re.compile(rb"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b[0-9a-fA-F]{16,}\b")
_DATED = "a date or time in it", "take it from SOURCE_DATE_EPOCH, which is set"
_RANDOMLY = "made at random", "give it a fixed seed or value, or make it when the container starts"
_FETCHED = "what it is fetched or made from is another one", _PIN
_SOMETIMES = "made in one run only, or under another name", "pin what it is fetched from, or give it a fixed name"


def listing(tar: Iterable[bytes], where: str) -> Listing:
    """Read a layer's tar; `where` is what errors call it."""
    found: dict[str, Seen] = {}
    left = 1024 * _READ
    reader = Untar(tar, where=where)
    for member in reader:
        hasher, kept = Hasher(), bytearray()
        room = _READ if member.kind == "file" and member.size <= min(_READ, left) else 0
        for block in reader.content():
            hasher.update(block)
            if room:
                kept += block
        left -= len(kept)
        found[member.path] = Seen(member, hasher.digest, bytes(kept) if room else None)
    return found


def moved_paths(first: Listing, second: Listing) -> list[MovedPath]:
    """Tell what two results have differently, by path. A directory that only one has is told by what is in it."""
    found = list(_moved(first, second))
    above = {one.path.rpartition("/")[0] for one in found}
    return [one for one in found if one.path not in above or not one.how.startswith("only")]


def _moved(first: Listing, second: Listing) -> Iterator[MovedPath]:
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path), second.get(path)
        if one is None or other is None:
            yield MovedPath(path, "only in the second" if one is None else "only in the first", *_why(path, _SOMETIMES))
        elif (how := _how(one, other)) is not None:
            yield MovedPath(path, how, *_why(path, _told_by(one, other) if how == "content" else _FETCHED))


def _how(one: Seen, other: Seen) -> How | None:
    before, after = one.member, other.member
    if before.kind != after.kind:
        return "type"
    if (one.digest, before.link, before.xattrs) != (other.digest, after.link, after.xattrs):
        return "content"
    if before.mode != after.mode:
        return "mode"
    return "owner" if (before.uid, before.gid) != (after.uid, after.gid) else None


def _why(path: str, otherwise: tuple[str, str]) -> tuple[str, str]:
    if otherwise in (_DATED, _RANDOMLY):  # it was seen
        return otherwise
    return next(((known.cause, known.advice) for known in CAUSES if known.pattern.search(path)), otherwise)


def _told_by(one: Seen, other: Seen) -> tuple[str, str]:
    """Tell a cause by the bytes of both: they are equal but for dates, or for what is made at random."""
    if one.text is not None and other.text is not None:
        for pattern, why in ((_DATE, _DATED), (_RANDOM, _RANDOMLY)):
            if pattern.sub(b"", one.text) == pattern.sub(b"", other.text):
                return why
    return _FETCHED


def told(moved: list[MovedPath], most: int = _TOLD) -> str:
    """Write them one a line, and how many more there are."""
    lines = [f"  {one}" for one in moved[:most]]
    if len(moved) > most:
        lines.append(f"  and {count_text(len(moved) - most, 'other path')}")
    return "\n".join(lines)
