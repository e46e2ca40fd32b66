"""What people require, and where from: secrets stay out, and what is wrong is told at once."""

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
import uv
from support.index import index
from support.wheels import make_wheel
from support.world import World, ok

from cogpack.resolve.wheels.logins import uv_login, with_passwords

pytestmark = pytest.mark.slow

SITE = "opt/venv/lib/python/site-packages"
SECRET = "s3cr3t-t0k3n"
URL = "https://host.example/simple"


def far_wheels(world: World, *names: str) -> Path:
    """A directory that only an index of ours serves."""
    far = world.directory / "far-wheels"
    for name in names:
        make_wheel(far, name)
    return far


def assert_secret_stays(world: World, *said: str) -> None:
    """Neither in what was said nor in any file of the project or the cache."""
    assert not [text for text in said if SECRET in text]
    for root in (world.directory / "model", world.directory / "cache"):
        for path in root.rglob("*"):
            if path.is_file() and "uv" not in path.relative_to(root).parts[:1]:
                assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("line", ["./{}-1.0-py3-none-any.whl", "--find-links ./{}", "-e ./{}"])
def test_a_path_that_is_too_long_for_any_file_is_told_by_its_line(world: World, line: str) -> None:
    done = world.project(requirements=f"{line.format('a' * 300)}\n").cogpack("lock")
    assert done.code == (0 if line.startswith("--find") else 2), done.err
    assert "requirements.txt:" in done.err


@pytest.mark.parametrize("option", ["--extra-index-url", "--index-url", "-i", "--find-links"])
@pytest.mark.parametrize("place", ["whole", "path", "user"])
def test_an_index_from_the_environment_is_used_and_its_value_is_nobodys(world: World, option: str, place: str) -> None:
    far = far_wheels(world, "far")
    if option in ("--index-url", "-i"):
        shutil.copytree(world.wheels, far, dirs_exist_ok=True)
    prefix = "" if place == "user" else f"/{SECRET}"
    user = f"me:{SECRET}" if place == "user" else ""
    with index(far, prefix=prefix, user=user) as (fake, _):
        page = "/flat/" if option == "--find-links" else "/simple"
        written = {
            "whole": "${MY_INDEX}",
            "path": f"{fake.url}/${{MY_INDEX}}{page}",
            "user": f"http://me:${{MY_INDEX}}@{fake.address}{page}",
        }[place]
        value = f"{fake.url}{prefix}{page}" if place == "whole" else SECRET
        lines = f"{option} {written}\nfar\n" + "--no-index\n" * (option == "--find-links")
        project = world.project(files={"requirements.txt": lines})
        done = ok(project.cogpack("push", project.target(), MY_INDEX=value))
        failed = project.cogpack("lock", MY_INDEX=f"{value}x", UV_HTTP_RETRIES="0")
    assert f"{SITE}/far.py" in world.files("me/model", "v1")
    assert_secret_stays(world, done.err, done.out, failed.err)


@pytest.mark.parametrize("named", ["in the address", "by a variable"])
def test_a_password_of_an_index_that_keyring_has_is_asked_for_as_by_uv_and_is_nobodys(world: World, named: str) -> None:
    far = far_wheels(world, "far")
    asked = world.directory / "asked"
    program = world.directory / "bin/keyring"
    program.parent.mkdir()
    with index(far, user=f"me:{SECRET}") as (fake, _):
        # As one of a desktop, whose variables uv is not given when we run it.
        program.write_text(
            f'#!/bin/sh\necho "$DESKTOP $*" >> {asked}\n[ "$DESKTOP $*" = "here get {fake.address} me" ] || exit 1\n'
            f"echo {SECRET}\n"
        )
        program.chmod(0o755)
        project = world.project(files={"requirements.txt": "far\n"})
        places = {
            "in the address": {"UV_INDEX": f"http://me@{fake.address}/simple"},
            "by a variable": {"UV_INDEX": f"mine={fake.url}/simple", "UV_INDEX_MINE_USERNAME": "me"},
        }[named]
        places |= {"PATH": f"{program.parent}:{os.environ['PATH']}", "UV_KEYRING_PROVIDER": "subprocess"}
        places |= {"DESKTOP": "here", "UV_DEFAULT_INDEX": f"http://me@{fake.address}/simple"}
        done = ok(project.cogpack("push", project.target(), **places))
    assert f"{SITE}/far.py" in world.files("me/model", "v1")
    assert len(asked.read_text().splitlines()) == 2  # of the address, then of its host, and once in a process
    assert_secret_stays(world, done.err, done.out)


