"""Over an image of a registry, too, what sources and wheels want, and Cog's own image has, is there unasked: from the
archives of that image, where it lacks it."""

import re

import pytest
from heart.test_packages_over_images import Ubuntu, status, ubuntu
from support.wheels import make_wheel
from support.world import PREDICTOR, Project, World, ok

pytestmark = pytest.mark.slow
__all__ = ["ubuntu"]

AWAY = {"COGPACK_URL_MAP": "http://archive.ubuntu.com=http://127.0.0.1:9"}


def project(world: World, source: str = "", *, wheel: str = "opencv-python==4.8.1.78", config: str = "") -> Project:
    name, _, version = wheel.partition("==")
    make_wheel(world.wheels, name, version, files={"torch/version.py": b"cuda = None\n"} if name == "torch" else {})
    made = world.project(config=config, requirements=f"{wheel}\n")
    made.write("predict.py", source + PREDICTOR)
    return made


def gl(ubuntu: Ubuntu) -> None:
    """The archives have what opencv loads; of the library of 2.0 under its newer name."""
    ubuntu.add("noble", "libgl1", "1.7", Depends="libglx0")
    ubuntu.add("noble", "libglx0", "1.7")
    ubuntu.add("noble", "libglib2.0-0t64", "2.80")
    ubuntu.push()


def test_what_a_wheel_loads_comes_from_the_archives_of_the_image_and_a_relock_asks_nobody(
    world: World, ubuntu: Ubuntu
) -> None:
    gl(ubuntu)
    made = project(world)
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert "libgl1 and libglib2.0-0 added (3 packages, " in done.err
    assert "; cogpack: {tools: none} leaves that out" in done.err
    text = (made.root / "cogpack.lock").read_text()
    assert 'has = [\n    "libc6",\n]\n' in text
    ok(made.cogpack("lock", **AWAY))
    assert (made.root / "cogpack.lock").read_text() == text
    ok(made.cogpack("lock", "--check", **AWAY))
    pushed = ok(made.cogpack("push", "--json", made.target(), **ubuntu.environment))
    assert world.files("me/model", "v1")["usr/share/libgl1/version"] == b"1.7"
    ok(made.cogpack("verify", pushed.json["reference"], **ubuntu.environment))
    made.write("requirements.txt", "--no-index\n")
    done = ok(made.cogpack("lock", **AWAY))
    assert " added (" not in done.err
    assert "libgl1" not in (made.root / "cogpack.lock").read_text().partition("[results]")[0]


def test_beside_packages_that_are_asked_for_the_lock_tells_which_came_unasked(world: World, ubuntu: Ubuntu) -> None:
    gl(ubuntu)
    made = project(world)
    cog = (made.root / "cog.yaml").read_text()
    made.write("cog.yaml", cog.replace("predict:", "  system_packages: [tool]\npredict:"))
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert "libgl1 and libglib2.0-0 added (3 packages, " in done.err, "tool and nice are not among them"
    text = (made.root / "cogpack.lock").read_text()
    ok(made.cogpack("lock", **AWAY))
    assert (made.root / "cogpack.lock").read_text() == text


def test_newer_ones_of_the_security_archive_are_taken_and_still_told_as_unasked(world: World, ubuntu: Ubuntu) -> None:
    gl(ubuntu)
    made = project(world)
    ok(made.cogpack("lock", **ubuntu.environment))
    ubuntu.add("noble-security", "libglx0", "1.8")
    ubuntu.push()
    done = ok(made.cogpack("lock", "--upgrade-system", **ubuntu.environment))
    assert "libgl1 and libglib2.0-0 added (" in done.err
    text = (made.root / "cogpack.lock").read_text()
    assert 'name = "libglx0", version = "1.8"' in text
    ok(made.cogpack("lock", **AWAY))
    assert (made.root / "cogpack.lock").read_text() == text
    ok(made.cogpack("lock", "--check"))


