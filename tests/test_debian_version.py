import itertools
import random
import shutil
import subprocess

import pytest

from cogpack.debian_version import version_key
from cogpack.errors import InputError

ORDERED = [
    "0~~",
    "0~",
    "0",
    "0.1~rc1-1",
    "0.1-1~bpo1",
    "0.1-1",
    "0.1-1+b1",
    "0.1-1.1",
    "0.1a-1",
    "0.1+dfsg-1",
    "0.2",
    "0.10",
    "1.0~beta",
    "1.0",
    "1.0a",
    "1.0+",
    "1.0.1",
    "2:0.1",
]


def test_versions_sort_as_policy_says() -> None:
    shuffled = random.Random(1).sample(ORDERED, len(ORDERED))
    assert sorted(shuffled, key=version_key) == ORDERED


@pytest.mark.parametrize(
    ("one", "other"),
    [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.0", "1.0-"), ("1.001", "1.1"), ("1.", "1.0"), ("a", "a0")],
)
def test_versions_that_mean_the_same_are_equal(one: str, other: str) -> None:
    assert version_key(one) == version_key(other)


@pytest.mark.parametrize("text", ["", "1 2", "1/2", "1_2", "a:1", "1" * 400, "9999999999999:1", "1;rm"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        version_key(text)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg, the oracle, is not installed")
def test_every_comparison_agrees_with_dpkg() -> None:
    draw = random.Random(7)
    made = ["".join(draw.choice("01239~+.ab") for _ in range(draw.randint(1, 6))) for _ in range(40)]
    versions = [f"1{text}" for text in made] + ["1:0", "1.0-1", "1.0-1~", "1.0-1+b2", "1-1-1", "0"]
    pairs = draw.sample(list(itertools.combinations(versions, 2)), 150)
    for one, other in pairs:
        expected = next(
            name
            for name in ("lt", "eq", "gt")
            if subprocess.run(
                ["dpkg", "--compare-versions", one, name, other], check=False, capture_output=True
            ).returncode
            == 0
        )
        a, b = version_key(one), version_key(other)
        assert expected == ("lt" if a < b else "gt" if a > b else "eq"), (one, other)
