"""What steps change is known by the lock's word, by that of an earlier run here, or by running them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from cogpack.digest import DiffID, Digest
from cogpack.disk import locked_by, write_whole
from cogpack.errors import CogpackError, InputError, MismatchError
from cogpack.formats import ImageRules
from cogpack.layers.built import BaseLayer, BuiltLayer
from cogpack.layers.compression import Codec
from cogpack.layers.entry import Complete
from cogpack.layers.layer import Form
from cogpack.lockfile import LockedSteps, LockedStepsLayer, Results, StepsLayerKind
from cogpack.oci import LayerInfo, decode, encode
from cogpack.planning.steps.blobs import StepsBlobs, make_directory
from cogpack.planning.steps.captured_layers import changed_distributions, divide, most_layers
from cogpack.planning.steps.captured_places import Touched, unproven
from cogpack.planning.steps.layer import StepsLayer, steps_layer_key
from cogpack.planning.steps.moved_paths import Listing, Seen, listing, moved_paths, told
from cogpack.planning.steps.steps import Runner, Steps

if TYPE_CHECKING:
    from cogpack.sandbox.capture.capture import Captured

_FIRST = 5
"""Paths that are named of a result that is another one than was recorded."""

Coding: TypeAlias = Callable[[StepsLayerKind, int | None], Codec]
"""Says how a layer of steps is stored, by its kind, and what zstd leaves of it in thousandths."""


class Recorded(msgspec.Struct, frozen=True):
    """Is what the lock says of layers of steps: what they are, and which blobs have come of layers."""

    steps: LockedSteps | None
    results: Results

    def of(self, steps: Steps) -> LockedSteps | None:
        return self.steps if self.steps is not None and self.steps.key == steps.key else None

    def blob(self, layer: StepsLayer) -> LayerInfo | None:
        return next(
            (one.info for one in self.results.layers if (one.key, one.diff_id) == (layer.key, layer.diff_id)), None
        )


class StepChanges:
    """Is what `steps` change, with the layers that it is in, as far as that is known."""

    def __init__(self, steps: Steps, coding: Coding, recorded: Recorded, rules: ImageRules, runner: Runner) -> None:
        self.steps = steps
        self.runner = runner
        self.locked = recorded.of(steps)
        """What the lock says of just these steps."""
        self._coding = coding
        self._recorded = recorded
        self._rules = rules
        self._blobs = StepsBlobs(runner)

    @cached_property
    def known(self) -> LockedSteps | None:
        """What the lock says, else what an earlier run kept here; None where they are to be run."""
        return self.locked or self._remembered()

    @cached_property
    def layers(self) -> tuple[StepsLayer, ...]:
        """All layers, as they lie; none where nobody knows."""
        return self._layers(self.known) if self.known else ()

    def run(self, weights: Mapping[str, str], *, held: bool = True) -> LockedSteps:
        """Run the steps although they were, and keep what they change now. `held`: to what is known of it; `weights`:
        the places that no step may touch, and what lies there."""
        with self._alone(), self._ran() as captured:
            return self._keep(captured, weights, held=held)

    def try_run(self) -> Listing:
        """Run the steps and list what they change; nothing is kept."""
        with self._alone(), self._ran() as captured:
            return _listed([_layer(self.steps.name, captured.entries, self._coding("rest", None))])

    def proven(self, weights: Mapping[str, str]) -> LockedSteps:
        """Give what is known, with the word that none of `weights` lies where they changed something.

        Their layers are read for it where the lock does not say it yet.
        """
        assert self.known is not None
        if not any(unproven(weights, self.known.untouched)):
            return self.known
        touched = self._touched()
        touched.check(weights)
        proven = msgspec.structs.replace(self.known, untouched=touched.untouched(weights))
        self._remember(proven)
        return proven

    def _touched(self) -> Touched:
        found: list[Touched] = []
        for layer in self.layers:
            layer.copy_to(lambda body: found.append(Touched.of_layer(body, self.steps.name)), Form.PLAIN)
        return Touched.of_all(found)

    def _layers(self, result: LockedSteps) -> tuple[StepsLayer, ...]:
        return tuple(StepsLayer(one, self._coding(one.kind, one.ratio), self._blob) for one in result.layers)

    def _blob(self, layer: StepsLayer) -> BaseLayer:
        """Give a layer as the cache or the image's own repository keeps it; else the steps are run."""
        info = self._had(layer)
        if info is None:
            with self._alone():
                info = self._blobs.kept(layer.name, layer.key, layer.diff_id)  # another run was quicker
                if info is None:
                    with self._ran() as captured:
                        self._keep(captured, None, held=True)
                    info = self._blobs.kept(layer.name, layer.key, layer.diff_id)
        assert info is not None
        return self._blobs.layer(layer.name, layer.key, info)

    def _had(self, layer: StepsLayer) -> LayerInfo | None:
        if info := self._blobs.kept(layer.name, layer.key, layer.diff_id):
            return info
        stored = self._recorded.blob(layer)
        return self._blobs.fetched(layer.name, layer.key, stored) if stored else None

    def _keep(self, captured: "Captured", weights: Mapping[str, str] | None, *, held: bool) -> LockedSteps:
        """Make the layers of what was captured. `weights`: None where what is known says that they are left alone."""
        touched = Touched.of_entries(captured.entries)
        touched.check(weights or {})
        parts = divide(captured, self.steps.name, large=self._rules.large_wheel, most=most_layers(len(self.steps.seen)))
        with self._blobs.keeping() as keeping:
            codecs = [self._coding(part.kind, part.ratio) for part in parts]
            layers = [_layer(part.name, part.entries, codec) for part, codec in zip(parts, codecs, strict=True)]
            written = [keeping.write(layer) for layer in layers]
            result = LockedSteps(
                key=self.steps.key,
                layers=tuple(
                    LockedStepsLayer(name=part.name, kind=part.kind, diff_id=info.diff_id, ratio=part.ratio)
                    for part, (info, _) in zip(parts, written, strict=True)
                ),
                untouched=touched.untouched(weights or {}),
                distributions=changed_distributions(captured),
            )
            if held and self.known and _diff_ids(self.known) != _diff_ids(result):
                raise self._contradicted(self.known, result, layers)
            for (info, path), codec in zip(written, codecs, strict=True):
                keeping.name(path, steps_layer_key(info.diff_id, codec), info)
        if weights is not None:
            self._remember(result)
        return result

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait for another process or thread that runs these steps, whatever it makes of them."""
        make_directory(self.runner.kept)
        with locked_by(self._path("lock"), self.runner.cancellation.wait):
            yield

    @contextmanager
    def _ran(self) -> "Iterator[Captured]":
        from cogpack.planning.steps.run import ran  # with the sandbox, which few projects need

        with ran(self.steps, self.runner) as captured:
            yield captured

    def _remembered(self) -> LockedSteps | None:
        """Give what an earlier run here found, if all its layers seem to be kept."""
        path = self._path("result")
        self.runner.cache.used(path)
        with suppress(OSError, InputError):
            data = self.runner.seal.read(self._sealed, path)
            if data is not None:
                found = decode(data, LockedSteps, where=str(path))
                if all(self._blobs.has(layer.key, layer.diff_id) for layer in self._layers(found)):
                    return found
        return None

    def _remember(self, result: LockedSteps) -> None:
        make_directory(self.runner.kept)
        data = self.runner.seal.close(self._sealed, encode(result))
        write_whole(self._path("result"), [data], mode=0o600)

    @property
    def _sealed(self) -> str:
        return f"steps {self.steps.key}"

    def _path(self, suffix: str) -> Path:
        return _path(self.runner.kept, self.steps.key, suffix)

    def _contradicted(self, known: LockedSteps, found: LockedSteps, made: Sequence[BuiltLayer]) -> MismatchError:
        old, new = _diff_ids(known), _diff_ids(found)
        expected, other = [one for one in old if one not in new], [one for one in new if one not in old]
        differences = self._differences(found, made)
        who = "the lock"
        if self.locked is None:  # so that it does not count the next time
            who = "an earlier run"
            self._path("result").unlink(missing_ok=True)
        return MismatchError(
            f"{self.steps.subject} gave another result than {who} records: "
            f"expected diff ID {', '.join(expected) or 'none'}, found {', '.join(other) or 'none'}; {differences}",
            next_step="find what the commands fetch that has changed, pin it, and run cogpack lock --upgrade-run; "
            "cogpack lock --check-run tells what moves from run to run",
        )

    def _differences(self, found: LockedSteps, made: Sequence[BuiltLayer]) -> str:
        """Name the first paths that differ from what was recorded, and say where that is."""
        new, old = _diff_ids(found), [layer.diff_id for layer in self.layers]
        recorded = [layer for layer in self.layers if layer.diff_id not in new]
        now = [layer for diff_id, layer in zip(new, made, strict=True) if diff_id not in old]
        asked = ["the cache"]
        places = [("the cache", [self._kept(layer) for layer in recorded])]
        if self.runner.home is not None and all(map(self._recorded.blob, recorded)):
            places.append((self.runner.home.name, [self._at_home(layer) for layer in recorded]))
            asked.append(self.runner.home.name)
        for name, layers in places:
            there = [layer for layer in layers if layer is not None]
            if len(there) < len(layers):
                continue
            with suppress(CogpackError):
                moved = moved_paths(_listed(there), _listed(now))
                return f"first as recorded, which {name} has, second as run now:\n{told(moved, _FIRST)}"
        return f"what was recorded is not in {' or '.join(asked)}, so that no paths can be named"

    def _kept(self, layer: StepsLayer) -> BaseLayer | None:
        info = self._blobs.kept(layer.name, layer.key, layer.diff_id)
        return self._blobs.layer(layer.name, layer.key, info) if info else None

    def _at_home(self, layer: StepsLayer) -> BaseLayer | None:
        info = self._recorded.blob(layer)
        return self._blobs.at_home(layer.name, info) if info else None


def were_run_here(kept: Path, steps: LockedSteps) -> bool:
    """Tell whether a run of these steps left in the cache what it found; `kept`: where their blobs are."""
    return _path(kept, steps.key, "result").exists()


def _path(kept: Path, key: Digest, suffix: str) -> Path:
    return kept / f"{key.removeprefix('sha256:')}.{suffix}"


def _layer(name: str, entries: Complete, codec: Codec) -> BuiltLayer:
    from cogpack.sandbox.capture.capture import CapturedSource  # with the sandbox, which few projects need

    return BuiltLayer(CapturedSource(name, entries), codec)


def _diff_ids(result: LockedSteps) -> list[DiffID]:
    return [layer.diff_id for layer in result.layers]


def _listed(layers: Iterable[BuiltLayer | BaseLayer]) -> Listing:
    """List what layers hold together; of a directory that several have, any of them."""
    found: dict[str, Seen] = {}
    for layer in layers:
        layer.copy_to(lambda body, name=layer.name: found.update(listing(body, name)), Form.PLAIN)  # type: ignore[misc]
    return found


def check_steps(changes: StepChanges, *, pinned: bool, runs: bool = True) -> None:
    """Refuse steps whose secrets nobody gave, if who asks `runs` them, and where the lock is `pinned`, those of which
    it doesn't say what they change."""
    if changes.locked is not None:
        return
    if pinned:
        raise MismatchError(
            f"the lock does not say what {changes.steps.subject} changes ({changes.steps.name}): it was not run since "
            "that was made",
            next_step="run cogpack lock --run and commit it",
        )
    if runs:
        check_secrets(changes)


def check_secrets(changes: StepChanges) -> None:
    """Refuse steps whose secrets nobody gave, before any is run."""
    for step, number in zip(changes.steps.commands, changes.steps.numbers, strict=True):
        place = changes.runner.places[number - 1]
        for secret in step.secrets:
            if secret.id not in changes.runner.secrets:
                raise InputError(
                    f"{place}: mounts the secret {secret.id}, which is not given",
                    next_step=f"add --secret id={secret.id},src=FILE or --secret id={secret.id},env=NAME",
                )
