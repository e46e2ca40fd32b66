"""`s3://`: found, pinned and read as this machine's own identity."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.fake_http import Answer, Request, serving
from support.s3 import REGION, ROLE, Store, s3

from cogpack.config import WeightSource
from cogpack.digest import sha256
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http, Response
from cogpack.resolve.weights.listing import FoundFile
from cogpack.resolve.weights.s3 import S3
from cogpack.resolve.weights.s3_listing import parse_page

pytestmark = pytest.mark.slow

DATA = b"0123456789" * 100
ODD = "é (1)+~'!*&=?#%2F.bin"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with s3(tmp_path_factory.mktemp("s3")) as found:
        for key in ("llama/model.bin", "llama/sub/config.json", f"llama/{ODD}", "llama-2/other.bin"):
            found.put(key, DATA)
        found.put("llama/sub/", b"")
        found.put("summed.bin", DATA, ChecksumAlgorithm="SHA256")
        yield found


@pytest.fixture(scope="module")
def versioned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with s3(tmp_path_factory.mktemp("versioned"), versions=True) as found:
        yield found


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found


def server(http: Http, endpoint: str, more: Mapping[str, str] = {}) -> S3:
    return S3(http, {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": REGION, **more})


def log_in(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def read(found: S3, uri: str, file: FoundFile, offset: int = 0, length: int | None = None) -> bytes:
    reader = found.open(uri, file.file, file.revision, file.size)
    return b"".join(reader.read(offset, file.size if length is None else length))


# What is found


@pytest.mark.parametrize(
    ("uri", "paths"),
    [
        ("s3://models/llama/", ["model.bin", "sub/config.json", ODD]),
        ("s3://models/llama", ["model.bin", "sub/config.json", ODD]),
        ("s3://models/llama/model.bin", ["model.bin"]),
        (f"s3://models/llama/{ODD}", [ODD]),
        (
            "s3://models",
            ["llama-2/other.bin", *(f"llama/{n}" for n in ("model.bin", "sub/config.json", ODD)), "summed.bin"],
        ),
    ],
)
def test_signed_requests_find_and_read_an_object_or_a_folder(
    store: Store, http: Http, monkeypatch: pytest.MonkeyPatch, uri: str, paths: list[str]
) -> None:
    log_in(monkeypatch, store.keys)
    found = server(http, store.endpoint)
    files = found.find(WeightSource(uri=uri), {})
    assert [file.path for file in files] == paths
    for file in files:
        assert read(found, uri, file) == DATA
        assert read(found, uri, file, 5, 7) == DATA[5:12]


def test_an_objects_own_sha256_is_taken(store: Store, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(monkeypatch, store.keys)
    found = server(http, store.endpoint)
    assert [file.sha256 for file in found.find(WeightSource(uri="s3://models/summed.bin"), {})] == [sha256(DATA)]
    assert [file.sha256 for file in found.find(WeightSource(uri="s3://models/llama/model.bin"), {})] == [None]


def test_a_profile_is_an_identity(store: Store, http: Http, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = "".join(f"{name.lower()} = {value}\n" for name, value in store.keys.items())
    (tmp_path / "credentials").write_text(f"[work]\n{keys}")
    (tmp_path / "config").write_text(f"[profile work]\nregion = {REGION}\nendpoint_url = {store.endpoint}\n")
    log_in(
        monkeypatch,
        {
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_PROFILE": "work",
        },
    )
    assert S3(http, {}).find(WeightSource(uri="s3://models/summed.bin"), {})


def test_a_web_identity_is_an_identity(
    store: Store, http: Http, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("e30.e30.e30")
    log_in(
        monkeypatch,
        {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": ROLE,
            "AWS_ENDPOINT_URL_STS": store.endpoint,
            "AWS_DEFAULT_REGION": REGION,
        },
    )
    store.check(after="1")  # the question for credentials is not signed
    assert server(http, store.endpoint).find(WeightSource(uri="s3://models/summed.bin"), {})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "s3cret"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "AKIAGONE"}, "InvalidAccess"),
    ],
)
def test_a_refusal_says_its_code_and_no_secret(
    store: Store, http: Http, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], words: str
) -> None:
    log_in(monkeypatch, store.keys | change)
    with pytest.raises(DeniedError, match=words) as error:
        server(http, store.endpoint).find(WeightSource(uri="s3://models/llama/"), {})
    assert "s3:GetObject" in error.value.next_step
    for secret in (store.keys | change).values():
        assert secret not in error.value.message + error.value.next_step


@pytest.mark.parametrize(
    ("environment", "words"),
    [({"AWS_PROFILE": "gone"}, "gone"), ({"AWS_ACCESS_KEY_ID": "AKIA"}, "PartialCredentials")],
)
def test_an_identity_that_can_not_be_found_is_an_error_and_not_nobody(
    http: Http, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], words: str
) -> None:
    log_in(monkeypatch, environment)
    with pytest.raises(DeniedError, match=words):
        server(http, "http://127.0.0.1:9").find(WeightSource(uri="s3://models/llama/"), {})


def test_a_session_token_goes_to_the_endpoint_only_and_no_redirect_is_followed(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "t0ken"})
    with serving(lambda _: (200, {}, DATA)) as other:
        with serving(lambda _: (307, {"Location": f"{other.url}/x"}, b"")) as fake:
            found = server(http, fake.url)
            with pytest.raises(InputError, match="307"):
                list(found.open("s3://models/x", "x", None, 1).read(0, 1))
        assert [request.headers["x-amz-security-token"] for request in fake.seen] == ["t0ken"]
        assert "t0ken" not in fake.seen[0].path
        assert other.seen == []


# What is pinned


def test_an_object_that_was_replaced_is_a_mismatch(store: Store, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("replaced.bin", DATA)
    log_in(monkeypatch, store.keys)
    found = server(http, store.endpoint)
    uri = "s3://models/replaced.bin"
    (file,) = found.find(WeightSource(uri=uri), {})
    assert read(found, uri, file) == DATA
    store.put("replaced.bin", DATA[::-1])
    with pytest.raises(MismatchError, match=r"s3://models/replaced\.bin: \w+: was replaced or deleted"):
        read(found, uri, file, 3, 4)
    store.delete("replaced.bin")
    with pytest.raises(MismatchError, match="was replaced or deleted"):
        read(found, uri, file)


@pytest.mark.parametrize(("readable", "revision"), [(200, "v1"), (403, '"e"')])
def test_a_version_is_pinned_only_by_whom_it_may_be_read(http: Http, readable: int, revision: str) -> None:
    def script(request: Request) -> Answer:
        status = readable if "versionId=v1" in request.path else 200
        return status, {"ETag": '"e"', "x-amz-version-id": "v1"}, b"data"

    with serving(script) as fake:
        (file,) = server(http, fake.url).find(WeightSource(uri="s3://models/x"), {})
    assert (file.revision, file.size) == (revision, 4)


def test_a_version_is_kept_and_read_after_it_was_replaced(
    versioned: Store, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, versioned.keys)
    version = versioned.put("kept.bin", DATA)["VersionId"]
    found = server(http, versioned.endpoint)
    source = WeightSource(uri="s3://models/kept.bin")
    (file,) = found.find(source, {})
    assert file.revision == version
    newest = versioned.put("kept.bin", b"other")["VersionId"]
    assert read(found, source.uri, file) == DATA
    assert found.find(source, {"kept.bin": version}) == [file]
    assert [(new.revision, new.size) for new in found.find(source, {})] == [(newest, 5)]
    versioned.delete("kept.bin", VersionId=version)
    assert [new.revision for new in found.find(source, {"kept.bin": version})] == [newest]
    with pytest.raises(MismatchError, match="was replaced or deleted"):
        read(found, source.uri, file)


def test_what_goes_on_after_a_broken_connection_is_the_same_object(http: Http) -> None:
    big = 2 << 20
    body = DATA * (big // 1000 + 1)

    def large(request: Request) -> Answer:
        first = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"Content-Range": f"bytes {first}-{big - 1}/{big}", "Content-Length": str(big - first)}
        end = big if first else big * 3 // 4
        return 206 if first else 200, headers | {"Connection": "close"}, body[first:end]

    with serving(large) as fake:
        reader = server(http, fake.url).open("s3://models/x", "x", '"e"', big)
        assert b"".join(reader.read(0, big)) == body[:big]
    assert len(fake.seen) == 2
    assert [request.headers["if-match"] for request in fake.seen] == ['"e"', '"e"']


# Who is asked


class Told:
    """An `Http` of which only the questions matter. `region`: what any of S3's hosts says."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.asked: list[str] = []

    def request(self, method: str, url: str, **_: object) -> Response:
        self.asked.append(url)
        status = 301 if len(self.asked) == 1 else 403
        return Response(status, {"x-amz-bucket-region": self.region}, b"", url)


