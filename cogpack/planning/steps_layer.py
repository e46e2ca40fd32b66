"""The layer of what the commands of `build.run` changed: a blob, which the cache keeps."""

import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from cogpack.digest import DiffID, Hasher
from cogpack.disk import DiskError, open_file, whole_file, writing
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.layers.built import BaseLayer, BuiltLayer, layer_key
from cogpack.layers.compression import Codec
from cogpack.layers.layer import Consume, Form
from cogpack.lockfile import FILE, LockedSteps, Results
from cogpack.oci import Descriptor, LayerInfo
from cogpack.planning.moved_paths import Listing, listing, moved_paths, told
from cogpack.planning.steps import Runner, Steps
from cogpack.sinks.sink import drain
from cogpack.sizes import BLOCK
from cogpack.text import count_text

_FIRST = 5
"""Paths that are named of a result that is another one than was recorded."""


class Recorded(msgspec.Struct, frozen=True):
    """Is what the lock says of layers of steps: what one is, and which blobs have come of layers."""

    steps: LockedSteps | None
    results: Results

    def of(self, steps: Steps) -> LockedSteps | None:
        return self.steps if self.steps is not None and self.steps.key == steps.key else None

    def blob(self, key: str) -> LayerInfo | None:
        """Tell the blob of what is recorded, under the `key` of its layer; None where the lock has it not."""
        found = next((one.info for one in self.results.layers if one.key == key), None)
        return found if found and self.steps and found.diff_id == self.steps.diff_id else None


