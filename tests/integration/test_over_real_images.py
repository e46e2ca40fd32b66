"""Packages over images of a registry: real Debian's, asked of the real dpkg, apt and ldconfig that are in them."""

import json
import os
from pathlib import Path

import pytest
from integration.conftest import Project, lowest_layer
from support.world import push_image

from cogpack.registry.server import Server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="apt-get needs root over the files of an image"),
]

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
AUDIT = " && ".join(
    [
        'test -z "$(dpkg --audit)"',
        "apt-get -q check",
        "ldconfig -p | grep -v 'Cache generated' | sort >/tmp/before",
        "ldconfig",
        "ldconfig -p | grep -v 'Cache generated' | sort >/tmp/after",
        "cmp /tmp/before /tmp/after",
        "jq --version",
        "apt-get -q update",
        "apt-get -q -y install --no-install-recommends bc",
        'test "$(echo 6*7 | bc)" = 42',
        'test -z "$(dpkg --audit)"',
        "dpkg -s jq bc",
    ]
)
"""A command of build.run, which sees the image as it is."""


@pytest.mark.parametrize("suite", ["trixie", "bookworm"])
def test_apt_and_dpkg_of_an_image_go_on_from_packages_that_were_laid_over_it(
    hello: Project, locked_hello: Project, tmp_path: Path, suite: str
) -> None:
    layout = locked_hello.root.parent / "layout"
    if suite == "bookworm":
        config = (hello.root / "cog.yaml").read_text().replace('"3.13"', '"3.11"')
        (hello.root / "cog.yaml").write_text(config)
        layout = tmp_path / "layout"
        hello.cogpack("build", "-o", str(layout))
    text = (hello.root / "cog.yaml").read_text()
    packages = "jq, tcpdump" if suite == "trixie" else "jq"
    build = f"build:\n  system_packages: [{packages}]\n  run: [{json.dumps(AUDIT)}]"
    (hello.root / "cog.yaml").write_text(text.replace("build:", build))
    with Server(tmp_path / "registry") as server:
        push_image(server.address, "library/base:v1", [lowest_layer(layout)], environment=[PATH])
        more = {"compiler": True} if suite == "trixie" else {}
        hello.configure(base=f"{server.address}/library/base:v1", recommends=False, **more)
        hello.cogpack("lock", "--run")
    locked = (hello.root / "cogpack.lock").read_text()
    assert ('"g++"' in locked.partition("\ncompiler = [")[2].partition("]")[0]) == (suite == "trixie"), (
        "in a layer below the others"
    )
    left = locked.partition("dpkg = [")[2].partition("]")[0]
    assert ('"tcpdump"' in left) == (suite == "trixie"), "its script calls adduser: dpkg of the image installs it"
