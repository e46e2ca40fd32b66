"""What layers came out as, remembered by layer key on this machine.

One small file per key, a seal and JSON, written beside and renamed, so that two processes may share the directory. A
fact is a hint: a rebuild that contradicts it is an error, and it never enters an identity. Only those count that this
user wrote (`Seal`): a fact names the bytes that go into an image, and caches are restored from where others write.
"""

from collections.abc import Callable
from pathlib import Path

from cogpack.disk import write_hint
from cogpack.notes import Note
from cogpack.oci import LayerInfo, decode, encode
from cogpack.seal import THIS_RUN, Seal


class Facts:
    """Remembers what layer keys came out as. `note` is told, once, of a disk that takes nothing; `used`, of each file
    before it is looked for."""

    def __init__(
        self,
        root: Path,
        seal: Seal = THIS_RUN,
        *,
        note: Callable[[Note], None] = lambda _: None,
        used: Callable[[Path], None] = lambda _: None,
    ) -> None:
        self._root = root
        self._seal = seal
        self._note = note
        self._used = used

    def get(self, key: str, /) -> LayerInfo | None:
        self._used(self._path(key))
        try:
            data = self._seal.read(_name(key), self._path(key))
        except OSError:
            return None
        if data is None:  # somebody else's, or half a file after a power cut: as if it were not there
            return None
        return decode(data, LayerInfo, where=str(self._path(key)))

    def doubtful(self, key: str) -> bool:
        """Tell whether somebody says what the key came out as whose word does not count."""
        return self.get(key) is None and self._path(key).exists()

    def record(self, key: str, info: LayerInfo) -> None:
        if self.get(key) != info:
            write_hint(self._path(key), self._seal.close(_name(key), encode(info)), self._note_once)

    def _note_once(self, note: Note) -> None:
        tell, self._note = self._note, lambda _: None
        tell(note)

    def _path(self, key: str) -> Path:
        name = key.removeprefix("sha256:")
        return self._root / name[:2] / f"{name}.fact"


def _name(key: str) -> str:
    return f"fact {key}"
