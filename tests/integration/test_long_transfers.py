"""The rows of long transfers: tokens that end on the way, and processes that are killed; in little memory.

`COGPACK_LONG_GB=100 pytest -s tests/integration/test_long_transfers.py` for 100 GB. What is pushed or copied are files
with holes, and takes 0.4 GB of disk; what is pulled is written, and is 50 GB at most.
"""

import hashlib
import itertools
import json
import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from integration.conftest import ROOT, Project
from support.counted import Counted, MiB
from support.fake_registry import FakeRegistry
from support.faults import Fault, Seen
from support.personalities import DIST3, DIST28
from support.wire import CONFIG, LAYER, MANIFEST, descriptor_of

from cogpack.digest import Digest
from cogpack.layout import Layout
from cogpack.oci import Descriptor
from cogpack.registry.pull.tuning import TUNING

pytestmark = pytest.mark.slow

SIZE = int(float(os.environ.get("COGPACK_LONG_GB", "0.25")) * 1e9)
PULLED = min(SIZE, 50 * 10**9)
"""What a pull writes to the disk."""
MEMORY = 150 * MiB
CONFIGURATION = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A directory whose files are not kept for whoever looks at failures: there are too many bytes of them."""
    path = tmp_path / "room"
    path.mkdir()
    yield path
    shutil.rmtree(path)


class Cogpack:
    """A cogpack as a process of its own. `prelude`: Python that it runs first."""

    def __init__(self, *arguments: str, environment: Mapping[str, str], prelude: str = "", at: Path = ROOT) -> None:
        program = (
            f"import sys\n{prelude}\nfrom cogpack.cli import main\n"
            "try:\n    main(sys.argv[1:])\n"
            "finally:\n    print(*(line for line in open('/proc/self/status') if 'VmHWM' in line), file=sys.stderr)\n"
        )
        self._begun = time.monotonic()
        self._what = arguments[0]
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments, "-q", "--json"],
            cwd=at,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.memory = 0

    def kill(self) -> None:
        """SIGKILL."""
        self._measure(Path(f"/proc/{self.process.pid}/status").read_text())
        self.process.kill()

    def killed(self) -> None:
        """Wait for it to be gone."""
        _, err = self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL, err

    def result(self) -> dict[str, Any]:
        out, err = self.process.communicate()
        assert self.process.returncode == 0, err
        self._measure(err)
        return dict(json.loads(out))

    def _measure(self, status: str) -> None:
        self.memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024
        seconds = time.monotonic() - self._begun
        print(f"\n{self._what}: {seconds:.0f} s, {self.memory / MiB:.0f} MiB at most", end=" ")


Start = Callable[..., Cogpack]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start one; whatever happens, it does not outlive the test."""
    with ExitStack() as stack:

        def begin(*arguments: str, **how: Any) -> Cogpack:
            found = Cogpack(*arguments, **how)
            stack.enter_context(found.process)
            stack.callback(found.process.kill)
            return found

        yield begin


