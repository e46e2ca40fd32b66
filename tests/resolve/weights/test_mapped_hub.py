"""Hugging Face's hub behind a map of addresses: the user's token is for the hub, and stays here."""

import pytest
from support.hub import hub

from cogpack.config import WeightSource
from cogpack.errors import InputError
from cogpack.http import Http, Trust, UrlMap
from cogpack.resolve.weights.hub import Hub


def test_a_mapped_hub_is_listed_and_read_without_the_users_token() -> None:
    with hub({"model.safetensors": b"model"}) as found:
        assert found.storage is not None
        entries = f"https://hub.test={found.endpoint} https://storage.test={found.storage.url}"
        environment = {"HF_ENDPOINT": "https://hub.test", "HF_TOKEN": "hunter2"}
        with Http(url_map=UrlMap.parse(entries, where="COGPACK_URL_MAP")) as http:
            server = Hub(http, environment)
            (file,) = server.find(WeightSource(uri="hf://owner/name"), {})
            read = server.open("hf://owner/name", file.file, file.revision, file.size)
            assert b"".join(read.read(1, 3)) == b"ode"
            assert repr(read) == (
                f"https://hub.test/owner/name/resolve/{found.revision}/model.safetensors "
                f"(through {found.endpoint}/owner/name/resolve/{found.revision}/model.safetensors)"
            )


@pytest.mark.parametrize("endpoint", ["http://[::1", "hub.test", "https://hub.test:x"])
def test_an_endpoint_that_is_no_address_is_told_as_that(endpoint: str) -> None:
    with Http() as http, pytest.raises(InputError, match="HF_ENDPOINT: no address of a hub"):
        Hub(http, {"HF_ENDPOINT": endpoint}).find(WeightSource(uri="hf://owner/name"), {})


def test_a_token_goes_to_no_hub_in_the_clear() -> None:
    """As to no bucket of Google's."""
    plain = {"HF_ENDPOINT": "http://hub.test", "HF_TOKEN": "hunter2"}
    with (
        Http() as http,
        pytest.raises(InputError, match=r"http://hub\.test: a token is not sent in the clear") as refused,
    ):
        Hub(http, plain).find(WeightSource(uri="hf://owner/name"), {})
    assert "--insecure-registry hub.test" in refused.value.next_step
    with Http() as http, pytest.raises(InputError, match="a token is not sent in the clear"):
        Hub(http, plain).open("hf://owner/name", "a", "b", 1)
    with Http(trust=Trust(insecure_hosts=("hub.test",))) as http:
        Hub(http, plain).open("hf://owner/name", "a", "b", 1)
    with hub({"model.safetensors": b"model"}) as found, Http() as http:  # of this machine
        server = Hub(http, {"HF_ENDPOINT": found.endpoint, "HF_TOKEN": "hunter2"})
        assert [one.file for one in server.find(WeightSource(uri="hf://owner/name"), {})] == ["model.safetensors"]
