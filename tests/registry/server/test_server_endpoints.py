"""The table of endpoints of the distribution-spec (spec.md, "Endpoints", v1.1.1; end-4c, 7b and 14 are of its main).

Each row is asked of our server and of the real docker-registry 2.8. Where the latter answers otherwise, `OTHERWISE`
has its answer: a row there that comes to agree fails too.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import httpx
import pytest
from support.wire import (
    INDEX,
    MANIFEST,
    begin,
    descriptor_of,
    digest_of,
    finish,
    location,
    manifest_of,
    push_blob,
    put_manifest,
)

Ask: TypeAlias = Callable[[httpx.Client], httpx.Response]

BLOB, NEW = b"blob", b"new"
IMAGE = manifest_of(b"{}", BLOB)
KIND = "application/vnd.example.sbom.v1"
REFERRER = json.dumps(
    {
        **json.loads(manifest_of(b"{}")),
        "artifactType": KIND,
        "subject": descriptor_of(IMAGE, MANIFEST),
        "annotations": {"made-by": "tests"},
    }
).encode()
LISTED = {**descriptor_of(REFERRER, MANIFEST), "artifactType": KIND, "annotations": {"made-by": "tests"}}
BIG = b'{"schemaVersion": 2, "x": "%s"}' % (b"x" * (4 << 20))

HERE, SUBJECT, ABSENT = digest_of(BLOB), digest_of(IMAGE), digest_of(b"absent")
NOBODYS = "/a/b/blobs/uploads/6f1c1f3e-0000-4000-8000-000000000000"
ACCEPT = {"Accept": f"{MANIFEST}, {INDEX}"}


@dataclass(frozen=True)
class Answer:
    """Of `headers`, the names are looked at; None stands for one that is missing. `document`: the JSON body."""

    status: int
    headers: dict[str, str | None] = field(default_factory=dict)
    document: Any = None


class Row(NamedTuple):
    """`ask` finds `a/b` with IMAGE tagged `v1` and `v2`, and nothing in `c`."""

    end: str
    case: str
    ask: Ask
    answer: Answer


def get(path: str, **headers: str) -> Ask:
    return lambda client: client.get(path, headers={**ACCEPT, **headers})


def head(path: str) -> Ask:
    return lambda client: client.head(path, headers=ACCEPT)


def post(path: str, data: bytes = b"") -> Ask:
    return lambda client: client.post(path, content=data)


def put(reference: str, data: bytes) -> Ask:
    return lambda client: put_manifest(client, "a/b", reference, data)


def delete(path: str) -> Ask:
    return lambda client: client.delete(path)


def after(*asked: Ask) -> Ask:
    """The last one's answer."""

    def all_of_them(client: httpx.Client) -> httpx.Response:
        *before, last = asked
        for ask in before:
            ask(client)
        return last(client)

    return all_of_them


def chunk(data: bytes, content_range: str | None = None) -> Ask:
    """A PATCH of a new upload."""

    def ask(client: httpx.Client) -> httpx.Response:
        headers = {} if content_range is None else {"Content-Range": content_range}
        return client.patch(location(client, begin(client, "a/b")), content=data, headers=headers)

    return ask


def again(data: bytes, content_range: str) -> Ask:
    """The same chunk a second time."""

    def ask(client: httpx.Client) -> httpx.Response:
        first = chunk(data, content_range)(client)
        return client.patch(location(client, first), content=data, headers={"Content-Range": content_range})

    return ask


def commit(before: Ask, digest: str, data: bytes = b"", **headers: str) -> Ask:
    return lambda client: finish(client, before(client), digest, data, **headers)


def at_its_address(method: str, before: Ask) -> Ask:
    return lambda client: client.request(method, location(client, before(client)))


START = post("/a/b/blobs/uploads/")
WITH_REFERRER = put(digest_of(REFERRER), REFERRER)


def listing(*referrers: object) -> dict[str, object]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(referrers)}


def tags(*names: str) -> dict[str, object]:
    return {"name": "a/b", "tags": list(names)}