def test_an_image_that_has_it_is_left_as_it_is_and_no_archive_is_asked(world: World, ubuntu: Ubuntu) -> None:
    ubuntu.files["var/lib/dpkg/status"] = status("libc6 2.41", "libgl1 1", "libglib2.0-0t64 2")
    ubuntu.files["usr/local/bin/ffmpeg"] = b"a program of no package"
    ubuntu.push()
    made = project(world, "import os\nos.system('ffmpeg x')\n")
    done = ok(made.cogpack("lock", **AWAY))
    assert " added (" not in done.err
    assert "which no package" not in done.err
    text = (made.root / "cogpack.lock").read_text()
    assert re.findall(r'"(.+)"', text.partition("\nhas = [")[2].partition("]")[0]) == [
        *("ffmpeg", "libc6", "libgl1", "libglib2.0-0t64")
    ]
    ok(made.cogpack("lock", "--check"))


def test_what_the_archives_lack_is_told_and_the_rest_is_added(world: World, ubuntu: Ubuntu) -> None:
    ubuntu.add("noble", "libgl1", "1.7")
    ubuntu.push()
    made = project(world, "import os\nos.system('ffmpeg x')\n")
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert "predict.py:2:1: runs ffmpeg, which no package of the image has: add system_packages: [ffmpeg]" in done.err
    assert 'name = "libgl1"' in (made.root / "cogpack.lock").read_text()
    again = ok(made.cogpack("lock", **ubuntu.environment))
    assert "runs ffmpeg, which no package of the image has" in again.err


def test_archives_that_are_away_end_it_with_5_and_the_way_out_is_named(world: World, ubuntu: Ubuntu) -> None:
    gl(ubuntu)
    made = project(world)
    done = made.cogpack("lock", **AWAY)
    assert done.code == 5
    assert "or leave libgl1 and libglib2.0-0 out: cogpack: {tools: none}" in done.err
    without = project(world, config="  tools: none\n")
    done = ok(without.cogpack("lock", **AWAY))
    assert "opencv-python 4.8.1.78 loads libGL.so.1" in done.err
    assert "which no package of the image has: add system_packages: [libgl1, libglib2.0-0] under build" in done.err


def test_an_image_that_names_no_archive_gets_nothing_with_a_note(world: World, ubuntu: Ubuntu) -> None:
    del ubuntu.files["etc/apt/sources.list.d/ubuntu.sources"]
    ubuntu.push()
    done = ok(project(world).cogpack("lock", **ubuntu.environment))
    assert "note: libgl1 and libglib2.0-0 can't be added over " in done.err
    del ubuntu.files["var/lib/dpkg/status"]
    ubuntu.push()
    made = project(world)
    (made.root / "cogpack.lock").unlink()
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert "has = []" in (made.root / "cogpack.lock").read_text()
    assert "libgl1" not in done.err, "what such an image has nobody knows here"


@pytest.mark.parametrize(
    ("setting", "packages", "added"),
    [
        ("", [], "g++ added (1 package, "),
        ("", ["clang-18 1"], ""),
        ("  compiler: false\n", [], ""),
    ],
)
def test_who_compiles_when_it_runs_has_a_compiler_unless_it_is_there(
    world: World, ubuntu: Ubuntu, setting: str, packages: list[str], added: str
) -> None:
    ubuntu.files["var/lib/dpkg/status"] = status("libc6 2.41", *packages)
    ubuntu.add("noble", "g++", "13")
    ubuntu.push()
    made = project(world, "import torch\ntorch.compile\n", wheel="torch==2.6.0", config=setting)
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert (" added (" in done.err) == bool(added)
    assert added in done.err
    if added:
        assert "have no libpython3.13-dev" in done.err
        assert "predict.py names torch.compile, which compiles C++ when the model runs; cogpack: {compiler: false}" in (
            done.err
        )


