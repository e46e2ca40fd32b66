"""A build takes no more memory than its control group may have, whatever the machine has."""

from pathlib import Path

import pytest

from cogpack.planning.building.memory import usable_memory

GiB = 1024**3


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: 64 * GiB // 4096 if name == "SC_PHYS_PAGES" else 4096)


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        ("0::/\n", {"memory.max": f"{8 * GiB}\n"}, 8),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{4 * GiB}\n", "memory.max": f"{8 * GiB}\n"}, 4),
        ("0::/a\n", {"a/memory.max": f"{128 * GiB}\n"}, 64),
        ("9:cpu:/\n4:memory,x:/d\n0::/\n", {"memory/memory.limit_in_bytes": f"{2 * GiB}\n"}, 2),
        ("4:cpu:/d\n", {"memory/memory.limit_in_bytes": f"{2 * GiB}\n"}, 64),
        ("0::/\n", {}, 64),
        (None, {}, 64),
    ],
)
def test_it_is_the_smallest_of_all_limits(tmp_path: Path, group: str | None, files: dict[str, str], limit: int) -> None:
    if group is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(group)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert usable_memory(tmp_path) == limit * GiB
