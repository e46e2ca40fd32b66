"""What a model gives becomes text, and files: it sends those as data URLs."""

import base64
import binascii
import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from cogpack.disk import write_whole
from cogpack.runtime.labelled_schema import mapping

_STEM = "output"


class Outputs:
    """Writes the files of one output, below names that begin with `stem`; a name of one's own, `file`, is that of a
    single file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.written: list[Path] = []

    def taken(self, output: Any, spec: Mapping[str, Any]) -> Any:
        """Write all files in `output`, and return it with their paths in their places. `spec`: of the schema."""
        return self._taken(output, spec, ())

    def text(self, output: Any, spec: Mapping[str, Any]) -> str:
        """Write an output without files as people read it: text as it is, all else as JSON."""
        if isinstance(output, str):
            return output
        if isinstance(output, list) and spec.get("x-cog-array-display") == "concatenate":
            return "".join(map(str, output))
        if isinstance(output, list) and output and all(isinstance(item, str) for item in output) and self.written:
            return "\n".join(output)
        return msgspec.json.format(msgspec.json.encode(output), indent=2).decode()

    def _taken(self, value: Any, spec: Mapping[str, Any], place: tuple[str, ...]) -> Any:
        match value:
            case str() if value.startswith("data:") and spec.get("format", "uri") == "uri" and "," in value:
                if spec and spec.get("format") != "uri":
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
        return value

    def _write(self, url: str, place: tuple[str, ...]) -> Path:
        head, _, body = url.removeprefix("data:").partition(",")
        media_type, _, coding = head.partition(";")
        try:
            data = base64.b64decode(body) if coding.endswith("base64") else unquote_to_bytes(body)
        except binascii.Error:
            data = body.encode()
        file = self._file or Path(f"{_STEM}{mimetypes.guess_extension(media_type) or ''}")
        if place:
            words = [word.replace("/", "_") for word in place]
            file = file.with_name(".".join([file.stem, *words]) + file.suffix)
        write_whole(file, [data])
        self.written.append(file)
        return file


def blocks(text: str) -> Iterator[bytes]:
    """Give a text as a file has it, with a newline at its end."""
    yield text.encode("utf-8", "surrogatepass")
    if not text.endswith("\n"):
        yield b"\n"
