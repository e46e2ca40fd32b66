"""pip, `uv pip` and mim install and uninstall what a line says, by its options (pip docs, "pip install")."""

import re
from collections.abc import Sequence
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from cogpack.requirements.model import Options
from cogpack.run_lines.addresses import address, last_part
from cogpack.run_lines.arguments import NotKnownError, Table
from cogpack.run_lines.effects import Effect, PipInstall, PipRequirement, PipUninstall, within
from cogpack.run_lines.expansion import Command
from cogpack.run_lines.site import Site, absolute

_GENERAL = """
    -q --quiet
    -v --verbose
    --no-input
    --no-color
    --no-cache --no-cache-dir
    --cache-dir=
    --disable-pip-version-check
    --timeout= --default-timeout=
    --retries=
    --root-user-action=
    --progress-bar=
    --trusted-host=
    --break-system-packages
    --use-feature=
    --use-deprecated=
    """
"""Options that change nothing of what is installed, and those of whom we are stricter."""

_INSTALL = Table(
    "pip install",
    _GENERAL
    + """
    -U --upgrade
    --upgrade-strategy=
    --no-deps --no-dependencies
    --force-reinstall
    -I --ignore-installed
    --no-build-isolation
    -i --pypi-url= --index-url=
    --extra-index-url=
    -f --find-links=
    --no-index
    --pre
    --require-hashes
    --prefer-binary
    --only-binary=
    --no-binary=
    -r --requirement=
    -c --constraint=
    --no-compile
    --compile
    --no-warn-script-location
    --no-warn-conflicts
    --system
    -e --editable=
    ! -t --target= it goes elsewhere
    ! --user it goes elsewhere
    ! --prefix= it goes elsewhere
    ! --root= it goes elsewhere
    ! --global-option= the build has options of its own
    ! --config-setting= --config-settings= -C the build has options of its own
    ! --install-option= the build has options of its own
    """,
)
_UNINSTALL = Table("pip uninstall", _GENERAL + "-y --yes\n-r --requirement=\n--system\n")

_STRATEGIES = ("eager", "only-if-needed")
_HARMLESS = re.compile(
    r"PIP_(?:NO_CACHE_DIR|DISABLE_PIP_VERSION_CHECK|ROOT_USER_ACTION|PROGRESS_BAR|DEFAULT_TIMEOUT|NO_INPUT|RETRIES)"
    r"|PIP_BREAK_SYSTEM_PACKAGES|UV_(?:HTTP_TIMEOUT|NO_CACHE|CACHE_DIR|LINK_MODE|SYSTEM_PYTHON|COMPILE_BYTECODE)"
)
_INSTALLERS_OWN = re.compile(r"(?:PIP|UV|LD)_.*|PYTHON.*|VIRTUAL_ENV|NETRC|MMCV_BASE_URL")
_ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def pip(
    command: Command, arguments: Sequence[str], site: Site, *, installer: Literal["pip", "uv", "mim"] = "pip"
) -> tuple[Effect, ...]:
    """Read what follows `pip`, `uv pip` or `mim`."""
    for name in command.environment:
        if _INSTALLERS_OWN.fullmatch(name) and not _HARMLESS.fullmatch(name) and _is_set(command, name):
            raise NotKnownError(f"{name} is set, which changes what {installer} does")
    if installer == "uv" and command.directory != "/":
        raise NotKnownError(f"uv reads settings of a project in {command.directory} or above")
    before, rest = _subcommand(arguments)
    match rest:
        case ["install", *others]:
            return (_install(command, [*before, *others], site, installer),)
        case ["uninstall", *others]:
            return (_uninstall(command, [*before, *others], site, installer),)
    raise NotKnownError(f"{installer} {rest[0] if rest else ''} is not known here")


def _is_set(command: Command, name: str) -> bool:
    """Tell settings of pip, and those that the line makes, from the image's own of Python, which are no surprise."""
    return name in command.assigned or name.startswith(("PIP_", "UV_", "MMCV_"))


