"""`cogpack doctor` prints what was found, a line a thing, and what to do where something is."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, project_options, with_session
from cogpack.errors import InputError

if TYPE_CHECKING:
    from cogpack.commands.results import Check
    from cogpack.session import Session


def doctor(arguments: argparse.Namespace) -> None:
    import msgspec

    from cogpack.commands.doctor import doctor
    from cogpack.text import lines

    def act(session: "Session") -> Answer:
        found = doctor(session, arguments.target, fix=arguments.fix)
        if options := project_options(arguments):
            from cogpack.cli.typed import typed_checks

            found = msgspec.structs.replace(found, checks=typed_checks(options, found.checks))
        rows = [f"cogpack {found.version}, Python {found.python}, {found.platform}"]
        rows.append(f"isolation  {found.isolation or 'none: commands of build.run are not run here'}")
        for rung in found.rungs:
            said = f"refused: {rung.refused}; helps: {rung.helps}" if rung.refused else f"works; open: {rung.left_open}"
            rows.append(f"  {rung.name:<8} {said}")
        rows.append(f"linux/arm64  {found.arm64}")
        rows += [f"{setting.name}: {setting.value}  ({setting.source})" for setting in found.settings]
        rows += [row for check in found.checks for row in _check_rows(check)]
        return Answer(found, lines(rows), status=InputError.exit_code if found.failed else 0)

    with_session(arguments, act)


def _check_rows(check: "Check") -> Iterator[str]:
    yield f"{check.verdict:<7} {check.name}: {check.said}"
    if check.next_step:
        yield f"        next: {check.next_step}"