def test_a_user_is_no_option_of_keyring(world: World) -> None:
    """`keyring --disable` turns it off for good."""
    program = world.directory / "bin/keyring"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {world.directory}/asked\n")
    program.chmod(0o755)
    variables = {"PATH": f"{program.parent}:{os.environ['PATH']}", "UV_KEYRING_PROVIDER": "subprocess"}
    for user, asked in (("me", True), ("--disable", False), ("%2D-disable", False)):
        with_passwords(f"https://{user}@host.example/simple", variables)
        assert (world.directory / "asked").exists() is asked
        (world.directory / "asked").unlink(missing_ok=True)


def test_a_kept_login_for_what_is_no_address_is_passed_over(world: World) -> None:
    kept = world.directory / "credentials.toml"
    login = f'username = "me"\npassword = "{SECRET}"\n'
    kept.write_text("".join(f'[[credential]]\nservice = "{at}"\n{login}' for at in ("https://[x", URL)))
    assert uv_login(URL, {"UV_CREDENTIALS_DIR": str(kept.parent)}) == ("me", SECRET)


@pytest.mark.parametrize("user", ["", "me@"])
def test_a_login_that_uv_keeps_counts_for_wheels_as_well(world: World, user: str) -> None:
    far = far_wheels(world, "far")
    kept = {"UV_CREDENTIALS_DIR": str(world.directory / "kept")}
    with index(far, user=f"me:{SECRET}") as (fake, _):
        subprocess.run(
            [uv.find_uv_bin(), "auth", "login", f"{fake.url}/simple", "--username=me", f"--password={SECRET}"],
            env={"PATH": "/usr/bin:/bin", "HOME": str(world.directory)} | kept,
            check=True,
            capture_output=True,
        )
        project = world.project(files={"requirements.txt": "far\n"})
        places = kept | {"UV_INDEX": f"http://{user}{fake.address}/simple", "UV_DEFAULT_INDEX": f"{fake.url}/simple"}
        done = ok(project.cogpack("push", project.target(), **places))
    assert f"{SITE}/far.py" in world.files("me/model", "v1")
    assert_secret_stays(world, done.err, done.out)


def test_a_wheels_own_address_may_come_from_the_environment(world: World) -> None:
    far = far_wheels(world, "far", "near")
    with index(far, user=f"me:{SECRET}") as (fake, _):
        lines = (
            f"far @ http://me:${{TOKEN}}@{fake.address}/files/far-1.0-py3-none-any.whl\n"
            "near @ ${BASE}/files/near-1.0-py3-none-any.whl\n--no-index\n"
        )
        project = world.project(files={"requirements.txt": lines})
        base = f"http://me:{SECRET}@{fake.address}"
        done = ok(project.cogpack("push", project.target(), TOKEN=SECRET, BASE=base))
        failed = project.cogpack(
            "push",
            project.target(),
            "--rebuild",
            TOKEN=f"{SECRET}-old",
            BASE=base,
            COGPACK_CACHE_DIR=str(world.directory / "c2"),
        )
    assert f"{SITE}/far.py" in world.files("me/model", "v1")
    lock = (project.root / "cogpack.lock").read_text()
    assert f'url = "http://{fake.address}/files/far-1.0-py3-none-any.whl"' in lock
    assert 'url = "${BASE}/files/near-1.0-py3-none-any.whl"' in lock
    assert failed.code == 4
    assert_secret_stays(world, done.err, done.out, failed.err)


