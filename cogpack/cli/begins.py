"""`cogpack init`."""

import argparse
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, with_session

if TYPE_CHECKING:
    from cogpack.session import Session


def init(arguments: argparse.Namespace) -> None:
    from cogpack.commands.init import init

    def act(session: "Session") -> Answer:
        cis = tuple(dict.fromkeys(arguments.ci))
        begun = init(arguments.place, ci=cis, image=arguments.tag, kubernetes=arguments.kubernetes)
        for name in begun.kept:
            session.progress.summary(f"{arguments.place / name} is there already, and stays as it is")
        if begun.written and not arguments.quiet:
            where = "" if str(arguments.place) == "." else f"cd {arguments.place} && "
            ask = "cogpack run -i text=you" if "run.py" in begun.written else "cogpack run"
            session.progress.summary(f"next: {where}cogpack schema, then cogpack lock, then {ask}")
        return Answer(begun, "\n".join(str(arguments.place / name) for name in begun.written) or None)

    with_session(arguments, act)
