import pytest

from cogpack.digest import sha256
from cogpack.lockfile import Decisions, LockedWheel
from cogpack.lockfile.base_kinds import RegistryBase
from cogpack.locking.minimum_driver import MinimumDriver, minimum_driver

BASE = RegistryBase(
    reference="registry.test/base:1",
    digest=sha256(b"base"),
    python="3.12",
    glibc="2.36",
    interpreter="/usr/bin/python3.12",
    config="{}",
    layers=(),
)


def decisions(*wheels: str) -> Decisions:
    found = [one.split() for one in wheels]
    return Decisions(
        base=BASE,
        wheels=tuple(
            LockedWheel(name=name, version=version, filename=f"{name}-{version}.whl", sha256="b" * 64)
            for name, version in found
        ),
        clashes=(),
    )


@pytest.mark.parametrize(
    ("wheels", "driver"),
    [
        (["numpy 2.0"], None),
        (["nvidia-cuda-runtime-cu12 12.4.127"], ("525.60.13", "12.4", "nvidia-cuda-runtime-cu12")),
        (["nvidia-cublas-cu12 12.9.3.13"], ("525.60.13", "12", "nvidia-cublas-cu12")),
        (["nvidia-cuda-runtime 13rc1"], ("580.65.06", "13rc1", "nvidia-cuda-runtime")),
        (["nvidia-cuda-runtime 1!13.0"], None),
        (["torch 2.1.0+cu118"], ("450.80.02", "11.8", "torch")),
        (
            ["nvidia-cuda-runtime-cu12 12.9.79", "nvidia-cuda-runtime 13.0.96"],
            ("580.65.06", "13.0", "nvidia-cuda-runtime"),
        ),
    ],
)
def test_the_driver_follows_from_the_newest_cuda_of_the_wheels(
    wheels: list[str], driver: tuple[str, str, str] | None
) -> None:
    expected = MinimumDriver(version=driver[0], cuda=driver[1], of=driver[2]) if driver else None
    assert minimum_driver(decisions(*wheels)) == expected
