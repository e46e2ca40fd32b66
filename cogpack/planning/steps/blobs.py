"""The cache keeps the blobs of layers that steps made, each under its layer's key, since they can't be made again at
will."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cogpack.digest import DiffID, Hasher
from cogpack.disk import UNFINISHED, DiskError, open_file, sync_directory, whole_file, writing
from cogpack.errors import CogpackError
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.layer import Body, Form
from cogpack.oci import Descriptor, LayerInfo
from cogpack.planning.steps.steps import Runner
from cogpack.sinks.sink import drain
from cogpack.sizes import BLOCK


def make_directory(path: Path) -> None:
    """Make the place where they are kept, which is nobody else's to look into."""
    with writing(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


class StepsBlobs:
    """Keeps them in the directory `kept` of a runner."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def layer(self, name: str, key: str, info: LayerInfo) -> BaseLayer:
        """Give what is kept as a layer."""
        return BaseLayer(name, info, lambda _: self._read(key), ())

    def at_home(self, name: str, info: LayerInfo) -> BaseLayer | None:
        """Give what the image's own repository may have as a layer, which is read there."""
        return BaseLayer(name, info, self._runner.home.read, ()) if self._runner.home else None

    def has(self, key: str, diff_id: DiffID) -> bool:
        """Tell whether it seems to be kept; nothing is read."""
        info = self._runner.facts.get(key)
        with suppress(OSError):
            return (
                info is not None and info.diff_id == diff_id and self._path(key).stat().st_size == info.descriptor.size
            )
        return False

    def kept(self, name: str, key: str, diff_id: DiffID) -> LayerInfo | None:
        """Tell what is kept of the diff ID. A file that is another one is as good as none."""
        self._runner.cache.used(self._path(key))
        info = self._runner.facts.get(key)
        if info is None or not self.has(key, diff_id):
            return None
        hasher = Hasher()
        for block in self._read(key):
            self._runner.cancellation.check()
            hasher.update(block)
        if hasher.digest == info.descriptor.digest:
            return info
        self._runner.progress.summary(f"{name}: {self._path(key)} is not what was kept there, and not used")
        return None

    def fetched(self, name: str, key: str, info: LayerInfo) -> LayerInfo | None:
        """Fetch it from the image's own repository, and keep it; None where that can't be had."""
        if (home := self._runner.home) is None:
            return None
        make_directory(self._runner.kept)
        task = self._runner.progress.task(f"{name}, recorded", info.descriptor.size, "fetch")

        def read(descriptor: Descriptor) -> Iterator[bytes]:
            for block in home.read(descriptor):
                task.advance(len(block))
                out.write(block)
                yield block

        try:
            with whole_file(self._path(key), mode=0o600) as out:
                BaseLayer(name, info, read, ()).copy_to(lambda body: drain(body, lambda _: None), Form.PLAIN)
        except DiskError:
            raise
        except CogpackError as error:
            task.done("")
            self._runner.progress.summary(f"{name}: what the lock records is not to be had: {error.message}")
            return None
        task.done("fetched")
        self._runner.progress.summary(f"{name}: taken from {home.name}, as the lock records it")
        self._runner.facts.record(key, info)
        return info

    @contextmanager
    def keeping(self) -> Iterator["Keeping"]:
        """Write layers whose keys only their bytes tell. What was not named when the `with` ends is gone."""
        keeping = Keeping(self._runner)
        try:
            yield keeping
        finally:
            keeping.drop()

    def _path(self, key: str) -> Path:
        return self._runner.kept / key.removeprefix("sha256:")

    def _read(self, key: str) -> Iterator[bytes]:
        with open_file(self._path(key)) as file:
            while block := file.read(BLOCK):
                yield block


class Keeping:
    """Is files on their way into the cache."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._written: list[Path] = []

    def write(self, layer: BuiltLayer) -> tuple[LayerInfo, Path]:
        """Write a layer; tell what it came out as, and where it is until it has a name."""
        path = self._runner.kept / f"{UNFINISHED}{secrets.token_hex(8)}"
        self._written.append(path)
        with whole_file(path, mode=0o600) as out:

            def consume(body: Body) -> None:
                for block in body:
                    self._runner.cancellation.check()
                    out.write(block)

            info = layer.copy_to(consume)
        return info, path

    def name(self, path: Path, key: str, info: LayerInfo) -> None:
        """Keep what was written at `path` as the blob of `key`."""
        with writing(path):
            path.replace(self._runner.kept / key.removeprefix("sha256:"))
            sync_directory(self._runner.kept)
        self._runner.facts.record(key, info)

    def drop(self) -> None:
        for path in self._written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
