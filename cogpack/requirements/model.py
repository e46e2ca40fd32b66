"""What a requirements file says is held in these values."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from cogpack.notes import Note
from cogpack.patterns import pattern
from cogpack.requirements.environment import marker_environment

_NAME = pattern(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""A package's name as uv shows it (packaging's canonical form)."""


_SSH_USER = pattern(r"[A-Za-z0-9._-]+")


VARIABLE = pattern(r"\$\{([A-Z0-9_]+)\}")
"""`${NAME}` in an address, as pip has it (pip docs, "Using environment variables")."""


NO_ISOLATION = "--no-build-isolation"
ALL = ":all:"
"""Stands for every package, as in pip's `--no-binary`."""

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
"""How archives of source code end."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Says what counts of a file that holds more than one set of packages: the image's `python` ("3.13") and `arch`
    ("amd64"), and the `extras` and dependency `groups` that are wanted, by normalised names."""

    python: str
    arch: str = "amd64"
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        return marker_environment(self.python, self.arch)


class RequirementLine(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for one requirement: `text` is canonical PEP 508, `hashes` are `sha256:...` and the like, `url` is the
    wheel's, where it names one."""

    name: str
    text: str
    url: str = ""
    hashes: tuple[str, ...] = ()
    path: str
    line: int

    def __str__(self) -> str:
        """Write the line as pip and uv read it."""
        return " ".join([self.text, *(f"--hash={digest}" for digest in self.hashes)])


class GitAddress(msgspec.Struct, frozen=True, kw_only=True, tag="git"):
    """Is a repository. `url`: as written, without `git+`; `revision`: a commit, tag or branch, "" for its HEAD;
    `clone`: where it lies in the image already, without the leading slash."""

    url: str
    revision: str = ""
    subdirectory: str = ""
    clone: str = ""

    @property
    def bare(self) -> str:
        """Give the address as it may be shown and kept: of a login, only the user of ssh is no secret."""
        user = urlsplit(self.url).netloc.rpartition("@")[0]
        return self.url if self.url.startswith("ssh:") and _SSH_USER.fullmatch(user) else anonymous(self.url)

    def __str__(self) -> str:
        at = f"@{self.revision}" if self.revision else ""
        return f"git+{self.bare}{at}{within(self.subdirectory)}"


class ArchiveAddress(msgspec.Struct, frozen=True, kw_only=True, tag="archive"):
    """Is an archive at `url`, as written, without its fragment."""

    url: str
    subdirectory: str = ""

    @property
    def bare(self) -> str:
        return anonymous(self.url)

    def __str__(self) -> str:
        return f"{self.bare}{within(self.subdirectory)}"


class LocalPath(msgspec.Struct, frozen=True, kw_only=True, tag="local"):
    """Is an archive or a directory of the project. `path`: relative to the file that names it (after merging: to the
    project)."""

    path: str

    @property
    def is_archive(self) -> bool:
        return self.path.lower().endswith(ARCHIVES)

    def __str__(self) -> str:
        return f"./{self.path.removeprefix('./')}"


DirectAddress: TypeAlias = GitAddress | ArchiveAddress | LocalPath


class SourceLine(msgspec.Struct, frozen=True, kw_only=True):
    """Requires what `source` is of. `name`: canonical, "" where only its build tells; `editable`: by `-e`; `hashes`:
    hex, of sha256, one of which an archive has; not `isolated`: it is built among the image's wheels."""

    name: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    source: DirectAddress
    editable: bool = False
    hashes: tuple[str, ...] = ()
    isolated: bool = True
    path: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    @property
    def title(self) -> str:
        """Say what it is, for people."""
        return self.name or str(self.source)

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Tell whether it is required where markers have these values."""
        from packaging.markers import Marker

        return not self.marker or Marker(self.marker).evaluate({**environment, "extra": ""})

    def __str__(self) -> str:
        """Write it in one spelling, without logins."""
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        words = [
            *(["-e"] if self.editable else []),
            *([f"{self.name}{extras} @"] if self.name else []),
            f"{self.source}{'' if self.name else extras}",
            *([f"; {self.marker}"] if self.marker else []),
            *(f"--hash=sha256:{one}" for one in self.hashes),
            *([] if self.isolated else [NO_ISOLATION]),
        ]
        return " ".join(words)


class LocalWheel(msgspec.Struct, frozen=True, kw_only=True):
    """Names a wheel of the project. `file`: its path, as written (after merging: relative to the project); `hashes`:
    as of a `RequirementLine`."""

    name: str
    version: str
    file: str
    extras: tuple[str, ...] = ()
    marker: str = ""
    hashes: tuple[str, ...] = ()
    path: str
    line: int

    def __str__(self) -> str:
        """Write it as a line: `./PATH`, or where more is said of it, `NAME[EXTRAS] @ ./PATH ; MARKER --hash=...` with
        the path as an address has it."""
        if not (self.extras or self.marker or self.hashes):
            return f"./{self.file}"
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        marker = f" ; {self.marker}" if self.marker else ""
        return " ".join([f"{self.name}{extras} @ ./{quote(self.file)}{marker}", *map("--hash={}".format, self.hashes)])


class LocalLinks(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for `--find-links DIRECTORY`, as written: relative to the file that names it (after merging: absolute)."""

    directory: str
    path: str
    line: int


class UnexpandedAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for an address with `${NAME}` in it, which can be checked only where the environment is known.

    `what`: the option or the package that it belongs to.
    """

    what: str
    text: str
    path: str
    line: int


class Include(msgspec.Struct, frozen=True, kw_only=True):
    """Stands for `-r FILE` or `-c FILE`; `file` as written, relative to the file `path`."""

    file: str
    constraint: bool
    path: str
    line: int


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Says where and how to look for what is required. `${NAME}` in an address is left for the resolver."""

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    pre: bool = False
    require_hashes: bool = False

    @classmethod
    def of(cls, parts: Sequence["Options"]) -> "Options":
        """Put them together; of index URLs the last counts, as with pip."""
        return cls(
            index_url=next((part.index_url for part in reversed(parts) if part.index_url), None),
            extra_index_urls=tuple(dict.fromkeys(url for part in parts for url in part.extra_index_urls)),
            find_links=tuple(dict.fromkeys(url for part in parts for url in part.find_links)),
            no_index=any(part.no_index for part in parts),
            pre=any(part.pre for part in parts),
            require_hashes=any(part.require_hashes for part in parts),
        )


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one file, or several merged. `constrained`: lines that were read through `-c`; `unisolated`: names of what
    is built among the image's wheels, or `:all:`."""

    required: tuple[RequirementLine, ...] = ()
    constrained: tuple[RequirementLine, ...] = ()
    local_wheels: tuple[LocalWheel, ...] = ()
    sources: tuple[SourceLine, ...] = ()
    includes: tuple[Include, ...] = ()
    options: Options = Options()
    local_links: tuple[LocalLinks, ...] = ()
    addresses: tuple[UnexpandedAddress, ...] = ()
    unisolated: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, parts: Sequence["Requirements"]) -> "Requirements":
        """Put lines or files together, in their order."""
        lists: dict[str, Any] = {
            name: tuple(one for part in parts for one in getattr(part, name))
            for name in cls.__struct_fields__
            if name != "options"
        }
        once = {name: tuple(dict.fromkeys(lists[name])) for name in ("unisolated", "notes")}
        return cls(**{**lists, **once}, options=Options.of([part.options for part in parts]))

    def isolates(self, name: str) -> bool:
        """Tell whether the source of a package is built with nothing but what it asks for."""
        return not {name, ALL}.intersection(self.unisolated)

    @property
    def lines(self) -> tuple[str, ...]:
        """Write what is required as lines of a requirements file."""
        return (*map(str, self.required), *map(str, self.local_wheels))

    @property
    def constraints(self) -> tuple[str, ...]:
        return tuple(map(str, self.constrained))

    def places(self, text: str) -> tuple[str, ...]:
        """Give `file:line` of the lines whose packages `text` speaks of."""
        words = set(_NAME.findall(text))
        named: tuple[RequirementLine | SourceLine | LocalWheel, ...] = (
            *self.required,
            *self.constrained,
            *self.sources,
            *self.local_wheels,
        )
        lines = sorted((line.path, line.line) for line in named if line.name in words)
        return tuple(dict.fromkeys(f"{path}:{line}" for path, line in lines))

    def normalised(self) -> str:
        """Write the meaning as text: the same whatever the comments, the layout, dropped lines and indexes'
        passwords."""
        options = self.options
        return "\n".join(
            [
                *([f"--index-url {anonymous(options.index_url)}"] if options.index_url else []),
                *(f"--extra-index-url {anonymous(url)}" for url in options.extra_index_urls),
                *(f"--find-links {anonymous(url)}" for url in options.find_links),
                *(f"--find-links {links.directory}" for links in self.local_links),
                *(["--no-index"] if options.no_index else []),
                *(["--pre"] if options.pre else []),
                *(["--require-hashes"] if options.require_hashes else []),
                *(NO_ISOLATION if name == ALL else f"{NO_ISOLATION}-package {name}" for name in self.unisolated),
                *(f"-{'c' if include.constraint else 'r'} {include.file}" for include in self.includes),
                *map(str, self.required),
                *(f"-c {line}" for line in self.constrained),
                *map(str, self.local_wheels),
                *map(str, self.sources),
                "",
            ]
        )


def anonymous(url: str) -> str:
    """Take user and password out of an address."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return re.sub(r"//[^/]*@", "//", url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def within(subdirectory: str | None) -> str:
    return f"#subdirectory={subdirectory}" if subdirectory else ""
