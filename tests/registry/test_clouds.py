"""Registry tokens of the clouds: their SDKs against moto and against metadata services of loopback."""

import base64
import builtins
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from moto.server import ThreadedMotoServer
from support.fake_http import Answer, Fake, Request, serving

from cogpack.errors import DeniedError, InputError
from cogpack.http import Http
from cogpack.registry.credentials import Credentials, Finding, Kind
from cogpack.registry.credentials.clouds import clouds
from cogpack.registry.credentials.clouds.aws import Aws, create_repository
from cogpack.registry.credentials.clouds.azure import Azure
from cogpack.registry.credentials.clouds.gcp import Gcp

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
GAR = "europe-docker.pkg.dev"
ACR = "example.azurecr.io"


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any identity, and without the network to look for one."""
    for name in list(os.environ):
        if re.match(r"AWS_|AZURE_|GOOGLE_|GCE_|CLOUDSDK_|IDENTITY_|MSI_|HTTPS?_PROXY", name):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)


@pytest.fixture
def http() -> Iterator[Http]:
    with Http() as found:
        yield found


def secret(finding: Finding) -> str:
    assert finding.login, finding
    assert finding.login.cloud
    return finding.login.secret.reveal()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        (ECR, "AWS"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "AWS"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "AWS"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "AWS"),
        ("public.ecr.aws", "AWS"),
        ("gcr.io", "Google"),
        ("eu.gcr.io", "Google"),
        (GAR, "Google"),
        (ACR, "Azure"),
        ("example.azurecr.cn", "Azure"),
    ],
)
def test_a_cloud_is_asked_for_its_own_registries(
    host: str, name: str, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_extras(monkeypatch)
    asked = [cloud.name for cloud in clouds(http) if "not a registry" not in cloud.find(host, "").said]
    assert [text.split()[0] for text in asked] == [name]


@pytest.mark.parametrize(
    "host",
    ["ghcr.io", "docker.io", "amazonaws.com", f"{ECR}.evil.org", f"evil{ECR}", f"{ECR}:5000", "evil.org/gcr.io",
     "a.b.gcr.io", "gcr.io.evil.org", "evilgcr.io", "pkg.dev", "x-docker.pkg.dev.evil.org", "azurecr.io",
     "a.b.azurecr.io", "evil.org#.azurecr.io"],
)  # fmt: skip
def test_and_for_no_others(host: str, http: Http) -> None:
    assert all("not a registry" in cloud.find(host, "").said for cloud in clouds(http))


def _without_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith(("botocore", "google.auth", "azure")):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)


@pytest.mark.parametrize(("host", "extra"), [(ECR, "aws"), (GAR, "gcp"), (ACR, "azure")])
def test_a_missing_extra_is_the_next_step(host: str, extra: str, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Credentials(clouds(http)).find(host, "a/b")
    _without_extras(monkeypatch)
    assert account.login() is None
    assert account.advice == f"pip install 'cogpack[{extra}]', or cogpack login {host}"


@pytest.mark.parametrize("host", [ECR, GAR, ACR])
def test_a_machine_without_an_identity_is_told_and_stays_anonymous(
    host: str, http: Http, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a process of its own
    notes: list[str] = []
    account = Credentials(clouds(http), note=notes.append).find(host, "a/b")
    assert account.login() is None
    assert len(notes) == 1
    assert "gave no token" in notes[0]
    assert account.advice.startswith("give ")
    assert capsys.readouterr() == ("", "")


# AWS


def test_ecr_gives_a_password_by_its_own_api(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        finding = Aws().find(ECR, "a/b")
        login = finding.login
        assert login is not None
        assert login.user == "AWS"
        assert secret(finding) == "123456789012-auth-token"
        assert login.ended()  # moto's tokens ended in 2015
    finally:
        server.stop()


def test_a_repository_of_amazon_is_made_once_and_no_other_registry_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        assert create_repository(ECR, "me/model")
        assert not create_repository(ECR, "me/model")
        with pytest.raises(InputError, match="no registry of Amazon"):
            create_repository("ghcr.io", "me/model")
    finally:
        server.stop()


def test_a_repository_that_may_not_be_made_is_told_by_the_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = json.dumps({"__type": "AccessDeniedException", "message": "hunter2"}).encode()
    with serving(lambda _: (400, {}, refused)) as api:
        monkeypatch.setenv("AWS_ENDPOINT_URL", api.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
        with pytest.raises(DeniedError, match=r"me/model \(AccessDeniedException\)$"):
            create_repository(ECR, "me/model")


def ecr(request: Request) -> Answer:
    public = "SpencerFrontend" in request.headers["x-amz-target"]
    given = {"authorizationToken": base64.b64encode(b"AWS:pass:word").decode(), "expiresAt": time.time() + 12 * 3600}
    return 200, {}, json.dumps({"authorizationData": given if public else [given]}).encode()


@pytest.mark.parametrize("host", [ECR, "public.ecr.aws"])
def test_a_role_of_the_metadata_service_is_enough(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def metadata(request: Request) -> Answer:
        if request.method == "PUT":
            return 200, {}, b"session"
        if request.path.endswith("/security-credentials/"):
            return 200, {}, b"role"
        found = {"Code": "Success", "AccessKeyId": "ROLEKEY", "SecretAccessKey": "hunter2", "Token": "t"}
        return 200, {}, json.dumps(found | {"Expiration": "2999-01-01T00:00:00Z", "LastUpdated": "x"}).encode()

    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    with serving(metadata) as service, serving(ecr) as api:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", service.url)
        monkeypatch.setenv("AWS_ENDPOINT_URL", api.url)
        finding = Aws().find(host, "a/b")
    assert secret(finding) == "pass:word"
    assert finding.login is not None
    assert 11 * 3600 < finding.login.ends - time.monotonic() < 12 * 3600
    region = "eu-west-1" if host == ECR else "us-east-1"
    assert "ROLEKEY/" in api.seen[0].headers["authorization"]
    assert f"/{region}/" in api.seen[0].headers["authorization"]


def test_aws_refusing_is_told_by_its_code_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b'{"__type":"AccessDeniedException","message":"hunter2 is not authorized"}'
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    with serving(lambda _: (400, {}, refusal)) as api:
        monkeypatch.setenv("AWS_ENDPOINT_URL", api.url)
        finding = Aws().find(ECR, "a/b")
    assert finding == Finding(
        "gave no token (AccessDeniedException)",
        broken=True,
        advice="give AWS credentials that may call ecr:GetAuthorizationToken",
    )


# Google


def test_google_gives_the_access_token_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def metadata(request: Request) -> Answer:
        headers = {"Metadata-Flavor": "Google", "Content-Type": "application/json"}
        if "/token" in request.path:
            return 200, headers, b'{"access_token":"ya29","expires_in":3599,"token_type":"Bearer"}'
        if "/service-accounts/" in request.path:
            return 200, headers, b'{"email":"me@example.com","scopes":[]}'
        return 200, headers | {"Content-Type": "text/plain"}, b"project"

    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", False)
    with serving(metadata) as service:
        monkeypatch.setenv("GCE_METADATA_IP", service.address)
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", service.address)
        finding = Gcp().find(GAR, "a/b")
    assert secret(finding) == "ya29"
    assert finding.login is not None
    assert finding.login.user == "oauth2accesstoken"
    assert 3000 < finding.login.ends - time.monotonic() < 3600


def test_google_takes_workload_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def exchange(request: Request) -> Answer:
        assert parse_qs(request.body.decode())["subject_token"] == ["from the CI"]
        return 200, {}, b'{"access_token":"federated","expires_in":3600,"token_type":"Bearer"}'

    (tmp_path / "subject").write_text("from the CI")
    with serving(exchange) as sts:
        configuration = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{sts.url}/v1/token",
            "credential_source": {"file": str(tmp_path / "subject")},
        }
        (tmp_path / "adc.json").write_text(json.dumps(configuration))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
        assert secret(Gcp().find("gcr.io", "a/b")) == "federated"


# Azure


def identity(request: Request) -> Answer:
    assert request.headers["metadata"] == "true"
    times = {"expires_in": "3600", "expires_on": str(int(time.time()) + 3600)}
    found = {"access_token": "entra", "resource": "r", "token_type": "Bearer"} | times
    return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()


@pytest.fixture
def machine_identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    with serving(identity) as service:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", service.url)
        yield service


def test_azure_exchanges_the_machines_token_at_the_registry(
    http: Http, machine_identity: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda _: (200, {}, b'{"refresh_token":"refresh"}')) as registry:
        monkeypatch.setattr("cogpack.registry.credentials.clouds.azure._REGISTRIES", re.compile(r"127\.0\.0\.1:\d+"))
        finding = Azure(http).find(registry.address, "a/b")
    assert secret(finding) == "refresh"
    assert finding.login is not None
    assert finding.login.kind is Kind.IDENTITY_TOKEN
    assert 3600 < finding.login.ends - time.monotonic() < 3 * 3600
    assert [request.path for request in registry.seen] == ["/oauth2/exchange"]
    form = parse_qs(registry.seen[0].body.decode())
    assert form == {"grant_type": ["access_token"], "service": [registry.address], "access_token": ["entra"]}
    assert "containerregistry.azure.net" in machine_identity.seen[-1].path


@pytest.mark.parametrize("answer", [(401, b"hunter2"), (200, b"hunter2"), (200, b"{}")])
def test_a_registry_that_does_not_exchange_is_told(
    http: Http, machine_identity: Fake, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes]
) -> None:
    with serving(lambda _: (answer[0], {}, answer[1])) as registry:
        monkeypatch.setattr("cogpack.registry.credentials.clouds.azure._REGISTRIES", re.compile(r"127\.0\.0\.1:\d+"))
        finding = Azure(http).find(registry.address, "a/b")
    assert finding.login is None
    assert finding.broken
    assert "did not exchange" in finding.said
    assert "hunter2" not in finding.said
