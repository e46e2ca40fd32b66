"""Where nothing can be mounted, a project is copied: into the tree, and over nothing of this machine."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cogpack.notes import Note
from cogpack.running.container import _copy


@pytest.mark.parametrize("target", ["/src/weights", "/models/new/weights"])
def test_links_of_the_image_lead_no_file_out_of_its_tree(tmp_path: Path, target: str) -> None:
    root, machine, kept = tmp_path / "root", tmp_path / "machine", tmp_path / "kept"
    for directory in (root, machine, kept / target.strip("/")):
        directory.mkdir(parents=True)
    (kept / target.strip("/") / "a.bin").write_bytes(b"weights")
    (root / "src").symlink_to(machine)
    (root / "models").symlink_to("/elsewhere")
    (root / "elsewhere/new/weights").mkdir(parents=True)
    (root / "elsewhere/new/weights/a.bin").symlink_to(machine / "file")
    (tmp_path / "run.py").write_text("")
    project = SimpleNamespace(root=tmp_path, files=lambda: [SimpleNamespace(path="run.py", kind="file")])
    notes: list[Note] = []
    session: Any = SimpleNamespace(progress=SimpleNamespace(note=notes.append))
    source: Any = SimpleNamespace(project=project, targets=[target])
    weights: Any = SimpleNamespace(root=kept)
    _copy(session, source, weights, root)
    assert list(machine.iterdir()) == []
    assert (root / "src/run.py").is_file()
    place = root / target.replace("/models", "elsewhere").strip("/")
    assert (place / "a.bin").read_bytes() == b"weights"
    assert len(notes) == 1
