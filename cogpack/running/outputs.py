"""What a model gives becomes text, and files: it sends those as data URLs."""

import base64
import binascii
import mimetypes
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from cogpack.errors import ModelError
from cogpack.result_files import check_result, is_stream, write_result
from cogpack.runtime.labelled_schema import mapping
from cogpack.settings import need_path

_PLAIN = ("string", "integer", "number", "boolean")


class Outputs:
    """Takes one output. `spec`: of the schema; `file`: where it goes, or its files below names that begin so; without
    one, files have names that begin with `stem`. The only file of an object has no name of its own. Into a stream, a
    pipe say, go all files, one after another.

    `written`: the files; `output`: it with their paths in their places; `live`: is told pieces of the text.
    """

    def __init__(self, file: Path | None, spec: Mapping[str, Any], *, stem: str = "output") -> None:
        if file is not None:
            need_path(file, "output")
            check_result(file)
        self._file = file
        self._spec = spec
        self._stem = stem
        self._sole = _sole_file(spec)
        self._told = ""
        self._has_values = False
        self._streamed: list[bytes] | None = [] if file is not None and is_stream(file) else None
        self.written: list[Path] = []
        self.output: Any = None
        self.live: Callable[[str], object] | None = None

    @property
    def comes_in_pieces(self) -> bool:
        """Tell whether there is text before the end."""
        items = mapping(self._spec, "items")
        plain = items.get("type") in _PLAIN and items.get("format") != "uri"
        return self._file is None and self._spec.get("x-cog-array-type") == "iterator" and plain

    def hear(self, piece: Any) -> None:
        """Take a piece as it comes."""
        self._tell(self._piece(piece))

    def text(self, output: Any) -> str:
        """Take all of it, and write its files. Returns the text for people, "" where all went into files; what is
        besides files is text, with their paths in it. A `ModelError` where it is nested deeper than can be followed."""
        try:
            return self._all(output)
        except RecursionError:
            raise ModelError("the output is nested too deeply", next_step="have the model give less of it") from None

    def _all(self, output: Any) -> str:
        self.output = self._taken(output, self._spec, ())
        if self._file is not None and self._streamed:  # at once: who reads a pipe ends with its first writer
            write_result(self._file, self._streamed)
            self.written.append(self._file)
        if self.written and not self._has_values:
            return ""
        text = self._text(self.output)
        if self._file is not None and not self.written:
            write_result(self._file, _blocks(text))
            self.written.append(self._file)
            return ""
        self._tell(text[len(self._told) :])
        return text

    def _tell(self, text: str) -> None:
        self._told += text
        if self.live is not None and text:
            self.live(text)

    def _text(self, output: Any) -> str:
        """Write it as people read it: text as it is, what an iterator gave as its pieces, all else as JSON."""
        if isinstance(output, str):
            return output
        if isinstance(output, list) and self._spec.get("x-cog-array-type") == "iterator":
            return "".join(map(self._piece, output))
        return msgspec.json.format(msgspec.json.encode(output), indent=2).decode()

    def _piece(self, item: Any) -> str:
        """Write what is to be joined as it is, all else a line each."""
        text = item if isinstance(item, str) else msgspec.json.encode(item).decode()
        return text if self._spec.get("x-cog-array-display") == "concatenate" else f"{text}\n"

    def _taken(self, value: Any, spec: Mapping[str, Any], place: tuple[str, ...]) -> Any:
        match value:
            case str() if value.startswith("data:") and spec.get("format", "uri") == "uri" and "," in value:
                if spec and spec.get("format") != "uri":
                    self._has_values = True
                    return value
                return str(self._write(value, place))
            case list():
                items = mapping(spec, "items")
                return [self._taken(item, items, (*place, str(number))) for number, item in enumerate(value)]
            case dict():
                properties = mapping(spec, "properties")
                return {
                    name: self._taken(item, mapping(properties, name), (*place, name)) for name, item in value.items()
                }
        self._has_values |= value is not None
        return value

    def _write(self, url: str, place: tuple[str, ...]) -> Path:
        head, _, body = url.removeprefix("data:").partition(",")
        media_type, _, coding = head.partition(";")
        try:
            data = base64.b64decode(body) if coding.endswith("base64") else unquote_to_bytes(body)
        except binascii.Error:
            data = body.encode()
        file = self._file or Path(f"{self._stem}{mimetypes.guess_extension(media_type) or ''}")
        if self._file is not None and self._streamed is not None:
            self._streamed.append(data)
            return self._file
        if place and place != self._sole:
            words = [re.sub(r"[/\0]", "_", word) for word in place]
            file = file.with_name(".".join([file.stem, *words]) + file.suffix)
        write_result(file, [data])
        self.written.append(file)
        return file


def _sole_file(spec: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Say where the file is of an object that by its schema can have no other; None of all else."""
    properties = spec.get("properties")
    if not isinstance(properties, dict):
        return None
    found = [name for name in properties if _may_have_file(mapping(properties, name))]
    return (found[0],) if len(found) == 1 and mapping(properties, found[0]).get("format") == "uri" else None


def _may_have_file(spec: Mapping[str, Any]) -> bool:
    return spec.get("format") == "uri" or spec.get("type") not in _PLAIN


def _blocks(text: str) -> Iterator[bytes]:
    """Give a text as a file has it, with a newline at its end."""
    yield text.encode("utf-8", "surrogatepass")
    if not text.endswith("\n"):
        yield b"\n"
