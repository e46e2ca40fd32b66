"""GPUs are found by a CDI file, as `nvidia-ctk cdi generate` writes it, or beside libcuda. Links to /dev/null stand for
device nodes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from cogpack.errors import InputError
from cogpack.running.gpus import find_gpus

LIBRARIES = "usr/lib/x86_64-linux-gnu"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with two GPUs, and no CDI file."""
    (tmp_path / LIBRARIES).mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).symlink_to("/dev/null")
    for name in ("libcuda.so.535.1", "libnvidia-ml.so.535.1", "libc.so.6"):
        (tmp_path / LIBRARIES / name).write_bytes(name.encode())
    for name in ("libcuda.so.1", "libcuda.so"):
        (tmp_path / LIBRARIES / name).symlink_to("libcuda.so.535.1")
    (tmp_path / LIBRARIES / "libnvidia-ml.so.1").symlink_to("libnvidia-ml.so.535.1")
    return tmp_path


def _cdi(machine: Path, directory: str = "etc/cdi", **more: Any) -> None:
    def device(name: str, *nodes: str) -> dict[str, Any]:
        return {"name": name, "containerEdits": {"deviceNodes": [{"path": f"/dev/{node}"} for node in nodes]}}

    links = ["--link", "libcuda.so.1::/usr/lib/x86_64-linux-gnu/libcuda.so"]
    common = {
        "env": ["NVIDIA_VISIBLE_DEVICES=void"],
        "deviceNodes": [{"path": "/dev/nvidiactl"}, {"path": "/dev/renamed", "hostPath": "/dev/nvidia-uvm"}],
        "mounts": [
            {"hostPath": f"/{LIBRARIES}/libcuda.so.535.1", "containerPath": f"/{LIBRARIES}/libcuda.so.535.1"},
            {"hostPath": "/run/nvidia-persistenced/socket", "containerPath": "/run/nvidia-persistenced/socket"},
        ],
        "hooks": [
            {"hookName": "createContainer", "path": "/x", "args": ["nvidia-cdi-hook", "create-symlinks", *links]},
            {"hookName": "createContainer", "path": "/x", "args": ["nvidia-cdi-hook", "update-ldcache"]},
        ],
    }
    devices = [device("0", "nvidia0"), device("1", "nvidia1"), device("all", "nvidia0", "nvidia1")]
    document = {"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": devices, "containerEdits": common} | more
    (machine / directory).mkdir(parents=True, exist_ok=True)
    (machine / directory / "nvidia.yaml").write_text(yaml.dump(document))


def _nodes(wanted: str, machine: Path) -> list[str]:
    found = find_gpus(wanted, machine)
    assert found is not None
    return sorted(bind.target for bind in found.binds if bind.target.startswith("/dev/"))


def test_a_cdi_file_says_what_a_container_has(machine: Path) -> None:
    _cdi(machine)
    found = find_gpus("all", machine)
    assert found is not None
    assert {bind.target for bind in found.binds} == {
        *("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/renamed"),
        f"/{LIBRARIES}/libcuda.so.535.1",
    }
    assert [bind.source for bind in found.binds if bind.target == "/dev/renamed"] == [machine / "dev/nvidia-uvm"]
    assert {(link.path, link.target) for link in found.links} == {
        *((f"run/cogpack/gpu/{name}", f"/{LIBRARIES}/libcuda.so.535.1") for name in ("libcuda.so.1", "libcuda.so")),
        ("run/cogpack/gpu/libcuda.so.535.1", f"/{LIBRARIES}/libcuda.so.535.1"),
        (f"{LIBRARIES}/libcuda.so", "libcuda.so.1"),
    }
    assert found.environment == {"NVIDIA_VISIBLE_DEVICES": "void", "LD_LIBRARY_PATH": "/run/cogpack/gpu"}


def test_libraries_of_the_image_are_found_as_without_gpus(machine: Path) -> None:
    """Images of Cog and NVIDIA have CUDA's in LD_LIBRARY_PATH alone."""
    found = find_gpus("all", machine)
    assert found is not None
    image = {"LD_LIBRARY_PATH": "/usr/local/cuda/lib64:", "A": "b"}
    assert found.with_image(image) == {"LD_LIBRARY_PATH": "/usr/local/cuda/lib64:/run/cogpack/gpu", "A": "b"}
    assert found.with_image({}) == found.environment


@pytest.mark.parametrize("by_cdi", [True, False])
def test_gpus_are_chosen_by_number_and_name(machine: Path, *, by_cdi: bool) -> None:
    if by_cdi:
        _cdi(machine)
    common = {"/dev/nvidiactl", "/dev/renamed"} if by_cdi else {"/dev/nvidiactl", "/dev/nvidia-uvm"}
    assert _nodes("1", machine) == sorted(common | {"/dev/nvidia0"})
    assert _nodes("device=1", machine) == sorted(common | {"/dev/nvidia1"})
    assert _nodes('"device=0,1"', machine) == sorted(common | {"/dev/nvidia0", "/dev/nvidia1"})
    for wanted, told in (("3", "has 2"), ("device=7", "has no 7; it has 0, 1")):
        with pytest.raises(InputError, match=told):
            find_gpus(wanted, machine)


def test_the_running_machines_file_counts_more_and_what_is_none_counts_nothing(machine: Path) -> None:
    _cdi(machine)
    _cdi(
        machine, "var/run/cdi", devices=[{"name": "all", "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia1"}]}}]
    )
    (machine / "var/run/cdi/a.yaml").write_text("{")
    (machine / "var/run/cdi/b.json").write_text('{"kind": "vendor.com/net"}')
    assert "/dev/nvidia0" not in _nodes("all", machine)


def test_a_device_that_is_gone_is_an_error(machine: Path) -> None:
    _cdi(machine)
    (machine / "dev/nvidia1").unlink()
    with pytest.raises(InputError, match="names /dev/nvidia1, which is no device here"):
        find_gpus("all", machine)


def test_without_a_cdi_file_the_driver_is_taken_from_libcudas_folder(machine: Path) -> None:
    found = find_gpus("all", machine)
    assert found is not None
    taken = {bind.target: bind.source.name for bind in found.binds if bind.target.startswith("/run/")}
    assert taken == {
        f"/run/cogpack/gpu/{name}": real
        for name, real in (
            *((name, "libcuda.so.535.1") for name in ("libcuda.so.1", "libcuda.so", "libcuda.so.535.1")),
            *((name, "libnvidia-ml.so.535.1") for name in ("libnvidia-ml.so.1", "libnvidia-ml.so.535.1")),
        )
    }


def test_a_machine_without_any_has_none(tmp_path: Path) -> None:
    assert find_gpus("all", tmp_path) is None
