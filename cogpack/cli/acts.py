"""Each function here runs one command: arguments in, one text for standard output out. The acts are imported when they
run."""

import argparse
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cogpack.cli.running import Answer, noted, with_session
from cogpack.cli.summary import moved_text, suggest

if TYPE_CHECKING:
    from cogpack.commands.inspect import InspectedLayer
    from cogpack.session import Session


def push(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        plan(arguments)
        return
    from cogpack.commands.push import push
    from cogpack.registry.credentials.replicate import model_page
    from cogpack.text import count_text, lines, size_text

    def act(session: "Session") -> Answer:
        began = time.monotonic()
        pushed = push(
            session,
            *arguments.targets,
            tags=arguments.tag,
            rebuild=arguments.rebuild,
            weights_only=arguments.weights_only,
            create_repository=arguments.create_repository,
            tag_cache=arguments.tag_cache,
            publish_layers=arguments.publish_layers,
            attach=arguments.attach,
        )
        if not arguments.quiet:
            words = sorted({layer.vouched for layer in pushed.layers if layer.vouched})
            session.progress.summary(
                moved_text("sent", pushed.sent, time.monotonic() - began, requests=pushed.requests)
                + (f", of it {size_text(pushed.copied)} from another registry" if pushed.copied else "")
                + f"; reused {size_text(pushed.reused)}"
                + (f" (known from {', '.join(words)})" if words else "")
                + (f"; published {count_text(len(pushed.published), 'layer')}" if pushed.published else "")
            )
            suggest(arguments, session, f"docker run -p 5000:5000 {pushed.tags[0]}")
            for page in filter(None, (model_page(one.reference) for one in pushed.targets)):
                session.progress.summary(f"the model's page: {page}")
        return Answer(pushed, lines(one.reference for one in pushed.targets))

    with_session(arguments, act)


def plan(arguments: argparse.Namespace) -> None:
    import msgspec

    from cogpack.cli.plan_text import file_rows, layer_rows, step_rows, sum_text, weight_rows
    from cogpack.commands.plan import plan
    from cogpack.text import lines, size_text, time_text

    html: Path | None = getattr(arguments, "html", None)
    listed: bool = getattr(arguments, "files", False)

    def act(session: "Session") -> Answer:
        planned = plan(
            session, *arguments.targets, tags=arguments.tag, tag_cache=arguments.tag_cache, files=listed or bool(html)
        )
        if getattr(arguments, "weights_only", False):  # `push --dry-run --weights-only`
            planned = planned.weights_only()
        if not arguments.quiet:
            session.progress.summary(sum_text(planned.layers))
            for one in planned.built:
                session.progress.summary(str(one))
            for line in planned.recommended.lines() if planned.recommended else ():
                session.progress.summary(line)
            for line in planned.unasked:
                session.progress.summary(line)
            if planned.driver:
                session.progress.summary(planned.driver.line())
            if planned.isolation:
                session.progress.summary(planned.isolation)
            if planned.laid and planned.laying is not None:
                room, time = size_text(planned.laid), time_text(planned.laying)
                text = f"the files that they see take about {room} in the cache while they run, and {time} to lay there"
                session.progress.summary(text)
        if html:
            from cogpack.cli.plan_page import planned_page
            from cogpack.pages.page import write_page

            name = session.settings.directory.resolve().name
            write_page(html, planned_page(planned, name=name, targets=arguments.targets, notes=noted(arguments)))
        if not listed:
            planned = msgspec.structs.replace(planned, files=None)
        rows = layer_rows(planned.layers) + weight_rows(planned.weights) + step_rows(planned.steps)
        rows += file_rows(planned.files or ())
        return Answer(planned, lines(rows))

    with_session(arguments, act)


def fetch(arguments: argparse.Namespace) -> None:
    from cogpack.commands.fetch import fetch
    from cogpack.text import count_text, size_text

    arguments.goes_on = True

    def act(session: "Session") -> Answer:
        began = time.monotonic()
        found = fetch(session, arguments.output, weights=arguments.weights)
        held = f"{count_text(len(found.files), 'file')}, {size_text(found.size)}"
        session.progress.summary(f"{moved_text('added', found.added, time.monotonic() - began)}; {held} in all")
        if found.signed:
            packages = count_text(found.signed, "Debian package")
            session.progress.summary(f"{packages} signed for by their archives, as files in it show")
        if found.left:
            left = count_text(found.left, "managed weight")
            session.progress.summary(f"without {left}: --weights brings {'it' if found.left == 1 else 'them'}, too")
        suggest(arguments, session, f"cogpack build --offline {found.directory} -o image")
        return Answer(found, found.directory)

    with_session(arguments, act)


def lock(arguments: argparse.Namespace) -> None:
    from cogpack.cli.plan_text import moving_rows
    from cogpack.commands.lock import check_libraries, check_lock, check_run, lock

    def act(session: "Session") -> Answer:
        if arguments.check:
            found = check_lock(session)
            session.progress.summary("up to date: it was made from these inputs")
        elif arguments.check_run:
            found = check_run(session)
        elif arguments.check_libraries:
            found = check_libraries(session)
        else:
            found = lock(
                session,
                upgrade=arguments.upgrade,
                packages=arguments.upgrade_package,
                upgrade_format=arguments.upgrade_format,
                run=arguments.run,
                upgrade_system=arguments.upgrade_system,
                from_image=arguments.from_image,
                upgrade_run=arguments.upgrade_run is True,
                upgrade_step=None if arguments.upgrade_run is True else arguments.upgrade_run,
            )
        if found.moving is not None:
            for line in moving_rows(found.moving):
                session.progress.summary(line)
        return Answer(found.document, found.path)

    with_session(arguments, act)


def export(arguments: argparse.Namespace) -> None:
    from cogpack.commands.export import export

    with_session(arguments, lambda session: Answer(None, export(session, form=arguments.form).decode().rstrip("\n")))


def sbom(arguments: argparse.Namespace) -> None:
    from cogpack.commands.sbom import sbom

    def act(session: "Session") -> Answer:
        return Answer(None, sbom(session, arguments.target, form=arguments.form).decode().rstrip("\n"))

    with_session(arguments, act)


def inspect(arguments: argparse.Namespace) -> None:
    from cogpack.cli.schema_text import value_text
    from cogpack.commands.inspect import inspect, inspect_others, lock_of
    from cogpack.text import count_text, lines, size_text

    def act(session: "Session") -> Answer:
        if arguments.lock:
            return Answer(None, lock_of(session, arguments.target, platform=arguments.platform).decode().rstrip("\n"))
        told = arguments.json or arguments.html is not None
        found = inspect(session, arguments.target, platform=arguments.platform, items=told)
        if arguments.html:
            from cogpack.cli.inspect_page import inspected_page
            from cogpack.pages.page import write_page

            others = inspect_others(session, arguments.target, found)
            write_page(arguments.html, inspected_page(found, [_origin(one) for one in found.layers], others))
        rows = [f"{found.reference}"]
        rows += [f"index     {found.index} ({', '.join(found.platforms)})"] if found.index else []
        rows += [f"digest    {found.digest}"]
        rows += [f"platform  {found.platform}"] if found.platform else []
        rows += [f"size      {size_text(found.size)} in {count_text(len(found.layers), 'layer')}"]
        rows += [
            f"  {size_text(layer.size):>9}  {layer.digest[7:19]}  {layer.name}"
            + (f"  ({origin})" if (origin := _origin(layer)) else "")
            for layer in found.layers
        ]
        rows += [f"input     {name}: {value_text(spec)}" for name, spec in found.inputs.items()]
        rows += [f"output    {value_text(found.output)}"] if found.output else []
        rows += [f"command   {shlex.join(command)}"] if (command := found.entrypoint + found.cmd) else []
        rows += [f"user      {found.user or 'root'}"] if found.platform else []
        rows += [f"env       {variable}" for variable in found.environment]
        rows += [f"referrer  {one.digest[7:19]}  {one.artifact_type or '?'}" for one in found.referrers or ()]
        return Answer(found, lines(rows))

    with_session(arguments, act)


def _origin(layer: "InspectedLayer") -> str:
    """Return where it is from, as far as this machine can tell."""
    words = {
        "here": "built here",
        "other": "this machine built other bytes of it",
        "lock": "recorded in the lock",
        "base": "of the base",
    }
    said = [words[layer.origin]] if layer.origin in words else []
    said += map(str, layer.built)
    said += [f"also in {', '.join(layer.repositories)}"] if layer.repositories else []
    return "; ".join(said)


def verify(arguments: argparse.Namespace) -> None:
    from cogpack.commands.verify import verify
    from cogpack.text import count_text, time_text

    def act(session: "Session") -> Answer:
        began = time.monotonic()
        verified = verify(session, arguments.target, run_steps=arguments.run_steps)
        layers, took = count_text(verified.layers, "layer"), time_text(time.monotonic() - began)
        session.progress.summary(f"identical: {layers} rebuilt from the lock in {took}, byte for byte what is there")
        if verified.signed is not None:
            packages = count_text(verified.signed, "Debian package")
            session.progress.summary(f"{packages} signed for by their archives, as the depot shows")
        for one in verified.built:
            session.progress.summary(str(one))
        for name in verified.not_replayed:
            session.progress.summary(f"not replayed: {name}, by the word of the lock; --run-steps runs it")
        return Answer(verified, verified.reference)

    with_session(arguments, act)