def _subcommand(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell options before the subcommand, of which only flags are read, from it and what follows."""
    count = 0
    while count < len(arguments) and arguments[count].startswith("-"):
        count += 1
    return list(arguments[:count]), list(arguments[count:])


def _install(
    command: Command, arguments: Sequence[str], site: Site, installer: Literal["pip", "uv", "mim"]
) -> PipInstall:
    options = _INSTALL.read(arguments)
    strategy = options.last("--upgrade-strategy", "only-if-needed")
    if strategy not in _STRATEGIES:
        raise NotKnownError(f"--upgrade-strategy {strategy}")
    found = PipInstall(
        installer=installer,
        requirements=(
            *(_requirement(operand, command, site) for operand in options.operands),
            *(_editable(value, command, site) for value in options.all("--editable")),
        ),
        files=_files(options.all("--requirement"), command, site),
        constraints=_files(options.all("--constraint"), command, site),
        options=Options(
            index_url=_index(options.last("--index-url")) or None,
            extra_index_urls=tuple(map(_index, options.all("--extra-index-url"))),
            find_links=tuple(map(_index, options.all("--find-links"))),
            no_index=options.has("--no-index"),
            pre=options.has("--pre"),
            require_hashes=options.has("--require-hashes"),
        ),
        upgrade=options.has("--upgrade"),
        eager=strategy == "eager",
        dependencies=not options.has("--no-dependencies"),
        force_reinstall=options.has("--force-reinstall"),
        ignore_installed=options.has("--ignore-installed"),
        build_isolation=not options.has("--no-build-isolation"),
        prefer_binary=options.has("--prefer-binary"),
        only_binary=_names(options.all("--only-binary")),
        no_binary=_names(options.all("--no-binary")),
        environment=tuple(sorted(command.assigned.items())),
    )
    if not (found.requirements or found.files):
        raise NotKnownError("pip install names no package")
    return found


def _uninstall(
    command: Command, arguments: Sequence[str], site: Site, installer: Literal["pip", "uv", "mim"]
) -> PipUninstall:
    options = _UNINSTALL.read(arguments)
    if installer != "uv" and not options.has("--yes"):
        raise NotKnownError("without -y it asks, and nobody answers")
    found = PipUninstall(
        installer="uv" if installer == "uv" else "pip",
        names=tuple(canonicalize_name(_index_requirement(name).name) for name in options.operands),
        files=_files(options.all("--requirement"), command, site),
    )
    if not (found.names or found.files):
        raise NotKnownError("pip uninstall names no package")
    return found


def _names(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for value in values for name in value.split(",") if name)


def _index(url: str) -> str:
    if url:
        address(url)
    return url


def _files(names: Sequence[str], command: Command, site: Site) -> tuple[str, ...]:
    """Give files of a clone, or of the project, for which a relative name stands where lines begin."""
    found = []
    for name in names:
        if _SCHEME.match(name):
            raise NotKnownError(f"{name} is a requirements file of the network")
        path = absolute(command.directory, name)
        if not (site.is_source(path) or any(within(path, clone) for clone in site.clones)):
            if name.startswith("/") or command.directory != site.surroundings.directory or path in site.files:
                raise NotKnownError(f"{path} is a requirements file that is neither the project's nor a clone's")
            path = absolute(site.surroundings.project, name)
        found.append(path)
    return tuple(found)


def _requirement(text: str, command: Command, site: Site) -> PipRequirement:
    if text.startswith("git+"):
        return PipRequirement(_repository(text), "git")
    if _SCHEME.match(text):
        return PipRequirement(text, _kind_of_file(text))
    if "/" not in text.partition("@")[0].partition(";")[0] and not text.startswith(".") and not _is_file(text):
        requirement = _index_requirement(text)
        if requirement.url is None:
            return PipRequirement(str(requirement))
        if requirement.url.startswith("git+"):
            _repository(requirement.url)
            return PipRequirement(str(requirement), "git")
        return PipRequirement(str(requirement), _kind_of_file(requirement.url))
    if tree := _tree(text, command, site):
        return PipRequirement(tree, "tree")
    path = absolute(command.directory, text)
    if path in site.directories:
        raise NotKnownError(f"{path} is a source tree, which pip would build")
    if path not in site.addresses:
        raise NotKnownError(f"{path} is no file that a known line has fetched")
    url = site.addresses[path]
    if last_part(url) != path.rpartition("/")[2]:
        raise NotKnownError(f"{path} has another name where it comes from")
    return PipRequirement(url, _kind_of_file(url))


def _editable(text: str, command: Command, site: Site) -> PipRequirement:
    if text.startswith("git+"):
        return PipRequirement(_repository(text), "editable git")
    if _SCHEME.match(text) or not (tree := _tree(text, command, site)):
        raise NotKnownError(f"-e {text} of pip install leads to a source tree that is not known here")
    return PipRequirement(tree, "editable tree")


def _tree(text: str, command: Command, site: Site) -> str:
    """Give the path of a directory in a clone that is as its repository has it, with extras; "" of another."""
    bare, bracket, extras = text.partition("[")
    path = absolute(command.directory, bare)
    clone = next((clone for clone in site.clones if within(path, clone)), None)
    if clone is None or (bracket and not re.fullmatch(r"[A-Za-z0-9._,\s-]*\]", extras)):
        return ""
    if any(within(other, clone) for other in (*site.files, *site.links)):
        raise NotKnownError(f"{path} is a source tree into which files were put before")
    return f"{path}{bracket}{extras}"


def _is_file(text: str) -> bool:
    """Tell whether pip takes a name for a file's, by its ending."""
    return text.lower().endswith((".whl", *_ARCHIVES))


def _index_requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except (InvalidRequirement, ValueError, RecursionError):
        raise NotKnownError(f"{text} is no requirement") from None


def _repository(text: str) -> str:
    """Check `git+https://HOST/PATH[@REVISION][#egg=NAME&subdirectory=PATH]`."""
    if address(text, ("git+https", "git+http")).query:
        raise NotKnownError(f"{text} is no address of a repository alone")
    return text


def _kind_of_file(url: str) -> Literal["wheel", "archive"]:
    address(url)
    name = last_part(url)
    if name.endswith(_ARCHIVES):
        return "archive"
    try:
        parse_wheel_filename(name)
    except (InvalidWheelFilename, ValueError):
        raise NotKnownError(f"{url} is no wheel's address") from None
    return "wheel"