def manifest_of(layers: Mapping[str, Counted]) -> bytes:
    """Of an image with these layers, by their digests, and CONFIGURATION."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor_of(CONFIGURATION, CONFIG),
        "layers": [{"mediaType": LAYER, "digest": digest, "size": len(data)} for digest, data in layers.items()],
    }
    return json.dumps(document).encode()


# F13


HOUR = 3600.0
LIFE = 300.0
SPARE = 60.0
"""Seconds that a token has to live when a body is begun."""
PARTS = [8 + n % 9 for n in range(32)]
"""How large each is beside the others: of one size, they would all begin where their token is as fresh."""


class Clock:
    """Seconds that pass while bytes move, an hour for SIZE of them; in a file, where another process reads them."""

    PRELUDE = (
        "import mmap, os, struct\n"
        "from functools import partial\n"
        "from cogpack import session\n"
        "seconds = mmap.mmap(os.open({path!r}, os.O_RDONLY), 8, access=mmap.ACCESS_READ)\n"
        "session.Session = partial(session.Session, clock=lambda: struct.unpack('d', seconds)[0])\n"
    )

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            self._seconds = mmap.mmap(file.fileno(), 8)
        self._lock = threading.Lock()
        self.prelude = self.PRELUDE.format(path=str(path))

    def __call__(self) -> float:
        return float(struct.unpack("d", self._seconds)[0])

    def moved(self, size: int) -> None:
        with self._lock:
            struct.pack_into("d", self._seconds, 0, self() + size * HOUR / SIZE)


class Attentive(FakeRegistry):
    """`begun`: every request, with the seconds that its token had left to live."""

    def __init__(self, clock: Clock, *, leeway: float) -> None:
        super().__init__(DIST28, auth="token", keep=False)
        self.leeway = leeway
        self.life, self.clock, self.moved = LIFE, clock, clock.moved
        self.begun: list[tuple[Seen, float]] = []

    def meet(self, seen: Seen) -> Fault | None:
        ends, _ = self._tokens.get(seen.headers.get("authorization", "").removeprefix("Bearer "), (0.0, None))
        self.begun.append((seen, ends - self.clock()))
        return super().meet(seen)


@pytest.mark.integration
@pytest.mark.parametrize("jobs", [1, 8])
def test_f13_tokens_that_end_all_the_time_do_not_end_a_push(
    hello: Project, room: Path, start: Start, jobs: int
) -> None:
    """Between session and body, between layers, in bodies. Of one job no body begins with a token about to end; of
    eight, none is refused by a registry that takes tokens of the last hour, and one refresh serves them all."""
    ends = list(itertools.accumulate(SIZE * weight // sum(PARTS) for weight in PARTS))
    tensors = {
        f"layers.{n}.w": {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for n, (begin, end) in enumerate(itertools.pairwise([0, *ends]))
    }
    header = json.dumps(tensors).encode()
    weights = hello.root / "model.safetensors"
    Counted(13, 8 + len(header) + ends[-1]).write(weights)
    with weights.open("r+b") as file:
        file.write(len(header).to_bytes(8, "little") + header)
    config = hello.root / "cog.yaml"
    rules = json.dumps({"split": "tensor", "layer_size": ends[0]})
    config.write_text(f"{config.read_text()}\ncogpack:\n  weights: {rules}\n")
    clock = Clock(room / "clock")
    # Of several workers, one may look at the clock, and the others move many bytes before its request is there.
    registry = Attentive(clock, leeway=0 if jobs == 1 else HOUR)
    with registry.running():
        target = f"{registry.address}/me/model:v1"
        arguments = ("push", target, "--weights-only", "-j", str(jobs))
        push = start(*arguments, environment=hello.environment, prelude=clock.prelude, at=hello.root)
        done = push.result()
    bodies = [(seen, left) for seen, left in registry.begun if seen.kind == "PUT session" and seen.size > MiB]
    outlived = sum(left < seen.size * HOUR / SIZE for seen, left in bodies)
    refused = sum(seen.status == 401 for seen, _ in bodies)
    tokens = len(registry.kinds("GET token"))
    print(f"{tokens} tokens; {outlived} or more of {len(bodies)} bodies outlived theirs", end="")
    assert 3 < tokens <= clock() / (LIFE * 0.8) + 2, "one refresh serves all workers"
    assert not refused
    if jobs == 1:
        assert outlived
        assert min(left for _, left in bodies) >= SPARE
    assert registry.tags["me/model"]["v1"] == done["digest"]
    assert push.memory < MEMORY


# F37


LAYERS = 100
SENT = 60


def test_f37_after_a_kill_only_what_is_missing_is_sent(room: Path, start: Start) -> None:
    """60 of 100 layers are found by HEAD, 40 are sent."""
    made = [Counted(number, SIZE // LAYERS) for number in range(LAYERS)]
    layers = {data.digest: data for data in made}
    layout = Layout.create(room / "layout")
    for digest, data in layers.items():
        data.write(layout.blob_path(Digest(digest)))
    layout.add(CONFIGURATION)
    manifest = manifest_of(layers)
    root = Descriptor(media_type=MANIFEST, digest=layout.add(manifest), size=len(manifest))
    layout.publish({"v1": root})
    environment = {**os.environ, "COGPACK_CACHE_DIR": str(room / "cache"), "HOME": str(room)}
    with FakeRegistry(DIST28, keep=False).running() as registry:
        arguments = ("copy", f"{layout.root}:v1", f"{registry.address}/me/model:v1", "-j", "8")
        first = start(*arguments, environment=environment)
        stalls = Fault("stall", after=1, times=LAYERS)
        registry.on(
            "PUT session", stalls, when=lambda _: not first.memory and len(registry.kinds("PUT session")) > SENT
        )
        while len(registry.blobs.get("me/model", {})) < SENT:
            assert first.process.poll() is None
            time.sleep(0.02)
        first.kill()
        first.killed()
        assert set(registry.blobs["me/model"]) < set(layers)
        assert not registry.tags.get("me/model")
        registry.seen.clear()
        second = start(*arguments, environment=environment)
        second.result()
    heads = [
        seen.status for seen in registry.seen if seen.kind == "HEAD blob" and seen.path.rpartition("/")[2] in layers
    ]
    print(f"{heads.count(200)} found, {heads.count(404)} not, {registry.received('me/model')} bytes sent", end="")
    assert (heads.count(200), heads.count(404)) == (SENT, LAYERS - SENT)
    assert registry.received("me/model") == (LAYERS - SENT) * (SIZE // LAYERS) + len(CONFIGURATION)
    assert registry.tags["me/model"]["v1"] == root.digest
    assert max(first.memory, second.memory) < MEMORY


# P11


SPAN = min(TUNING.window, PULLED // 20)
"""What may have come since the journal was written."""


def data_of(path: Path) -> int:
    """Count the bytes that were written to a file (lseek(2), SEEK_DATA), without the room that was only set aside."""
    found = end = 0
    with path.open("rb") as file, suppress(OSError):  # ENXIO: there is no more
        while True:
            begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
            end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            found += end - begin
    return found


def test_p11_a_killed_pull_fetches_the_rest_and_a_window_at_most(room: Path, start: Start) -> None:
    """Killed when 70 % is on the disk; in the end all is hashed, here too."""
    free = shutil.disk_usage(room).free
    if 0.9 * free < PULLED:
        pytest.skip(f"{PULLED} bytes are to be pulled and a tenth left, and {room} has {free} free")
    environment = {**os.environ, "COGPACK_CACHE_DIR": str(room / "cache"), "HOME": str(room)}
    blob = Counted(11, PULLED, filler=random.Random(11).randbytes(MiB))
    with FakeRegistry(DIST3).running() as registry:
        digest = registry.add_blob("me/model", blob)
        registry.add_blob("me/model", CONFIGURATION)
        registry.add_manifest("me/model", manifest_of({digest: blob}), MANIFEST, "v1")
        arguments = ("pull", f"{registry.address}/me/model:v1", "-o", str(room / "out"), "-j", "8")
        partial = room / "out" / ".cogpack-unfinished" / f"{digest[7:]}.partial"
        prelude = (
            "from cogpack.registry.pull.tuning import Tuning\nfrom cogpack.session import Session\n"
            f"Session.__init__.__kwdefaults__['tuning'] = Tuning(window={SPAN}, sync={SPAN // 4})"
        )
        first = start(*arguments, environment=environment, prelude=prelude)
        turn = threading.Lock()

        def look(_: int) -> None:
            with turn, suppress(FileNotFoundError):
                if not first.memory and data_of(partial) >= 0.7 * PULLED:
                    first.kill()

        registry.moved = look
        first.killed()
        came = data_of(partial)
        assert not (room / "out" / "index.json").exists()
        sent = 0

        def count(size: int) -> None:
            nonlocal sent
            with turn:
                sent += size

        registry.moved = count
        second = start(*arguments, environment=environment)
        second.result()
    print(f"{came / PULLED:.1%} was on the disk, {sent / PULLED:.1%} was sent again", end="")
    with (room / "out" / "blobs" / "sha256" / digest[7:]).open("rb") as file:
        assert f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest
    assert sent <= 0.3 * PULLED + SPAN + 2 * MiB  # and a block of each connection
    assert max(first.memory, second.memory) < MEMORY