def test_what_could_not_be_had_takes_no_pin_away(world: World, ubuntu: Ubuntu) -> None:
    made = project(world, wheel="torch==2.6.0")
    cog = (made.root / "cog.yaml").read_text()
    made.write("cog.yaml", cog.replace("predict:", "  system_packages: [tool]\npredict:"))
    ok(made.cogpack("lock", **ubuntu.environment))
    pinned = re.findall(r'name = "tool", version = ".+?"', (made.root / "cogpack.lock").read_text())
    ubuntu.add("noble", "tool", "99")
    ubuntu.add("noble", "g++", "13")
    ubuntu.push()
    made.write("predict.py", f"import torch\ntorch.compile\n{PREDICTOR}")
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert done.err.count("have no libpython3.13-dev") == 1
    text = (made.root / "cogpack.lock").read_text()
    assert re.findall(r'name = "tool", version = ".+?"', text) == pinned
    assert 'name = "g++", version = "13"' in text
    assert 'compiler = [\n    "g++",\n]' in text
    assert 'lacking = [\n    "libpython3.13-dev",\n]' in text
    ok(made.cogpack("lock", **AWAY))
    assert (made.root / "cogpack.lock").read_text() == text
    ok(made.cogpack("push", made.target(), **ubuntu.environment))
    made.write("cog.yaml", cog.replace("predict:", "  system_packages: [tool, libpython3.13-dev]\npredict:"))
    done = made.cogpack("lock", **ubuntu.environment)
    assert done.code == 2, "who asks for it is told that it is not there"
    assert "libpython3.13-dev" in done.err


def test_a_locked_package_moves_where_what_comes_later_needs_a_newer_one(world: World, ubuntu: Ubuntu) -> None:
    ubuntu.add("noble", "asked", "1", Depends="below")
    ubuntu.add("noble", "below", "1")
    ubuntu.push()
    made = project(world, wheel="torch==2.6.0")
    cog = (made.root / "cog.yaml").read_text()
    made.write("cog.yaml", cog.replace("predict:", "  system_packages: [asked]\npredict:"))
    ok(made.cogpack("lock", **ubuntu.environment))
    ubuntu.add("noble-updates", "asked", "2", Depends="below")
    ubuntu.add("noble-updates", "below", "2")
    ubuntu.add("noble", "g++", "13", Depends="below (>= 2)")
    ubuntu.push()
    made.write("predict.py", f"import torch\ntorch.compile\n{PREDICTOR}")
    ok(made.cogpack("lock", **ubuntu.environment))
    text = (made.root / "cogpack.lock").read_text()
    assert re.findall(r'name = "(asked|below|g\+\+)", version = "(.+?)"', text) == [
        *(("asked", "1"), ("below", "2"), ("g++", "13"))
    ]
    assert text.count("requested = true") == 2
    ok(made.cogpack("lock", **AWAY))
    assert (made.root / "cogpack.lock").read_text() == text
    ok(made.cogpack("push", made.target(), **ubuntu.environment))
    assert world.files("me/model", "v1")["usr/share/below/version"] == b"2"


def test_an_image_whose_dpkg_stopped_half_way_gets_nothing_and_is_told_to_be_one(world: World, ubuntu: Ubuntu) -> None:
    half = status("half 1").replace(b"installed", b"half-configured")
    ubuntu.files["var/lib/dpkg/status"] = b"\n".join(
        (status("libc6 2.41", "openjdk-_Evil\x1b[31m 1", "openjdk-\xff 1"), half)
    )
    ubuntu.push()
    made = project(world, "import torch\ntorch.compile\n", wheel="torch==2.6.0", config="  compiler: true\n")
    done = ok(made.cogpack("lock", **ubuntu.environment))
    assert done.err.count("half is 'install ok half-configured' in its package database") == 1
    assert "Debian's kind" not in done.err
    text = (made.root / "cogpack.lock").read_text()
    assert 'has = [\n    "libc6",\n]\n' in text
    ok(made.cogpack("lock", **AWAY))
    assert (made.root / "cogpack.lock").read_text() == text


def test_a_lock_of_an_earlier_cogpack_learns_what_the_image_has(world: World, ubuntu: Ubuntu) -> None:
    gl(ubuntu)
    made = project(world)
    ok(made.cogpack("lock", **ubuntu.environment))
    right = (made.root / "cogpack.lock").read_text()
    without = project(world, config="  tools: none\n")
    ok(without.cogpack("lock", **ubuntu.environment))
    old = (without.root / "cogpack.lock").read_text().replace('has = [\n    "libc6",\n]\n', "")
    made = project(world)
    made.write("cogpack.lock", old)
    ok(made.cogpack("lock", **ubuntu.environment))
    assert (made.root / "cogpack.lock").read_text() == right
