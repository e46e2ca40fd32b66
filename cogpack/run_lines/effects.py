"""An effect is one of these values: what a line of `build.run` is known to do to the image, all its paths absolute.

A path is as it was written, without "." and doubled slashes; links of the tree in it are followed by who lays it.
"""

import posixpath
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec

from cogpack.patterns import pattern
from cogpack.requirements.model import Options

FILE_MODE = 0o644
"""What programs give a file under the umask of a build step, 022; directories get 755."""


_OF_LIBRARIES = pattern(r"/lib(?:x?32|64)?(?:/|\Z)|/ld\.so|\.so(?:\.|\Z)|/site-packages(?:/|\Z)|/cuda")


class Fetch(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for a file brought by HTTP. `mode`: of one that was not there; `redirects`: they are followed; `parents`:
    missing directories are made."""

    url: str
    path: str
    mode: int = FILE_MODE
    redirects: bool = True
    parents: bool = False


class MakeDirectories(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for `mkdir`. `parents`: those missing are made too, and a directory that is there is none too many."""

    paths: tuple[str, ...]
    parents: bool = False


class WriteText(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for a file that `echo` or `printf` writes. `mode`: of a file that was not there."""

    path: str
    text: str
    append: bool = False
    mode: int = FILE_MODE


class SetMode(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for `chmod` of a file that an earlier known line has made."""

    path: str
    mode: int


class Link(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for `ln -s`. `replace`: what isn't a directory at `path` goes; `inside`: where `path` is a directory, the
    link lies in it, under the target's name."""

    target: str
    path: str
    replace: bool = False
    inside: bool = True


class Clone(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for `git clone`, and `git checkout` in the clone. `branch`, or a tag, of `--branch`; `revision`: what is
    checked out then, or what the branch is `moved` to; `depth`: commits of history, 0 for all; `single_branch`: that
    alone; `submodules`: they are cloned too, recursively, with one commit each if they are shallow; `large_files`:
    where the image has git-lfs, what it stores elsewhere is fetched."""

    url: str
    directory: str
    branch: str = ""
    revision: str = ""
    moved: bool = False
    depth: int = 0
    single_branch: bool = False
    submodules: bool = False
    shallow_submodules: bool = False
    large_files: bool = True


class HubDownload(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for files of a repository on the Hugging Face hub, in the hub's cache form below `cache`, or as plain
    files in `directory`.

    `files`: those alone, by name; else all that `include` (or everything) and not `exclude` matches, as globs.
    """

    repository: str
    kind: Literal["model", "dataset", "space"] = "model"
    revision: str = "main"
    files: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    cache: str = ""
    directory: str = ""

    @property
    def cached_as(self) -> str:
        """The name of the repository's directory in the cache."""
        return "--".join([f"{self.kind}s", *self.repository.split("/")])


class PipRequirement(msgspec.Struct, frozen=True):
    """Is one requirement as pip reads it. `text` is PEP 508 of what has a name, else the address.

    `kind`: of an index; a wheel's or a source archive's address; a Git repository's (`git+`); a directory in an earlier
    `Clone`, its path with extras behind it. What is installed by `-e` is editable.
    """

    text: str
    kind: Literal["index", "wheel", "archive", "git", "editable git", "tree", "editable tree"] = "index"

    @property
    def is_editable(self) -> bool:
        return self.kind.startswith("editable ")

    @property
    def is_source(self) -> bool:
        return self.kind not in ("index", "wheel")

    @property
    def tree(self) -> str:
        """The directory that it is of, "" for none."""
        return self.text.partition("[")[0] if self.kind.endswith("tree") else ""

    def __str__(self) -> str:
        return f"-e {self.text}" if self.is_editable else self.text


class PipInstall(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for `pip install`. `files` and `constraints`: paths, in the project or an earlier `Clone`.

    `installer`: whose resolution it is; mim chooses mmcv's wheels by the torch that is there. `environment`: what the
    line hands to builds.
    """

    installer: Literal["pip", "uv", "mim"] = "pip"
    requirements: tuple[PipRequirement, ...] = ()
    files: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    options: Options = Options()
    upgrade: bool = False
    eager: bool = False
    dependencies: bool = True
    force_reinstall: bool = False
    ignore_installed: bool = False
    build_isolation: bool = True
    prefer_binary: bool = False
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()


class PipUninstall(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stands for `pip uninstall`: of names, canonical, and of those in `files`."""

    installer: Literal["pip", "uv"] = "pip"
    names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


Effect: TypeAlias = (
    Fetch | MakeDirectories | WriteText | SetMode | Link | Clone | HubDownload | PipInstall | PipUninstall
)


class StepEffect(msgspec.Struct, frozen=True):
    """Is an effect of the step that has this index among all steps."""

    step: int
    effect: Effect


class KnownStep(msgspec.Struct, frozen=True, tag=True):
    """Says what a line does; nothing, if `effects` is empty."""

    effects: tuple[Effect, ...]


class UnknownStep(msgspec.Struct, frozen=True, tag=True):
    """Says why a line's effect isn't known. `program`: of the command that it fails at, as the line names it."""

    why: str
    program: str = ""


def settled(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """Give the same effects with each `SetMode` done to the file that it means, which keeps it when it is
    written again, and one `Clone` of each directory."""
    return tuple(each.effect for each in settled_steps(StepEffect(0, effect) for effect in effects))


def settled_steps(effects: Iterable[StepEffect]) -> tuple[StepEffect, ...]:
    """Do the same with the effects of many steps; what was changed stays the effect of the step that made it."""
    found: list[StepEffect] = []
    made: dict[str, int] = {}
    for each in effects:
        match each.effect:
            case SetMode(path=path, mode=mode) if path in made:
                before = found[made[path]]
                assert isinstance(before.effect, Fetch | WriteText)
                found[made[path]] = StepEffect(before.step, msgspec.structs.replace(before.effect, mode=mode))
                continue
            case Clone(directory=path) if path in made:
                found[made[path]] = StepEffect(found[made[path]].step, each.effect)
                continue
            case Fetch(path=path) | WriteText(path=path, append=False) if path in made:
                before = found[made[path]]
                assert isinstance(before.effect, Fetch | WriteText)
                made[path] = len(found)
                found.append(StepEffect(each.step, msgspec.structs.replace(each.effect, mode=before.effect.mode)))
                continue
            case Fetch(path=path) | WriteText(path=path, append=False) | Clone(directory=path):
                made[path] = len(found)
        found.append(each)
    return tuple(found)


def told(effect: Effect) -> str:
    """Say in a few words what an effect does."""
    match effect:
        case Fetch(url=url, path=path, mode=mode):
            return f"fetch {url} as {path}{', executable' if mode & 0o111 else ''}"
        case MakeDirectories(paths=paths):
            return f"make {' and '.join(paths)}"
        case WriteText(path=path, append=append):
            return f"{'append to' if append else 'write'} {path}"
        case SetMode(path=path, mode=mode):
            return f"give {path} mode {mode:o}"
        case Link(target=target, path=path):
            return f"link {path} to {target}"
        case Clone(url=url, directory=directory, branch=branch, revision=revision):
            at = revision or branch
            return f"clone {url}{f' at {at}' if at else ''} into {directory}"
        case HubDownload(repository=repository, files=files, cache=cache, directory=directory):
            what = f"{', '.join(files)} of {repository}" if files else repository
            return f"download {what} into {directory or cache}"
        case PipInstall(requirements=requirements, files=files):
            return f"install {', '.join([*map(str, requirements), *(f'-r {file}' for file in files)])}"
        case PipUninstall(names=names, files=files):
            return f"uninstall {', '.join([*names, *(f'-r {file}' for file in files)])}"


def touched(effect: Effect) -> tuple[str, ...]:
    """Give the files and directories that an effect makes or changes; none of pip's, which are the packages'."""
    match effect:
        case Fetch(path=path) | WriteText(path=path) | SetMode(path=path):
            return (path,)
        case MakeDirectories(paths=made):
            return made
        case Link(target=target, path=path, inside=inside):
            return (path, posixpath.join(path, posixpath.basename(target))) if inside else (path,)
        case Clone(directory=directory):
            return (directory,)
        case HubDownload(cache=cache, directory=directory):
            return (directory or cache,)
        case PipInstall() | PipUninstall():
            return ()


def may_bring_libraries(effect: Effect) -> bool:
    """Tell whether the dynamic linker may find a library by it that was not there: one that lies where it looks, or a
    place where it is to look. A clone's are loaded by who knows where they lie, and by no wheel."""
    return any(_OF_LIBRARIES.search(path) for path in touched(effect))


def within(path: str, root: str) -> bool:
    """Tell whether `path` is `root` or lies below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def above(path: str) -> Iterator[str]:
    """Give an absolute path, and each that it lies below: those that it is `within`. One that no system takes
    (PATH_MAX) lies below none."""
    yield path
    if len(path) > 4096:
        return
    while path := path.rpartition("/")[0]:
        yield path
    yield "/"
