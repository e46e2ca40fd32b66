"""git clones a repository, and checks something out in the clone (git-clone(1), git-checkout(1))."""

import re

import msgspec

from cogpack.run_lines.addresses import address
from cogpack.run_lines.arguments import NotKnownError, Table
from cogpack.run_lines.effects import Clone, Effect, within
from cogpack.run_lines.expansion import Command
from cogpack.run_lines.site import Site, absolute

_CLONE = Table(
    "git clone",
    """
    -b --branch=
    --depth=
    --recursive
    --recurse-submodules
    --single-branch
    --no-single-branch
    --shallow-submodules
    -q --quiet
    -v --verbose
    --progress
    -j --jobs=
    ! --filter= a part of the history stays away
    ! -c --config= the clone is set up in a way of its own
    """,
)
_CHECKOUT = Table("git checkout", "-q --quiet\n-f --force\n--detach\n--progress\n! -b --branch a branch is made")
_RESET = Table("git reset", "--hard\n-q --quiet")
_SUBMODULE = Table("git submodule", "--init\n--recursive\n-q --quiet\n--progress\n-j --jobs=\n--depth=")
VARIABLES = frozenset({"GIT_LFS_SKIP_SMUDGE"})
"""Those whose effect is known."""

_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


def git(command: Command, site: Site) -> tuple[Effect, ...]:
    words = list(command.words[1:])
    directory = command.directory
    while words[:1] == ["-C"] and len(words) > 2:
        directory = absolute(directory, words[1])
        words = words[2:]
    for name in sorted(command.environment.keys() - VARIABLES):
        if name.startswith("GIT_"):
            raise NotKnownError(f"{name} is set, which changes what git does")
    match words:
        case ["clone", *arguments]:
            return (_clone(msgspec.structs.replace(command, directory=directory), arguments, site),)
        case ["checkout", *arguments]:
            return (_at(_CHECKOUT.read(arguments).operands, _clone_at(directory, site)),)
        case ["reset", *arguments] if _RESET.read(arguments).has("--hard"):
            before = _clone_at(directory, site)
            if before.revision:
                raise NotKnownError("a branch is moved that was checked out before")
            return (msgspec.structs.replace(_at(_RESET.read(arguments).operands, before), moved=True),)
        case ["submodule", "update", *arguments]:
            options = _SUBMODULE.read(arguments)
            if not options.has("--init") or options.operands or options.has("--depth"):
                raise NotKnownError("git submodule is known only as update --init --recursive")
            if not options.has("--recursive"):
                raise NotKnownError("without --recursive, submodules of submodules stay away")
            return (msgspec.structs.replace(_clone_at(directory, site), submodules=True),)
    raise NotKnownError(f"git {words[0] if words else ''} is not known here")


def _clone(command: Command, arguments: list[str], site: Site) -> Clone:
    options = _CLONE.read(arguments)
    if not 1 <= len(options.operands) <= 2:
        raise NotKnownError("git clone is known only with a repository and perhaps a directory")
    url = options.operands[0]
    parts = address(url)
    if parts.query or parts.fragment:
        raise NotKnownError(f"{url} is no address of a repository alone")
    name = parts.path.rstrip("/").removesuffix("/.git").removesuffix(".git").rpartition("/")[2]
    if len(options.operands) == 1 and not _NAME.fullmatch(name):
        raise NotKnownError(f"into which directory {url} is cloned is not sure")
    directory = site.path(command, options.operands[1] if len(options.operands) == 2 else name)
    if directory in site.clones or directory in site.links or any(within(path, directory) for path in site.files):
        raise NotKnownError(f"{directory} is not empty")
    depth, branch = options.last("--depth", "0"), options.last("--branch")
    if not re.fullmatch(r"[0-9]{1,9}", depth) or (options.has("--depth") and not int(depth)):
        raise NotKnownError(f"--depth {depth:.80} is no number of commits")
    if options.has("--single-branch") and options.has("--no-single-branch"):
        raise NotKnownError("--single-branch and --no-single-branch at once")
    if branch and not _REVISION.fullmatch(branch):
        raise NotKnownError(f"{branch} is no name of a branch or tag")
    return Clone(
        url=url,
        directory=directory,
        branch=branch,
        depth=int(depth),
        single_branch=options.has("--single-branch") or (int(depth) > 0 and not options.has("--no-single-branch")),
        shallow_submodules=options.has("--shallow-submodules"),
        submodules=options.has("--recursive") or options.has("--recurse-submodules"),
        large_files=command.environment.get("GIT_LFS_SKIP_SMUDGE", "0") in ("", "0", "false"),
    )


def _clone_at(directory: str, site: Site) -> Clone:
    if directory not in site.clones:
        raise NotKnownError(f"no known line before it has cloned {directory}")
    if any(within(path, directory) for path in site.files):
        raise NotKnownError(f"files were put into the clone at {directory} before")
    if any(within(path, directory) for path in site.read):
        raise NotKnownError(f"a line before it reads files of the clone at {directory}")
    return site.clones[directory]


def _at(operands: tuple[str, ...], clone: Clone) -> Clone:
    if len(operands) != 1 or not _REVISION.fullmatch(operands[0]):
        raise NotKnownError("git checkout is known only with one commit, tag or branch")
    if clone.submodules:
        raise NotKnownError("its submodules stay as they were before")
    if clone.moved:
        raise NotKnownError("its branch was moved before")
    return msgspec.structs.replace(clone, revision=operands[0])
