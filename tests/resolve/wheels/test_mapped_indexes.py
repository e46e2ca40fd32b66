"""uv is started with the addresses that the user's map leads to, and answers with the logins of those hosts only."""

from pathlib import Path

import pytest

from cogpack.http import UrlMap
from cogpack.requirements.model import Requirements
from cogpack.resolve.wheels.indexes import Indexes

MAP = "https://a.test=https://p.test/a https://files.test=https://p.test/files"


def indexes(environment: dict[str, str], entries: str = MAP) -> Indexes:
    found = UrlMap.parse(entries, where="COGPACK_URL_MAP")
    return Indexes.from_environment({"HOME": "/nowhere"} | environment, Requirements(), url_map=found)


def test_every_address_that_uv_is_started_with_is_mapped_and_loses_its_login() -> None:
    environment = {
        "UV_DEFAULT_INDEX": "https://me:hunter2@a.test/simple",
        "UV_INDEX": "ours=https://a.test/ours theirs=https://b.test/simple",
        "UV_INDEX_OURS_USERNAME": "me",
        "UV_INDEX_OURS_PASSWORD": "hunter2",
        "UV_INDEX_THEIRS_PASSWORD": "kept",
        "UV_FIND_LINKS": "https://files.test/flat/",
    }
    found = indexes(environment).variables()
    assert found["UV_DEFAULT_INDEX"] == "https://p.test/a/simple"
    assert found["UV_INDEX"] == "ours=https://p.test/a/ours theirs=https://b.test/simple"
    assert found["UV_FIND_LINKS"] == "https://p.test/files/flat/"
    assert "hunter2" not in str(found)
    assert found["UV_INDEX_THEIRS_PASSWORD"] == "kept"


def test_the_default_of_uv_is_named_where_it_is_mapped() -> None:
    assert indexes({}, "https://pypi.org=https://p.test/pypi").variables()["UV_DEFAULT_INDEX"] == (
        "https://p.test/pypi/simple"
    )
    assert "UV_DEFAULT_INDEX" not in indexes({}).variables()


def test_requirements_that_name_a_wheel_are_mapped() -> None:
    line = "one[x] @ https://files.test/one-1.0-py3-none-any.whl ; python_version > '3' --hash=sha256:0"
    assert indexes({}).asked_line(line) == line.replace("https://files.test", "https://p.test/files")
    assert indexes({}).asked_line("one>=1 # https://files.test") == "one>=1 # https://files.test"


@pytest.mark.parametrize(
    ("url", "authorised"),
    [
        ("https://files.test/x.whl", "https://of:proxy@p.test/files/x.whl"),
        ("https://p.test/files/x.whl", "https://of:proxy@p.test/files/x.whl"),
        ("https://a.test/x.whl", "https://of:proxy@p.test/a/x.whl"),
        ("https://b.test/x.whl", "https://b.test/x.whl"),
    ],
)
def test_the_login_of_an_index_is_for_the_host_that_is_really_asked(url: str, authorised: str) -> None:
    environment = {
        "UV_DEFAULT_INDEX": "https://me:hunter2@a.test/simple",
        "UV_INDEX": "ours=https://a.test/ours https://of:proxy@p.test/other",
        "UV_INDEX_OURS_USERNAME": "me",
    }
    assert indexes(environment).authorised(url) == authorised


def test_a_mapped_address_without_a_login_is_left_for_who_asks_for_it(tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine files.test login me password hunter2\nmachine b.test login me password right\n")
    found = indexes({"NETRC": str(netrc)})
    assert found.authorised("https://files.test/x.whl") == "https://files.test/x.whl"
    assert found.authorised("https://b.test/x.whl") == "https://me:right@b.test/x.whl"


def test_what_uv_says_names_both_addresses() -> None:
    found = indexes({"UV_DEFAULT_INDEX": "https://me:${TOKEN}@a.test/simple", "TOKEN": "hunter2"})
    said = "error: Failed to fetch: `https://p.test/a/simple/one/`\n  Caused by: https://p.test/a/simpler"
    assert found.told(said) == (
        "error: Failed to fetch: `https://a.test/simple/one/ (through https://p.test/a/simple/one/)`\n"
        "  Caused by: https://p.test/a/simpler"
    )
