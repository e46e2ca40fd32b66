"""`git clone` lines of `build.run` are pinned: which commit, which tags, which submodules.

A clone holds the history of its commit and the tags in it, and no other branches: those change daily, and are one `git
fetch` away. What would not be exactly what git writes in the image is left to git: the line is run.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cogpack.config import Config
from cogpack.config.steps import step_places
from cogpack.errors import CogpackError
from cogpack.git.mirror import Mirrors, resolve
from cogpack.git.objects import GITLINK, SYMLINK, TREE, NotExactError, TreeEntry
from cogpack.git.program import Git
from cogpack.lockfile import LockedClone, LockedSandboxed, LockedSubmodule
from cogpack.lockfile.base_kinds import Base, DebianBase
from cogpack.locking.lines.cloned import make_git, make_mirrors
from cogpack.locking.lines.known_files import KnownClone
from cogpack.locking.lines.read import Lines
from cogpack.patterns import pattern
from cogpack.run_lines import Clone
from cogpack.run_lines.effects import within
from cogpack.session import Session

if TYPE_CHECKING:
    from cogpack.git.refs import Refs
    from cogpack.git.submodules import Submodule

MOST_COMMITS = 30_000
MOST_TAGS = 2_000
"""Of a clone that is laid here: what has more takes many minutes to write, and makes a lock that nobody can read."""
_LOOKS_ROUND = pattern(
    r"\bgit\b[^;&|\n]*\s(?:checkout|switch|reset|branch|merge|rebase|show|diff|cherry-pick|worktree|rev-list|restore)\b"
)
_CLONES = pattern(r"\bgit\b[^;&|\n]*\sclone\b")
_LONGEST_LINK = 4095
"""Bytes (PATH_MAX of Linux)."""
_DEEPEST = 8
"""Submodules within submodules."""
_TAG = pattern(r"[^\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]+")


def pin_clones(
    session: Session,
    config: Config,
    base: Base,
    lines: Lines,
    made: Sequence[KnownClone],
    kept: Sequence[LockedClone],
) -> tuple[tuple[LockedClone, ...], tuple[LockedSandboxed, ...]]:
    """Pin the clones that `lines` have `made`; what was `kept` no server is asked of. Give steps that are to be run,
    too."""
    pins: list[LockedClone] = []
    sandboxed: list[LockedSandboxed] = []
    places = step_places(config)
    may_have_lfs = not isinstance(base, DebianBase) or any(deb.name == "git-lfs" for deb in base.installed)
    pinner = _Pinner(make_git(session), make_mirrors(session), large_files=may_have_lfs)
    for one in made:
        step, effect = one.step, one.effect
        try:
            _check_others(one.path, config, lines, places)
            pins.append(pin_of(effect, kept) or pinner.clone(effect))
        except NotExactError as error:
            sandboxed.append(LockedSandboxed(step=step, why=f"git clone {effect.url}: {error.reason}"))
        except CogpackError as error:
            error.message = f"{places[step]}: {error.message}"
            raise
    return tuple(pins), tuple(sandboxed)


def lacks_clones(lines: Lines, kept: Sequence[LockedClone]) -> bool:
    """Tell whether something is cloned that is not pinned."""
    return any(pin_of(effect, kept) is None for _, effect in lines.of(Clone))


def pin_of(effect: Clone, kept: Sequence[LockedClone]) -> LockedClone | None:
    """Find the pin of what a line clones."""
    asked = _asked(effect)
    return next((pin for pin in kept if all(getattr(pin, name) == said for name, said in asked.items())), None)


def _check_others(path: str, config: Config, lines: Lines, places: Sequence[str]) -> None:
    """Leave a clone to git where others have to do with it: weights that would lie in it, and commands that are run and
    look for its other branches."""
    for managed in config.weights:
        if within(managed.target, f"/{path}"):
            raise NotExactError(f"the managed weight {managed.target} lies in it")
    for one in lines.remaining:
        if _LOOKS_ROUND.search(one.step.command) and not _CLONES.search(one.step.command):
            raise NotExactError(f"a command that is run may look for its other branches ({places[one.index]})")


def _asked(effect: Clone) -> dict[str, Any]:
    """Give what a line says of its clone, by the names that a pin has for it."""
    return {
        "url": effect.url,
        "directory": effect.directory.lstrip("/"),
        "wanted": effect.branch,
        "revision": effect.revision,
        "moved": effect.moved,
        "depth": effect.depth,
        "single_branch": effect.single_branch,
        "recursive": effect.submodules,
        "shallow_submodules": effect.shallow_submodules,
        "large_files": effect.large_files,
    }


class _Pinner:
    def __init__(self, git: Git, mirrors: Mirrors, *, large_files: bool) -> None:
        self._git = git
        self._mirrors = mirrors
        self._large_files = large_files

    def clone(self, effect: Clone) -> LockedClone:
        refs = self._mirrors.refs(effect.url)
        branch, commit = refs.cloned(effect.branch)
        newest = commit
        if effect.moved:
            commit = self._reset(effect, refs, branch, commit)
        elif effect.revision:
            branch, commit = self._checked_out(effect, refs, branch, commit)
            newest = commit
        if effect.single_branch and not branch and not effect.branch:
            raise NotExactError("its HEAD is on no branch")
        tags = self._tags(effect.url, refs, newest, effect.depth)
        submodules = self._look(effect, effect.url, newest, commit, effect.depth, 0)
        return LockedClone(
            **_asked(effect),
            commit=commit,
            branch=branch,
            default=bool(branch) and branch == refs.default,
            server_commit=newest if newest != commit else None,
            tags=tags,
            submodules=submodules,
        )

    def _checked_out(self, effect: Clone, refs: "Refs", branch: str, commit: str) -> tuple[str, str]:
        """Give the branch that HEAD is on, and the commit, after `git checkout` (git-checkout(1), gitrevisions(7))."""
        wanted = effect.revision
        whole = re.fullmatch(r"[0-9a-f]{40}", wanted)
        if not whole and self._is_file(effect, commit):
            raise NotExactError(f"it has a file {wanted}, and git checkout may mean that")
        if wanted in (branch, "HEAD"):
            return branch, commit
        if (effect.single_branch or effect.depth) and wanted != commit:
            raise NotExactError(f"{wanted} is checked out of a part of it")
        if whole:
            return "", wanted
        if wanted in refs.tags:
            return "", refs.target(wanted)
        if wanted in refs.heads:
            return wanted, refs.heads[wanted]
        remote = wanted.removeprefix("origin/")
        if remote != wanted and remote in refs.heads:
            return "", refs.heads[remote]
        if found := resolve(self._git, self._mirrors.everything(effect.url), wanted):
            return "", found
        raise NotExactError(f"it has no commit, tag or branch {wanted}")

    def _reset(self, effect: Clone, refs: "Refs", branch: str, commit: str) -> str:
        """Give the commit that `git reset --hard` moves the branch to."""
        from cogpack.git.trees import read_history

        if not branch:
            raise NotExactError("git reset moves no branch")
        _, wanted = self._checked_out(effect, refs, branch, commit)
        objects = self._mirrors.objects(effect.url, [commit], effect.depth)
        if wanted not in read_history(objects, commit, effect.depth, most=MOST_COMMITS).commits:
            raise NotExactError(f"{effect.revision} is not in the history of {branch}")
        return wanted

    def _is_file(self, effect: Clone, commit: str) -> bool:
        from cogpack.git.trees import find, tree_of

        objects = self._mirrors.objects(effect.url, [commit], effect.depth)
        return find(objects, tree_of(objects, commit), effect.revision) is not None

    def _tags(self, url: str, refs: "Refs", commit: str, depth: int) -> tuple[str, ...]:
        """Give the tags of a commit's history."""
        from cogpack.git.trees import read_history

        objects = self._mirrors.objects(url, [commit], depth)
        history = read_history(objects, commit, depth, most=MOST_COMMITS)
        tags = {name: oid for name, oid in refs.tags.items() if refs.target(name) in history.commits}
        if len(tags) > MOST_TAGS:
            raise NotExactError(f"it has {len(tags)} tags, more than {MOST_TAGS}")
        if bad := next((name for name in tags if not _TAG.fullmatch(name)), None):
            raise NotExactError(f"it has a tag {bad!a}")
        return tuple(f"{name} {oid}" for name, oid in sorted(tags.items()))

    def _look(
        self, effect: Clone, url: str, newest: str, commit: str, depth: int, deep: int
    ) -> tuple[LockedSubmodule, ...]:
        """Look through the tree of a commit in the history of the `newest`: raise `NotExactError`, or give its
        submodules, if they are wanted."""
        from cogpack.git.attributes import says_something
        from cogpack.git.submodules import read_submodules
        from cogpack.git.trees import files_of, link_target

        objects = self._mirrors.objects(url, [newest], depth)
        place = self._mirrors.directory(url, [newest], depth)
        entries = dict(files_of(objects, commit))
        told = [entry.oid for path, entry in entries.items() if path.rpartition("/")[2] == ".gitattributes"]
        if any(says_something(data) for _, data in objects.read_all(told, "blob")):
            self._check_filters(effect, place, commit, entries)
        links = [entry.oid for entry in entries.values() if entry.mode == SYMLINK]
        if any(size > _LONGEST_LINK for size in objects.sizes(links).values()):
            raise NotExactError("it has a link that is longer than any path")
        for _, data in objects.read_all(links, "blob"):
            link_target(data)
        gitlinks = {path: entry.oid for path, entry in entries.items() if entry.mode == GITLINK}
        if not gitlinks or not effect.submodules:
            return ()
        if deep == _DEEPEST:
            raise NotExactError(f"it has submodules in submodules, more than {_DEEPEST} deep")
        said = entries.get(".gitmodules")
        found = read_submodules(self._git, place, said.oid, url) if said and said.mode != TREE else []
        by_path = {one.path: one for one in found}
        if missing := gitlinks.keys() - by_path.keys():
            raise NotExactError(f".gitmodules does not name its submodule {min(missing)!r}")
        return tuple(self._submodule(effect, by_path[path], oid, deep) for path, oid in sorted(gitlinks.items()))

    def _submodule(self, effect: Clone, module: "Submodule", commit: str, deep: int) -> LockedSubmodule:
        depth = 1 if effect.shallow_submodules or module.shallow else 0
        refs = self._mirrors.refs(module.url)
        return LockedSubmodule(
            path=module.path,
            name=module.name,
            url=module.url,
            commit=commit,
            depth=depth,
            tags=self._tags(module.url, refs, commit, depth),
            submodules=self._look(effect, module.url, commit, commit, depth, deep + 1),
        )

    def _check_filters(self, effect: Clone, place: Path, commit: str, entries: dict[str, TreeEntry]) -> None:
        from cogpack.git.attributes import filtered

        files = [path for path, entry in entries.items() if entry.mode not in (SYMLINK, GITLINK)]
        for path, name in filtered(self._git, place, commit, files).items():
            if self._large_files and (name != "lfs" or effect.large_files):
                raise NotExactError(f"{path!r} goes through the filter {name!r}, which the image may have")