ROWS = [
    Row("end-1", "the API is there", get("/"), Answer(200)),
    Row("end-2", "GET", get(f"/a/b/blobs/{HERE}"), Answer(200, {"Docker-Content-Digest": HERE, "Content-Length": "4"})),
    Row(
        "end-2", "HEAD", head(f"/a/b/blobs/{HERE}"), Answer(200, {"Docker-Content-Digest": HERE, "Content-Length": "4"})
    ),
    Row(
        "end-2",
        "GET a part",
        get(f"/a/b/blobs/{HERE}", Range="bytes=1-2"),
        Answer(206, {"Content-Range": "bytes 1-2/4"}),
    ),
    Row("end-2", "GET what is absent", get(f"/a/b/blobs/{ABSENT}"), Answer(404)),
    Row("end-2", "HEAD what is absent", head(f"/a/b/blobs/{ABSENT}"), Answer(404)),
    Row("end-3", "GET a tag", get("/a/b/manifests/v1"), Answer(200, {"Content-Type": MANIFEST}, json.loads(IMAGE))),
    Row("end-3", "GET a digest", get(f"/a/b/manifests/{SUBJECT}"), Answer(200, {"Docker-Content-Digest": SUBJECT})),
    Row("end-3", "HEAD a tag", head("/a/b/manifests/v1"), Answer(200, {"Content-Length": str(len(IMAGE))})),
    Row("end-3", "GET an absent tag", get("/a/b/manifests/v9"), Answer(404)),
    Row("end-3", "GET an absent digest", get(f"/a/b/manifests/{ABSENT}"), Answer(404)),
    Row("end-3", "GET from an absent repository", get("/c/manifests/v1"), Answer(404)),
    Row("end-4a", "begin", START, Answer(202, {"Range": "0-0"})),
    Row("end-4b", "whole", post(f"/a/b/blobs/uploads/?digest={digest_of(NEW)}", NEW), Answer(201)),
    Row("end-4b", "another digest", post(f"/a/b/blobs/uploads/?digest={ABSENT}", NEW), Answer(400)),
    Row("end-4c", "sha256", post("/a/b/blobs/uploads/?digest-algorithm=sha256"), Answer(202)),
    Row("end-5", "a stream", chunk(NEW), Answer(202, {"Range": "0-2"})),
    Row("end-5", "the first chunk", chunk(NEW, "0-2"), Answer(202, {"Range": "0-2"})),
    Row("end-5", "a gap", chunk(NEW, "5-7"), Answer(416)),
    Row("end-5", "a chunk twice", again(NEW, "0-2"), Answer(416, {"Range": "0-2"})),
    Row("end-5", "nobody's upload", lambda client: client.patch(NOBODYS, content=NEW), Answer(404)),
    Row("end-6", "whole", commit(START, digest_of(NEW), NEW), Answer(201, {"Docker-Content-Digest": digest_of(NEW)})),
    Row("end-6", "after a chunk", commit(chunk(NEW[:1], "0-0"), digest_of(NEW), NEW[1:]), Answer(201)),
    Row("end-6", "a gap", commit(chunk(NEW[:1]), digest_of(NEW), NEW[1:], **{"Content-Range": "2-3"}), Answer(416)),
    Row("end-6", "another digest", commit(START, ABSENT, NEW), Answer(400)),
    Row("end-6", "no digest", at_its_address("PUT", START), Answer(400)),
    Row("end-6", "nobody's upload", lambda client: client.put(f"{NOBODYS}?digest={HERE}", content=BLOB), Answer(404)),
    Row("end-7a", "by tag", put("v3", IMAGE), Answer(201, {"Docker-Content-Digest": SUBJECT})),
    Row("end-7a", "by digest", put(SUBJECT, IMAGE), Answer(201, {"Docker-Content-Digest": SUBJECT})),
    Row("end-7a", "a layer is absent", put("v3", manifest_of(b"{}", NEW)), Answer(400)),
    Row("end-7a", "too large", put("v3", BIG), Answer(413)),
    Row("end-7a", "with a subject", WITH_REFERRER, Answer(201, {"OCI-Subject": SUBJECT})),
    Row("end-7b", "with tags", put(f"{SUBJECT}?tag=x&tag=y", IMAGE), Answer(201, {"OCI-Tag": "x, y"})),
    Row("end-8a", "all", get("/a/b/tags/list"), Answer(200, {}, tags("v1", "v2"))),
    Row("end-8a", "of an absent repository", get("/c/tags/list"), Answer(404)),
    Row(
        "end-8b",
        "a page",
        get("/a/b/tags/list?n=1"),
        Answer(200, {"Link": '</v2/a/b/tags/list?n=1&last=v1>; rel="next"'}, tags("v1")),
    ),
    Row("end-8b", "the last page", get("/a/b/tags/list?n=1&last=v1"), Answer(200, {"Link": None}, tags("v2"))),
    Row("end-8b", "an empty page", get("/a/b/tags/list?n=0"), Answer(200, {"Link": None}, tags())),
    Row("end-9", "a tag", delete("/a/b/manifests/v1"), Answer(202)),
    Row(
        "end-9",
        "the other tag stays",
        after(delete("/a/b/manifests/v1"), get("/a/b/tags/list")),
        Answer(200, {}, tags("v2")),
    ),
    Row("end-9", "a manifest", delete(f"/a/b/manifests/{SUBJECT}"), Answer(202)),
    Row("end-9", "its tags end", after(delete(f"/a/b/manifests/{SUBJECT}"), get("/a/b/manifests/v1")), Answer(404)),
    Row("end-9", "an absent tag", delete("/a/b/manifests/v9"), Answer(404)),
    Row("end-9", "an absent manifest", delete(f"/a/b/manifests/{ABSENT}"), Answer(404)),
    Row("end-9", "of an absent repository", delete(f"/c/manifests/{SUBJECT}"), Answer(404)),
    Row("end-10", "a blob", delete(f"/a/b/blobs/{HERE}"), Answer(202)),
    Row("end-10", "it is gone", after(delete(f"/a/b/blobs/{HERE}"), get(f"/a/b/blobs/{HERE}")), Answer(404)),
    Row("end-10", "an absent blob", delete(f"/a/b/blobs/{ABSENT}"), Answer(404)),
    Row(
        "end-11",
        "mounted",
        post(f"/c/blobs/uploads/?mount={HERE}&from=a/b"),
        Answer(201, {"Docker-Content-Digest": HERE}),
    ),
    Row("end-11", "absent", post(f"/c/blobs/uploads/?mount={ABSENT}&from=a/b"), Answer(202)),
    Row("end-11", "from nowhere", post(f"/c/blobs/uploads/?mount={HERE}"), Answer(202)),
    Row("end-12a", "none", get(f"/a/b/referrers/{SUBJECT}"), Answer(200, {"Content-Type": INDEX}, listing())),
    Row("end-12a", "one", after(WITH_REFERRER, get(f"/a/b/referrers/{SUBJECT}")), Answer(200, {}, listing(LISTED))),
    Row("end-12a", "of what is absent", get(f"/c/referrers/{ABSENT}"), Answer(200, {}, listing())),
    Row("end-12a", "no digest", get("/a/b/referrers/v1"), Answer(400)),
    Row(
        "end-12b",
        "this kind",
        after(WITH_REFERRER, get(f"/a/b/referrers/{SUBJECT}?artifactType={KIND}")),
        Answer(200, {"OCI-Filters-Applied": "artifactType"}, listing(LISTED)),
    ),
    Row(
        "end-12b",
        "another kind",
        after(WITH_REFERRER, get(f"/a/b/referrers/{SUBJECT}?artifactType=text/plain")),
        Answer(200, {"OCI-Filters-Applied": "artifactType"}, listing()),
    ),
    Row("end-13", "status", at_its_address("GET", chunk(NEW)), Answer(204, {"Range": "0-2"})),
    Row("end-13", "nobody's upload", get(NOBODYS), Answer(404)),
    Row("end-14", "cancel", at_its_address("DELETE", START), Answer(204)),
    Row("end-14", "nobody's upload", delete(NOBODYS), Answer(404)),
]

