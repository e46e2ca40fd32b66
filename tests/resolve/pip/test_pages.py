"""Pages of indexes, as JSON and HTML, and directories of wheels."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_http import Answer, Fake, Request, serving

from cogpack.errors import DeniedError, MismatchError, UnavailableError
from cogpack.http import Http, Response
from cogpack.requirements.model import Options, Requirements
from cogpack.resolve.pip import Offer, Pages
from cogpack.resolve.pip.pages import read_page
from cogpack.resolve.wheels.indexes import Indexes

WHEEL = "pkg-1.0-py3-none-any.whl"
PAGES: dict[str, Answer] = {}


@pytest.fixture
def fake() -> Iterator[Fake]:
    def script(request: Request) -> Answer:
        return PAGES.get(request.path, (404, {}, b""))

    PAGES.clear()
    with serving(script) as found:
        yield found


def html(text: str) -> Answer:
    return 200, {"Content-Type": "text/html"}, text.encode()


def pages(http: Http, *, newest: str | None = None, **options: object) -> Pages:
    found = Indexes.from_environment({}, Requirements(options=Options(**options)))  # type: ignore[arg-type]
    return Pages(http, found, newest)


def test_both_forms_say_the_same(fake: Fake) -> None:
    PAGES["/json/pkg/"] = (
        200,
        {"Content-Type": "application/vnd.pypi.simple.v1+json"},
        json.dumps(
            {
                "files": [
                    {
                        "filename": WHEEL,
                        "url": f"../../files/{WHEEL}",
                        "hashes": {"sha256": "ab" * 32},
                        "requires-python": ">=3.8",
                        "yanked": "broken",
                        "core-metadata": {"sha256": "cd"},
                    }
                ]
            }
        ).encode(),
    )
    more = 'data-requires-python="&gt;=3.8" data-yanked="" data-core-metadata="sha256=cd"'
    PAGES["/html/pkg/"] = html(f'<a href="../../files/{WHEEL}#sha256={"AB" * 32}" {more}>x</a>')
    with Http() as http:
        (one,) = pages(http, index_url=f"{fake.url}/json").offers("pkg")
        (other,) = pages(http, index_url=f"{fake.url}/html/").offers("pkg")
    assert one == other
    assert one == Offer(
        filename=WHEEL,
        url=f"{fake.url}/files/{WHEEL}",
        sha256="ab" * 32,
        requires_python=">=3.8",
        yanked=True,
        metadata=(("sha256", "cd"),),
    )


@pytest.mark.parametrize("hash_", ["/home/me/precious.txt", "../../x", "ab", "g" * 64, "ab" * 32 + "/x"])
def test_what_is_no_hash_is_none(fake: Fake, hash_: str) -> None:
    """Files are kept here under their hashes, as paths."""
    files = [{"filename": WHEEL, "url": WHEEL, "hashes": {"sha256": hash_}}]
    PAGES["/json/pkg/"] = (
        *(200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}),
        json.dumps({"files": files}).encode(),
    )
    PAGES["/html/pkg/"] = html(f'<a href="{WHEEL}#sha256={hash_}">x</a>')
    with Http() as http:
        for form in ("json", "html"):
            (one,) = pages(http, index_url=f"{fake.url}/{form}").offers("pkg")
            assert one.sha256 is None


def test_all_places_are_asked_once_and_directories_come_first(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"a wheel")
    PAGES["/links"] = html(f'<base href="{fake.url}/elsewhere/"><a href="pkg-2.0-py3-none-any.whl">x</a>')
    PAGES["/a/pkg/"] = html('<a href="pkg-3.0-py3-none-any.whl">x</a>')
    PAGES["/b/pkg/"] = html('<a href="pkg-4.0-py3-none-any.whl">x</a>')
    with Http() as http:
        found = pages(
            http,
            index_url=f"{fake.url}/a",
            extra_index_urls=(f"{fake.url}/b", f"{fake.url}/has-none"),
            find_links=(str(tmp_path), f"{fake.url}/links"),
        )
        names = [offer.filename for offer in found.offers("pkg")]
        assert names == [WHEEL, *(f"pkg-{n}.0-py3-none-any.whl" for n in (2, 3, 4))]
        asked = len(fake.seen)
        assert [offer.filename for offer in found.offers("pkg")] == names
        assert len(fake.seen) == asked
        nothing = pages(http, no_index=True, index_url=f"{fake.url}/a")
        assert list(nothing.offers("pkg")) == []


@pytest.mark.parametrize(("status", "error"), [(401, DeniedError), (503, UnavailableError)])
def test_an_index_that_does_not_answer_is_an_error_and_one_that_has_no_such_package_is_none(
    fake: Fake, status: int, error: type[Exception]
) -> None:
    PAGES["/simple/pkg/"] = (status, {}, b"")
    with Http(backoff=lambda _: 0.0) as http:
        found = pages(http, index_url=f"{fake.url}/simple")
        with pytest.raises(error):
            list(found.offers("pkg"))
        PAGES["/simple/pkg/"] = (403, {}, b"")  # as an object store says that there is none
        assert list(found.offers("pkg")) == []
        PAGES["/simple/pkg/"] = (200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, b"[]")
        with pytest.raises(UnavailableError):
            list(pages(http, index_url=f"{fake.url}/simple").offers("pkg"))


def test_a_server_names_no_file_of_this_machine(fake: Fake) -> None:
    PAGES["/simple/pkg/"] = html(f'<a href="file:///srv/{WHEEL}">x</a><a href="http://[/{WHEEL}">x</a>')
    with Http() as http:
        assert list(pages(http, index_url=f"{fake.url}/simple").offers("pkg")) == []


@pytest.mark.parametrize("size", ["-1", "1.5", "1e400", "1e3", "9" * 25, "9" * 5000, "NaN", '"1"'])
def test_a_size_that_no_file_has_is_told_as_a_fault_of_the_page(fake: Fake, size: str) -> None:
    body = f'{{"files": [{{"filename": "{WHEEL}", "url": "{WHEEL}", "size": {size}}}]}}'.encode()
    PAGES["/simple/pkg/"] = (200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, body)
    with Http() as http, pytest.raises(UnavailableError, match=r"/simple/pkg/: not a valid page: ") as told:
        list(pages(http, index_url=f"{fake.url}/simple").offers("pkg"))
    assert told.value.next_step == "tell the operator of the package index"


def test_a_link_that_is_no_address_is_passed_over_in_both_forms(fake: Fake) -> None:
    files = [{"filename": WHEEL, "url": url} for url in (f"http://[/{WHEEL}", WHEEL)]
    PAGES["/json/pkg/"] = (
        *(200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}),
        json.dumps({"files": files}).encode(),
    )
    PAGES["/html/pkg/"] = html(f'<base href="http://["><a href="http://[/{WHEEL}">x</a><a href="{WHEEL}">x</a>')
    with Http() as http:
        for form in ("json", "html"):
            found = pages(http, index_url=f"{fake.url}/{form}").offers("pkg")
            assert [offer.url for offer in found] == [f"{fake.url}/{form}/pkg/{WHEEL}"]


def test_what_was_uploaded_too_late_or_does_not_say_when_is_not_seen(fake: Fake) -> None:
    files = [
        {"filename": f"pkg-{version}-py3-none-any.whl", "url": f"{version}.whl", **more}
        for version, more in (
            ("1", {"upload-time": "2025-12-31T23:59:59.5Z"}),
            ("2", {"upload-time": "2026-01-01T00:00:01Z"}),
            ("3", {}),
        )
    ]
    body = json.dumps({"files": files}).encode()
    PAGES["/simple/pkg/"] = (200, {"Content-Type": "application/vnd.pypi.simple.v1+json"}, body)
    with Http() as http:
        found = pages(http, index_url=f"{fake.url}/simple", newest="2026-01-01T00:00:00Z").offers("pkg")
        assert [offer.filename for offer in found] == ["pkg-1-py3-none-any.whl"]


def test_a_file_is_found_by_name_and_hash_and_another_of_its_name_is_an_error(fake: Fake) -> None:
    PAGES["/simple/pkg/"] = html(f'<a href="{WHEEL}#sha256={"ab" * 32}">x</a>')
    with Http() as http:
        found = pages(http, index_url=f"{fake.url}/simple")
        assert found.find("pkg", WHEEL, "ab" * 32) == f"{fake.url}/simple/pkg/{WHEEL}"
        assert found.find("pkg", "pkg-2.0-py3-none-any.whl", "ab" * 32) is None
        with pytest.raises(MismatchError, match="pins"):
            found.find("pkg", WHEEL, "cd" * 32)


@pytest.mark.parametrize("piece", ["<a ", '<a href="', "<a =", "<!--", "<![CDATA["])
def test_a_page_of_tags_that_never_end_is_read_in_the_time_of_its_length(piece: str) -> None:
    """The standard library's parser of Python 3.11 takes half a minute for it, and hours for a megabyte."""
    began = time.process_time()
    answer = Response(200, {"content-type": "text/html"}, (piece * 20_000).encode(), "https://h.example/")
    assert read_page(answer, "h.example") == ()
    assert time.process_time() - began < 2
