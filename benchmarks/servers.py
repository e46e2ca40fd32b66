"""Real servers beside us, each on loopback and in a directory of its own: started, waited for, stopped.

One whose program is not there is `Unavailable`.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
_NEEDED = 1 << 21 | 1 << 12
"""Capabilities: to mount, to make network devices."""


class Unavailable(SystemExit):
    """Says what a server lacks here, its program or leave to run: with that a benchmark ends."""


@contextmanager
def running(
    command: Sequence[str],
    ready: Callable[[str], T | None],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float = 30,
    grace: float = 10,
) -> Iterator[T]:
    """Run `command`, its output in `log`, until `ready(output so far)` gives something: that is what is yielded.

    In the end it gets SIGTERM, and SIGKILL after `grace` seconds.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
    try:
        end = time.monotonic() + seconds
        while (found := ready(log.read_text(errors="replace"))) is None:
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-4000:]}")
            time.sleep(0.02)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def docker_registry(directory: Path, *, port: int = 0, configuration: Mapping[str, Any] = {}) -> Iterator[str]:
    """Yields `127.0.0.1:PORT`. Its storage, configuration and log are in `directory`; a second one there is the same.

    `configuration`: sections besides its own; those of both are put together.
    """
    program = shutil.which("docker-registry")
    if program is None:
        raise Unavailable("docker-registry is not installed")
    directory.mkdir(parents=True, exist_ok=True)
    whole: dict[str, Any] = {
        "version": "0.1",
        "log": {"accesslog": {"disabled": False}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "storage")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "the same on every start"},
    }
    for section, settings in configuration.items():
        whole[section] = whole.get(section, {}) | settings
    (directory / "config.yml").write_text(json.dumps(whole))  # JSON is YAML

    def address(log: str) -> str | None:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log)
        return found and found[1]

    # It takes REGISTRY_AUTH_FILE, which is podman's, for a part of its configuration.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
    command = [program, "serve", str(directory / "config.yml")]
    with running(command, address, log=directory / "log", environment=environment) as found:
        yield found


@dataclass(frozen=True)
class Docker:
    """A Docker daemon. `host` is what DOCKER_HOST must say; `program`: the client; `buildkit`: whether that builds."""

    host: str
    program: str = "docker"
    buildkit: bool = False

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "DOCKER_CONTEXT"}
        return kept | {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1" if self.buildkit else "0"}

    def with_buildkit(self) -> "Docker | None":
        """The same daemon, whose own BuildKit builds: of the clients on PATH, one that has it built in (before 23), or
        as a plugin."""
        for directory in os.environ["PATH"].split(os.pathsep):
            program = shutil.which("docker", path=directory)
            if program is None:
                continue
            found = replace(self, program=program, buildkit=True)
            if int(found("version", "--format", "{{.Client.Version}}").partition(".")[0]) < 23:
                return found
            if found.run("buildx", "version", ok=False).returncode == 0:
                return found
        return None

    def run(self, *arguments: str, ok: bool = True, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        """`docker ARGUMENTS...`; with `ok`, any exit status but 0 is an error."""
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not ok or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done

    @property
    def version(self) -> str:
        """Of the daemon, which does the work: its client may be of another."""
        return self("version", "--format", "{{.Server.Version}}")

    def __call__(self, *arguments: str) -> str:
        """stdout of `docker ARGUMENTS...`, stripped."""
        return self.run(*arguments).stdout.strip()


@contextmanager
def dockerd(directory: Path, *, bridge: bool = True, programs: Path | None = None) -> Iterator[Docker]:
    """A real Docker daemon of one's own, apart from the machine's: needs root and Debian's package docker.io, which
    may be unpacked in `programs`.

    All of its state is in `directory` and is removed in the end, with every container. It starts the containerd it
    needs by itself. Without iptables, published ports still answer: docker-proxy serves them. `bridge=False` for
    containers with `--network none` or `host` alone, on kernels that allow no network devices too.
    """
    path = os.pathsep.join([*(f"{programs}/usr/{each}" for each in ("sbin", "bin") if programs), os.environ["PATH"]])
    found = {name: shutil.which(name, path=path) for name in ("dockerd", "docker", "containerd", "runc")}
    missing = [name for name, place in found.items() if place is None]
    if missing:
        raise Unavailable(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise Unavailable("dockerd needs root")
    effective = re.search(r"CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text())
    if effective is None or int(effective[1], 16) & _NEEDED != _NEEDED:
        raise Unavailable("dockerd needs CAP_SYS_ADMIN and CAP_NET_ADMIN, which this container does not give")
    directory.mkdir(parents=True, exist_ok=True)
    docker = Docker(f"unix://{directory}/sock")
    command = [found["dockerd"] or "", "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"]
    command += ["-H", docker.host, "--pidfile", f"{directory}/pid", "--iptables=false"]
    if not bridge and not Path("/sys/class/net/docker0").exists():  # without one, it removes that of another daemon
        command.append("--bridge=none")

    def answers(log: str) -> Docker | None:
        return docker if "API listen on" in log else None

    try:
        own = {**os.environ, "PATH": path}
        with running(command, answers, log=directory / "log", environment=own, seconds=60, grace=30):
            try:
                yield docker
            finally:
                if containers := docker("ps", "--all", "--quiet").split():
                    docker.run("rm", "--force", "--volumes", *containers, ok=False)
    finally:
        _unmount(directory)
        for name in ("data", "exec"):
            shutil.rmtree(directory / name, ignore_errors=True)


def _unmount(directory: Path) -> None:
    """What the daemon leaves mounted: the namespace of host networking, file systems of killed containers."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((path for path in mounted if path.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", path], check=False)


class Front:
    """Passes connections on to `upstream`; what comes back is limited on each to `rate` bytes a second, and counted.

    `first` and `last`: when it came, by the monotonic clock; who sets `first` to 0 starts anew.
    """

    def __init__(self, upstream: str, rate: float | None) -> None:
        self._upstream = upstream.rpartition(":")[0], int(upstream.rpartition(":")[2])
        self._rate = rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes = 0
        self.first = self.last = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(self._upstream)
            for source, target, back in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, target, back), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, back: bool) -> None:
        reading, writing = os.pipe()
        due = time.monotonic()
        try:
            while size := os.splice(source.fileno(), writing, 64 * 1024):
                left = size
                while left:
                    left -= os.splice(reading, target.fileno(), left)
                if not back:
                    continue
                self.last = time.monotonic()
                self.first = self.first or self.last
                self.bytes += size
                if self._rate:
                    due = max(due, time.monotonic() - 0.05) + size / self._rate
                    time.sleep(max(0.0, due - time.monotonic()))
        except OSError:
            pass
        finally:
            os.close(reading)
            os.close(writing)
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
