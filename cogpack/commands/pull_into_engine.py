"""`cogpack pull --docker`, `--podman` and `--containerd` let an engine of this machine pull from us, and we from afar.

The engine's own pull unpacks while layers still come, and checks every digest. What it has already it does not ask for.
"""

import shutil
import subprocess
from collections.abc import Generator, Mapping

import msgspec

from cogpack.commands.pull import (
    PulledBlob,
    PulledImage,
    all_blobs,
    pulled,
)
from cogpack.errors import CogpackError, UnavailableError
from cogpack.images.image import PLATFORM, title
from cogpack.images.pulled_archive import pieces
from cogpack.images.registry import RegistryImage
from cogpack.notes import Code, Note
from cogpack.oci import Descriptor
from cogpack.opening import open_registry_image
from cogpack.progress import asking, shown
from cogpack.registry.pull.connections import Fetcher
from cogpack.registry.server.through import PullThrough, Served
from cogpack.session import Session
from cogpack.sinks.daemon import Load, ask

_AGAIN_SECONDS = 60
_ANSWER_SECONDS = 30
_ADVICE = "start it, or pull into a file with cogpack pull -o IMAGE.tar, and load that"


class Engine(msgspec.Struct, frozen=True):
    """A program and its arguments; `{source}` is our name of the image, `{name}` and `{digest}` are its own."""

    program: str
    pull: tuple[str, ...]
    tag: tuple[str, ...]
    untag: tuple[str, ...]
    ask: tuple[str, ...] = ()
    """Fails soon where nobody would answer a pull."""
    again: tuple[str, ...] = ()
    """Makes the engine ask the registry itself for the manifest, having all layers: then it knows the digest."""


DOCKER = Engine(
    "docker",
    ("pull", "--quiet", "{source}"),
    ("tag", "{source}", "{name}"),
    ("rmi", "{source}"),
    again=("pull", "--quiet", "{digest}"),
)
PODMAN = Engine(
    "podman",
    ("pull", "--quiet", "--tls-verify=false", "{source}"),
    ("tag", "{source}", "{name}"),
    ("untag", "{source}", "{source}"),
)
CONTAINERD = Engine(
    "ctr",
    ("images", "pull", "--plain-http", "--platform", "{platform}", "{source}"),
    ("images", "tag", "--force", "{source}", "{name}"),
    ("images", "rm", "{source}"),
    ask=("--connect-timeout=2s", "version"),
)


def pull_into(session: Session, target: str, engine: Engine, *, platform: str | None = None) -> PulledImage:
    """Pull into an engine: it has the image under its own name in the end, which never was on this disk otherwise."""
    if engine is DOCKER:
        ask(session.progress)
    else:
        _ask(session, engine)
    image = open_registry_image(session, target, platform)
    with session.fetcher(all_blobs(session, image)) as fetcher:
        feed = _Feed(session, image, fetcher)
        if engine is DOCKER and not _is_local():
            feed.load()
        else:
            try:
                feed.serve(engine)
            except _NeverCameError as error:
                if engine is not DOCKER:
                    raise UnavailableError(
                        f"{engine.program}: its engine does not run, or can't reach this machine's loopback: "
                        f"{error.message}",
                        next_step=_ADVICE,
                    ) from None
                feed.load()
    return pulled(image, engine.program, feed.pulled)


def _ask(session: Session, engine: Engine) -> None:
    """Check that the engine is there; podman has no daemon that could be asked."""
    if shutil.which(engine.program) is None:
        raise UnavailableError(
            f"{engine.program}: can't be started: there is none on PATH",
            next_step="install it, or pull into a file: -o FILE.tar",
        )
    if engine.ask:
        with asking(session.progress, engine.program):
            try:
                _run(engine, engine.ask, {}, seconds=_ANSWER_SECONDS)
            except UnavailableError as error:
                raise UnavailableError(
                    f"{engine.program}: its engine does not answer: {error.message}", next_step=_ADVICE
                ) from None


