"""uv is called to resolve; what stands in the way of that is told."""

import re
import ssl
import time
from pathlib import Path

import pytest
from support.certificates import pem
from support.fake_http import serving
from support.wheels import make_wheel

from cogpack.errors import DeniedError, InputError, UnavailableError
from cogpack.requirements.model import LocalLinks, Options, Requirements
from cogpack.resolve.wheels.compile import Uv, WheelQuestion, way_to
from cogpack.resolve.wheels.failures import failure
from cogpack.resolve.wheels.indexes import Indexes
from cogpack.resolve.wheels.resolver import resolve_wheels
from cogpack.resolve.wheels.target import TargetPython

TARGET = TargetPython(python="3.12", glibc="2.36", arch="amd64")


def test_a_uv_without_its_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find() -> str:
        raise FileNotFoundError("nowhere")

    monkeypatch.setattr("uv.find_uv_bin", find)
    with pytest.raises(InputError, match="uv is installed without its program: nowhere") as caught:
        Uv(
            target=TARGET, indexes=Indexes.from_environment({}, Requirements()), cache=tmp_path, metadata=tmp_path
        ).compile(WheelQuestion(requirements=["one"]))
    assert "install cogpack anew" in (caught.value.next_step or "")


_FILE = '{"filename": "one-1.0-py3-none-any.whl", "url": "one-1.0-py3-none-any.whl", "hashes": {}, "size": %s}'
_PAGE = '{"meta": {"api-version": "1.1"}, "name": "one", "files": [' + _FILE + "]}"


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        *((_PAGE % size, "application/vnd.pypi.simple.v1+json") for size in ("1e400", "-1", "9" * 5000)),
        ("<html>log in</html>", "application/vnd.pypi.simple.v1+json"),
        ("log in", "text/plain"),
    ],
)
def test_a_page_that_is_none_is_the_fault_of_the_index_and_not_of_who_requires_something(
    page: str, kind: str, tmp_path: Path
) -> None:
    with serving(lambda _: (200, {"Content-Type": kind}, page.encode())) as fake:
        places = {"UV_DEFAULT_INDEX": f"{fake.url}/simple", "UV_HTTP_RETRIES": "0"}
        with pytest.raises(UnavailableError, match=r"a page of a package index can't be read: .*/simple/one/") as told:
            Uv(
                target=TARGET,
                indexes=Indexes.from_environment(places, Requirements()),
                cache=tmp_path / "scratch",
                metadata=tmp_path / "uv",
            ).compile(WheelQuestion(requirements=["one"]))
    assert told.value.next_step.startswith("check the index's address")


def resolve(root: Path, *lines: str) -> None:
    for name in ("one", "two"):
        make_wheel(root / "wheels", name, "1.0")
    make_wheel(root / "wheels", "of-one", "1.0", requires=("one==9",))
    links = LocalLinks(directory=str(root / "wheels"), path="", line=0)
    found = Requirements(options=Options(no_index=True), local_links=(links,))
    resolve_wheels(
        WheelQuestion(
            requirements=lines,
            root=root,
            places=lambda text: [
                f"requirements.txt:{at}" for at, line in enumerate(lines, 1) if re.split(r"[=@ \[]", line)[0] in text
            ],
        ),
        Uv(
            target=TARGET,
            indexes=Indexes.from_environment({"UV_HTTP_RETRIES": "0"}, found, root),
            cache=root / "scratch",
            metadata=root / "metadata",
        ),
    )


