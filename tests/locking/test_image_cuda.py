"""`cuda` and `cudnn` of the config label: what the image has of them."""

import json

import pytest

from cogpack.config import config_label
from cogpack.config.parse import parse_config
from cogpack.digest import sha256
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.base_kinds import RegistryBase
from cogpack.locking.image_cuda import with_cuda


def base(*variables: str) -> RegistryBase:
    return RegistryBase(
        reference="registry.test/base:1",
        digest=sha256(b"base"),
        python="3.12",
        glibc="2.36",
        interpreter="/usr/bin/python3.12",
        config=json.dumps({"config": {"Env": list(variables)}}),
        layers=(),
    )


def labelled(written: str, wheels: str, *variables: str) -> tuple[str | None, str | None]:
    """What the label says of CUDA and cuDNN; `wheels`: as "name 1.0, other 2.0"."""
    found = tuple(
        LockedWheel(name=name, version=version, filename=f"{name}-{version}.whl", sha256="b" * 64)
        for name, _, version in (one.strip().partition(" ") for one in wheels.split(",") if one)
    )
    decisions = Decisions(base=base(*variables), wheels=found, clashes=())
    config = parse_config(f"build: {{python_version: '3.12', {written}}}\npredict: p.py:P\n".encode())
    build = json.loads(config_label(with_cuda(config, decisions)))["build"]
    return build.get("cuda"), build.get("cudnn")


TORCH = "torch 2.6.0, nvidia-cuda-runtime-cu12 12.4.127, nvidia-cudnn-cu12 9.1.0.70"
NVIDIA = ("CUDA_VERSION=12.2.2", "NV_CUDNN_VERSION=8.9.6.50")


@pytest.mark.parametrize(
    ("written", "wheels", "variables", "expected"),
    [
        ("gpu: true", TORCH, (), ("12.4", "9")),
        ("gpu: true, cuda: '11.8'", TORCH, (), ("11.8", "9")),
        ("gpu: true, cuda: '11.8', cudnn: '8'", TORCH, (), ("11.8", "8")),
        ("gpu: false", TORCH, NVIDIA, (None, None)),
        ("gpu: true", "torch 2.0.1+cu118", (), ("11.8", "8")),
        ("gpu: true", "torch 2.9.0+cu130", (), ("13.0", "9")),
        ("gpu: true", "nvidia-cuda-runtime-cu12 12.9.79, nvidia-cuda-runtime 13.0.96", (), ("13.0", "9")),
        ("gpu: true", "numpy 2.0", (), ("11.8", "8")),
        ("gpu: true, cuda: '12.8'", "numpy 2.0", (), ("12.8", "9")),
        ("gpu: true", "numpy 2.0", NVIDIA, ("12.2", "8")),
        ("gpu: true", TORCH, NVIDIA, ("12.4", "9")),
        ("gpu: true", "numpy 2.0", ("CUDA_VERSION=", "CUDNN_VERSION=latest"), ("11.8", "8")),
    ],
)
def test_the_label_names_what_is_written_else_of_wheels_else_of_the_base_else_what_cog_would_take(
    written: str, wheels: str, variables: tuple[str, ...], expected: tuple[str | None, str | None]
) -> None:
    assert labelled(written, wheels, *variables) == expected
