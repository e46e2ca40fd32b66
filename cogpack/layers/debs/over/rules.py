"""What an image has its own dpkg leave out, divert and own otherwise is read (dpkg(1), dpkg-divert(1),
dpkg-statoverride(1))."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from cogpack.errors import InputError
from cogpack.layers.debs.effects.accounts import numbers, parse_id
from cogpack.layers.debs.over.installed import DATABASE
from cogpack.layers.debs.tree import Tree
from cogpack.symlinks import PATH_MAX
from cogpack.untar import Member

_SETTINGS = "etc/dpkg/dpkg.cfg"
_MOST = 1000
"""Patterns that each file of a package is held to; Debian's and Ubuntu's images have ten."""
_FILTER = re.compile(r"(?:--)?path-(exclude|include)(?:\s*=\s*|\s+)(.+)")


class Override(msgspec.Struct, frozen=True):
    """Is the owner and mode that a path is to have, whatever its package says."""

    uid: int
    gid: int
    mode: int


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what an image's dpkg goes by. `filters`: whether what a pattern matches is wanted, the last word counts;
    `diversions`: by path, where it goes instead, and whose own file stays; paths without the leading slash."""

    filters: Sequence[tuple[bool, str]] = ()
    diversions: Mapping[str, tuple[str, str]] = {}
    overrides: Mapping[str, Override] = {}

    @classmethod
    def read(cls, tree: Tree) -> "Rules":
        filters = tuple(_filters(tree))
        if len(filters) > _MOST or any(len(pattern) > PATH_MAX for _, pattern in filters):
            raise InputError(
                f"/{_SETTINGS}.d of the base: more than {_MOST} patterns of what dpkg leaves out, or one of more than "
                f"{PATH_MAX} characters",
                next_step="choose another base",
            )
        return cls(filters=filters, diversions=dict(_diversions(tree)), overrides=dict(_overrides(tree)))

    def wants(self, member: Member) -> bool:
        path = f"/{member.path}"
        matched = [wanted for wanted, pattern in self.filters if fnmatchcase(path, pattern)]
        if not matched or matched[-1]:
            return True
        # A directory stays that something is wanted in.
        return member.kind in ("directory", "symlink") and any(
            wanted and path.startswith(re.split(r"[*?\[\\]", pattern)[0].rstrip("/"))
            for wanted, pattern in self.filters
        )

    def place(self, path: str, package: str) -> str:
        """Tell where a file of `package` goes."""
        to, keeper = self.diversions.get(path, (path, package))
        return path if keeper == package else to


def _filters(tree: Tree) -> Iterator[tuple[bool, str]]:
    directory = f"{_SETTINGS}.d"
    names = [name for name in tree.children(directory) if re.fullmatch(r"[A-Za-z0-9_-]+", name)]
    for file in (*(f"{directory}/{name}" for name in names), _SETTINGS):
        for line in tree.text(file).splitlines():
            if found := _FILTER.fullmatch(line.strip()):
                yield found[1] == "include", found[2].strip().strip("\"'")


def _diversions(tree: Tree) -> Iterator[tuple[str, tuple[str, str]]]:
    lines = tree.text(f"{DATABASE}/diversions").splitlines()
    for path, to, package in zip(lines[::3], lines[1::3], lines[2::3], strict=False):
        if to.strip("/"):
            yield path.lstrip("/"), (to.lstrip("/"), package)


def _overrides(tree: Tree) -> Iterator[tuple[str, Override]]:
    users, groups = numbers(tree, "etc/passwd"), numbers(tree, "etc/group")
    for line in tree.text(f"{DATABASE}/statoverride").splitlines():
        user, _, rest = line.partition(" ")
        group, _, rest = rest.partition(" ")
        mode, _, path = rest.partition(" ")
        if path.startswith("/") and re.fullmatch(r"[0-7]{1,9}", mode):
            uid, gid = (_number(name, known) for name, known in ((user, users), (group, groups)))
            if uid is not None and gid is not None:
                yield path.lstrip("/"), Override(uid, gid, int(mode, 8) & 0o7777)


def _number(name: str, known: Mapping[str, int]) -> int | None:
    return parse_id(name[1:]) if name.startswith("#") else known.get(name)
