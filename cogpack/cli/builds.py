"""Each function here runs one command that builds for this machine: a layout, an archive, an engine."""

import argparse
import time
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session
from cogpack.cli.summary import built_text, suggest

if TYPE_CHECKING:
    from cogpack.session import Session


def build(arguments: argparse.Namespace) -> None:
    from cogpack.commands.build import build, build_beside
    from cogpack.errors import UnavailableError
    from cogpack.sinks.archive import names_archive
    from cogpack.sinks.daemon import ask

    output = arguments.output
    arguments.goes_on = output is None or not names_archive(output)  # an archive is written from its first byte again

    def act(session: "Session") -> Answer:
        began = time.monotonic()
        if output is not None:
            place, built = output, build(session, output, tags=arguments.tag, rebuild=arguments.rebuild)
        else:
            try:
                ask(session.progress)
            except UnavailableError:
                place, built = build_beside(session, tags=arguments.tag, rebuild=arguments.rebuild)
            else:
                session.progress.summary("the image goes into the local Docker")
                return _loaded(arguments, session)
        session.progress.summary(built_text(built.layers, time.monotonic() - began))
        if names_archive(place):
            suggest(arguments, session, f"docker load -i {place}")
        else:
            suggest(arguments, session, f"cogpack copy {place} HOST/NAME:TAG")
        return Answer(built, built.reference)

    with_session(arguments, act)


def load(arguments: argparse.Namespace) -> None:
    with_session(arguments, lambda session: _loaded(arguments, session))


def _loaded(arguments: argparse.Namespace, session: "Session") -> Answer:
    from cogpack.commands.build import load

    began = time.monotonic()
    built = load(session, tags=arguments.tag, rebuild=getattr(arguments, "rebuild", False))
    session.progress.summary(built_text(built.layers, time.monotonic() - began))
    suggest(arguments, session, f"docker run -p 5000:5000 {built.reference}")
    return Answer(built, built.reference)
