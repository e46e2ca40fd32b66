"""Work whose instructions are counted one by one (`integration/test_instruction_counts`), as a program of its own.

Its argument is a directory with projects, 200 and 400 by how many files they have, and with 1.bin and 2.bin, by MiB.
Each work is done twice, so that the second time nothing is loaded any more; `getppid` before and after that are the
marks.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from blake3 import blake3

from cogpack.layers import tar
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Uncompressed
from cogpack.layers.content import LocalFile
from cogpack.layers.entry import ordered
from cogpack.layers.files import FilesSource, Placed
from cogpack.layers.fingerprints import Fingerprinted, Fingerprints
from cogpack.layers.listed import ListedFiles
from cogpack.project import find_project
from cogpack.seal import Seal

MIB = 1024 * 1024
SEAL = Seal()


def plain_python(rounds: int) -> None:
    """What others are compared with: some of what Python is mostly busy with."""
    made: dict[str, tuple[bytes, int]] = {}
    for number in range(rounds):
        path = f"data/{number:06}"
        if (end := path[path.rfind("/") :]) not in made:
            made[end] = (path.encode(), len(path) // 3)
    b"".join([made[end][0] for end in sorted(made)])


class Walked:
    """A project's files, and all that a command asks of each."""

    def __init__(self, root: Path) -> None:
        project = find_project(root)
        self.root = root
        self.files = project.files()
        project.notes()
        assert not project.weights
        self.listing = self.files.digest()

    def prints(self) -> Fingerprints:
        return Fingerprints(self.root.parent / f"{self.root.name}.prints", SEAL, clock=lambda: 1 << 62)

    def listed(self, prints: Fingerprints, listing: str = "") -> ListedFiles:
        return ListedFiles(prints, str(self.root), "project", listing or self.listing, self.files, "src", [])


def drain(source: ListedFiles) -> None:
    for _ in tar.blocks(tar.segments(ordered(source.entries(), {}))):
        pass


def nothing_changed(root: Path) -> None:
    walked = Walked(root)
    assert walked.listed(walked.prints()).key()


def one_changed(walked: Walked) -> None:
    """All but one listing: the files are looked up."""
    assert walked.listed(walked.prints(), "another").key()


def first_layer(walked: Walked) -> None:
    prints = Fingerprints(Path("/nowhere"), SEAL, clock=lambda: 1 << 62)
    source = walked.listed(prints)
    assert source.unread()
    drain(source)
    assert source.key()


def layer_again(walked: Walked) -> None:
    source = walked.listed(walked.prints())
    drain(source)


def hashed_plainly(path: Path, *hashers: Callable[[bytes], object]) -> None:
    with path.open("rb") as file:
        while block := file.read(MIB):
            for one in hashers:
                one(block)


def weights(path: Path, *, known: bool) -> None:
    """A layer of weights, whose digest nobody knows."""
    content = Fingerprinted(LocalFile.of(path), "0" * 64 if known else None, lambda *_: None)
    BuiltLayer(FilesSource("weights", [Placed(path.name, content)]), Uncompressed()).copy_to(
        lambda body: [None for _ in body]
    )


def main() -> None:
    place = Path(sys.argv[1])
    small, large = (Walked(place / name) for name in ("200", "400"))
    for walked in (small, large):
        prints = walked.prints()
        assert walked.listed(prints).key()
        prints.save()
    works: list[Callable[[], None]] = [lambda: plain_python(200), lambda: plain_python(400)]
    for walked in (small, large):
        works += [
            lambda walked=walked: nothing_changed(walked.root),  # type: ignore[misc]
            lambda walked=walked: one_changed(walked),  # type: ignore[misc]
            lambda walked=walked: first_layer(walked),  # type: ignore[misc]
            lambda walked=walked: layer_again(walked),  # type: ignore[misc]
        ]
    for path in (place / "1.bin", place / "2.bin"):
        works += [
            lambda path=path: hashed_plainly(path, hashlib.sha256().update),  # type: ignore[misc]
            lambda path=path: hashed_plainly(path, blake3().update),  # type: ignore[misc]
            lambda path=path: weights(path, known=True),  # type: ignore[misc]
            lambda path=path: weights(path, known=False),  # type: ignore[misc]
        ]
    for work in works:
        work()
        os.getppid()
        work()
        os.getppid()


if __name__ == "__main__":
    main()
