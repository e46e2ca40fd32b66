"""Programs of another architecture are run by an emulator that one user namespace knows."""

import os
from pathlib import Path

import pytest
from support.guests import found, guest, need, run

from cogpack.sandbox.rungs import emulation
from cogpack.sandbox.rungs.choice import Rung

HEAD = bytes.fromhex("7f454c460201010000000000000000000200b70001000000").ljust(64, b"\0")
"""The beginning of a program of arm64."""

KNOWN = """enabled
interpreter /usr/libexec/qemu-binfmt/aarch64-binfmt-P
flags: POF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (KNOWN, True),
        (KNOWN.replace("POF", "PO"), False),  # its interpreter is looked for in the tree
        (KNOWN.replace("enabled", "disabled"), False),
        (KNOWN.replace("b700", "f300"), False),
    ],
)
def test_an_emulator_of_this_machine_counts_where_any_tree_has_it(tmp_path: Path, text: str, is_one: bool) -> None:
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "qemu-aarch64").write_text(text)
    assert emulation.is_registered(tmp_path, "arm64") is is_one
    assert not emulation.is_registered(tmp_path, "amd64")
    assert not emulation.is_registered(tmp_path / "none", "arm64")


@pytest.mark.slow
def test_a_program_of_arm64_is_run_by_the_emulator_of_its_guest_alone(tree: Path) -> None:
    need(Rung.USERNS, tree.parent)
    if os.uname().machine != "x86_64" or emulation.is_native("arm64"):
        pytest.skip("this machine runs programs of arm64 itself")
    if (refusal := found(tree.parent).emulation) is not None:
        pytest.skip(f"this machine refuses {refusal}")
    (tree / "program").write_bytes(HEAD)
    (tree / "program").chmod(0o755)
    emulator = Path(os.path.realpath("/bin/echo"))
    with guest(tree, Rung.USERNS, emulator=emulator) as started:
        assert run(started, "/program one two").output == "/program /program one two\n"
        assert run(started, "cat /proc/mounts").output.count("binfmt_misc") == 0
    with guest(tree, Rung.USERNS) as started:
        assert "Exec format error" in run(started, "/program").output
    assert not emulation.is_native("arm64")
