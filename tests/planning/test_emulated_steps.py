"""Steps of arm64 on an amd64 machine are emulated where the kernel lets a namespace have its own emulator, or refused
with what helps."""

from typing import Any

import pytest

from cogpack.errors import InputError
from cogpack.planning.steps import run as run_steps
from cogpack.sandbox.rungs import emulation
from cogpack.sandbox.rungs.choice import Findings, Refusal, Rung

OLD = Refusal("mount binfmt_misc", "EPERM", "Linux 6.7 or newer")


class Asked:
    """What of a runner is asked."""

    def __init__(self, isolation: str, architecture: str = "arm64") -> None:
        self.isolation = isolation
        self.architecture = architecture


def chosen(asked: Asked, findings: Findings) -> Any:
    return run_steps.choose_rung(asked, findings)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def amd64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulation, "is_native", lambda architecture: architecture == "amd64")


def test_they_are_emulated_in_a_user_namespace_even_for_root() -> None:
    assert chosen(Asked("auto"), Findings({})) == (Rung.USERNS, True)
    assert chosen(Asked("auto", "amd64"), Findings({})) == (Rung.ROOT, False)


def test_an_emulator_of_the_machine_is_as_good_as_none_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulation, "is_native", lambda _: True)
    assert chosen(Asked("auto"), Findings({})) == (Rung.ROOT, False)


@pytest.mark.parametrize(
    ("asked", "findings", "why"),
    [
        (Asked("auto"), Findings({}, emulation=OLD), "this machine refuses mount binfmt_misc: EPERM"),
        (Asked("auto"), Findings({Rung.USERNS: Refusal("unshare", "EPERM", "root")}), "this machine refuses unshare"),
        (Asked("chroot"), Findings({}), "isolation chroot has no emulator"),
    ],
)
def test_who_can_not_emulate_them_is_told_what_helps(asked: Asked, findings: Findings, why: str) -> None:
    with pytest.raises(InputError, match="programs of linux/arm64 can't be run here") as caught:
        chosen(asked, findings)
    assert why in caught.value.message
    assert "cogpack lock --run on a machine of arm64" in caught.value.next_step


def test_other_ones_are_not_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulation, "is_native", lambda architecture: architecture == "arm64")
    with pytest.raises(InputError, match="programs of linux/amd64 can't be run here: no emulator is known for it"):
        chosen(Asked("auto", "amd64"), Findings({}))