@pytest.mark.parametrize(
    ("line", "value", "message"),
    [
        ("--index-url ${MY_INDEX}", None, "--index-url: MY_INDEX is not set"),
        ("--extra-index-url ${MY_INDEX}", "", "--extra-index-url: MY_INDEX is not set"),
        (
            "--index-url ${MY_INDEX}",
            SECRET,
            "--index-url: with the value of ${MY_INDEX} it is no http or https address",
        ),
        ("-f ${MY_INDEX}", f"ftp://{SECRET}/", "--find-links: with the value of ${MY_INDEX} it is no http or https"),
        ("a @ ${MY_INDEX}/a-1-py3-none-any.whl", SECRET, "a: with the value of ${MY_INDEX} it is no http or https"),
        ("a @ https://${MY_INDEX}@h/a-1-py3-none-any.whl", None, "a: MY_INDEX is not set"),
    ],
)
def test_a_variable_that_makes_no_address_is_named_by_line(
    world: World, line: str, value: str | None, message: str
) -> None:
    project = world.project(files={"requirements.txt": f"# ours\n{line}\n"})
    done = project.cogpack("lock", **({} if value is None else {"MY_INDEX": value}))
    assert done.code == 2
    assert f"error: requirements.txt:2: {message}" in done.err
    assert SECRET not in done.err


@pytest.mark.parametrize(
    ("lines", "more", "note"),
    [
        ("--find-links ./nowhere\n", {}, "requirements.txt:1: --find-links: nowhere is no directory that is there"),
        ("-f ${WHERE}\n", {"WHERE": "/no/where"}, "requirements.txt:1: --find-links: ${WHERE} is no directory"),
        ("-f file:///no/where\n", {}, "requirements.txt:1: --find-links: /no/where is no directory"),
        ("", {"PIP_FIND_LINKS": "/no/where"}, "PIP_FIND_LINKS: /no/where is no directory that is there"),
        ("", {"UV_FIND_LINKS": "/no/where,{wheels}"}, "UV_FIND_LINKS: /no/where is no directory that is there"),
    ],
)
def test_a_directory_of_wheels_that_is_not_there_is_told_and_passed_over(
    world: World, lines: str, more: dict[str, str], note: str
) -> None:
    project = world.project(files={"requirements.txt": f"{lines}--no-index\n"})
    found = {name: value.replace("{wheels}", str(world.wheels)) for name, value in more.items()}
    assert f"note: {note}" in ok(project.cogpack("lock", **found)).err


@pytest.mark.parametrize("line", ["-f ../he,re", "--find-links='../he,re'", "-f file://{here}", "-f ${HERE}"])
def test_a_directory_of_wheels_may_stand_in_a_requirements_file(world: World, line: str) -> None:
    make_wheel(world.directory / "model" / "he,re", "near")
    files = {"req/all.txt": f"--no-index\n{line.replace('{here}', str(world.directory / 'model/he,re'))}\nnear\n"}
    project = world.project(files={**files, "requirements.txt": "-r req/all.txt\n"})
    ok(project.cogpack("push", project.target(), HERE=str(world.directory / "model/he,re")))
    assert f"{SITE}/near.py" in world.files("me/model", "v1")


def test_an_extra_that_the_chosen_version_lacks_is_a_note_with_its_line(world: World) -> None:
    make_wheel(world.wheels, "plain", extras=("there",))
    project = world.project(requirements="plain[there,gone,lost]\n")
    said = ok(project.cogpack("lock")).err
    for extra in ("gone", "lost"):
        assert f"note: requirements.txt:2: plain==1.0 has no extra {extra}: nothing is installed for it" in said
    assert "no extra there" not in said


