"""Instructions, counted by callgrind: they are the same on a busy machine and on an idle one, where seconds are not.

Of what grows, the difference that twice as much makes is counted, in rounds of a loop of plain Python that the same
interpreter runs in the same process (`support/counted_work.py`): other interpreters and machines have other counts, and
nearly the same ratios. Each bound has 15 to 20 % of air over the largest of CPython 3.11, 3.12 and 3.13 (2026-11).
"""

import os
import random
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

COUNTED = Path(__file__).resolve().parents[1] / "support" / "counted_work.py"
FILES, MIBS = (200, 400), (1, 2)
OF_FILES = ("nothing changed", "one changed", "first layer", "layer again")
OF_MIBS = ("sha256", "blake3", "known weights", "weights")


def callgrind(place: Path, *arguments: str) -> list[int]:
    """Run Python; give the instructions up to the first call of getppid, up to the next, and so on."""
    out = place / "callgrind"
    environment = {"PATH": os.environ["PATH"], "HOME": str(place), "PYTHONHASHSEED": "0"}
    environment["PYTHONPYCACHEPREFIX"] = str(place / "compiled")
    for program in (
        [],  # once without: so that all is compiled
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-before=getppid"],
    ):
        done = subprocess.run(
            [*program, sys.executable, "-P", *arguments], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
    parts = sorted(place.glob("callgrind.*"), key=lambda part: int(part.suffix[1:])) or [out]
    counts = [re.search(r"^totals: (\d+)", part.read_text(), re.MULTILINE) for part in parts]
    for part in parts:
        part.unlink()
    return [int(count[1]) for count in counts if count]


@dataclass
class Counts:
    """`rounds`: of each work, what a file more takes, in rounds of the loop; `hashed`: what a MiB more takes, in
    instructions."""

    rounds: dict[str, float]
    hashed: dict[str, float]


@pytest.fixture(scope="module", autouse=True)
def valgrind() -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")


@pytest.fixture(scope="module")
def counts(tmp_path_factory: pytest.TempPathFactory) -> Counts:
    place = tmp_path_factory.mktemp("counted")
    chance = random.Random(1)
    for count in FILES:
        for number in range(count):
            file = place / f"{count}/data/{number // 50:03}/sample_{number:06}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(chance.randbytes(chance.randrange(100, 900)))
        (place / f"{count}/cog.yaml").write_text("build: {}\n")
    for mib in MIBS:
        (place / f"{mib}.bin").write_bytes(chance.randbytes(mib << 20))
    found = callgrind(place, str(COUNTED), str(place))[1::2]
    loop = (found[1] - found[0]) / (FILES[1] - FILES[0])
    small, large, one, two = (found[at : at + 4] for at in (2, 6, 10, 14))
    return Counts(
        {name: (large[at] - small[at]) / (FILES[1] - FILES[0]) / loop for at, name in enumerate(OF_FILES)},
        {name: (two[at] - one[at]) / (MIBS[1] - MIBS[0]) for at, name in enumerate(OF_MIBS)},
    )


@pytest.mark.parametrize(
    ("work", "most"), [("nothing changed", 4.0), ("one changed", 1.9), ("first layer", 9.4), ("layer again", 5.9)]
)
def test_a_file_more_takes_no_more_than_it_did(counts: Counts, work: str, most: float) -> None:
    assert most / 3 < counts.rounds[work] < most


def test_weights_are_hashed_once_and_for_the_first_time_once_by_each_hash(counts: Counts) -> None:
    """What else is done with a MiB is nothing beside that."""
    sha256, blake3 = counts.hashed["sha256"], counts.hashed["blake3"]
    assert sha256 <= counts.hashed["known weights"] * 1.02 < sha256 * 1.05
    assert sha256 + blake3 <= counts.hashed["weights"] * 1.02 < (sha256 + blake3) * 1.05


def test_the_version_takes_little_more_than_python_itself(tmp_path: Path) -> None:
    (nothing,) = callgrind(tmp_path, "-c", "pass")
    (version,) = callgrind(tmp_path, "-m", "cogpack", "--version")
    assert nothing < version < 1.55 * nothing