class _NeverCameError(UnavailableError):
    """The engine failed before it asked us for anything."""


class _Feed:
    def __init__(self, session: Session, image: RegistryImage, fetcher: Fetcher) -> None:
        self._session = session
        self._image = image
        self._manifest = image.manifest
        self._name = image.with_tag
        self._fetcher = fetcher
        self._came: dict[str, int] = {}
        self._failed: CogpackError | None = None

    @property
    def pulled(self) -> list[PulledBlob]:
        return [
            PulledBlob(digest=blob.digest, size=blob.size, fetched=self._came.get(blob.digest, 0))
            for blob in self._image.graph.blobs
        ]

    def serve(self, engine: Engine) -> None:
        """Let the engine pull; raises `_NeverCameError` where it did not ask for anything."""
        with shown(self._session.progress, self._name, "unpack"):
            self._serve(engine)

    def _serve(self, engine: Engine) -> None:
        blobs = {blob.digest: blob for blob in self._image.graph.blobs}
        served = Served(self._image.root.descriptor, self._image.root.data, blobs, self._blocks)
        with PullThrough(served) as through:
            names = {
                "source": through.reference,
                "name": self._name,
                "digest": self._image.by_digest,
                "platform": str(self._image.config().platform) or str(PLATFORM),
            }
            try:
                _run(engine, engine.pull, names)
            except UnavailableError as error:
                if self._failed:
                    raise self._failed from None
                if not through.asked:
                    raise _NeverCameError(error.message, next_step=error.next_step) from None
                raise
        try:
            _run(engine, engine.tag, names)
        finally:
            _run(engine, engine.untag, names)
        if engine.again:
            try:
                _run(engine, engine.again, names, seconds=_AGAIN_SECONDS)
            except UnavailableError as error:
                text = f"{names['name']} has no RepoDigest: {error.message}"
                self._session.progress.note(Note(Code.NO_REPO_DIGEST, text))

    def load(self) -> None:
        """Load into a Docker elsewhere, through its own connection."""
        layout = pieces(self._image.root, self._manifest, self._name)
        with Load.running(self._session.cancellation) as load:
            for piece in layout:
                if isinstance(piece.content, bytes):
                    load.write(piece.content)
                else:
                    for block in self._blocks(piece.content, 0):
                        load.write(block)
            with shown(self._session.progress, self._name, "load"):
                load.finish()

    def _blocks(self, blob: Descriptor, start: int) -> Generator[bytes]:
        task = self._session.progress.task(title(blob), blob.size - start, "fetch")

        def count(size: int) -> None:
            self._came[blob.digest] = self._came.get(blob.digest, 0) + size
            task.advance(size)

        # What was wrong once is asked for again in one answer.
        again = blob.digest in self._came
        try:
            yield from self._fetcher.stream(blob, count, start=start, ranges=not again)
        except CogpackError as error:
            self._failed = error
            raise
        task.done("pulled")


def _run(engine: Engine, arguments: tuple[str, ...], names: Mapping[str, str], *, seconds: float | None = None) -> None:
    command = [engine.program, *(argument.format_map(names) for argument in arguments)]
    what = next(argument for argument in arguments if not argument.startswith("-"))
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(
            f"{engine.program} {what} took more than {seconds} seconds", next_step="look at the engine's log"
        ) from None
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise UnavailableError(
            f"{engine.program} {what} ended with {done.returncode}: {words[-500:]}",
            next_step="look at the engine's log, or pull into a file: -o FILE.tar",
        )


def _is_local() -> bool:
    """Tell whether Docker is behind a socket of this machine: DOCKER_HOST, DOCKER_CONTEXT and its settings count."""
    answer = subprocess.run(
        ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        errors="replace",
        check=False,
    )
    return answer.returncode != 0 or answer.stdout.strip().startswith(("unix:", "npipe:"))
