"""`cogpack run` asks a model for one prediction: its server is started for it, and ended."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cogpack.commands.serve import SETUP_TIMEOUT
from cogpack.disk import check_writable, write_whole
from cogpack.running.bundle import open_bundle
from cogpack.running.container import open_container
from cogpack.running.inputs import read_inputs
from cogpack.running.outputs import Outputs, blocks
from cogpack.running.server import Server, free_port
from cogpack.runtime.labelled_schema import read_signature
from cogpack.sandbox.run import Streams
from cogpack.session import Session

_QUIET = {"RUST_LOG": "warn,coglet::user=info,coglet::setup=info,coglet::prediction=info"}
"""Of the server's own lines, those that tell what the model says."""


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """Is what a model gave. `output`: as its schema has it, with paths in the place of files; `text`: the same for
    people, "" where it went into files; `files`: those that were written."""

    image: str
    output: Any
    text: str
    files: tuple[str, ...]
    logs: str
    metrics: dict[str, Any]


def run(
    session: Session,
    inputs: Sequence[str] = (),
    *,
    image: str | None = None,
    environment: Mapping[str, str] = {},
    setup_timeout: float = SETUP_TIMEOUT,
    output: Path | None = None,
    streams: Streams,
) -> Predicted:
    """Ask the model of `image`, or of the project, for one prediction; a `ModelError` where it fails.

    `inputs`: `NAME=VALUE` each, or `NAME=@FILE`; they are held to the schema before anything is started. `output`: the
    file for what it gives; files of a model have names of their own without it. `streams`: of its server.
    """
    if output is not None:
        check_writable(output)
    bundle = open_bundle(session, image)
    signature = read_signature(bundle.schema)
    asked = read_inputs(signature, inputs)
    quiet = {} if environment.keys() & {"RUST_LOG", "COG_LOG_LEVEL"} else _QUIET
    with (
        open_container(session, bundle) as container,
        Server(container, free_port(), quiet | dict(environment), streams) as server,
    ):
        server.wait_until_ready(setup_timeout)
        found = server.predict(asked)
    outputs = Outputs(output)
    taken = outputs.taken(found.output, signature.output)
    text = outputs.text(taken, signature.output)
    if outputs.written:
        text = ""
    elif output is not None:
        write_whole(output, blocks(text))
        outputs.written.append(output)
        text = ""
    return Predicted(
        image=bundle.name,
        output=taken,
        text=text,
        files=tuple(map(str, outputs.written)),
        logs=found.logs,
        metrics=found.metrics,
    )
