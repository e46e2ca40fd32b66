"""`docker load`: with stand-ins for a docker that fails, and with the real one."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.images import file_layer, fill
from support.verbs import Verbs

from cogpack.errors import UnavailableError
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import Gzip, Uncompressed
from cogpack.layers.files import FilesSource, generated
from cogpack.layers.known import Outgoing
from cogpack.layers.layer import Form
from cogpack.progress import SILENT, Cancellation, Cancelled
from cogpack.sinks.archive import ArchiveSink
from cogpack.sinks.daemon import DaemonSink, Load

StandIn = Callable[[str], None]


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Puts a `docker` on PATH that is this shell script."""

    def install(script: str) -> None:
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    return install


def test_without_docker_the_advice_is_to_write_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(UnavailableError, match="docker: can't be started") as caught,
        DaemonSink.open(SILENT, Cancellation()),
    ):
        pass
    assert "-o IMAGE.tar of cogpack build" in caught.value.next_step


def test_a_daemon_that_does_not_answer_is_reported_with_docker_s_words(stand_in: StandIn) -> None:
    stand_in('echo "Cannot connect to the Docker daemon at unix:///nowhere" >&2; exit 1')
    with pytest.raises(UnavailableError, match="Cannot connect to the Docker daemon at unix:///nowhere"):
        DaemonSink.open(SILENT, Cancellation()).__enter__()


def test_a_load_that_stops_reading_is_reported_with_docker_s_words(stand_in: StandIn) -> None:
    stand_in('[ "$1" = version ] && exit 0; echo "no space left on device" >&2; exit 1')
    with (
        pytest.raises(UnavailableError, match="docker load ended with 1: no space left"),
        DaemonSink.open(SILENT, Cancellation()) as sink,
    ):
        fill(sink, [file_layer("big", {"big": bytes(4 << 20)})], ["x:latest"])


def test_a_load_that_fails_at_the_end_is_reported(stand_in: StandIn) -> None:
    stand_in('[ "$1" = version ] && exit 0; cat >/dev/null; echo "invalid archive" >&2; exit 3')
    with (
        pytest.raises(UnavailableError, match="docker load ended with 3: invalid archive"),
        DaemonSink.open(SILENT, Cancellation()) as sink,
    ):
        fill(sink, [file_layer("big", {"big": b"x"})], ["x:latest"])


def test_docker_s_chatter_never_blocks_the_stream(stand_in: StandIn) -> None:
    chatter = "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done"
    stand_in(f'[ "$1" = version ] && exit 0; {chatter}; cat >/dev/null')
    with DaemonSink.open(SILENT, Cancellation()) as sink:
        fill(sink, [file_layer("big", {"big": bytes(4 << 20)})], ["x:latest"])


def test_what_docker_gets_is_the_archive(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in(f'[ "$1" = version ] && exit 0; cat >{tmp_path}/loaded.tar')
    layers = [file_layer("project", {"src/x": b"x"}, Gzip())]
    with DaemonSink.open(SILENT, Cancellation()) as sink:
        assert (sink.parallel, sink.form) == (False, Form.PLAIN)
        image, root = fill(sink, layers, ["x:latest"])
    assert root == image.config_descriptor
    with ArchiveSink.write(tmp_path / "image.tar") as other:
        fill(other, layers, ["x:latest"])
    assert (tmp_path / "loaded.tar").read_bytes() == (tmp_path / "image.tar").read_bytes()


def test_what_docker_takes_to_answer_and_to_unpack_is_shown(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer is told as done by then: without a row, nothing would be seen for seconds or minutes."""
    stand_in('[ "$1" = version ] && exit 0; cat >/dev/null')
    progress, seen = Verbs(), list[list[tuple[str, str]]]()
    finish = Load.finish

    def watched(load: Load) -> None:
        seen.append(progress.now())
        finish(load)

    monkeypatch.setattr(Load, "finish", watched)
    with DaemonSink.open(progress, Cancellation()) as sink:
        assert progress.ended() == [("ask", "docker")]
        fill(sink, [file_layer("big", {"big": b"x"})], ["x:latest", "y:1"])
    assert seen == [[("load", "x:latest y:1")]]
    assert progress.now() == []


def test_a_load_that_fails_is_shown_no_more(stand_in: StandIn) -> None:
    stand_in('[ "$1" = version ] && exit 0; cat >/dev/null; exit 3')
    progress = Verbs()
    with pytest.raises(UnavailableError), DaemonSink.open(progress, Cancellation()) as sink:
        fill(sink, [file_layer("big", {"big": b"x"})], ["x:latest"])
    assert progress.now() == []


def test_an_interrupted_load_never_sees_the_end_of_the_archive(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in(f'[ "$1" = version ] && exit 0; cat >/dev/null; touch {tmp_path}/ended')

    def interrupt() -> None:
        with DaemonSink.open(SILENT, Cancellation()) as sink:
            sink.add_layer(Outgoing(file_layer("x", {"x": b"x"})), lambda size: None)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert not (tmp_path / "ended").exists()


@pytest.mark.slow
def test_ctrl_c_ends_a_load_that_docker_does_not_read(stand_in: StandIn) -> None:
    """A job that is stopped tells us alone, and not the client beside us."""

    class Third(Cancellation):
        checks = 0

        def check(self) -> None:
            self.checks += 1
            if self.checks == 3:
                raise Cancelled

    stand_in('[ "$1" = version ] && exit 0; exec sleep 600')
    with pytest.raises(Cancelled), DaemonSink.open(SILENT, Third()) as sink:
        fill(sink, [file_layer("big", {"big": bytes(4 << 20)})], ["x:latest"])


def runnable() -> list[BuiltLayer]:
    """A program that needs no library: Debian's ldconfig is linked statically."""
    program = Path("/sbin/ldconfig")
    if not program.exists():
        pytest.skip("no /sbin/ldconfig")
    data = program.read_bytes()
    placed = generated("sbin/ldconfig", data, executable=True)
    return [
        BuiltLayer(FilesSource("program", [placed]), Gzip()),
        file_layer("weights", {"src/weights": bytes(3 << 20)}, Uncompressed()),
        file_layer("names", {"src/ä/" + "n" * 120: b"long and not ASCII"}, Gzip()),
    ]


@pytest.mark.integration
def test_real_docker_loads_the_stream_and_runs_the_image(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker.host)
    command = ("/sbin/ldconfig", "-V")
    with DaemonSink.open(SILENT, Cancellation()) as sink:
        image, root = fill(sink, runnable(), ["sink-test/streamed:v1", "sink-test/streamed:latest"], command=command)
    assert docker("image", "inspect", "--format", "{{.Id}}", "sink-test/streamed:v1") == root.digest
    assert docker("image", "inspect", "--format", "{{.Id}}", "sink-test/streamed:latest") == root.digest
    assert docker("run", "--rm", "--network", "none", "sink-test/streamed:v1").startswith("ldconfig (")
    assert root == image.config_descriptor


@pytest.mark.integration
def test_real_docker_loads_the_file(docker: Docker, tmp_path: Path) -> None:
    with ArchiveSink.write(tmp_path / "image.tar") as sink:
        _, root = fill(sink, runnable(), ["sink-test/file:v1"])
    docker("load", "--input", str(tmp_path / "image.tar"))
    assert docker("image", "inspect", "--format", "{{.Id}}", "sink-test/file:v1") == root.digest
