"""A model's OpenAPI document is made from its source by `ast`: nothing of the user's is imported or run.

What comes out is what Cog's own generator makes of the same source (JSON-equal, up to choices documented beside each
rule), and where Cog stays silent about something that fails at run time, an `InputError` names file, line and cure.
"""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from cogpack.config import NoneDefault
from cogpack.errors import InputError, together
from cogpack.notes import Code, Note
from cogpack.runtime.schema.annotations import Piece
from cogpack.runtime.schema.document import Handler, encode_document
from cogpack.runtime.schema.inputs import describe_inputs
from cogpack.runtime.schema.names import Sources
from cogpack.runtime.schema.outputs import ITERATORS, describe_output, output_type
from cogpack.runtime.schema.source import MappedSourceFiles, Place, SourceFiles, shadowed, too_deep
from cogpack.runtime.schema.targets import TargetFunction, concurrency, find_target, is_streaming

__all__ = ["Described", "SourceFiles", "describe", "describe_given"]


class Described(msgspec.Struct, frozen=True):
    """Is what a model's source says. `document`: compact JSON. `concurrency`: N of `@concurrent(max=N)`, 1 of a bare
    one, None without it. `notes`: what works but deserves a look, each `file.py:12: ...`. `synchronous`: where the
    function that is called stands, `file.py:12`; None of an async one, or where it could not be read; `wrapped`: what
    is called is made of that function, and may be async."""

    document: bytes
    concurrency: int | None
    notes: tuple[Note, ...]
    synchronous: str | None = None
    wrapped: bool = False


def describe(
    files: Mapping[str, bytes] | SourceFiles,
    *,
    predict: str | None,
    train: str | None,
    version: str,
    python: tuple[int, int],
    none_default: NoneDefault = "optional",
    named: Mapping[str, str] = MappingProxyType({}),
) -> Described:
    """Make the document for `predict` and `train`, references such as `predict.py:Predictor`.

    `named`: what messages about a reference begin with, where that is a place in a file. `version`: of the cog SDK.
    `python`: the model's. `none_default`: what `x: int = Input(default=None)` is. What can't be described is an
    `InputError`.
    """
    if predict is None and train is None:
        raise InputError("cog.yaml names neither run nor train", next_step='add, for example, run: "run.py:Runner"')
    source = MappedSourceFiles(files) if isinstance(files, Mapping) else files
    sources = Sources(source, python=python)
    notes: list[Note] = []
    slots: int | None = None
    called: TargetFunction | None = None
    handlers: dict[bool, Handler] = {}
    faults: list[InputError] = []
    for reference, training in ((predict, False), (train, True)):
        if reference is None:
            continue
        try:
            handlers[training], target = _handler(
                sources,
                reference,
                notes,
                train=training,
                none_default=none_default,
                where=named.get(reference, reference),
            )
            slots = slots if training else concurrency(sources, target, python=python)
        except RecursionError:
            raise too_deep(reference.partition(":")[0]) from None
        except InputError as error:
            faults.append(error)
            continue
        called = called or target
    if faults:
        raise together(faults)
    notes += sources.notes
    notes += shadowed(source)
    document = encode_document(predict=handlers.get(False), train=handlers.get(True), version=version)
    return Described(
        document=document,
        concurrency=slots,
        notes=tuple(dict.fromkeys(notes)),
        synchronous=_synchronous(called),
        wrapped=called is not None and called.wrapped,
    )


def describe_given(
    source: SourceFiles, document: bytes, *, predict: str | None, train: str | None, python: tuple[int, int]
) -> Described:
    """Say the same of a `document` that is given, by which people help themselves where their source can't be read:
    how many predictions there may be at once is told as far as it can."""
    sources = Sources(source, python=python)
    slots: int | None = None
    target: TargetFunction | None = None
    if reference := predict or train:
        try:
            target = find_target(sources, reference, train=predict is None, where=reference)
            slots = concurrency(sources, target, python=python) if predict else None
        except (InputError, RecursionError):
            pass
    return Described(
        document=document,
        concurrency=slots,
        notes=(),
        synchronous=_synchronous(target),
        wrapped=target is not None and target.wrapped,
    )


def _synchronous(called: TargetFunction | None) -> str | None:
    return None if called is None or called.is_async else called.at


def _handler(
    sources: Sources,
    reference: str,
    notes: list[Note],
    *,
    train: bool,
    none_default: NoneDefault,
    where: str,
) -> tuple[Handler, TargetFunction]:
    target = find_target(sources, reference, train=train, where=where)
    notes += target.notes
    notes += [
        Note(
            Code.RELATIVE_IMPORT,
            Place.of(target.module.path, statement).text(
                "a relative import, which fails in the container: the file is loaded by itself"
            ),
        )
        for statement in target.module.relative_imports
    ]
    faults: list[InputError] = []
    try:
        inputs = describe_inputs(sources, target, none_default)
        notes += inputs.notes
    except InputError as error:
        faults.append(error)
    try:
        output, streaming = _output(sources, target)
    except InputError as error:
        faults.append(error)
    if faults:
        raise together(faults)
    handler = Handler(
        properties=inputs.properties,
        required=inputs.required,
        enums=inputs.enums,
        places=inputs.places,
        output=output,
        streaming=streaming and not train,
    )
    return handler, target


def _output(sources: Sources, target: TargetFunction) -> tuple[Piece, bool]:
    """Describe what the function returns, and whether it streams."""
    returned = output_type(sources, target)
    output = describe_output(sources, returned)
    streaming = is_streaming(sources, target)
    if streaming and returned.kind not in ITERATORS:
        raise returned.place.error(
            f"@streaming needs an iterator as output, not {returned.text}",
            next_step="annotate -> Iterator[str] or ConcatenateIterator[str], or remove @streaming",
        )
    return output, streaming