_NO_PAGES = Answer(200, {"Link": None}, tags("v1", "v2"))
OTHERWISE: dict[str, Answer] = {
    "end-4b whole": Answer(202),  # the body is dropped, says the spec's alternative
    "end-4b another digest": Answer(202),
    "end-5 a gap": Answer(202),  # Content-Range is not looked at
    "end-5 a chunk twice": Answer(202, {"Range": "0-5"}),
    "end-6 a gap": Answer(201),
    "end-7a too large": Answer(400),
    "end-7a with a subject": Answer(201, {"OCI-Subject": None}),
    "end-7b with tags": Answer(201, {"OCI-Tag": None}),
    "end-8b a page": _NO_PAGES,
    "end-8b the last page": _NO_PAGES,
    "end-8b an empty page": _NO_PAGES,
    "end-9 a tag": Answer(400),  # "disabled", in the spec's words
    "end-9 the other tag stays": Answer(200, {}, tags("v1", "v2")),
    "end-9 an absent tag": Answer(400),
    "end-12a none": Answer(404, {"Content-Type": "text/plain; charset=utf-8"}),
    "end-12a one": Answer(404),
    "end-12a of what is absent": Answer(404),
    "end-12a no digest": Answer(404),
    "end-12b this kind": Answer(404, {"OCI-Filters-Applied": None}),
    "end-12b another kind": Answer(404, {"OCI-Filters-Applied": None}),
}


def _marks(row: Row) -> list[pytest.MarkDecorator]:
    """One row of each endpoint is quick."""
    return [] if row == next(other for other in ROWS if other.end == row.end) else [pytest.mark.slow]


@pytest.mark.slow
@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.end} {row.case}", marks=_marks(row)) for row in ROWS])
def test_an_endpoint_answers_as_the_spec_says(row: Row, client: httpx.Client, request: pytest.FixtureRequest) -> None:
    for data in (b"{}", BLOB):
        push_blob(client, "a/b", data)
    for tag in ("v1", "v2"):
        assert put_manifest(client, "a/b", tag, IMAGE).status_code == 201
    expected = row.answer
    if "docker-registry" in request.node.callspec.params.values():
        expected = OTHERWISE.get(f"{row.end} {row.case}", expected)
    answer = row.ask(client)
    is_json = "json" in answer.headers.get("Content-Type", "")
    document = answer.json() if is_json and row.answer.document is not None else None
    assert (
        Answer(answer.status_code, {name: answer.headers.get(name) for name in expected.headers}, document) == expected
    )


def test_every_exception_is_of_a_row_and_differs_from_it() -> None:
    rows = {f"{row.end} {row.case}": row.answer for row in ROWS}
    assert [name for name, answer in OTHERWISE.items() if rows[name] == answer] == []
