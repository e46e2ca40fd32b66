"""The document of an image that says which files are joined of parts at start is read here, as anybody may have written
it (`opaque` writes ours, `runtime/inside/join.py` goes by it)."""

from typing import Annotated

import msgspec

from cogpack.errors import InputError
from cogpack.layers.weights.opaque import MANIFEST, PARTS
from cogpack.oci import decode
from cogpack.runtime.contract import WORKING_DIRECTORY

DOCUMENT_LIMIT = 64 * 1024 * 1024

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_PARTS = 10_000
"""Parts of all files that an image holds in parts; Docker takes 127 layers."""


class Joined(msgspec.Struct, frozen=True):
    """It is an item of join.json: a file that starts out in parts (path and size of each)."""

    path: str
    joined: str
    size: _Size
    parts: tuple[tuple[str, _Size], ...]


def joined_files(document: bytes | None, where: str) -> dict[str, Joined]:
    """List the files of a join.json, by path; one that can't be of ours is an `InputError`."""
    if document is None:
        return {}
    where = f"{where}: /{MANIFEST}"
    items = decode(document, list[Joined], where=where)

    def bad(why: str) -> InputError:
        return InputError(f"{where}: {why}", next_step="don't use this image")

    if sum(len(item.parts) for item in items) > _PARTS:
        raise bad(f"more than {_PARTS} parts")
    seen: set[str] = set()
    for item in items:
        for path in (item.path, *(part for part, _ in item.parts)):
            if not _is_plain(path) or path in seen:
                raise bad(f"the path {path!r:.200} is no file's, or there twice")
            seen.add(path)
        if odd := [part for part, _ in item.parts if not part.startswith(f"/{PARTS}/")]:
            raise bad(f"the part {odd[0]!r:.200} is not below /{PARTS}")
        if not item.parts or sum(size for _, size in item.parts) != item.size:
            raise bad(f"the parts of {item.path!r:.200} are not of its {item.size} bytes")
    files = {item.path.lstrip("/"): item for item in items}
    for path in files:
        if above := [path[:at] for at, sign in enumerate(path) if sign == "/" and path[:at] in files]:
            raise bad(f"/{above[0]:.200} is a file and a directory")
    return files


def _is_plain(path: str) -> bool:
    """Tell whether it is absolute, in the one spelling of a file's path, and not the source directory itself."""
    names = path.split("/")
    return (
        path.startswith("/") and path != WORKING_DIRECTORY and not {"", ".", ".."} & set(names[1:]) and "\0" not in path
    )
