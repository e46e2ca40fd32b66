"""Engines that pull an image into nothing: each is started, or told, with an empty directory of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from measuring import Figures, clocked, drop_caches
from servers import dockerd, running


class Engine(NamedTuple):
    """`streams`: layers that it takes at a time; `pull`: an image, with a directory that has room."""

    name: str
    streams: int
    pull: Callable[[Path, str], Figures]


def docker(scratch: Path, programs: Path | None = None) -> Engine:
    """That which is installed, or lies in `programs`."""
    with dockerd(scratch / "docker", bridge=False, programs=programs) as found:
        return Engine(f"Docker {found.version}", 3, partial(_by_docker, programs))


def podman() -> Engine:
    return Engine(f"podman {_version('podman', '--version')}", 6, _by_podman)


def containerd() -> Engine:
    """By `ctr`, which takes all layers at once, and unpacks when all are there."""
    return Engine(f"containerd {_version('containerd', '--version')} (ctr)", 1000, _by_containerd)


def _version(*command: str) -> str:
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return found[0] if (found := re.search(r"\b\d+\.\d+[\w.+~-]*", told)) else "?"


def _by_docker(programs: Path | None, scratch: Path, image: str) -> Figures:
    drop_caches()
    with dockerd(scratch / "docker", bridge=False, programs=programs) as found:
        return clocked(lambda: found.run("pull", "-q", image, seconds=3600))


def _by_podman(scratch: Path, image: str) -> Figures:
    directory = scratch / "podman"
    command = ["podman", "--root", str(directory / "root"), "--runroot", str(directory / "run")]
    command += ["--storage-driver", "overlay", "pull", "-q", "--tls-verify=false", image]
    drop_caches()
    try:
        return clocked(lambda: subprocess.run(command, check=True, capture_output=True))
    finally:
        subprocess.run(["umount", str(directory / "root/overlay")], check=False, capture_output=True)
        shutil.rmtree(directory)


def _by_containerd(scratch: Path, image: str) -> Figures:
    directory = scratch / "containerd"
    directory.mkdir()
    socket = directory / "sock"
    (directory / "config.toml").write_text(
        f'version = 2\nroot = "{directory}/root"\nstate = "{directory}/state"\n[grpc]\naddress = "{socket}"\n'
    )
    command = ["ctr", "-a", str(socket), "images", "pull", "--plain-http", image]
    drop_caches()

    def serves(log: str) -> bool | None:
        return True if "successfully booted" in log and socket.exists() else None

    try:
        with running(
            ["containerd", "--config", str(directory / "config.toml")],
            serves,
            log=directory / "log",
            environment=dict(os.environ),
        ):
            return clocked(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
    finally:
        shutil.rmtree(directory)
