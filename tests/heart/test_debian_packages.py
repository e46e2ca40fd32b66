"""Debian packages that can't be had, or are left to dpkg, are told at `lock`, with the line of cog.yaml that brings
them."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator

import pytest
from support.debian_mirror import Archive, trusted
from support.debs import stanza
from support.wheels import make_wheel
from support.world import Project, World, ok

from cogpack.locking import decide_base
from cogpack.text import size_text

pytestmark = pytest.mark.slow

BAD = "#!/bin/sh\nadduser --system app\n"
GOOD = "#!/bin/sh\nset -e\nexit 0\n"
LONG = {"md5sums": "".join(f"{hashlib.sha256(str(n).encode()).hexdigest()}\n" for n in range(2000))}
"""Control files that do not fit into what is read first."""


@pytest.fixture(params=[True, False], ids=["ranges", "no ranges"])
def archive(world: World, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Archive]:
    with trusted(world.directory / "mirror", monkeypatch, ranges=request.param) as made:
        yield made


def project(world: World, *packages: str) -> Project:
    found = world.project()
    listed = "".join(f"    - {package}\n" for package in packages)
    config = f'build:\n  python_version: "3.13"\n  python_requirements: requirements.txt\n  system_packages:\n{listed}'
    found.write("cog.yaml", f'{config}predict: "predict.py:Predictor"\n')
    return found


def test_packages_whose_scripts_cannot_be_stood_in_for_are_left_to_dpkg_and_told_with_who_brings_them(
    world: World, archive: Archive
) -> None:
    archive.add("app", depends="middle", postinst=GOOD)
    archive.add("middle", depends="deep")
    archive.add("deep", postinst=BAD, **LONG)
    archive.add("direct", preinst=BAD)
    archive.add("other", postinst=GOOD)
    archive.finish()
    made = project(world, "app", "direct", "other")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert (
        "cog.yaml:5:7: build.system_packages[0]: app brings middle, which brings deep: deep 1 has a postinst"
        in done.err
    )
    assert "cog.yaml:6:7: build.system_packages[1]: direct 1 has a preinst script" in done.err
    assert "(at 'adduser --system app')" in done.err
    assert "dpkg installs it, in the sandbox" in done.err
    listed = re.search(r"^dpkg = \[\n(.*?)\]", (made.root / "cogpack.lock").read_text(), re.MULTILINE | re.DOTALL)
    assert listed is not None
    assert re.findall(r'"(\w+)"', listed[1]) == ["app", "deep", "direct", "middle"], "what needs them, too"


def test_what_is_only_recommended_comes_as_with_apt_and_lock_and_plan_tell_what_it_costs(
    world: World, archive: Archive
) -> None:
    archive.add("app", recommends="nice, gone, more")
    archive.add("nice", postinst=BAD)
    archive.add("more", depends="less")
    archive.add("less")
    archive.finish()
    made = project(world, "app")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    size = sum((archive.root / f"debian/pool/{name}_1.deb").stat().st_size for name in ("nice", "more", "less"))
    told = (
        f"only recommended: 3 Debian packages ({size_text(size)}); `cogpack: {{recommends: false}}` leaves them out\n"
        "left out: gone, which app recommends: no package of the suite is that\n"
    )
    assert told in done.err
    assert "only recommended, and installed by dpkg, in the sandbox: nice; `cogpack: {recommends: false}`" in done.err
    assert told in ok(made.cogpack("plan", COGPACK_DEBIAN_MIRROR=archive.url)).err
    made.write("cog.yaml", (made.root / "cog.yaml").read_text() + "cogpack: {recommends: false}\n")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert all(f"removed  {name} 1\n" in done.err for name in ("nice", "more", "less"))
    assert "recommend" not in (made.root / "cogpack.lock").read_text()


def test_packages_of_the_base_are_not_looked_at(world: World, archive: Archive) -> None:
    archive.add("app", depends="libc6", postinst=GOOD, **LONG)
    archive.finish()
    ok(project(world, "app", "openssl").cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert {path for path in archive.seen if "/pool/" in path} == {"/debian/pool/app_1.deb"}


def test_a_package_that_cannot_be_looked_at_is_a_note(world: World, archive: Archive) -> None:
    archive.add("app")
    archive.finish()
    (archive.root / "debian" / "pool" / "app_1.deb").unlink()
    done = ok(project(world, "app").cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert "note: maintainer scripts of 1 package could not be read, and are when the layer is made: " in done.err


def test_a_dropped_package_is_taken_as_what_it_stood_for(world: World, archive: Archive) -> None:
    archive.add("libgl1")
    archive.add("libglx-mesa0")
    archive.finish()
    made = project(world, "libgl1-mesa-glx")
    done = ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert (
        "note: cog.yaml:5:7: build.system_packages[0]: Debian trixie has no libgl1-mesa-glx, "
        "but libgl1 and libglx-mesa0: taken instead\n"
    ) in done.err
    lock = (made.root / "cogpack.lock").read_text()
    assert lock.count("requested = true") == 2
    del archive.seen[:]
    ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    assert archive.seen == [], "the pins are kept"
    assert (made.root / "cogpack.lock").read_text() == lock


def test_a_package_that_is_not_there_is_told_by_file_and_line(world: World, archive: Archive) -> None:
    archive.finish()
    done = project(world, "openssl", "no-such-thing").cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url)
    assert done.code == 2
    assert "error: cog.yaml:6:7: build.system_packages[1]: Debian has no package 'no-such-thing'\n" in done.err


def test_pinned_packages_are_had_from_whoever_still_has_them_and_no_release_is_asked_for(
    world: World, archive: Archive
) -> None:
    """A mirror forgets, the snapshot service keeps, and what neither has is in the user's own depot. A Release that has
    run out is in nobody's way: it counts when a lock is made."""
    archive.fill()
    archive.add("app")
    archive.finish()
    made = project(world, "app")
    server = archive.url.partition("/debian")[0]
    environment = {
        "COGPACK_DEBIAN_MIRROR": archive.url,
        "COGPACK_URL_MAP": f"https://snapshot.debian.org/archive={server}/snapshot",
        "COGPACK_DEPOT": str(world.directory / "own"),
    }
    ok(made.cogpack("lock", **environment))
    stamp = re.search(r'suite = "trixie", .*snapshot = "(\w+)"', (made.root / "cogpack.lock").read_text())
    assert stamp is not None
    shutil.rmtree(archive.root / "debian" / "dists")
    shutil.rmtree(archive.root / "debian-security")
    shutil.rmtree(world.directory / "cache")
    pool, kept = archive.root / "debian" / "pool", archive.root / "snapshot" / "debian" / stamp[1] / "pool"
    own = world.directory / "own" / "blobs" / "sha256"
    kept.mkdir(parents=True)
    own.mkdir(parents=True)
    (pool / "app_1.deb").rename(kept / "app_1.deb")
    (pool / "tzdata_1.deb").rename(own / hashlib.sha256((pool / "tzdata_1.deb").read_bytes()).hexdigest())
    del archive.seen[:]
    built = ok(made.cogpack("build", "-o", "../first", **environment))
    asked = [path.rpartition("/")[2] for path in archive.seen if "app_1" in path or "tzdata_1" in path]
    assert sorted(asked) == ["app_1.deb", "app_1.deb", "tzdata_1.deb", "tzdata_1.deb"], "mirror and snapshot, once each"
    assert not [path for path in archive.seen if "/dists/" in path]
    shutil.rmtree(archive.root)
    assert ok(made.cogpack("build", "-o", "../second", **environment)).digest == built.digest, "by the cache"


