"""Symbolic links are followed here in trees that are on no disk, as Linux follows them (path_resolution(7))."""

from collections.abc import Callable

PATH_MAX = 4095
_MOST = 40
"""Links in one path, of which Linux says ELOOP when there are more."""


def follow(path: str, link: Callable[[str], str | None], *, start: str = "", last: bool = True) -> str | None:
    """Give `path` without links, "." and "..", relative to the root; None where its links are a loop, or it is longer
    than Linux takes (PATH_MAX).

    `link` tells where the link at a path leads, whose parents are no links, and None of what is no link. A relative
    `path` begins in the directory `start`. The link that is the whole path is followed only with `last`.
    """
    if len(path) > PATH_MAX:
        return None
    done = [] if path.startswith("/") else [part for part in start.split("/") if part]
    waiting = path.split("/")[::-1]
    followed = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            done = done[:-1]
        if part in ("", ".", ".."):
            continue
        done.append(part)
        target = link("/".join(done)) if waiting or last else None
        if target is None:
            continue
        followed += 1
        if followed > _MOST:
            return None
        done = [] if target.startswith("/") else done[:-1]
        waiting += target.split("/")[::-1]
    return "/".join(done)
