"""`gs://`: found, pinned and read as this machine's own identity."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from support.fake_http import Answer, serving
from support.gcs import TOKEN, Bucket, gcs

from cogpack.config import WeightSource
from cogpack.errors import CogpackError, DeniedError, InputError, MismatchError, UnavailableError
from cogpack.http import Http
from cogpack.resolve.weights.gs import Gcs
from cogpack.resolve.weights.listing import FoundFile

pytestmark = pytest.mark.slow

DATA = b"0123456789" * 100
ODD = "é (1)+~'!*&=?#%2F.bin"


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with gcs() as found:
        for name in ("llama/model.bin", "llama/sub/config.json", f"llama/{ODD}", "llama/sub/", "llama-2/other.bin"):
            found.put(name, DATA)
        yield found


def emulated(http: Http, bucket: Bucket) -> Gcs:
    return Gcs(http, {"STORAGE_EMULATOR_HOST": bucket.fake.address})


def read(found: Gcs, uri: str, file: FoundFile, offset: int = 0, length: int | None = None) -> bytes:
    reader = found.open(uri, file.file, file.revision, file.size)
    return b"".join(reader.read(offset, file.size if length is None else length))


@pytest.mark.parametrize(
    ("uri", "paths"),
    [
        ("gs://models/llama/", ["model.bin", "sub/config.json", ODD]),
        ("gs://models/llama", ["model.bin", "sub/config.json", ODD]),
        ("gs://models/llama/model.bin", ["model.bin"]),
        ("gs://models", ["llama-2/other.bin", "llama/model.bin", "llama/sub/config.json", f"llama/{ODD}"]),
    ],
)
def test_an_object_or_a_folder_is_found_and_read(http: Http, bucket: Bucket, uri: str, paths: list[str]) -> None:
    found = emulated(http, bucket)
    files = found.find(WeightSource(uri=uri), {})
    assert [file.path for file in files] == paths
    for file in files:
        assert read(found, uri, file) == DATA
        assert read(found, uri, file, 5, 7) == DATA[5:12]


def test_a_generation_is_what_is_read_or_else_a_mismatch(http: Http, bucket: Bucket) -> None:
    found = emulated(http, bucket)
    source = WeightSource(uri="gs://models/llama/model.bin")
    (file,) = found.find(source, {})
    newest = bucket.put("llama/model.bin", b"other", keep=True)
    assert read(found, source.uri, file) == DATA
    assert found.find(source, {"llama/model.bin": file.revision or ""}) == [file]
    assert [(new.revision, new.size) for new in found.find(source, {})] == [(str(newest), 5)]
    bucket.put("llama/model.bin", b"another")
    with pytest.raises(MismatchError, match=r"gs://models/llama/model\.bin: 404: was replaced or deleted"):
        read(found, source.uri, file)
    assert [new.size for new in found.find(source, {"llama/model.bin": file.revision or ""})] == [7]


LIST = """
import os, sys
from cogpack.config import WeightSource
from cogpack.errors import CogpackError
from cogpack.http import Http
from cogpack.resolve.weights.gs import Gcs
with Http() as http:
    try:
        print([file.path for file in Gcs(http, os.environ).find(WeightSource(uri="gs://models/llama/model.bin"), {})])
    except CogpackError as error:
        print(type(error).__name__, error.message, error.next_step)
"""


def lists(environment: Mapping[str, str]) -> str:
    """In a process of its own: google-auth reads where the metadata server is when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", LIST], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_machine_at_google_is_its_service_account(bucket: Bucket) -> None:
    bucket.token = TOKEN
    assert lists(bucket.identity) == "['model.bin']"
    assert any(request.path.partition("?")[0].endswith("/token") for request in bucket.metadata.seen)