def test_the_tools_of_cog_are_one_layer_whatever_else_is_asked_for(
    world: World, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide_base, "COG_TOOLS", ("tool", "other-tool"))
    archive.fill()
    archive.add("tool", depends="shared", files={"usr/bin/tool": "1"})
    archive.add("other-tool", files={"usr/bin/other-tool": "1"})
    archive.add("shared", files={"usr/lib/shared": "1"})
    archive.add("app", depends="shared, own", files={"usr/bin/app": "1"})
    archive.add("own", files={"usr/lib/own": "1"})
    archive.finish()
    layers = []
    for number, packages in enumerate((["app"], ["tool", "own"], ["tool"])):
        made = project(world, *packages)
        with (made.root / "cog.yaml").open("a") as config:
            config.write("cogpack: {tools: cog, bytecode: false}\n")
        target = f"{world.registry}/me/model{number}:v1"
        ok(made.cogpack("push", target, COGPACK_DEBIAN_MIRROR=archive.url))
        found = json.loads(ok(made.cogpack("plan", target, "--json", COGPACK_DEBIAN_MIRROR=archive.url)).out)["layers"]
        layers.append({one["name"]: one["key"] for one in found})
        files = world.files(f"me/model{number}", "v1")
        installed = re.findall(rb"^Package: ([a-z-]+)$", files["var/lib/dpkg/status"], re.MULTILINE)
        assert {b"tool", b"other-tool", b"shared"} <= {*installed}
    first, second, third = layers
    (tools,) = (name for name in first if name.startswith("tools:"))
    assert tools == "tools: other-tool, tool and 1 more"
    assert first[tools] == second[tools] == third[tools]
    assert "packages: app and 1 more" in first
    assert "packages: own" in second
    assert not any(name.startswith("packages:") for name in third)