@pytest.mark.parametrize(
    ("bucket", "told", "first", "second"),
    [
        (
            "models",
            "eu-west-3",
            "https://s3.us-east-1.amazonaws.com/models",
            "https://models.s3.eu-west-3.amazonaws.com/x",
        ),
        ("a.b", "eu-west-3", "https://s3.us-east-1.amazonaws.com/a.b", "https://s3.eu-west-3.amazonaws.com/a.b/x"),
        (
            "Old_1",
            "us-east-1",
            "https://s3.us-east-1.amazonaws.com/Old_1",
            "https://s3.us-east-1.amazonaws.com/Old_1/x",
        ),
        (
            "models",
            "evil.com/",
            "https://s3.us-east-1.amazonaws.com/models",
            "https://models.s3.us-east-1.amazonaws.com/x",
        ),
        ("models", "", "https://s3.us-east-1.amazonaws.com/models", "https://models.s3.us-east-1.amazonaws.com/x"),
    ],
)
def test_a_bucket_is_asked_for_where_it_lies(bucket: str, told: str, first: str, second: str) -> None:
    http = Told(told)
    with pytest.raises(DeniedError, match="403"):
        S3(http, {}).find(WeightSource(uri=f"s3://{bucket}/x"), {})  # type: ignore[arg-type]
    assert http.asked == [first, second]


