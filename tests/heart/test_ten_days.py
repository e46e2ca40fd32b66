"""Projects that were locked on ten days, each with another state of the archive, have one base by one line each."""

import json
import shutil
from collections.abc import Iterator

import pytest
from support.debian_archive import NOW
from support.debian_mirror import Archive, trusted
from support.world import Project, World, ok

DAYS = 10
MOMENT = f"{NOW:%Y%m%dT%H%M%SZ}"


@pytest.fixture
def archive(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with trusted(world.directory / "mirror", monkeypatch) as made:
        made.fill()
        made.add("tool", files={"usr/bin/tool": "1"})
        made.finish()
        kept = world.directory / "mirror/snapshots"
        for name in ("debian", "debian-security"):
            shutil.copytree(made.root / name, kept / name / MOMENT)
        yield made


def project(world: World, archive: Archive, day: int, line: str = "") -> Project:
    made = world.project(f"day{day}")
    packages = "  system_packages: [tool]\n" if day % 2 else ""
    made.write(
        "cog.yaml",
        f'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n{packages}'
        f'predict: "predict.py:Predictor"\ncogpack: {{debian_mirror: "{archive.url}"{line}}}\n',
    )
    return made


def pushed_bases(world: World, archive: Archive, line: str) -> list[str]:
    """Lock and push one a day, and give the digests of the bases."""
    found = []
    snapshots = {"COGPACK_URL_MAP": f"https://snapshot.debian.org/archive={archive.host}/snapshots"}
    for day in range(DAYS):
        made = project(world, archive, day, line if day or "snapshot" in line else "")
        ok(made.cogpack("push", made.target(), **snapshots))
        found.append(world.manifest(f"me/{made.root.name}", "v1")["layers"][0]["digest"])
        archive.add("tzdata", version=f"{day + 2}", files={"usr/share/zoneinfo/tzdata.zi": f"{day}"})
        archive.finish()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [f", debian_snapshot: {json.dumps(NOW.isoformat())}", ", debian_base_from: ../day0/cogpack.lock"],
    ids=["debian_snapshot", "debian_base_from"],  # no time: each process of a run must have the same tests
)
def test_one_line_gives_ten_projects_of_ten_days_one_base(world: World, archive: Archive, line: str) -> None:
    assert len(set(pushed_bases(world, archive, line))) == 1


@pytest.mark.slow
def test_without_it_each_day_has_its_own(world: World, archive: Archive) -> None:
    assert len(set(pushed_bases(world, archive, ""))) == DAYS
