"""This module tells programs: one JSON document on standard output, however a command ended (docs/json.md)."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cogpack.errors import CogpackError

if TYPE_CHECKING:
    from cogpack.commands.build import Built
    from cogpack.commands.push import Pushed
    from cogpack.notes import Note

SCHEMA_VERSION = 1
"""Raised when a field goes or changes its meaning; new fields may come any time."""


class Failure(NamedTuple):
    """What is said of a command that failed. `code`: stable, for programs."""

    code: str
    message: str
    next_step: str
    exit_code: int


def failure(error: BaseException, *, by: int = signal.SIGINT, goes_on: bool = False) -> Failure:
    """Return what is said of an error; `by`: the signal that interrupted us; `goes_on`: the command, run again, finds
    what it had finished."""
    if isinstance(error, CogpackError):
        return Failure(error.code, error.message, error.next_step, error.exit_code)
    if not isinstance(error, Exception):
        advice = "run it again" + ("; what is finished is not done again" if goes_on else "")
        return Failure("interrupted", "interrupted", advice, 128 + by)
    from cogpack import __version__

    return Failure("bug", "this is a bug of cogpack", f"report it ({__version__}), with the lines above", 1)


def document(result: Any, notes: "Sequence[Note]", failed: Failure | None = None) -> str:
    """Return the JSON of a command's end. `result`: None where there is none. Its fields stand beside ours."""
    import msgspec

    from cogpack.oci import encode_result
    from cogpack.redaction import redact_result

    fields: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
    if result is not None:
        fields |= {field.encode_name: getattr(result, field.name) for field in msgspec.structs.fields(result)}
    if failed:
        fields["error"] = {
            "code": failed.code,
            "message": failed.message,
            "next": failed.next_step,
            "exit_code": failed.exit_code,
        }
    fields["notes"] = list(dict.fromkeys(notes))
    return redact_result(encode_result(fields).decode())


def write_files(result: "Pushed | Built", digest_file: Path | None, metadata_file: Path | None, text: str) -> None:
    """Write the files that a pipeline asked for, each whole or not there. `text`: the whole result, as JSON."""
    import msgspec

    from cogpack.oci import encode
    from cogpack.result_files import write_result

    if digest_file:
        write_result(digest_file, [result.digest.encode()])
    if metadata_file:
        # The keys are those of `docker buildx build --metadata-file`.
        words: dict[str, Any] = {"containerimage.config.digest": result.config} if result.config else {}
        if result.descriptor:
            words |= {"containerimage.descriptor": result.descriptor, "containerimage.digest": result.digest}
        words |= {"image.name": ",".join(result.tags), "cogpack.result": msgspec.Raw(text.encode())}
        write_result(metadata_file, [msgspec.json.format(encode(words), indent=2), b"\n"])
