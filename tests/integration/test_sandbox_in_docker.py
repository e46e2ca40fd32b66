"""A real container, by Docker's settings as root and as another user: each has a rung, and leaves the same files.

The container has this machine's programs, read-only, and a tree on a volume.
"""

import io
import json
import os
import site
import sys
import tarfile
from pathlib import Path

import pytest
from support.dockerd import Docker
from support.guests import SCRIPT, check_left, proot
from support.program_tree import make_tree, missing_programs

from cogpack.sandbox.rungs.choice import Rung

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests/support/guest_program.py"
USER = 1000


@pytest.fixture(scope="module")
def image(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with nothing in it but the links that / has here."""
    blocks = io.BytesIO()
    with tarfile.open(fileobj=blocks, mode="w") as made:
        for path in Path("/").iterdir():
            if path.is_symlink() and path.name in ("bin", "sbin", "lib", "lib64"):
                made.add(path, path.name)
        member = tarfile.TarInfo("tmp")
        member.type, member.mode = tarfile.DIRTYPE, 0o1777
        made.addfile(member)
    archive = tmp_path_factory.mktemp("image") / "image.tar"
    archive.write_bytes(blocks.getvalue())
    docker("import", str(archive), "sandbox-test")
    return "sandbox-test"


def shown() -> list[str]:
    """What of this machine the container needs: programs, this Python and its packages, ourselves, proot."""
    found = proot()
    words = [word for part in (found.command if found else ()) for word in part.split(":") if word.startswith("/")]
    places = {Path("/usr"), ROOT, Path(sys.base_prefix), *map(Path, site.getsitepackages())}
    places |= {path for path in (Path("/lib"), Path("/lib64")) if not path.is_symlink()}
    places |= {Path(word).parent if Path(word).is_file() else Path(word) for word in words}
    kept = [path for path in sorted(places) if path != Path("/lib64") or not path.is_symlink()]
    return [word for path in kept for word in ("--volume", f"{path}:{path}:ro")]


@pytest.mark.parametrize(
    ("options", "uid", "rung"),
    [
        ((), 0, Rung.CHROOT),
        (("--user", str(USER), "--cap-drop", "ALL", "--security-opt", "no-new-privileges"), USER, Rung.PROOT),
        (("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"), 0, Rung.ROOT),
        (("--user", str(USER), "--security-opt", "seccomp=unconfined"), USER, Rung.USERNS),
    ],
    ids=["root", "user", "root-of-mounts", "user-unconfined"],
)
def test_a_container_has_a_rung(
    docker: Docker, image: str, tmp_path: Path, options: tuple[str, ...], uid: int, rung: Rung
) -> None:
    if missing := missing_programs():
        pytest.skip(f"no {', '.join(missing)} here to make a tree of")
    if rung is Rung.PROOT and proot() is None:
        pytest.skip("no proot here (apt-get install proot, or COGPACK_TEST_PROOT)")
    place = tmp_path / "place"
    place.mkdir()
    tree = make_tree(place / "tree")
    for path in (*place.rglob("*"), place):
        os.chown(path, uid, uid, follow_symlinks=False)
    found = proot()
    spec = {"tree": "/place/tree", "rung": "auto", "script": SCRIPT, "uid": uid, "container": False}
    spec |= {"proot": found.command if found else ()}
    packages = ":".join(site.getsitepackages())
    command = [str(Path(sys.executable).resolve()), str(PROGRAM), json.dumps(spec)]
    ran = docker.run(
        *("run", "--rm", "--network", "none", *options, *shown(), "--volume", f"{place}:/place"),
        *("--env", f"PACKAGES={packages}", image, *command),
    )
    check_left(tree, ran.stdout, rung, uid)