def test_a_region_of_another_partition_is_asked_there() -> None:
    http = Told("cn-north-1")
    with pytest.raises(DeniedError):
        S3(http, {"AWS_REGION": "cn-northwest-1"}).find(WeightSource(uri="s3://models/x"), {})  # type: ignore[arg-type]
    assert http.asked == [
        "https://s3.cn-northwest-1.amazonaws.com.cn/models",
        "https://models.s3.cn-north-1.amazonaws.com.cn/x",
    ]


def test_who_has_no_identity_asks_openly(http: Http) -> None:
    with serving(lambda request: (200, {"ETag": '"e"', "Content-Length": "1000"}, DATA)) as fake:
        assert server(http, fake.url).find(WeightSource(uri="s3://public/x"), {})
    assert not [request for request in fake.seen if "authorization" in request.headers]


# What is not believed


def listing(*keys: str, token: str = "", size: object = 1) -> bytes:
    contents = "".join(f"<Contents><Key>{key}</Key><Size>{size}</Size></Contents>" for key in keys)
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3">{more}{contents}</ListBucketResult>'.encode()


BOMB = b"""<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<ListBucketResult><Contents><Key>&b;</Key><Size>1</Size></Contents></ListBucketResult>"""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        BOMB,
        listing("a", size=-1),
        listing("a", size="9" * 19),
        listing("%ff"),
        listing(*map(str, range(1001))),
        b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
    ],
)
def test_what_is_no_listing_is_refused(http: Http, body: bytes) -> None:
    with serving(lambda _: (200, {}, body)) as fake, pytest.raises(InputError, match="no listing of a bucket"):
        server(http, fake.url).find(WeightSource(uri="s3://models/"), {})


def test_keys_are_read_as_they_are_called() -> None:
    objects, token = parse_page(listing("a%2Bb+c%0A", token="1/x=="))
    assert ([found.name for found in objects], token) == (["a+b c\n"], "1/x==")


def test_all_pages_are_read(http: Http) -> None:
    def script(request: Request) -> Answer:
        if request.method == "HEAD":
            return 200, {"ETag": '"e"', "Content-Length": "7"}, b"1234567"
        return 200, {}, listing("b") if "continuation-token=t%2F1%3D" in request.path else listing("a", token="t/1=")

    with serving(script) as fake:
        assert [f.path for f in server(http, fake.url).find(WeightSource(uri="s3://models"), {})] == ["a", "b"]


def test_a_listing_can_not_lead_out_of_the_target(http: Http) -> None:
    with serving(lambda _: (200, {}, listing("p/../../etc/passwd"))) as fake:
        with pytest.raises(InputError, match="names the file"):
            server(http, fake.url).find(WeightSource(uri="s3://models/p/"), {})


def code(name: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>t0ken</Message></Error>".encode()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((403, {}, code("AccessDenied")), DeniedError, "s3://models/x: AccessDenied"),
        ((400, {}, code("ExpiredToken")), DeniedError, "ExpiredToken"),
        ((403, {}, code("InvalidObjectState")), InputError, "archived"),
        ((404, {}, code("NoSuchKey")), MismatchError, "NoSuchKey: was replaced or deleted"),
        ((412, {}, code("PreconditionFailed")), MismatchError, "replaced"),
        ((503, {"Retry-After": "0"}, code("SlowDown")), UnavailableError, "SlowDown"),
        ((400, {}, b"<Code>\x1b[2J</Code>"), InputError, "s3://models/x: 400$"),
    ],
)
def test_what_a_bucket_does_not_give_is_named(http: Http, answer: Answer, kind: type[CogpackError], words: str) -> None:
    with serving(lambda _: answer) as fake, pytest.raises(kind, match=words) as error:
        list(server(http, fake.url).open("s3://models/x", "x", '"e"', 1000).read(0, 10))
    assert "t0ken" not in str(error.value)


@pytest.mark.parametrize("uri", ["s3://", "s3:///x", "s3://a b/x", "s3://../x", "s3://h@x/y", "s3://arn:aws:s3:::b/x"])
def test_what_is_no_bucket_is_refused(http: Http, uri: str) -> None:
    with pytest.raises(InputError, match="expected s3://BUCKET/PREFIX"):
        server(http, "http://127.0.0.1:9").find(WeightSource(uri=uri), {})
