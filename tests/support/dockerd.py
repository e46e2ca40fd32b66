"""A real Docker daemon of one's own, apart from the machine's: needs root and Debian's package docker.io.

    dockerd --data-root DIR/data --exec-root DIR/exec -H unix://DIR/sock --pidfile DIR/pid --iptables=false

It starts the containerd it needs by itself. Without iptables, published ports still answer: docker-proxy serves them.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.processes import running

_NEEDED = 1 << 21 | 1 << 12
"""Capabilities: to mount, to make network devices."""


@dataclass(frozen=True)
class Docker:
    """`host` is what DOCKER_HOST must say."""

    host: str

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "DOCKER_CONTEXT"}
        return kept | {"DOCKER_HOST": self.host}

    def run(self, *arguments: str, ok: bool = True, seconds: float = 120) -> "subprocess.CompletedProcess[str]":
        """`docker ARGUMENTS...`; with `ok`, any exit status but 0 fails the test."""
        done = subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not ok or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
        return done

    def __call__(self, *arguments: str) -> str:
        """stdout of `docker ARGUMENTS...`, stripped."""
        return self.run(*arguments).stdout.strip()


@contextmanager
def dockerd(directory: Path, *, bridge: bool = True) -> Iterator[Docker]:
    """All of the daemon's state is in `directory` and is removed in the end, with every container.

    `bridge=False` for kernels that allow no network devices: containers then have `--network none` or `host`.
    """
    missing = [program for program in ("docker", "dockerd", "containerd", "runc") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    effective = re.search(r"CapEff:\s*([0-9a-f]+)", Path("/proc/self/status").read_text())
    if effective is None or int(effective[1], 16) & _NEEDED != _NEEDED:
        pytest.skip("dockerd needs CAP_SYS_ADMIN and CAP_NET_ADMIN, which this container does not give")
    directory.mkdir(parents=True, exist_ok=True)
    docker = Docker(f"unix://{directory}/sock")
    command = ["dockerd", "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"]
    command += ["-H", docker.host, "--pidfile", f"{directory}/pid", "--iptables=false"]
    if not bridge:
        command.append("--bridge=none")

    def answers(log: str) -> Docker | None:
        return docker if "API listen on" in log else None

    try:
        with running(command, answers, log=directory / "log", seconds=60, grace=30) as found:
            try:
                yield found
            finally:
                if containers := found("ps", "--all", "--quiet").split():
                    found.run("rm", "--force", "--volumes", *containers, ok=False)
    finally:
        _unmount(directory)
        for name in ("data", "exec"):
            shutil.rmtree(directory / name, ignore_errors=True)


def _unmount(directory: Path) -> None:
    """What the daemon leaves mounted: the namespace of host networking, file systems of killed containers."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted((path for path in mounted if path.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "--lazy", path], check=False)


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """One daemon for the whole run. Its images are shared: tag yours with a name of their own."""
    with dockerd(tmp_path_factory.mktemp("docker")) as found:
        yield found