def sdist(directory: Path, name: str) -> None:
    data = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(directory / f"{name}-1.0.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo(f"{name}-1.0/PKG-INFO")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))


def test_all_that_only_source_could_give_is_told_at_once(world: World) -> None:
    for name in ("src-one", "src-two", "src-deep"):
        sdist(world.wheels, name.replace("-", "_"))
    make_wheel(world.wheels, "needs-deep", requires=("src-deep",))
    lines = (
        "git+https://example.com/me/it.git\n-e ./lib\nsrc-one==1.0\n./sdist-1.0.tar.gz\nhttps://example.com/x.zip\n"
        "needs-deep\nsrc-two\n-r more.txt\nunheard-of\n"
    )
    files = {"more.txt": "it @ git+ssh://git@example.com/it\n", "lib/setup.py": "", "sdist-1.0.tar.gz": ""}
    project = world.project(files=files, requirements=lines, config="  build_wheels: never\n")
    done = project.cogpack("push", project.target())
    assert done.code == 2
    told = [line.strip() for line in done.err.splitlines() if "(next: " in line]
    assert [line.partition(": ")[0] for line in told] == [
        *("requirements.txt:2", "requirements.txt:3", "requirements.txt:5", "requirements.txt:6", "more.txt:1"),
        *(line.partition(": ")[0] for line in told[5:]),
    ]
    later = sorted(line.partition(": ")[0] for line in told[5:])
    assert later == ["requirements.txt:10", "requirements.txt:4", "requirements.txt:7", "requirements.txt:8"]
    assert "requirements.txt:7: needs-deep requires src-deep 1.0" in done.err
    assert "error: 9 things must change:" in done.err
    assert not (project.root / "cogpack.lock").exists()


def test_what_uv_finds_is_told_at_once_where_the_files_are_fine(world: World) -> None:
    for number in range(5):
        sdist(world.wheels, f"src_{number}")
    project = world.project(requirements="".join(f"src-{number}\n" for number in range(5)))
    done = project.cogpack("lock")
    assert done.code == 2
    assert "error: 5 things must change:" in done.err
    for number in range(5):
        assert f"requirements.txt:{number + 2}: src-{number} 1.0: can't be built: its build requirements" in done.err


def test_without_an_index_what_is_wrong_in_the_files_is_told(world: World) -> None:
    project = world.project(files={"requirements.txt": "-e .[x]\nhg+https://example.com/x\nnumpy\n"})
    done = project.cogpack("lock", UV_HTTP_RETRIES="0")
    assert done.code == 2
    assert "error: 2 things must change:" in done.err


def test_a_lock_does_not_hide_a_line_that_came_later(world: World) -> None:
    project = world.project()
    ok(project.cogpack("lock"))
    project.write("requirements.txt", "--no-index\n-e ./lib.zip\n")
    done = project.cogpack("push", project.target(), "--locked")
    assert done.code == 2
    assert "error: requirements.txt:2: -e ./lib.zip names no directory and no repository" in done.err


@pytest.mark.parametrize("fault", ["cut", "text", "lzma", "record"])
def test_a_damaged_wheel_is_told_as_that(world: World, fault: str) -> None:
    raw = {"bad-1.0.dist-info/RECORD": b"bad.py,,\na,b.txt,,1\n"} if fault == "record" else {}
    method = zipfile.ZIP_LZMA if fault == "lzma" else zipfile.ZIP_DEFLATED
    path = make_wheel(world.directory / "model", "bad", raw=raw, method=method)
    if fault in ("cut", "text"):
        path.write_bytes(path.read_bytes()[:-40] if fault == "cut" else b"<html>log in</html>")
    project = world.project(requirements="./bad-1.0-py3-none-any.whl\n")
    done = project.cogpack("lock")
    assert done.code == 2
    assert "a wheel can't be read: " in done.err
    assert "next: fetch its file again; if it is your own, build it again (pip wheel)" in done.err
    assert "change the requirements" not in done.err


def test_python_packages_are_named_by_the_lines_of_cog_yaml(world: World) -> None:
    sdist(world.wheels, "src_one")
    config = (
        "predict: predict.py:Predictor\nbuild:\n  python_version: '3.13'\n  python_packages:\n"
        "    - src-one\n    - cog\n    - -e ./lib.zip\n"
        f"cogpack:\n  base: {world.registry}/base/python:v1\n"
    )
    project = world.project(files={"cog.yaml": config})
    done = project.cogpack("lock", UV_NO_INDEX="1")
    assert "cog.yaml:7: -e ./lib.zip names no directory and no repository" in done.err
    project.write("cog.yaml", config.replace("    - -e ./lib.zip\n", "    - --no-index\n"))
    done = project.cogpack("lock")
    assert "error: cog.yaml:5: src-one 1.0: can't be built: its build requirements" in done.err
    project.write("cog.yaml", config.replace("    - -e ./lib.zip\n", "    - --no-index\n").replace("src-one", "pip"))
    assert "note: cog.yaml:6: cog left out" in ok(project.cogpack("lock")).err
