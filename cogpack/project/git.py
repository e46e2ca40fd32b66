"""git is asked of which commit a project's files are, where others get it, and what differs from it.

Only asked where the user wants it in the image. git runs nothing that the repository's own config names (no fsmonitor,
no signature programs, no filters but git-lfs's) and writes nothing. Of submodules it runs their filters.
"""

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from cogpack.encodings import is_utf8
from cogpack.errors import InputError

_SECONDS = 120
_LAST_SECOND = 253402300799
"""Of the year 9999, the last that RFC 3339 can write."""
_LFS = ("git-lfs clean -- %f", "git-lfs filter-process")
_OFF = {"clean": "", "process": "", "required": "false"}
_SCP_LIKE = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[A-Za-z0-9.-]+\.[A-Za-z]{2,}):(?!//)(?P<path>[^\s?#]+)")
"""`git@github.com:me/model.git` (git-fetch, "GIT URLS"), of hosts that others can reach by this name."""


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Is what git says. `source`: an https address without credentials, None where the remote is no server's;
    `version`: a tag of this very commit; `created`: when it was committed, seconds since 1970; `changed`: paths of the
    project that differ."""

    revision: str
    source: str | None
    version: str | None
    created: int
    changed: tuple[str, ...]


def read_commit(root: Path, *, counts: Callable[[str, bool], bool], environment: Mapping[str, str]) -> Commit:
    """Read the commit of the repository that `root` is in.

    `counts`: of a path below `root` that differs from the commit, and whether git tracks it: does it matter?
    """
    git = _Git(root, environment)
    created, revision = _head(git)
    tags = [tag for tag in git("tag", "--points-at", "HEAD", "--sort=-version:refname").split() if is_utf8(tag)]
    git.switch_off_filters()
    prefix = git("rev-parse", "--show-prefix").removesuffix("\n")
    status = git("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", ".")
    changed = sorted(
        path.removeprefix(prefix)
        for entry in filter(None, status.split("\0"))
        for kind, path in [(entry[:2], entry[3:])]
        if counts(path.removeprefix(prefix), kind != "??")
    )
    return Commit(
        revision=revision,
        source=_public(_remote(git)),
        version=tags[0] if tags else None,
        created=created,
        changed=tuple(changed),
    )


def check_commit(root: Path, environment: Mapping[str, str]) -> None:
    """Raise an `InputError` where `read_commit` could not tell any."""
    _head(_Git(root, environment))


def _head(git: "_Git") -> tuple[int, str]:
    """Read when it was committed, and its name."""
    created, revision = git("rev-list", "--max-count=1", "--timestamp", "HEAD").split()
    if not 0 <= int(created) <= _LAST_SECOND:
        raise git.failed(f"the commit {revision[:12]} has a date that an image can't have", "commit it anew")
    return int(created), revision


def committed(root: Path, path: str, environment: Mapping[str, str]) -> bytes | None:
    """Read a file of `root` as it was committed; None where it was not."""
    try:
        return os.fsencode(_Git(root, environment)("cat-file", "blob", f"HEAD:./{path}"))
    except InputError:
        return None


class _Git:
    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root = root
        quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
        self._environment = dict(environment) | quiet

    def __call__(self, *words: str) -> str:
        command = ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *words]
        try:
            done = subprocess.run(
                command,
                cwd=self._root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            raise self.failed(
                "there is no git program", "install git, or leave out --git and cogpack.git: true"
            ) from None
        except subprocess.TimeoutExpired:
            raise self.failed(f"git {words[0]} took more than {_SECONDS} s", "run it there by hand") from None
        except OSError as error:
            raise self.failed(f"git can't be started: {error.strerror}", "check the installation of git") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            if "dubious ownership" in said:
                advice = f"trust it: git config --global --add safe.directory {self._root}"
                raise self.failed("git does not trust a directory that another user owns", advice)
            if "unknown revision" in said or "bad revision" in said or "ambiguous argument 'HEAD'" in said:
                raise self.failed("the repository has no commit yet", "commit first, or leave out --git")
            first = said.partition("\n")[0].removeprefix("fatal: ")
            raise self.failed(f"git {words[0]}: {first:.300}", "run it in a git checkout, or leave out --git")
        return os.fsdecode(done.stdout)

    def switch_off_filters(self) -> None:
        """Have no more commands run that the repository's own config names to read files with (gitattributes(5)),
        but git-lfs's, without which what it keeps would seem changed."""
        try:
            found = self("config", "--show-scope", "-z", "--get-regexp", r"^filter\..*\.(clean|process)$").split("\0")
        except InputError:  # there are none
            return
        names = set()
        for scope, entry in zip(found[::2], found[1::2], strict=False):
            key, _, command = entry.partition("\n")
            if scope in ("local", "worktree") and command not in _LFS:
                names.add(key.rpartition(".")[0])
        settings = [(f"{name}.{key}", value) for name in sorted(names) for key, value in _OFF.items()]
        first = int(self._environment.get("GIT_CONFIG_COUNT") or 0)
        for number, (key, value) in enumerate(settings, first):
            self._environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        self._environment["GIT_CONFIG_COUNT"] = str(first + len(settings))

    def failed(self, what: str, advice: str) -> InputError:
        return InputError(f"{self._root}: {what}", next_step=advice)


def _remote(git: _Git) -> str:
    """Read the address of `origin`, or of the only remote there is, as it is written down; "" for none."""
    names = git("remote").split()
    name = "origin" if "origin" in names else names[0] if len(names) == 1 else ""
    try:
        return git("config", "--get", f"remote.{name}.url").strip() if name else ""
    except InputError:
        return ""


def _public(url: str) -> str | None:
    """Make it the address at which people find it: https, no credentials, no `.git`. Whoever pushes over ssh and
    whoever has a token in the address gets the same image."""
    if found := _SCP_LIKE.fullmatch(url):
        host, path = found["host"], found["path"]
    else:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return None
        if parts.scheme not in ("https", "http", "ssh", "git", "git+ssh") or not host:
            return None
        # A port of http is part of the address; one of ssh says nothing about the pages.
        host = f"[{host}]" if ":" in host else host
        host, path = (f"{host}:{port}" if port and parts.scheme in ("https", "http") else host), parts.path
    path = path.strip("/").removesuffix(".git")
    return f"https://{host}/{path}" if path and is_utf8(path) else None
