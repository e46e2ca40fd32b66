"""Each function here runs one command of `cogpack cache`."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session

if TYPE_CHECKING:
    from cogpack.commands.cache import CacheCleaned
    from cogpack.session import Session


def show_place(arguments: argparse.Namespace) -> None:
    from cogpack.commands.cache import cache_place

    def act(session: "Session") -> Answer:
        found = cache_place(session)
        return Answer(found, found.directory)

    with_session(arguments, act)


def show_size(arguments: argparse.Namespace) -> None:
    from cogpack.commands.cache import cache_size
    from cogpack.text import lines, size_text

    def act(session: "Session") -> Answer:
        found = cache_size(session)
        rows = [f"{size_text(kind.size):>9}  {kind.name}" for kind in found.kinds]
        return Answer(found, lines([*rows, f"{size_text(found.size):>9}  {found.directory}"]))

    with_session(arguments, act)


def prune(arguments: argparse.Namespace) -> None:
    from cogpack.commands.cache import prune_cache

    _clean(arguments, lambda session: prune_cache(session, days=arguments.days, limit=arguments.max_size))


def clean(arguments: argparse.Namespace) -> None:
    from cogpack.commands.cache import clean_cache

    _clean(arguments, clean_cache)


def _clean(arguments: argparse.Namespace, clean: Callable[["Session"], "CacheCleaned"]) -> None:
    from cogpack.text import size_text

    def act(session: "Session") -> Answer:
        done = clean(session)
        busy = f", {size_text(done.busy)} of it for processes that run now" if done.busy else ""
        line = f"{done.directory}: removed {size_text(done.removed)}, left {size_text(done.left)}{busy}"
        return Answer(done, line)

    with_session(arguments, act)
