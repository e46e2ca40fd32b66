"""No benchmark is run by the suite: each must at least start with the code as it is."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from measuring import Figures
from report import Row, Table

ROOT = Path(__file__).parents[1]
SCRIPTS = [path for path in sorted((ROOT / "benchmarks").glob("*.py")) if "def main()" in path.read_text()]


@pytest.mark.slow
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_benchmark_starts(path: Path) -> None:
    done = subprocess.run([sys.executable, str(path), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: " in done.stdout


def test_the_page_and_its_plots_are_what_the_results_say() -> None:
    found = runpy.run_path(str(ROOT / "benchmarks/__main__.py"), run_name="benchmarks")
    for path, text in found["written"](ROOT / "benchmarks/results", ROOT / "docs/benchmarks.md").items():
        assert path.read_text() == text, f"{path.name}: make bench writes another"


def runs(*seconds: float) -> tuple[Figures, ...]:
    return tuple(Figures(each, peak=64, cpu=each / 2) for each in seconds)


TABLE = Table(
    "Push of something",
    (
        Row("cogpack push", runs(2, 4, 3), more={"MB sent": 1.5}),
        Row("cogpack, otherwise", runs(1)),
        Row("slower", runs(6, 6, 9)),
        Row("faster", runs(1.5, 1.4, 1.6)),
        Row("socket", runs(1), limit=True),
    ),
    "cogpack push",
    size=30_000_000,
)


def test_a_table_has_medians_and_ratios_of_ours() -> None:
    head, ours, _, slower, *_ = TABLE.cells()
    assert head == ["", "seconds", "lowest to highest", "times ours", "MB/s", "CPU s", "peak MiB", "MB sent"]
    assert ours == ["cogpack push", "3.00", "2.00-4.00", "1.00", "10", "1.50", "64", "1.5"]
    assert slower == ["slower", "6.00", "6.00-9.00", "2.00", "5", "3.00", "64", ""]


def test_what_is_lost_is_named_and_limits_are_not_peers() -> None:
    assert [(row.name, part) for row, part in TABLE.lost] == [("faster", 0.5)]
