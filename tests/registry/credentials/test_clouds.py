"""Registry tokens of the clouds: their SDKs against moto and against metadata services of loopback."""

import base64
import builtins
import datetime as dt
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
from support.sockets import server_tls
from trustme import CA

from cogpack.errors import DeniedError, InputError
from cogpack.http import Http
from cogpack.registry.credentials import Credentials, Finding, Kind
from cogpack.registry.credentials.clouds import clouds
from cogpack.registry.credentials.clouds.aws import Aws, create_repository
from cogpack.registry.credentials.clouds.azure import Azure
from cogpack.registry.credentials.clouds.extra import monotonic
from cogpack.registry.credentials.clouds.gcp import Gcp

pytestmark = pytest.mark.slow

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
    account = Credentials(clouds(http), note=lambda note: notes.append(note.text)).find(host, "a/b")
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


def test_a_token_of_the_cluster_is_a_role_without_a_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from the cluster")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://{}:{}".format(*server.get_host_and_port()))
        with serving(ecr) as api:
            monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", api.url)
            assert secret(Aws().find(ECR, "a/b")) == "pass:word"
    finally:
        server.stop()
    assert "Credential=ASIA" in api.seen[0].headers["authorization"]  # a key of the role
    assert api.seen[0].headers["x-amz-security-token"]


@pytest.mark.parametrize("kind", ["AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
def test_a_container_asks_the_agent_beside_it(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def agent(request: Request) -> Answer:
        assert request.headers["authorization"] == "pod"
        found = {"AccessKeyId": "PODKEY", "SecretAccessKey": "hunter2", "Token": "t"}
        return 200, {}, json.dumps(found | {"Expiration": "2999-01-01T00:00:00Z"}).encode()

    (tmp_path / "token").write_text("pod")
    monkeypatch.setenv(kind, str(tmp_path / "token") if kind.endswith("FILE") else "pod")
    with serving(agent) as service, serving(ecr) as api:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{service.url}/v1/credentials")
        monkeypatch.setenv("AWS_ENDPOINT_URL", api.url)
        assert secret(Aws().find(ECR, "a/b")) == "pass:word"
    assert [request.path for request in service.seen] == ["/v1/credentials"]
    assert "PODKEY/" in api.seen[0].headers["authorization"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "AWS_ROLE_ARN": "arn:aws:iam::1:role/ci"}, "FileNotFoundError"),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://agent.example/"}, "ValueError"),
        ({"AWS_PROFILE": "nobody"}, "ProfileNotFound"),
    ],
)
def test_settings_that_lead_nowhere_are_told_in_a_word(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = Aws().find(ECR, "a/b")
    assert (found.said, found.broken) == (f"gave no token ({said})", True)
    with pytest.raises(DeniedError, match=rf"\({said}\)$"):
        create_repository(ECR, "me/model")


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
    assert any("/token" in request.path and "cloud-platform" in request.path for request in service.seen)
    assert finding.login is not None
    assert finding.login.user == "oauth2accesstoken"
    assert 3000 < finding.login.ends - time.monotonic() < 3600


EXTERNAL = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
}


def test_google_takes_workload_identity_and_asks_nobody_but_the_token_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def exchange(request: Request) -> Answer:
        form = parse_qs(request.body.decode())
        assert form["subject_token"] == ["from the CI"]
        assert form["audience"] == [EXTERNAL["audience"]]
        return 200, {}, b'{"access_token":"federated","expires_in":3600,"token_type":"Bearer"}'

    (tmp_path / "subject").write_text("from the CI")
    with serving(exchange) as sts:
        source = {"file": str(tmp_path / "subject")}
        configuration = EXTERNAL | {"token_url": f"{sts.url}/v1/token", "credential_source": source}
        (tmp_path / "adc.json").write_text(json.dumps(configuration))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # no way to ask for the name of the project
        assert secret(Gcp().find("gcr.io", "a/b")) == "federated"
    assert [request.path for request in sts.seen] == ["/v1/token"]