@pytest.mark.parametrize("first", ["one==9", "one[all]==9", "one[all,more]==9"])
def test_all_versions_that_there_are_not_are_told_at_once(first: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        resolve(tmp_path, first, "two==8")
    assert [part.message.partition(":")[2][:2] for part in told.value.parts] == ["1:", "2:"]
    assert [part.message.partition(": ")[2] for part in told.value.parts] == [
        "one==9: there is no such version for Python 3.12 and x86_64",
        "two==8: there is no such version for Python 3.12 and x86_64",
    ]
    assert {part.next_step for part in told.value.parts} == {"name one that there is, such as 1.0"}


def test_of_a_version_that_there_is_not_those_beside_it_and_the_newest_are_told(tmp_path: Path) -> None:
    for version in ("1.0", "1.2", "1.4", "2.0"):
        make_wheel(tmp_path / "wheels", "three", version)
    with pytest.raises(InputError) as told:
        resolve(tmp_path, "three==1.3")
    assert told.value.next_step == "name one that there is, such as 1.2 or 1.4 or 2.0"


@pytest.mark.parametrize(
    ("pin", "there"),
    [
        ("three==1.2+cu118", "1.2 or 1.4 or 2.0+cpu"),
        ("three==2.0+cu118", "2.0+cpu"),
        ("three===1.3", "1.2 or 1.4 or 2.0+cpu"),
    ],
)
def test_a_version_with_a_local_part_that_there_is_not_is_told_with_those_beside_it(
    pin: str, there: str, tmp_path: Path
) -> None:
    """`six<1.16.0+cu118` is no requirement: PEP 440 has local parts beside == alone."""
    for version in ("1.2", "1.4", "2.0+cpu"):
        make_wheel(tmp_path / "wheels", "three", version)
    with pytest.raises(InputError) as told:
        resolve(tmp_path, pin)
    assert told.value.next_step == f"name one that there is, such as {there}"


def test_a_version_of_a_package_that_has_none_for_this_python_is_told_as_uv_does(tmp_path: Path) -> None:
    make_wheel(tmp_path / "wheels", "three", "1.0", tag="cp38-cp38-linux_x86_64")
    with pytest.raises(InputError) as told:
        resolve(tmp_path, "three==1.3")
    assert "there is no version of three==1.3 and you require three==1.3" in told.value.message
    assert "`pip index versions three` lists them" in told.value.next_step


def test_who_requires_a_version_that_there_is_not_is_not_told_to_name_another_version_of_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no version of one==9 and all versions of of-one depend") as told:
        resolve(tmp_path, "of-one==1.0")
    assert told.value.next_step == "change the requirements so that they can hold together"


@pytest.mark.parametrize("status", [401, 403])
def test_an_address_that_wants_credentials_is_not_called_an_index(status: int, tmp_path: Path) -> None:
    with serving(lambda _: (status, {}, b"")) as fake, pytest.raises(DeniedError) as told:
        resolve(tmp_path, f"one @ {fake.url}/one-1.0-py3-none-any.whl")
    assert told.value.message.startswith(f"requirements.txt:1: one: {fake.url}/one-1.0-py3-none-any.whl is refused (")
    assert str(status) in told.value.message
    assert "~/.netrc" in told.value.next_step
    assert "INDEX" not in told.value.next_step


def test_an_address_whose_certificate_nobody_knows_is_told_with_what_helps(tmp_path: Path) -> None:
    pair = pem(tmp_path, "unknown", "unknown", names=("127.0.0.1",))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    with serving(lambda _: (200, {}, b""), tls) as fake, pytest.raises(UnavailableError) as told:
        resolve(tmp_path, f"one @ {fake.url}/one-1.0-py3-none-any.whl")
    assert "one-1.0-py3-none-any.whl can't be reached: " in told.value.message
    assert "set SSL_CERT_FILE" in told.value.next_step


def test_the_address_of_a_requirement_is_not_called_an_index(tmp_path: Path) -> None:
    with serving(lambda _: (404, {}, b"")) as fake, pytest.raises(InputError) as none:
        resolve(tmp_path, f"one @ {fake.url}/one-1.0-py3-none-any.whl")
    assert none.value.message.endswith(f"one: {fake.url}/one-1.0-py3-none-any.whl: there is no such file (404)")
    with pytest.raises(UnavailableError) as away:
        resolve(tmp_path, f"one @ {fake.url}/one-1.0-py3-none-any.whl")
    assert f"one: {fake.url}/one-1.0-py3-none-any.whl can't be reached: " in away.value.message
    assert away.value.next_step == "check the address and the network"


def test_the_project_that_names_an_index_for_torch_is_not_told() -> None:
    said = "cause: Because there is no version of one==9 and cogpack-torch depends on one==9, we can conclude"
    assert "and you require one==9, we" in failure(said, TARGET).message


def test_a_version_for_another_python_is_told_with_where_that_is_chosen() -> None:
    """The option of uv that it hints at is none of ours."""
    told = failure(
        "error: No solution found when resolving dependencies\n"
        "  cause: Because the requested Python version (>=3.10) does not satisfy Python>=3.11.0 and one==5.24.0 "
        "depends on Python>=3.11.0, we can conclude that one==5.24.0 cannot be used.\n\n"
        "hint: The `--python-version` value (>=3.10) includes Python versions that are not supported by your "
        "dependencies (e.g., one==5.24.0 only supports >=3.11.0). Consider using a higher `--python-version` value.\n",
        TARGET,
    )
    assert "--python-version" not in told.message
    assert told.next_step == (
        "choose another python_version (build.python_version: one==5.24.0 wants >=3.11.0), or a version of one for "
        f"Python {TARGET.python}"
    )


@pytest.mark.slow
@pytest.mark.parametrize("constraints", [(), ("fw<2", "av<12")])
def test_who_requires_a_package_is_told_of_the_versions_that_were_chosen(
    constraints: tuple[str, ...], tmp_path: Path
) -> None:
    for name, version, requires in (
        ("av", "1.0", ()),
        ("fw", "1.0", ("av",)),
        ("fw", "2.0", ()),
        ("fwx", "1.0", ("fw",)),
    ):
        make_wheel(tmp_path / "wheels", name, version, requires=requires)
    links = LocalLinks(directory=str(tmp_path / "wheels"), path="", line=0)
    found = Requirements(options=Options(no_index=True), local_links=(links,))
    uv = Uv(
        target=TARGET,
        indexes=Indexes.from_environment({}, found, tmp_path),
        cache=tmp_path / "scratch",
        metadata=tmp_path / "metadata",
    )
    question = WheelQuestion(requirements=["fwx"], constraints=constraints, overrides=["av<11"])
    via = uv.requirers(question, {"fw": "1.0"})
    assert via == {"av": ("fw",), "fw": ("fwx",), "fwx": ("",)}
    assert way_to("av", via) == "fwx requires fw, which requires "


def test_a_name_as_long_as_a_wheel_may_have_takes_no_time() -> None:
    """uv says it in its error; a matcher that begins at each of its letters takes their square, and hears no Ctrl-C."""
    began = time.process_time()
    message = failure(f"error: {'a' * 60_000} is nowhere", TARGET).message
    assert time.process_time() - began < 1
    assert len(message) < 3000
