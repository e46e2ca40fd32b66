"""Which build of python-build-standalone is taken, and from where it comes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.interpreters import GITHUB, address, downloads_list

from cogpack.digest import sha256
from cogpack.errors import InputError, UnavailableError
from cogpack.http import Http
from cogpack.lockfile import LockedInterpreter
from cogpack.resolve.interpreter import LIST, MIRROR, find_interpreter, interpreter_urls

HERE = "cog.yaml:2: build.python_version"
ARCHIVES = {version: version.encode() for version in ("3.12.2", "3.12.16", "3.1.26", "3.10.9", "3.14.0")}


DEBIAN = ("3.11", "3.13")


def found(version: str, directory: Path, environment: Mapping[str, str], arch: str = "amd64") -> LockedInterpreter:
    with Http() as http:
        return find_interpreter(
            version, arch, http=http, environment=environment, scratch=directory, where=HERE, debian=DEBIAN
        )


def listed(
    directory: Path, archives: Mapping[str, bytes] = ARCHIVES, machine: str = "amd64", **more: Any
) -> dict[str, str]:
    """Have a list of archives that lie beside it; `more`: fields of each entry."""
    for version, data in archives.items():
        (directory / f"{version}.tar.gz").write_bytes(data)
    entries = json.loads(downloads_list(ARCHIVES, machine, at=directory.as_uri()))
    for entry in entries.values():
        entry |= more
    path = directory / "list.json"
    path.write_text(json.dumps(entries))
    return {LIST: str(path)}


@pytest.mark.parametrize(
    ("asked", "version"), [("3.12", "3.12.16"), ("3.12.2", "3.12.2"), ("3.10", "3.10.9"), ("3.14", "3.14.0")]
)
def test_the_newest_patch_level_is_taken_or_the_one_that_is_asked_for(asked: str, version: str, tmp_path: Path) -> None:
    assert found(asked, tmp_path, listed(tmp_path)) == LockedInterpreter(
        version=version,
        url=f"{tmp_path.as_uri()}/{version}.tar.gz",
        sha256=sha256(version.encode()).removeprefix("sha256:"),
        size=len(version),
    )


def test_it_is_of_the_architecture_of_the_image(tmp_path: Path) -> None:
    assert found("3.12", tmp_path, listed(tmp_path, machine="arm64"), arch="arm64").version == "3.12.16"
    with pytest.raises(InputError, match=r"has no CPython 3\.12 for linux/amd64: it has none at all"):
        found("3.12", tmp_path, listed(tmp_path, machine="arm64"))


@pytest.mark.parametrize(
    "more",
    [
        {"prerelease": "rc1"},
        {"variant": "freethreaded"},
        {"libc": "musl"},
        {"os": "darwin"},
        {"name": "pypy"},
        {"arch": {"family": "x86_64", "variant": "v3"}},
    ],
)
def test_other_builds_are_none_of_ours(more: Mapping[str, object], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it has none at all"):
        found("3.12", tmp_path, listed(tmp_path, **more))


@pytest.mark.parametrize(
    ("version", "message", "advice"),
    [
        ("3.12.99", r"no CPython 3\.12\.99 for linux/amd64: of 3\.12 it has 3\.12\.2 to 3\.12\.16", 'write "3.12" for'),
        ("3.20", r"no CPython 3\.20 for linux/amd64: it has 3\.10 to 3\.14", "choose one of these; a newer uv"),
    ],
)
def test_a_version_that_there_is_not_is_told_with_those_that_there_are(
    version: str, message: str, advice: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=rf"^{HERE}: python-build-standalone has {message}$") as caught:
        found(version, tmp_path, listed(tmp_path))
    assert caught.value.next_step.startswith(advice)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[]", "not a list of uv's form"), ('{"a": {}}', "not a list of uv's form"), (None, "No such file")],
)
def test_a_list_that_is_none_is_named_by_its_variable(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=f"^{LIST}: .*{message}"):
        found("3.12", tmp_path, {LIST: path.as_uri()})


def test_what_a_list_gives_no_hash_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"^{LIST}: cpython-3\.12\.16-linux-x86_64-gnu has no sha256"):
        found("3.12", tmp_path, listed(tmp_path, sha256=None))


def test_without_a_list_uv_itself_knows_versions_addresses_and_hashes(tmp_path: Path) -> None:
    """Of releases long past, which every uv knows, the hashes are those that their publisher has."""
    files = {
        "amd64": "20240107/cpython-3.12.1+20240107-x86_64-unknown-linux-gnu-install_only.tar.gz",
        "arm64": "20240107/cpython-3.12.1+20240107-aarch64-unknown-linux-gnu-install_only.tar.gz",
    }
    hashes = {}
    for arch, name in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"data")
        chosen = found("3.12.1", tmp_path / "scratch", {MIRROR: tmp_path.as_uri()}, arch)
        assert (chosen.version, chosen.size) == ("3.12.1", 4)
        assert chosen.url.endswith(f"/python-build-standalone/releases/download/{name.replace('+', '%2B')}")
        hashes[arch] = chosen.sha256
    assert hashes == {
        "amd64": "74e330b8212ca22fd4d9a2003b9eec14892155566738febc8e5e572f267b9472",
        "arm64": "236533ef20e665007a111c2f36efb59c87ae195ad7dca223b6dc03fb07064f0b",
    }
    assert not any((tmp_path / "scratch").iterdir())


def test_an_archive_is_asked_for_at_the_mirror_alone_where_there_is_one() -> None:
    url = address("3.12.16")
    rest = url.removeprefix(GITHUB)
    assert interpreter_urls(url, {MIRROR: "https://mirror.example/pbs/"}) == [f"https://mirror.example/pbs{rest}"]
    other, own = interpreter_urls(url, {})
    assert (own, other.endswith(f"/python-build-standalone/releases/download{rest}")) == (url, True)
    assert interpreter_urls("https://elsewhere.example/a.tar.gz", {MIRROR: "https://m.example"}) == [
        "https://elsewhere.example/a.tar.gz"
    ]


def test_a_publisher_that_cannot_be_asked_is_an_outage_that_names_the_ways_out(tmp_path: Path) -> None:
    environment = listed(tmp_path, url=address("3.12.16")) | {MIRROR: (tmp_path / "nowhere").as_uri()}
    with pytest.raises(UnavailableError, match=rf"^{HERE}: CPython 3\.12 .* can't be had: .*No such file") as caught:
        found("3.12", tmp_path, environment)
    assert caught.value.next_step == (
        'write "3.11" or "3.13", which may do as well and would come from Debian; or name a mirror of its releases in '
        "UV_PYTHON_INSTALL_MIRROR, or an image that has it: `cogpack: {base: python:3.12-slim}`"
    )


def test_a_mirror_or_a_list_that_is_no_address_is_told_as_that(tmp_path: Path) -> None:
    """It was a bug of cogpack, by its own word."""
    for name in (MIRROR, LIST):
        with pytest.raises(InputError, match=f"{name}: 'http://\\[::1' is no address"):
            found("3.12", tmp_path, {name: "http://me:s@[::1"})


def test_a_uv_that_answers_in_no_utf_8_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    program.write_text("#!/bin/sh\nprintf '\\377'\n")
    program.chmod(0o755)
    monkeypatch.setattr("cogpack.resolve.interpreter.uv_program", lambda: str(program))
    with pytest.raises(UnavailableError, match="uv does not tell which interpreters there are"):
        found("3.12", tmp_path, {})