def test_what_a_wheel_loads_and_cogs_images_have_is_in_the_image_unasked_in_a_layer_that_others_share(
    world: World, archive: Archive
) -> None:
    archive.fill()
    archive.add("libgl1", depends="libglx0", files={"usr/lib/libGL.so.1": "1"})
    archive.add("libglx0", files={"usr/lib/libGLX.so.0": "1"})
    archive.add("libglib2.0-0t64", files={"usr/lib/libglib-2.0.so.0": "1"})
    archive.add("app", depends="libglx0", files={"usr/bin/app": "1"})
    archive.finish()
    make_wheel(world.wheels, "opencv-python", "4.8.1.78")
    environment = {"COGPACK_DEBIAN_MIRROR": archive.url}
    layers = []
    for number, packages in enumerate(((), ("app",))):
        made = project(world, *packages)
        made.write("requirements.txt", "--no-index\nopencv-python\n")
        config = (made.root / "cog.yaml").read_text().replace("  system_packages:\npredict", "predict")
        made.write("cog.yaml", f"{config}cogpack: {{bytecode: false}}\n")
        done = ok(made.cogpack("push", f"{world.registry}/me/model{number}:v1", **environment))
        assert "libgl1 and libglib2.0-0 added (3 packages, " in done.err
        assert (
            "): opencv-python 4.8.1.78 loads libGL.so.1 and libgthread-2.0.so.0; "
            "cogpack: {tools: none} leaves that out" in done.err
        )
        assert "package-renamed" not in done.err
        planned = ok(made.cogpack("plan", f"{world.registry}/me/model{number}:v1", "--json", **environment)).json
        assert len(planned["unasked"]) == 1
        layers.append({one["name"]: one["key"] for one in planned["layers"]})
        assert "usr/lib/libGL.so.1" in world.files(f"me/model{number}", "v1")
    first, second = layers
    (tools,) = (name for name in first if name.startswith("tools:"))
    assert first[tools] == second[tools]
    before = (made.root / "cogpack.lock").read_bytes()
    ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR="http://127.0.0.1:9"))
    assert (made.root / "cogpack.lock").read_bytes() == before, "what is pinned stays, and nobody is asked"
    ok(made.cogpack("lock", "--check"))
    made.write("predict.py", "import os\nos.system('ffmpeg x')\n" + (made.root / "predict.py").read_text())
    stale = made.cogpack("lock", "--check")
    assert (stale.code, "another set of tools" in stale.err) == (3, True)
    made.write("cog.yaml", f"{config}cogpack: {{tools: none}}\n")
    done = ok(made.cogpack("lock", **environment))
    assert "add system_packages: [libgl1, libglib2.0-0] under build" in done.err
    assert "libgl1" not in (made.root / "cogpack.lock").read_text().partition("[results]")[0]


def test_upgrade_system_names_each_package_that_moved_and_keeps_all_other_pins(world: World, archive: Archive) -> None:
    archive.add("app", depends="middle")
    archive.add("middle")
    archive.finish()
    made = project(world, "app")
    ok(made.cogpack("lock", COGPACK_DEBIAN_MIRROR=archive.url))
    before = (made.root / "cogpack.lock").read_text()
    done = ok(made.cogpack("lock", "--upgrade-system", COGPACK_DEBIAN_MIRROR=archive.url))
    assert "the security archive has no newer version of any package" in done.err
    assert (made.root / "cogpack.lock").read_text() == before
    make_wheel(world.wheels, "pip", "99.0")
    archive.finish(stanza("middle", "1+deb13u1") + stanza("other", "2"))
    done = ok(made.cogpack("lock", "--upgrade-system", "--json", COGPACK_DEBIAN_MIRROR=archive.url))
    assert done.json["upgraded"] == [{"package": "middle", "from": "1", "to": "1+deb13u1"}]
    assert "99.0" not in (made.root / "cogpack.lock").read_text()
    named = ok(made.cogpack("lock", "--upgrade-system", COGPACK_DEBIAN_MIRROR=archive.url)).err
    assert "moved" not in named
