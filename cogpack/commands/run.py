"""`cogpack run` asks a model for one prediction, `cogpack train` for one training: its server is started for it, and
ended."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from cogpack.commands.containers import open_any_container
from cogpack.commands.serve import SETUP_TIMEOUT
from cogpack.errors import InputError
from cogpack.notes import Code, Note
from cogpack.project import Project
from cogpack.running.bundle import Bundle, open_bundle, streaming
from cogpack.running.given import given
from cogpack.running.inputs import read_inputs
from cogpack.running.logs import SaidLines
from cogpack.running.options import ContainerOptions
from cogpack.running.outputs import Outputs
from cogpack.running.predictions import Kind
from cogpack.running.server import Server, free_port
from cogpack.runtime.labelled_schema import only_trains, read_signature
from cogpack.sandbox.run import Streams
from cogpack.session import Session

_ALONE = {"COG_MAX_CONCURRENCY": "1"}
"""One training is asked for. With more places, which are for predictions, coglet takes async functions alone."""
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
    typed: Mapping[str, Any] = {},
    image: str | None = None,
    environment: Mapping[str, str] = {},
    context: Mapping[str, str] = {},
    setup_timeout: float = SETUP_TIMEOUT,
    output: Path | None = None,
    container: ContainerOptions = ContainerOptions(),  # noqa: B008 - frozen
    streams: Streams,
    live: Callable[[str], object] | None = None,
) -> Predicted:
    """Ask the model of `image`, or of the project, for one prediction; a `ModelError` where it fails.

    `inputs`: `NAME=VALUE` each, or `NAME=@FILE`, and `typed`: those that are values already; they are held to the
    schema before anything is started. `context`: what the model finds in `current_scope().context`. `output`: the
    file for what it gives; files of a model have names of their own without it. `environment`: variables besides the
    image's; COG_WEIGHTS may name a file of this machine (`running/given`). `streams`: of its server. `live`: is
    given `text` in pieces as the model yields them, the last before this returns; not what goes into files.
    """
    bundle = open_bundle(session, image, container)
    if only_trains(bundle.schema):
        raise InputError(f"{bundle.name}: the model makes no predictions", next_step="train it: cogpack train")
    signature = read_signature(bundle.schema)
    outputs = Outputs(output, signature.output)
    outputs.live = live
    if live is not None and outputs.comes_in_pieces:
        bundle = streaming(bundle)
    asked = _Asked(session, image, bundle, environment, setup_timeout, container, streams)
    return asked.gives("prediction", read_inputs(signature, inputs, typed), outputs, context)


def train(
    session: Session,
    inputs: Sequence[str] = (),
    *,
    image: str | None = None,
    environment: Mapping[str, str] = {},
    setup_timeout: float = SETUP_TIMEOUT,
    output: Path | None = None,
    container: ContainerOptions = ContainerOptions(),  # noqa: B008 - frozen
    streams: Streams,
) -> Predicted:
    """Ask the model of `image`, or of the project, for one training (`train` of cog.yaml), as `run` does for a
    prediction; its files are named `weights` without `output`."""
    bundle = open_bundle(session, image, container)
    signature = read_signature(bundle.schema, takes="TrainingInput", gives="TrainingOutput")
    if bundle.schema and not signature.output:
        raise InputError(
            f"{bundle.name}: the model has no training",
            next_step="name its function in cog.yaml: train: train.py:train"
            if image is None
            else "choose another image",
        )
    outputs = Outputs(output, signature.output, stem="weights")
    asked = _Asked(session, image, bundle, environment, setup_timeout, container, streams)
    return asked.gives("training", read_inputs(signature, inputs), outputs)


class _Asked(NamedTuple):
    """Is a model whose server is started for one question."""

    session: Session
    image: str | None
    bundle: Bundle
    environment: Mapping[str, str]
    setup_timeout: float
    options: ContainerOptions
    streams: Streams

    def gives(
        self, kind: Kind, inputs: Mapping[str, Any], outputs: Outputs, context: Mapping[str, str] = MappingProxyType({})
    ) -> Predicted:
        quiet = {} if self.environment.keys() & {"RUST_LOG", "COG_LOG_LEVEL"} else _QUIET
        said = SaidLines(self.streams.output)
        environment, binds = given(self.environment)
        alone = _ALONE if kind == "training" else {}
        with (
            open_any_container(self.session, self.image, self.bundle, self.options, binds) as container,
            Server(container, free_port(), alone | quiet | dict(environment), Streams(said.hear), kind=kind) as server,
        ):
            server.wait_until_ready(self.setup_timeout)
            live = outputs.hear if outputs.live and outputs.comes_in_pieces else None
            found = server.predict(inputs, context=context, live=live)
        said.end()
        text = outputs.text(found.output)
        if self.bundle.project is not None:
            self._tell_of(outputs.written, self.bundle.project)
        return Predicted(
            image=self.bundle.name,
            output=outputs.output,
            text=text,
            files=tuple(map(str, outputs.written)),
            logs=found.logs,
            metrics=found.metrics,
        )

    def _tell_of(self, written: Sequence[Path], project: Project) -> None:
        """Tell of files that would be part of the model from now on, which one may want of weights alone."""
        places = [place for path in written if (place := project.place_of(path)) is not None]
        if places:
            others = f" and {len(places) - 1} more" if len(places) > 1 else ""
            text = f"{places[0]}{others}: in the project, so that the next image has it; to keep it out, name it in "
            self.session.progress.note(Note(Code.OUTPUT_IN_PROJECT, f"{text}.dockerignore, or write it elsewhere (-o)"))
