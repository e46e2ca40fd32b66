"""What an engine is asked for, by a stand-in for its program: the flags that mean the same as our own containers do."""

import os
import socket
import threading
from pathlib import Path

import pytest
from support.bundles import make_bundle

from cogpack.commands.engine_container import open_engine_container
from cogpack.errors import InputError
from cogpack.progress import Cancellation, Cancelled
from cogpack.running.engine import EngineContainer
from cogpack.running.options import Address, ContainerOptions, Runtime
from cogpack.running.server import Server
from cogpack.sandbox.guest import Bind
from cogpack.sandbox.run import Streams
from cogpack.session import Session, Settings

BUNDLE = make_bundle()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where both programs tell what they were asked for. `run` lasts until `rm`, if it is to `wait`."""
    for name in ("docker", "podman"):
        program = tmp_path / name
        program.write_text(
            f"#!/bin/sh\necho {name} $@; echo secret $TOKEN >&2\n"
            f'[ "$1" = rm ] && touch {tmp_path}/removed\n'
            f'case "$*" in *wait) while [ ! -e {tmp_path}/removed ]; do sleep 0.01; done;; esac\nexit 7\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LANG", "C")
    monkeypatch.setenv("HF_TOKEN", "this machine's")
    return tmp_path


def _container(runtime: Runtime, gpus: str | None = None) -> EngineContainer:
    binds = [Bind(Path("/project"), "/src", writable=True), Bind(Path("/schema"), "/src/.cog/openapi_schema.json")]
    return EngineContainer(runtime, "image", BUNDLE, Cancellation(), binds=binds, shm_size=64, gpus=gpus)


def test_an_engine_has_the_same_mounts_variables_and_ports(here: Path) -> None:
    told, errors = bytearray(), bytearray()
    status = _container("docker", "all").run(
        ["sh", "-c", "true"],
        {"TOKEN": "x", "HF_TOKEN": "y", "LANG": "de"},
        Streams(told.extend, errors.extend),
        ports={Address("127.0.0.1", 8393): 5000},
    )
    assert status == 7
    name = told.split()[4].decode()
    assert told.decode() == (
        f"docker run --rm --name {name} --shm-size 64 --env TOKEN --env HF_TOKEN --env LANG=de "
        "--mount type=bind,source=/project,target=/src "
        "--mount type=bind,source=/schema,target=/src/.cog/openapi_schema.json,readonly "
        "--publish 127.0.0.1:8393:5000 --gpus all --workdir /src --entrypoint sh image -c true\n"
    )
    assert errors.decode() == "secret x\n"  # which no process list shows


def test_a_name_with_a_colon_or_a_comma_is_mounted(here: Path) -> None:
    told, binds = bytearray(), [Bind(Path('/a:b,"c'), "/given/a:b", writable=True)]
    container = EngineContainer("podman", "image", BUNDLE, Cancellation(), binds=binds, shm_size=64, gpus=None)
    container.run(["true"], {}, Streams(told.extend))
    assert '--mount type=bind,"source=/a:b,""c",target=/given/a:b --workdir' in told.decode()


@pytest.mark.parametrize(
    ("gpus", "devices"), [("all", ["all"]), ("2", ["0", "1"]), ("device=1,3", ["1", "3"]), (None, [])]
)
def test_podman_names_gpus_as_cdi_does(here: Path, gpus: str | None, devices: list[str]) -> None:
    told = bytearray()
    _container("podman", gpus).run(["true"], {}, Streams(told.extend))
    words = told.decode().split()
    assert [word for word in words if "nvidia" in word] == [f"nvidia.com/gpu={name}" for name in devices]


def test_a_container_that_is_left_is_removed(here: Path) -> None:
    cancellation, told = Cancellation(), threading.Event()
    threading.Thread(target=lambda: (told.wait(10), cancellation.cancel())).start()
    with pytest.raises(Cancelled):
        _container("docker").run(["sh", "-c", "wait"], {}, Streams(lambda _: told.set()), cancellation=cancellation)
    assert (here / "removed").exists()


@pytest.mark.parametrize(("host", "helps"), [("192.0.2.1", "--host"), ("127.0.0.1", "-p")])
def test_a_server_that_can_not_listen_says_which_of_both_to_change(host: str, helps: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(_container("docker"), taken.getsockname()[1], {}, Streams(lambda _: None), host)
        with pytest.raises(InputError) as caught:
            server.__enter__()
    assert helps in caught.value.next_step


def test_an_image_that_differs_by_its_user_alone_is_another_one_in_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that has all images: what it is asked for is the name that ours would have."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\necho $3 >> {tmp_path}/asked\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for user in ("", "1000", "1000"):
        with open_engine_container(
            Session(Settings(environment={}, cache=tmp_path / "cache")),
            "./layout",
            make_bundle(user=user),
            ContainerOptions(),
            "docker",
            (),
        ):
            pass
    asked = [line for line in (tmp_path / "asked").read_text().split() if line.startswith("localhost/")]
    assert asked[0] != asked[1] == asked[2]
