"""Each function here runs one of the commands that start containers: arguments in, what ran there out."""

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cogpack.cli import json_output
from cogpack.cli.running import Answer, noted, with_session
from cogpack.cli.streams import input_descriptor, put, put_bytes, put_text, say_bytes
from cogpack.errors import InputError

if TYPE_CHECKING:
    from cogpack.commands.run import Predicted
    from cogpack.running.options import ContainerOptions
    from cogpack.session import Session

_TOKEN = "REPLICATE_API_TOKEN"  # noqa: S105 - its name


def execute(arguments: argparse.Namespace) -> None:
    from cogpack.commands.execute import execute
    from cogpack.running.options import Address
    from cogpack.sandbox.run import Streams

    def act(session: "Session") -> Answer:
        command: list[str] = arguments.command
        status = execute(
            session,
            command[1:] if command[0] == "--" else command,
            image=arguments.of,
            environment=dict(arguments.env),
            ports=[Address(*port) for port in arguments.publish],
            container=_options(arguments),
            streams=Streams(put_bytes, say_bytes, input_descriptor()),
        )
        return Answer(None, None, status)

    with_session(arguments, act)


def run(arguments: argparse.Namespace) -> None:
    from cogpack.commands.run import run
    from cogpack.sandbox.run import Streams

    image = _image(arguments)
    live = None if arguments.json else put_text
    typed = {} if arguments.inputs is None else _typed(arguments.inputs)
    context = _context() if arguments.use_replicate_token else {}

    def act(session: "Session") -> Answer:
        found = run(
            session,
            arguments.input,
            typed=typed,
            image=image,
            environment=dict(arguments.env),
            context=context,
            setup_timeout=arguments.setup_timeout,
            output=arguments.output,
            container=_options(arguments),
            streams=Streams(say_bytes),
            live=live,
        )
        return _predicted(session, found, arguments, printed=True)

    with_session(arguments, act)


def train(arguments: argparse.Namespace) -> None:
    from cogpack.commands.run import train
    from cogpack.sandbox.run import Streams

    image = _image(arguments)

    def act(session: "Session") -> Answer:
        found = train(
            session,
            arguments.input,
            image=image,
            environment=dict(arguments.env),
            setup_timeout=arguments.setup_timeout,
            output=arguments.output,
            container=_options(arguments),
            streams=Streams(say_bytes),
        )
        return _predicted(session, found, arguments, printed=False)

    with_session(arguments, act)


def _typed(text: str) -> dict[str, Any]:
    """Read the inputs of a JSON object: itself, @FILE, or standard input."""
    from cogpack.disk import reading
    from cogpack.running.inputs import REQUEST_LIMIT, inputs_of_json

    name = text.removeprefix("@")
    if name == text and name != "-":
        return inputs_of_json(os.fsencode(text), "--inputs")
    with reading(f"--inputs {text:.200}", "name a file with a JSON object"):
        if name == "-":
            return inputs_of_json(sys.stdin.buffer.read(REQUEST_LIMIT + 1), "standard input")
        with Path(name).open("rb") as file:
            return inputs_of_json(file.read(REQUEST_LIMIT + 1), name)


def _context() -> dict[str, str]:
    """Say what Cog's command lets a model have of Replicate's token."""
    from cogpack.redaction import learn_environment

    token = os.environ.get(_TOKEN, "")
    if not token:
        raise InputError(f"--use-replicate-token: {_TOKEN} is not set", next_step=f"export {_TOKEN}=...")
    learn_environment({_TOKEN: token})
    return {_TOKEN.lower(): token}


def _predicted(session: "Session", found: "Predicted", arguments: argparse.Namespace, *, printed: bool) -> Answer:
    """Tell what a model gave. `printed`: its text was, as it came."""
    for path in found.files:
        session.progress.summary(f"Written output to: {path}")
    if not arguments.json and (found.text or not found.files):
        put_text(("" if printed else found.text) + ("" if found.text.endswith("\n") else "\n"))
    return Answer(found, None)


def _options(arguments: argparse.Namespace) -> "ContainerOptions":
    from cogpack.running.options import ContainerOptions

    return ContainerOptions(
        isolated=arguments.isolated,
        caches=arguments.caches,
        shm_size=arguments.shm_size,
        gpus=arguments.gpus,
        runtime=arguments.runtime,
    )


def serve(arguments: argparse.Namespace) -> None:
    from cogpack.commands.serve import Served, serve
    from cogpack.sandbox.run import Streams

    image = _image(arguments)

    def act(session: "Session") -> Answer:
        served_once: list[Served] = []

        def ready(served: Served) -> None:
            served_once.append(served)  # first: who reads that it serves may interrupt it at once
            text = json_output.document(served, noted(arguments)) if arguments.json else f"serving on {served.url}"
            if served.playground and not arguments.json:
                text += f"\nplayground on {served.playground}"
            put(f"{text}\n")
            arguments.answered = True

        try:
            serve(
                session,
                image=image,
                port=arguments.port,
                host=arguments.host,
                environment=dict(arguments.env),
                setup_timeout=arguments.setup_timeout,
                playground=arguments.playground,
                upload_url=arguments.upload_url,
                container=_options(arguments),
                streams=Streams(say_bytes),
                ready=ready,
            )
        except KeyboardInterrupt:
            if not served_once:
                raise  # else that is how a server ends
        return Answer(None, None)

    with_session(arguments, act)


def _image(arguments: argparse.Namespace) -> str | None:
    """Say which image is meant, None for a project, whose directory is then the one of the arguments."""
    from cogpack.disk import is_directory
    from cogpack.reference import names_registry

    word: str = arguments.image
    directory = Path(word)
    if is_directory(directory) and not (directory / "oci-layout").exists():
        arguments.directory = arguments.directory / directory
        return None
    named = Path(word.partition(":")[0])
    if names_registry(word) or word.startswith((".", "/")) or is_directory(named):
        return word
    from cogpack.commands.build import built_layout

    layout = built_layout(word)
    if layout and is_directory(layout[0]):
        return f"./{layout[0]}:{layout[1]}"
    raise _no_image(arguments, word, layout[0] if layout else None)


def _no_image(arguments: argparse.Namespace, word: str, layout: Path | None) -> InputError:
    """Say what was meant: an input, a command, as older Cogs took it here, or an image."""
    verb = next(one for one in arguments.written if not one.startswith("-"))
    if "=" in word and hasattr(arguments, "input"):
        return InputError(
            f"{word:.200}: inputs are given by -i NAME=VALUE", next_step=f"cogpack {verb} -i {shlex.quote(word):.200}"
        )
    if os.path.isfile(word):  # noqa: PTH113 - it may be too long for a Path to ask
        return InputError(
            f"{word:.200}: a file; {verb} asks a model, and commands are run by exec",
            next_step=f"cogpack exec {shlex.quote(word):.200}",
        )
    left = f", and no ./{layout}, where build -t {word:.200} leaves it without Docker" if layout else ""
    return InputError(
        f"{word:.200}: no directory, no image that names its registry (HOST/NAME){left}",
        next_step="leave it out for the project here, or write HOST/NAME:TAG or ./DIR; a command is run by "
        f"cogpack exec {word:.200}",
    )