class StepsLayer:
    """Is the layer of what steps changed. They are run when its bytes are wanted and no run has kept them."""

    info = None
    origins = ()
    remote = False
    read_first = False
    costly = True
    remembered = True
    ratio = None

    def __init__(
        self, steps: Steps, codec: Codec, recorded: Recorded, taken: Mapping[str, str], runner: Runner
    ) -> None:
        """`taken`: paths that no step may write, and the weights that lie there."""
        self.steps = steps
        self.name = steps.name
        self.key = layer_key(steps.key, codec)
        self.locked = recorded.of(steps)
        """What the lock says of just these steps."""
        self._stored = recorded.blob(self.key) if self.locked else None
        self._codec = codec
        self._taken = taken
        self.runner = runner
        self._lock = threading.Lock()

    def size(self, form: Form) -> int | None:  # noqa: ARG002 - as all layers have it
        return None

    def copy_to(self, consume: Consume, form: Form = Form.STORED) -> LayerInfo:
        return self.blob().copy_to(consume, form)

    def blob(self) -> BaseLayer:
        """Give what steps changed as the cache or the image's own repository keeps it; else they are run."""
        with self._lock, self._alone():
            info = self._kept() or self._fetched() or self._make()
        return BaseLayer(self.name, info, self._read, ())

    def run(self, *, held: bool = True) -> LayerInfo:
        """Run the steps although they were, and keep what they change now. `held`: to what the lock says of it."""
        with self._lock, self._alone():
            return self._make(held=held)

    def try_run(self) -> Listing:
        """Run the steps and list what they change; nothing is kept."""
        with self._lock, self._alone(), self._ran() as layer:
            return _listed(layer)

    @property
    def _path(self) -> Path:
        return self.runner.kept / self.key.removeprefix("sha256:")

    def may_be(self, key: str, info: LayerInfo) -> bool:
        """Tell whether the lock lets `info` be what came of `key`."""
        return key != self.key or self.locked is None or info.diff_id == self.locked.diff_id

    def _kept(self) -> LayerInfo | None:
        """Tell what an earlier run kept, if it is what the lock says. A file that is another one is as good as none."""
        info = self.runner.facts.get(self.key)
        if info is None or not self.may_be(self.key, info):
            return None
        self.runner.used(self._path)
        with suppress(OSError):
            if self._path.stat().st_size == info.descriptor.size:
                hasher = Hasher()
                for block in self._read(info.descriptor):
                    self.runner.cancellation.check()
                    hasher.update(block)
                if hasher.digest == info.descriptor.digest:
                    return info
                self.runner.progress.summary(f"{self.name}: {self._path} is not what was kept there, and not used")
        return None

    def _fetched(self) -> LayerInfo | None:
        """Fetch what the lock records from the image's own repository, into the cache; None where that can't be had."""
        home, info = self.runner.home, self._stored
        if home is None or info is None:
            return None
        task = self.runner.progress.task(f"{self.name}, recorded", info.descriptor.size, "fetch")

        def read(descriptor: Descriptor) -> Iterator[bytes]:
            for block in home.read(descriptor):
                task.advance(len(block))
                out.write(block)
                yield block

        try:
            with whole_file(self._path, mode=0o600) as out:
                BaseLayer(self.name, info, read, ()).copy_to(lambda body: drain(body, lambda _: None), Form.PLAIN)
        except DiskError:
            raise
        except CogpackError as error:
            task.done("")
            self.runner.progress.summary(f"{self.name}: what {FILE} records is not to be had: {error.message}")
            return None
        task.done("fetched")
        self.runner.progress.summary(f"{self.name}: taken from {home.name}, as {FILE} records it")
        self.runner.facts.record(self.key, info)
        return info

    def _read(self, descriptor: Descriptor) -> Iterator[bytes]:  # noqa: ARG002 - which has the name of its key
        with open_file(self._path) as file:
            while block := file.read(BLOCK):
                yield block

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for another process that runs these steps, whatever it makes of them."""
        with writing(self.runner.kept):
            self.runner.kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            name = f"{self.steps.key.removeprefix('sha256:')}.lock"
            lock = os.open(self.runner.kept / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    self.runner.cancellation.wait(0.2)
            yield
        finally:
            os.close(lock)

    @contextmanager
    def _ran(self) -> Iterator[BuiltLayer]:
        from cogpack.planning.run_steps import ran  # with the sandbox, which few projects need

        with ran(self.steps, self.runner) as captured:
            for entry in captured.entries:
                if entry.path in self._taken:
                    raise InputError(
                        f"build.run wrote /{entry.path}, where the weight {self._taken[entry.path]} is to lie",
                        next_step="have the command write elsewhere, or leave the weight out of the project",
                    )
            yield BuiltLayer(captured.source(self.name, self.steps.key), self._codec)

    def _make(self, *, held: bool = True) -> LayerInfo:
        with self._ran() as layer, whole_file(self._path, mode=0o600) as out:

            def consume(body: Iterable[bytes]) -> None:
                for block in body:
                    self.runner.cancellation.check()
                    out.write(block)

            info = layer.copy_to(consume)
            if held and self.locked is not None and info.diff_id != self.locked.diff_id:
                raise self._contradicted(self.locked.diff_id, info.diff_id, layer)
        self.runner.facts.record(self.key, info)
        return info

    def _contradicted(self, expected: DiffID, found: DiffID, layer: BuiltLayer) -> MismatchError:
        return MismatchError(
            f"build.run gave another result than {FILE} records: expected diff ID {expected}, found {found}; "
            f"{self._differences(layer)}",
            next_step="find what the commands fetch that has changed, pin it, and run cogpack lock --upgrade-run; "
            "cogpack lock --check-run tells what moves from run to run",
        )

    def _differences(self, layer: BuiltLayer) -> str:
        """Name the first paths that `layer` has otherwise than what was recorded, and say where that is."""
        home, asked = self.runner.home, ["the cache"]
        places = [("the cache", info, self._read)] if (info := self._kept()) else []
        if home is not None and self._stored is not None:
            places.append((home.name, self._stored, home.read))
            asked.append(home.name)
        for name, recorded, read in places:
            with suppress(CogpackError):
                moved = moved_paths(_listed(BaseLayer(self.name, recorded, read, ())), _listed(layer))
                return f"first as recorded, which {name} has, second as run now:\n{told(moved, _FIRST)}"
        return f"what was recorded is not in {' or '.join(asked)}, so that no paths can be named"


def _listed(layer: BuiltLayer | BaseLayer) -> Listing:
    found: list[Listing] = []
    layer.copy_to(lambda body: found.append(listing(body, layer.name)), Form.PLAIN)
    return found[-1]


def check_steps(layer: StepsLayer, *, pinned: bool) -> None:
    """Refuse steps whose secrets nobody gave, and where the lock is `pinned`, those of which it doesn't say what they
    change."""
    if layer.locked is not None:
        return
    if pinned:
        raise MismatchError(
            f"{FILE} does not say what build.run changes: its {count_text(len(layer.steps.commands), 'step')} were not "
            "run since it was made",
            next_step=f"run cogpack lock --run and commit {FILE}",
        )
    check_secrets(layer)


def check_secrets(layer: StepsLayer) -> None:
    """Refuse steps whose secrets nobody gave, before any is run."""
    for step, number in zip(layer.steps.commands, layer.steps.numbers, strict=True):
        place = layer.runner.places[number - 1]
        for secret in step.secrets:
            if secret.id not in layer.runner.secrets:
                raise InputError(
                    f"{place}: mounts the secret {secret.id}, which is not given",
                    next_step=f"add --secret id={secret.id},src=FILE or --secret id={secret.id},env=NAME",
                )
