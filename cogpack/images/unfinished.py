"""An unfinished directory grows until it is whole: ours alone, and found again after a kill.

Its name can be guessed, so that the next run finds it; whoever else may write where the output is to be may have laid
it ready. What is not ours alone is not used, and nothing in it counts that an earlier run of ours did not write down.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from cogpack.digest import Digest
from cogpack.disk import is_refusal, open_ours, sync_directory, writing
from cogpack.errors import CogpackError, InputError
from cogpack.progress import Cancellation
from cogpack.registry.pull.partial import Partial

_NAME = 150
"""Bytes of an output's name that its unfinished directory bears; a name has 255."""


def check_free(output: Path, mark: str) -> None:
    """Refuse what `unfinished` will refuse of `output`, before anything is fetched for it."""
    _place(output, mark)


class Unfinished:
    """An unfinished directory: `files` is to become `output`; `done` remembers what of it is there for good."""

    def __init__(self, output: Path, place: Path, done: Partial) -> None:
        self.files = place / "files"
        self.done = done
        self._output = output
        self._place = place

    def finish(self) -> None:
        """Give it its name: all is there.

        In a directory that is there already (a mount, a link's target, the current one) its entries are moved, which is
        as quick, but not one step.
        """
        with writing(self._output):
            if self._output.is_dir():
                for entry in self.files.iterdir():
                    entry.rename(self._output / entry.name)
                sync_directory(self._output)
            else:
                self.files.chmod(0o755)
                self.files.rename(self._output)
                sync_directory(self._output.parent)
        shutil.rmtree(self._place)


@contextmanager
def unfinished(
    output: Path, mark: str, marks: Mapping[Digest, int], cancellation: Cancellation
) -> Iterator[Unfinished]:
    """Open where `output` grows: a path as of `real_path` that is not there, or an empty directory; else `InputError`.

    `mark`: what it is to hold, in its name; `marks`: what `done` is to remember.

    Another process that is at it is waited for. After an `InputError` or a `MismatchError` nothing is left, but where
    only the disk refused: that may take more the next time, as after a failed network or a kill.
    """
    place = _place(output, mark)
    with writing(output), suppress(FileExistsError):  # a file: `_taken` tells of it
        output.parent.mkdir(parents=True, exist_ok=True)
    directory = _taken(place, output, mark, cancellation)
    try:
        with Partial.open(place / "done.partial", marks, cancellation, private=True) as done:
            found = Unfinished(output, place, done)
            with writing(found.files):
                if done.is_new and os.path.lexists(found.files):
                    shutil.rmtree(found.files)
                if not found.files.exists():
                    done.forget()
                    found.files.mkdir(mode=0o700)
            yield found
    except CogpackError as error:
        if is_refusal(error):
            shutil.rmtree(place, ignore_errors=True)
        raise
    finally:
        os.close(directory)


def _place(output: Path, mark: str) -> Path:
    """Say where it grows: in `output` where that is there, which may be another file system's."""
    if not os.path.lexists(output):
        name = os.fsdecode(os.fsencode(output.name)[:_NAME])
        return output.with_name(f".{name}.{mark}.unfinished")
    place = output / f".cogpack-{mark}.unfinished"
    with writing(output):
        is_free = output.is_dir() and all(path == place for path in output.iterdir())
    if not is_free:
        raise InputError(f"{output}: is there already, and not an empty directory", next_step="choose another output")
    return place


def _taken(place: Path, output: Path, mark: str, cancellation: Cancellation) -> int:
    """Make `place` if need be, ours alone, open and locked."""
    while True:
        with writing(output):
            with suppress(FileExistsError):
                place.mkdir(mode=0o700)
            try:
                directory = open_ours(place)
            except FileNotFoundError:  # another process has just finished
                continue
        try:
            with suppress(BlockingIOError, FileNotFoundError):
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(place.lstat(), os.fstat(directory)):
                    _check_still(place, output, mark)
                    return directory
        except BaseException:
            os.close(directory)
            raise
        os.close(directory)
        cancellation.wait(0.2)


def _check_still(place: Path, output: Path, mark: str) -> None:
    """Check that the output is not what somebody made while we waited."""
    try:
        if _place(output, mark) != place:
            raise InputError(f"{output}: was made by somebody else just now", next_step="run it again")
    except InputError:
        place.rmdir()
        raise