def test_google_takes_a_ci_that_speaks_for_a_service_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def everything(request: Request) -> Answer:
        if request.path == "/oidc":
            assert request.headers["authorization"] == "Bearer of the job"
            return 200, {}, b'{"value":"from the CI"}'
        if request.path == "/v1/token":
            assert parse_qs(request.body.decode())["subject_token"] == ["from the CI"]
            return 200, {}, b'{"access_token":"federated","expires_in":3600,"token_type":"Bearer"}'
        assert request.path == "/v1/me:generateAccessToken"
        assert request.headers["authorization"] == "Bearer federated"
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return 200, {}, json.dumps({"accessToken": "account", "expireTime": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}).encode()

    with serving(everything) as google:
        configuration = EXTERNAL | {
            "token_url": f"{google.url}/v1/token",
            "service_account_impersonation_url": f"{google.url}/v1/me:generateAccessToken",
            "credential_source": {
                "url": f"{google.url}/oidc",
                "headers": {"Authorization": "Bearer of the job"},
                "format": {"type": "json", "subject_token_field_name": "value"},
            },
        }
        (tmp_path / "adc.json").write_text(json.dumps(configuration))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
        finding = Gcp().find(GAR, "a/b")
    assert secret(finding) == "account"
    assert finding.login is not None
    assert 3000 < finding.login.ends - time.monotonic() < 3600


@pytest.mark.parametrize(
    ("file", "said"),
    [(".", "IsADirectoryError"), ("nowhere", "DefaultCredentialsError"), ("adc.json", "RefreshError")],
)
def test_a_file_of_google_that_leads_nowhere_is_told_in_a_word(
    file: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = {"token_url": "https://sts.googleapis.com/v1/token", "credential_source": {"file": str(tmp_path / "gone")}}
    (tmp_path / "adc.json").write_text(json.dumps(EXTERNAL | gone))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / file))
    found = Gcp().find(GAR, "a/b")
    assert (found.said, found.broken) == (f"gave no token ({said})", True)


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


@pytest.fixture
def acr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setattr("cogpack.registry.credentials.clouds.azure._REGISTRIES", re.compile(r"127\.0\.0\.1:\d+"))
    with serving(lambda _: (200, {}, b'{"refresh_token":"refresh"}')) as registry:
        yield registry


def test_azure_exchanges_the_machines_token_at_the_registry(http: Http, machine_identity: Fake, acr: Fake) -> None:
    finding = Azure(http).find(acr.address, "a/b")
    assert secret(finding) == "refresh"
    assert finding.login is not None
    assert finding.login.kind is Kind.IDENTITY_TOKEN
    assert 3600 < finding.login.ends - time.monotonic() < 3 * 3600
    assert [request.path for request in acr.seen] == ["/oauth2/exchange"]
    form = parse_qs(acr.seen[0].body.decode())
    assert form == {"grant_type": ["access_token"], "service": [acr.address], "access_token": ["entra"]}
    assert "containerregistry.azure.net" in machine_identity.seen[-1].path


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    """A pod as the webhook of AKS sets it up, in a cloud whose authority of tokens has a certificate of its own."""

    def entra(request: Request) -> Answer:
        form = {name: value for name, (value,) in parse_qs(request.body.decode()).items()}
        assert request.path == "/tenant/oauth2/v2.0/token"
        assert form["client_id"] == "pod"
        assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        assert form["scope"] == "https://containerregistry.azure.net/.default"
        known = form["client_assertion"] == "from the cluster"
        given = {"access_token": "entra", "expires_in": 3600, "token_type": "Bearer"}
        said = given if known else {"error": "invalid_client", "error_description": "hunter2"}
        return 200 if known else 401, {"Content-Type": "application/json"}, json.dumps(said).encode()

    authority = CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "token").write_text("from the cluster")
    with serving(entra, server_tls(authority, "127.0.0.1")) as service:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", f"{service.url}/")
        monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
        monkeypatch.setenv("AZURE_CLIENT_ID", "pod")
        monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
        yield service


def test_azure_takes_workload_identity(http: Http, cluster: Fake, acr: Fake) -> None:
    assert secret(Azure(http).find(acr.address, "a/b")) == "refresh"
    assert [request.path for request in cluster.seen] == ["/tenant/oauth2/v2.0/token"]
    assert parse_qs(acr.seen[0].body.decode())["access_token"] == ["entra"]


@pytest.mark.parametrize("token", ["another", None])
def test_a_workload_that_azure_does_not_know_is_told_in_a_word(
    http: Http, cluster: Fake, acr: Fake, tmp_path: Path, token: str | None
) -> None:
    (tmp_path / "token").unlink()
    if token:
        (tmp_path / "token").write_text(token)
    found = Azure(http).find(acr.address, "a/b")
    assert (found.said, found.broken) == ("gave no token (ClientAuthenticationError)", True)
    assert len(cluster.seen) == (1 if token else 0)
    assert acr.seen == []


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


def test_a_token_ends_five_minutes_before_its_end() -> None:
    """A request with it may be long."""
    left = monotonic(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)) - time.monotonic()
    assert 3200 < left <= 3300
