"""A project with commands in `build.run`, in environments that allow different things: this machine's root, a user of
it, and two users of a container."""

import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from support.debs import deb, member, stanza
from support.dockerd import Docker
from support.serving import served

ROOT = Path(__file__).resolve().parents[2]
USER = 1000
_KEPT = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "COGPACK_DEBIAN_MIRROR", "https_proxy", "HTTPS_PROXY", "no_proxy")
_HOST = ("/usr", "/etc/ssl", "/etc/apt")
"""What a container has of this machine, to run cogpack at all."""
IMAGE = "cogpack-test/host:1"

POSTINST = """#!/bin/sh
set -e
useradd --system --no-create-home --shell /usr/sbin/nologin postman
install -d -m 2750 -o postman -g adm /var/spool/postman
"""


def python() -> str:
    """An interpreter that any user may start, in a container with nothing of this machine but /usr, too."""
    place = f"/usr/bin/python3.{sys.version_info.minor}"
    if not os.access(place, os.X_OK):
        pytest.skip(f"no {place} here, which other users and containers could start")
    return place


def packages() -> str:
    """The directories of what this interpreter imports, which that one is to find."""
    found = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    if any(path.startswith("/root/") for path in found):
        pytest.skip("packages are in /root, where other users can't read them")
    return ":".join(found)


@dataclass(frozen=True)
class Place:
    """One environment's own directory, with the project, a cache and a home. `command`: what runs a command there."""

    directory: Path
    command: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def make(cls, directory: Path, project: Path, cache: Path, uid: int) -> "Place":
        directory.mkdir()
        (directory / "home").mkdir()
        shutil.copytree(project, directory / "project")
        shutil.copytree(cache / "artifacts", directory / "cache/artifacts")
        shutil.copy(cache / "CACHEDIR.TAG", directory / "cache")
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, uid, uid, follow_symlinks=False)
        environment = {
            **{name: os.environ[name] for name in _KEPT if name in os.environ},
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(directory / "home"),
            "COGPACK_CACHE_DIR": str(directory / "cache"),
            "PYTHONPATH": f"{ROOT}:{packages()}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_COLOR": "1",
        }
        return cls(directory, (), environment)

    def on_machine(self, uid: int) -> "Place":
        drop = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups") if uid else ()
        return Place(self.directory, drop, self.environment)

    def in_container(self, docker: Docker, *options: str) -> "Place":
        shown = [str(ROOT), *packages().split(":"), *_HOST]
        volumes = [word for path in shown for word in ("-v", f"{path}:{path}:ro")]
        variables = [word for name, value in self.environment.items() for word in ("-e", f"{name}={value}")]
        command = ["docker", "-H", docker.host, "run", "--rm", "--network", "host", *options, *volumes, *variables]
        command += ["-v", f"{self.directory}:{self.directory}", "-w", f"{self.directory}/project", IMAGE]
        return Place(self.directory, tuple(command), self.environment)

    def cogpack(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.command, python(), "-m", "cogpack", *arguments],
            cwd=self.directory / "project",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that every user can reach; pytest's own are for one."""
    directory = Path(tempfile.mkdtemp(prefix="cogpack-steps-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def import_host(docker: Docker, directory: Path) -> None:
    """An image of empty directories, and of the links by which programs of this machine find their own."""
    archive = directory / "host.tar"
    with tarfile.open(archive, "w") as out:
        for name in ("usr", "etc", "tmp", "proc", "sys", "dev", "run"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            out.addfile(entry)
        for path in map(Path, ("/bin", "/sbin", "/lib", "/lib64")):
            if not path.is_symlink():
                pytest.skip(f"{path} of this machine is no link into /usr")
            entry = tarfile.TarInfo(path.name)
            entry.type, entry.linkname = tarfile.SYMTYPE, str(path.readlink())
            out.addfile(entry)
    docker("import", str(archive), IMAGE)


@contextmanager
def apt_repository(directory: Path) -> Iterator[str]:
    """A repository of one package, whose script makes a user; its address, on loopback."""
    directory.mkdir()
    package = deb(
        "postman",
        *(member("./usr"), member("./usr/bin"), member("./usr/bin/postman", "#!/bin/sh\necho post\n", mode=0o4755)),
        control={"postinst": POSTINST},
    )
    (directory / "postman_1.deb").write_bytes(package)
    sums = {"Size": str(len(package)), "SHA256": hashlib.sha256(package).hexdigest()}
    (directory / "Packages").write_text(stanza("postman", Filename="./postman_1.deb", Maintainer="A <a@b.c>", **sums))
    handler = partial(_Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with served(server):
        yield f"http://127.0.0.1:{server.server_address[1]}"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""


def cog_yaml(commands: Sequence[str], *packages: str) -> str:
    lines = "".join(f"    - |\n      {command}\n" for command in commands)
    listed = f"  system_packages: [{', '.join(packages)}]\n" if packages else ""
    return f'build:\n  python_version: "3.13"\n{listed}  run:\n{lines}run: "predict.py:Runner"\n'