def test_a_file_with_a_federated_identity_is_an_identity(bucket: Bucket, tmp_path: Path) -> None:
    def exchange(_: object) -> Answer:
        found = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 60}
        found |= {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()

    (tmp_path / "token").write_text("a.workloads.token")
    bucket.token = TOKEN
    with serving(exchange) as exchanger:
        (tmp_path / "config.json").write_text(
            json.dumps(
                {
                    "type": "external_account",
                    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "token_url": f"{exchanger.url}/v1/token",
                    "credential_source": {"file": str(tmp_path / "token")},
                }
            )
        )
        environment = {**bucket.identity, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "config.json")}
        environment["HTTPS_PROXY"] = "http://127.0.0.1:1"  # no way to ask for the name of the project
        assert lists(environment) == "['model.bin']"
        assert b"a.workloads.token" in exchanger.seen[0].body


def test_who_has_no_identity_asks_openly(bucket: Bucket) -> None:
    environment = {**bucket.identity, "NO_GCE_CHECK": "true"}
    assert lists(environment) == "['model.bin']"
    assert not [request for request in bucket.fake.seen if "authorization" in request.headers]
    bucket.token = TOKEN
    assert "no Google identity" in lists(environment)


def test_credentials_that_are_named_and_not_there_are_an_error_and_not_nobody(bucket: Bucket) -> None:
    told = lists({**bucket.identity, "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"})
    assert told.startswith("DeniedError Google credentials: ")
    assert "/nowhere/key.json" in told
    assert bucket.fake.seen == []


def test_no_token_goes_to_an_emulator_or_in_the_clear(bucket: Bucket) -> None:
    assert lists({**bucket.identity, "STORAGE_EMULATOR_HOST": bucket.fake.url}) == "['model.bin']"
    assert not [request for request in bucket.fake.seen if "authorization" in request.headers]
    plain = {**bucket.identity, "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "http://storage.example"}
    assert "not sent in the clear" in lists(plain)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((403, {}, b"{}"), DeniedError, "gs://models/x: 403"),
        ((429, {"Retry-After": "0"}, b"{}"), UnavailableError, "429"),
        ((412, {}, b"{}"), MismatchError, "replaced"),
        ((302, {"Location": "http://127.0.0.1:9/"}, b""), InputError, "302"),
    ],
)
def test_what_a_bucket_does_not_give_is_named(http: Http, answer: Answer, kind: type[CogpackError], words: str) -> None:
    with serving(lambda _: answer) as fake, pytest.raises(kind, match=words):
        list(Gcs(http, {"STORAGE_EMULATOR_HOST": fake.url}).open("gs://models/x", "x", "1", 1000).read(0, 10))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"<html>",
        b"[" * 100_000,
        b'{"items": [{"name": "a"}]}',
        b'{"items": [{"name": "a", "size": "-1", "generation": "1"}]}',
        b'{"items": [{"name": "a", "size": "9999999999999999999", "generation": "1"}]}',
        b'{"items": [{"name": "\xff", "size": "1", "generation": "1"}]}',
        json.dumps({"items": [{"name": str(n), "size": "1", "generation": "1"} for n in range(1001)]}).encode(),
    ],
)
def test_what_is_no_listing_is_refused(http: Http, body: bytes) -> None:
    with serving(lambda _: (200, {}, body)) as fake, pytest.raises(InputError, match="not what Google"):
        Gcs(http, {"STORAGE_EMULATOR_HOST": fake.url}).find(WeightSource(uri="gs://models/"), {})


def test_a_listing_can_not_lead_out_of_the_target(http: Http, bucket: Bucket) -> None:
    bucket.put("llama/../../etc/passwd", DATA)
    with pytest.raises(InputError, match="names the file"):
        emulated(http, bucket).find(WeightSource(uri="gs://models/llama/"), {})


@pytest.mark.parametrize("uri", ["gs://", "gs:///x", "gs://a b/x", "gs://../x", "gs://h@x/y", "gs://Upper/x"])
def test_what_is_no_bucket_is_refused(http: Http, uri: str) -> None:
    with pytest.raises(InputError, match="expected gs://BUCKET/PREFIX"):
        Gcs(http, {}).find(WeightSource(uri=uri), {})


def test_an_endpoint_that_is_no_address_is_told_as_that() -> None:
    with Http() as http, pytest.raises(InputError, match="no address: 'http://\\[::1'"):
        Gcs(http, {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": "http://[::1"})
