"""What known lines of `build.run` take a Debian base to be is what packages make of it."""

import json
import tarfile
from pathlib import Path

from integration.conftest import Project

from cogpack.locking.lines.ground import debian_place


def test_a_debian_base_is_what_known_lines_are_laid_upon(locked_hello: Project) -> None:
    layout = locked_hello.root.parent / "layout"
    blobs = layout / "blobs"

    def blob(digest: str) -> Path:
        return blobs / digest.replace(":", "/")

    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_bytes())
    told = 0
    with tarfile.open(blob(manifest["layers"][0]["digest"])) as archive:
        there = {member.name.removeprefix("./").rstrip("/"): member for member in archive}
    for path, member in there.items():
        if (place := debian_place(path)) is None:
            continue
        told += 1
        kind = "directory" if member.isdir() else "symlink" if member.issym() else "file"
        assert place.kind == kind, path
        if member.isdir():
            assert (place.mode, place.uid, place.gid) == (member.mode, member.uid, member.gid), path
        if member.issym():
            assert place.target == member.linkname, path
    assert told > 20
    for path in ("usr/local/bin", "usr/local/src", "opt", "root", "srv", "home", "bin", "var/run"):
        assert path in there, path
