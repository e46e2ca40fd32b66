"""`cogpack init`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session

if TYPE_CHECKING:
    from cogpack.commands.init import Begun
    from cogpack.session import Session


def init(arguments: argparse.Namespace) -> None:
    from cogpack.commands.init import init
    from cogpack.text import lines

    def act(session: "Session") -> Answer:
        cis = tuple(dict.fromkeys(arguments.ci))
        begun = init(arguments.place, ci=cis, image=arguments.tag, kubernetes=arguments.kubernetes)
        for name in begun.kept:
            session.progress.summary(f"{arguments.place / name} is there already, and stays as it is")
        told = begun.written and not arguments.quiet
        if told and ".dockerignore" in begun.kept and (unnamed := _unnamed(arguments.place / ".dockerignore", begun)):
            text = (
                "into the image unless .dockerignore names it: where it names the image's digest, it would change that"
            )
            session.progress.summary(f"{' and '.join(unnamed)} goes {text}")
        if told:
            where = "" if str(arguments.place) == "." else f"cd {arguments.place} && "
            session.progress.summary(f"next: {where}{_next(begun, pushed_by=bool(cis), served=arguments.kubernetes)}")
        return Answer(begun, lines(str(arguments.place / name) for name in begun.written) or None)

    with_session(arguments, act)


def _unnamed(ignored: Path, begun: "Begun") -> list[str]:
    """Give what was written that no line of a .dockerignore is for; nothing where that is no file that can be read."""
    try:
        lines = ignored.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []
    return [name for name in begun.written if name.partition("/")[0] not in lines]


def _next(begun: "Begun", *, pushed_by: bool, served: bool) -> str:
    """Say what comes next, in a project that was there already: with what was written."""
    if "cog.yaml" in begun.kept and pushed_by:
        return "cogpack lock, then commit cogpack.lock with them"
    if "cog.yaml" in begun.kept and served:
        return "cogpack push, then kubectl apply -f deployment.yaml"
    ask = "cogpack run -i text=you" if "run.py" in begun.written else "cogpack run"
    return f"cogpack schema, then cogpack lock, then {ask}"
