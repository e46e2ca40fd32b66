"""curl, wget and pget bring a file to a path: which and where, their arguments say (curl(1), wget(1))."""

import posixpath
import re
from urllib.parse import urlsplit

from cogpack.run_lines.addresses import address
from cogpack.run_lines.arguments import NotKnownError, Table
from cogpack.run_lines.effects import Effect, Fetch
from cogpack.run_lines.expansion import Command
from cogpack.run_lines.site import Site

_CURL = Table(
    "curl",
    """
    -L --location
    -f --fail
    --fail-with-body
    -s --silent
    -S --show-error
    -v --verbose
    -# --progress-bar
    --no-progress-meter
    -g --globoff
    -o --output=
    -O --remote-name
    --output-dir=
    --create-dirs
    --compressed
    --retry=
    --retry-delay=
    --retry-max-time=
    --retry-connrefused
    --retry-all-errors
    --connect-timeout=
    -m --max-time=
    -4 --ipv4
    --http1.1
    --tlsv1.2
    ! -k --insecure the server is not asked who it is
    ! -H --header= the request has headers of its own
    ! -u --user= the request has a login of its own
    ! -J --remote-header-name the server names the file
    ! -C --continue-at= what is there already is continued
    """,
    equals=False,
)
_WGET = Table(
    "wget",
    """
    -O --output-document=
    -P --directory-prefix=
    -q --quiet
    -v --verbose
    -nv --no-verbose
    --show-progress
    --progress=
    -t --tries=
    -T --timeout=
    --connect-timeout=
    --read-timeout=
    --waitretry=
    --retry-connrefused
    -4 --inet4-only
    ! --no-check-certificate the server is not asked who it is
    ! --header= the request has headers of its own
    ! --content-disposition the server names the file
    ! -c --continue what is there already is continued
    ! -nc --no-clobber what is there already stays
    ! -N --timestamping what is there already may stay
    ! -i --input-file= a file names the addresses
    ! -r --recursive a whole site is fetched
    """,
)
_PGET = Table(
    "pget",
    """
    -c --concurrency=
    -m --minimum-chunk-size=
    --max-chunks=
    -r --retries=
    --connect-timeout=
    -v --verbose
    --log-level=
    ! -f --force what is there already is replaced
    ! -x --extract an archive is unpacked
    """,
)

_NAME = re.compile(r"[A-Za-z0-9_+=@,-][A-Za-z0-9._+=@,-]*")
"""Last parts of addresses that are the names of files for all programs."""


def curl(command: Command, site: Site) -> tuple[Effect, ...]:
    options = _CURL.read(command.words[1:])
    url = _address(options.operands, globs=not options.has("--globoff"))
    if options.has("--output") == options.has("--remote-name") or len(options.all("--output")) > 1:
        raise NotKnownError("curl is known only with one file to write, by -o PATH or -O")
    name = options.last("--output") or _last_part(url)
    if name == "-" or re.search(r"#\d", name):
        raise NotKnownError(f"curl writes {name!r} not as a file of that name")
    if options.has("--output-dir"):
        name = posixpath.join(options.last("--output-dir"), name)
    # --create-dirs gives missing directories mode 0750, so it is known only where none is missing.
    return (Fetch(url=url, path=_file(site, command, name), redirects=options.has("--location")),)


def wget(command: Command, site: Site) -> tuple[Effect, ...]:
    options = _WGET.read(command.words[1:])
    if options.has("--output-document"):
        url = _address(options.operands)
        name = options.last("--output-document")
        if name == "-":
            raise NotKnownError("wget writes to its output, not to a file")
        return (Fetch(url=url, path=_file(site, command, name)),)
    folder = options.last("--directory-prefix", ".")
    effects: list[Fetch] = []
    for operand in options.operands:
        url = _address((operand,))
        path = _file(site, command, posixpath.join(folder, _last_part(url)))
        if path in site.files or path in (effect.path for effect in effects):
            raise NotKnownError(f"wget gives another name to a file where {path} is already")
        effects.append(Fetch(url=url, path=path, parents=options.has("--directory-prefix")))
    if not effects:
        raise NotKnownError("wget has no address")
    return tuple(effects)


def pget(command: Command, site: Site) -> tuple[Effect, ...]:
    options = _PGET.read(command.words[1:])
    if len(options.operands) != 2:
        raise NotKnownError("pget is known only with an address and a file")
    path = _file(site, command, options.operands[1])
    if path in site.files:
        raise NotKnownError(f"pget refuses to write over {path}")
    return (Fetch(url=_address(options.operands[:1]), path=path, parents=True),)


def _address(operands: tuple[str, ...], *, globs: bool = False) -> str:
    if len(operands) != 1:
        raise NotKnownError("only one address is known to go into one file")
    (url,) = operands
    if globs and set("[]{}") & set(url):
        raise NotKnownError("curl makes several addresses of one with braces or brackets")
    if address(url).fragment or "#" in url:
        raise NotKnownError(f"{url} has a fragment, which programs read differently")
    return url


def _last_part(url: str) -> str:
    parts = urlsplit(url)
    name = parts.path.rpartition("/")[2]
    if parts.query or not _NAME.fullmatch(name):
        raise NotKnownError(f"which name the file of {url} gets is not sure")
    return name


def _file(site: Site, command: Command, text: str) -> str:
    if text.endswith("/"):
        raise NotKnownError(f"{text} is a directory")
    path = site.path(command, text)
    if path in site.directories:
        raise NotKnownError(f"{path} is a directory")
    return path
