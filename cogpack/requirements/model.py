"""What a requirements file says is held in these values."""

import re
from urllib.parse import urlsplit, urlunsplit

import msgspec

from cogpack.notes import Note
from cogpack.requirements.environment import marker_environment

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""A package's name as uv shows it (packaging's canonical form)."""


VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
"""`${NAME}` in an address, as pip has it (pip docs, "Using environment variables")."""


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


class LocalWheel(msgspec.Struct, frozen=True, kw_only=True):
    """Names a wheel of the project. `file`: its path, relative to the file that names it (after merging: to the
    project)."""

    name: str
    version: str
    file: str
    path: str
    line: int


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

    def merged(self, other: "Options") -> "Options":
        """Put both together; of two index URLs the other's counts, as pip takes the last."""
        return Options(
            index_url=other.index_url or self.index_url,
            extra_index_urls=tuple(dict.fromkeys(self.extra_index_urls + other.extra_index_urls)),
            find_links=tuple(dict.fromkeys(self.find_links + other.find_links)),
            no_index=self.no_index or other.no_index,
            pre=self.pre or other.pre,
            require_hashes=self.require_hashes or other.require_hashes,
        )


class Requirements(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one file, or several merged. `constrained`: lines that were read through `-c`."""

    required: tuple[RequirementLine, ...] = ()
    constrained: tuple[RequirementLine, ...] = ()
    local_wheels: tuple[LocalWheel, ...] = ()
    includes: tuple[Include, ...] = ()
    options: Options = Options()
    local_links: tuple[LocalLinks, ...] = ()
    addresses: tuple[UnexpandedAddress, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """Write what is required as lines of a requirements file, wheels of the project as `./path`."""
        return (*map(str, self.required), *(f"./{wheel.file}" for wheel in self.local_wheels))

    @property
    def constraints(self) -> tuple[str, ...]:
        return tuple(map(str, self.constrained))

    def places(self, text: str) -> tuple[str, ...]:
        """Give `file:line` of the lines whose packages `text` speaks of."""
        words = set(_NAME.findall(text))
        lines = sorted((line.path, line.line) for line in (*self.required, *self.constrained) if line.name in words)
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
                *(f"-{'c' if include.constraint else 'r'} {include.file}" for include in self.includes),
                *map(str, self.required),
                *(f"-c {line}" for line in self.constrained),
                *(f"./{wheel.file}" for wheel in self.local_wheels),
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
