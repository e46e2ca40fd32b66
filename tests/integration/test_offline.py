"""Images are made of a depot where there is no network at all: in a network namespace with nothing in it.

One project of each kind of what locks name. What it was locked and fetched from is gone by then: servers are closed,
directories removed, and the cache is another one.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from integration.conftest import Project, lowest_layer
from support.debian_archive import Signer, write_suite
from support.debian_mirror import mirroring, pooled
from support.debs import shared_object
from support.fake_http import serving
from support.git_server import git_server
from support.hub import hub
from support.interpreters import archive_from, downloads_list, installed
from support.safetensors_files import made
from support.wheels import make_wheel
from support.world import push_base, push_image

from cogpack.registry.server import Server

pytestmark = pytest.mark.integration

_WAYS = (("unshare", "--net"), ("unshare", "--map-root-user", "--net"))
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Outside:
    """Is what a project is fetched from: `directory` and what `servers` run are there until then."""

    def __init__(self, directory: Path, servers: ExitStack, layout: Path) -> None:
        self.directory = directory
        self.servers = servers
        self.layout = layout
        directory.mkdir()

    def registry(self) -> str:
        return self.servers.enter_context(Server(self.directory / "registry")).address

    def small_base(self) -> str:
        """Push one of a few bytes, which no container can start."""
        push_base(address := self.registry())
        return f"{address}/base/python:v1"


Kind = Callable[[Project, Outside], Mapping[str, str]]
"""Makes a project of it, and gives the variables that it is locked and fetched with."""


def build(project: Project, **keys: object) -> None:
    """Put `keys` into cog.yaml under `build`."""
    config = project.root / "cog.yaml"
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in keys.items())
    config.write_text(config.read_text().replace("build:\n", f"build:\n{lines}", 1))


def require(project: Project, *lines: str) -> None:
    (project.root / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
    build(project, python_requirements="requirements.txt")


def wheels_over_an_image(project: Project, outside: Outside) -> Mapping[str, str]:
    require(project, "packaging")
    project.configure(base=outside.small_base())
    return {}


def wheels_with_cuda_libraries(project: Project, outside: Outside) -> Mapping[str, str]:
    libraries = {
        f"nvidia/{name}/lib/lib{name}.so.12": shared_object(f"lib{name}.so.12") for name in ("cublas", "cudnn")
    }
    for path, data in libraries.items():
        make_wheel(outside.directory, f"nvidia-{path.split('/')[1]}-cu12", "99.0", files={path: data})
    require(project, f"--find-links {outside.directory}", "nvidia-cublas-cu12==99.0", "nvidia-cudnn-cu12==99.0")
    build(project, gpu=True)
    project.configure(base=outside.small_base())
    return {}


def debians_packages(project: Project, outside: Outside) -> Mapping[str, str]:
    build(project, system_packages=["jq"])
    project.configure()
    return {}


def a_slim_base(project: Project, outside: Outside) -> Mapping[str, str]:
    project.configure(base="debian:slim")
    return {}


def packages_over_an_image(project: Project, outside: Outside) -> Mapping[str, str]:
    """One of them is installed by dpkg."""
    address = outside.registry()
    push_image(address, "library/base:v1", [lowest_layer(outside.layout)], environment=[PATH])
    build(project, system_packages=["jq", "tcpdump"])
    project.configure(base=f"{address}/library/base:v1", recommends=False)
    return {}


def anothers_archive(project: Project, outside: Outside) -> Mapping[str, str]:
    signer = Signer()
    archive = outside.servers.enter_context(mirroring(outside.directory / "mirror", signer))
    index = pooled(archive.root / "others", "tool", "2", files={"usr/bin/tool": "2"}, Depends="libjq1")
    write_suite(archive.root, "others", "stable", index, signer)
    (project.root / "key.asc").write_text(str(signer.certificate))
    build(project, system_packages=["tool"])
    project.configure(
        apt=[{"uri": f"{archive.host}/others", "suites": ["stable"], "components": ["main"], "key": "key.asc"}]
    )
    return {}


def a_source(project: Project, outside: Outside) -> Mapping[str, str]:
    """PyPI has no wheel of it."""
    build(project, run=["pip install docopt==0.6.2"])
    project.configure()
    return {}


def a_command(project: Project, outside: Outside) -> Mapping[str, str]:
    build(project, run=["cat /etc/debian_version > /etc/made"])
    project.configure()
    return {}


def known_lines(project: Project, outside: Outside) -> Mapping[str, str]:
    web = outside.servers.enter_context(serving(lambda _: (200, {}, b"tool")))
    server = outside.servers.enter_context(git_server(outside.directory / "served"))
    server.commit("tool", {"tool.py": b"print(1)\n"})
    server.git("tool", "tag", "v1")
    found = outside.servers.enter_context(hub({"config.json": b"{}", "model.safetensors": bytes(5_000)}))
    lines = [
        f"curl -o /usr/bin/tool {web.url}/tool && chmod +x /usr/bin/tool",
        f"git clone {server.address}/tool /opt/tool",
        "python -c \"from huggingface_hub import snapshot_download; snapshot_download('owner/name')\"",
    ]
    build(project, run=lines)
    project.configure(base=outside.small_base())
    return {"HF_ENDPOINT": found.endpoint}


def managed_weights(project: Project, outside: Outside) -> Mapping[str, str]:
    files = {"config.json": b'{"model_type": "x"}', "model.safetensors": made([("w", "F32", [100_000])])}
    found = outside.servers.enter_context(hub(files))
    weight = {"name": "w", "target": "/src/weights", "source": {"uri": "hf://owner/name"}}
    project.configure(f"model: r.example.com/me/m\nweights: {json.dumps([weight])}", base=outside.small_base())
    return {"HF_ENDPOINT": found.endpoint}


def a_python_that_debian_has_not(project: Project, outside: Outside) -> Mapping[str, str]:
    root = installed("3.12")
    (outside.directory / f"{root.name}.tar.gz").write_bytes(data := archive_from(root, "3.12"))
    listed = outside.directory / "list.json"
    listed.write_bytes(downloads_list({root.name: data}, at=outside.directory.as_uri()))
    config = project.root / "cog.yaml"
    config.write_text(re.sub(r"python_version: .*", 'python_version: "3.12"', config.read_text()))
    project.configure()
    return {"UV_PYTHON_DOWNLOADS_JSON_URL": str(listed)}


KINDS: Sequence[Kind] = (
    wheels_over_an_image,
    wheels_with_cuda_libraries,
    debians_packages,
    a_slim_base,
    packages_over_an_image,
    anothers_archive,
    a_source,
    a_command,
    known_lines,
    managed_weights,
    a_python_that_debian_has_not,
)


@pytest.fixture
def alone() -> Sequence[str]:
    """What a command is started with to reach nothing."""
    for way in _WAYS:
        if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            return way
    pytest.skip("this machine allows no network namespace, neither to root nor in a user namespace")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_image_is_the_same_in_an_empty_network_namespace(
    locked_hello: Project, tmp_path: Path, alone: Sequence[str], kind: Kind
) -> None:
    project = locked_hello.fresh(tmp_path / "hello", lock=True)
    named = ("-t", "me/hello:v1")
    with ExitStack() as servers:
        outside = Outside(tmp_path / "outside", servers, locked_hello.root.parent / "layout")
        variables = kind(project, outside)
        project.cogpack("lock", "--run", **variables)
        fetched = project.cogpack("fetch", "-o", "../depot", "--weights", "--json", **variables).stdout
        before = project.cogpack("build", "-o", "../before", *named, **variables).stdout
    packages = (project.root / "cogpack.lock").read_text().count('", archive = "')
    assert json.loads(fetched)["signed"] == packages, "and the depot shows it of each"
    shutil.rmtree(tmp_path / "outside")
    done = subprocess.run(
        [*alone, sys.executable, "-m", "cogpack", "build", "--offline", "../depot", "-o", "../after", *named],
        cwd=project.root,
        env=project.environment | {"COGPACK_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == before
