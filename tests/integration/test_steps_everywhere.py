"""Commands of `build.run` give one layer wherever they are run: by root, by a user, and by both in containers."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from integration.conftest import Project
from support.dockerd import Docker
from support.stepping import USER, Place, apt_repository, cog_yaml, import_host, open_directory

from cogpack.registry.server import Server

pytestmark = pytest.mark.integration

SITE = "/opt/venv/lib/python3.13/site-packages"


def commands(repository: str) -> list[str]:
    apt = "apt-get -o Dir::Etc::sourcelist=/tmp/local.list -o Dir::Etc::sourceparts=-"
    return [
        "groupadd --gid 1234 keepers && useradd --uid 1500 --gid keepers --create-home --shell /bin/sh keeper",
        "mkdir /srv/shared && echo data > /srv/shared/file && chown 33:4 /srv/shared/file && chmod 2775 /srv/shared",
        "install -m 4755 -o keeper -g keepers /bin/true /usr/local/bin/one && ln /usr/local/bin/one /usr/local/bin/two",
        "rm /etc/debian_version && rm -r /usr/share/zoneinfo/Asia && mv /etc/issue /etc/issue.old",
        f"sed -i '1i THIS_LINE = \"put in by a step\"' {SITE}/cog/__init__.py",
        "(setsid sleep 86401 &); nohup sleep 86402 > /dev/null 2>&1 &",
        f"echo 'deb [trusted=yes] {repository} ./' > /tmp/local.list && {apt} update && {apt} install -y postman",
        "/usr/local/bin/python -c 'import cog; print(cog.THIS_LINE)' && sed -i s/data/more/ /srv/shared/file",
        "mkdir /opt/more && cp /usr/lib/*/libz.so.1 /opt/more",
        "echo /opt/more > /etc/ld.so.conf.d/more.conf && ldconfig",
    ]


@pytest.fixture(scope="module")
def here() -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("root alone can be every user")
    with open_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def repository(here: Path, locked_hello: Project) -> Iterator[str]:
    """It has the layers below, so that nobody makes them again: only the lock is believed about them."""
    with Server(here / "registry") as server:
        locked_hello.cogpack("push", f"{server.address}/steps/hello:plain")
        yield f"{server.address}/steps/hello"


@pytest.fixture(scope="module")
def project(here: Path, locked_hello: Project) -> Iterator[Project]:
    """Locked, with nothing known of what the commands do."""
    with apt_repository(here / "apt") as address:
        found = locked_hello.fresh(here / "project", lock=True)
        (found.root / "cog.yaml").write_text(cog_yaml(commands(address), "plocate"))
        found.cogpack("lock")
        yield found


@pytest.fixture(scope="module")
def places(here: Path, project: Project, shared_cache: Path, docker: Docker) -> Mapping[str, Place]:
    import_host(docker, here)
    made = {
        rung: Place.make(here / rung, project.root, shared_cache, uid)
        for rung, uid in (("root", 0), ("userns", USER), ("chroot", 0), ("proot", USER))
    }
    bare = ("--user", f"{USER}:{USER}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    return {
        "root": made["root"].on_machine(0),
        "userns": made["userns"].on_machine(USER),
        "chroot": made["chroot"].in_container(docker),
        "proot": made["proot"].in_container(docker, *bare),
    }


def test_root_a_user_and_both_in_containers_make_one_layer(
    places: Mapping[str, Place], docker: Docker, repository: str
) -> None:
    found = {}
    for rung, place in places.items():
        done = place.cogpack("push", f"{repository}:{rung}")
        assert done.returncode == 0, f"{rung}: {done.stderr[-3000:]}"
        assert f"isolated by {rung}" in done.stderr
        lock = (place.directory / "project/cogpack.lock").read_text()
        assert "dpkg: plocate, isolated by" in done.stderr
        found[rung] = (*re.findall(r'diff_id = "([^"]+)"', lock), done.stdout.partition("@")[2])
        assert not _left(place), f"{rung} left something"
    assert len(set(found.values())) == 1, found
    assert not _sleeping()

    again = places["root"].cogpack("push", f"{repository}:again")
    assert again.stdout.partition("@")[2] == found["root"][-1]
    assert "isolated by" not in again.stderr
    docker("pull", f"{repository}:proot")
    run = ["run", "--rm", "--network", "none", f"{repository}:proot"]
    assert docker(*run, "python", "-c", "import cog; print(cog.THIS_LINE)") == "put in by a step"
    paths = ("/etc/shadow", "/srv/shared/file", "/usr/local/bin/two", "/usr/bin/postman", "/var/spool/postman")
    assert docker(*run, "stat", "-c", "%n %U:%G %a", *paths).splitlines() == [
        "/etc/shadow root:shadow 640",
        "/srv/shared/file www-data:adm 644",
        "/usr/local/bin/two keeper:keepers 4755",
        "/usr/bin/postman root:root 4755",
        "/var/spool/postman postman:adm 2750",
    ]
    assert docker(*run, "stat", "-c", "%G %a", "/usr/bin/plocate") == "plocate 2755", "dpkg installed it"
    assert docker(*run, "dpkg", "--audit") == ""
    docker(*run, "apt-get", "check")
    known = "ldconfig -p > /tmp/known && grep /opt/more/libz.so.1 /tmp/known"
    docker(*run, "sh", "-c", f"{known} && ldconfig && ldconfig -p | diff /tmp/known -")


def _left(place: Place) -> list[str]:
    found = [path for name in ("steps", "trees") for path in (place.directory / "cache" / name).iterdir()]
    return [path.name for path in found if path.name.startswith(".")]


def _sleeping() -> list[str]:
    """Processes that a command left running, in whatever container; nobody else sleeps for so long."""
    told = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in told.splitlines() if line in ("sleep 86401", "sleep 86402")]
