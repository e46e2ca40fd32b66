"""Secrets planted in every input there is; whatever a command prints, in whatever way it fails, holds none of them."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.fake_http import Answer, Request, serving
from support.world import Done, World, ok

pytestmark = pytest.mark.slow

WORD = "planted"
"""Part of each secret: passwords, tokens, users of addresses, queries."""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


def login(registry: str, name: str = "login") -> str:
    return json.dumps({"auths": {registry: {"username": "me", "password": f"{WORD}-{name}"}}})


def clean(done: Done) -> Done:
    """Neither as it is, nor in a header as it comes after some user, nor with another's."""
    assert done.out or done.err
    shown = done.out + done.err
    for secret in (WORD, *(base64.b64encode(b"x" * shift + WORD.encode()).decode()[4:8] for shift in range(3))):
        assert secret not in shown
    return done


@contextmanager
def echoing(status: int) -> Iterator[str]:
    """A registry, or what stands before one, that repeats what it was asked, headers and all."""

    def script(request: Request) -> Answer:
        if "authorization" not in request.headers and status != 401:
            return 401, {"WWW-Authenticate": 'Basic realm="echo"'}, b""
        text = f"your request was {request.path} with {request.headers}"
        body = json.dumps({"errors": [{"code": "DENIED", "message": text, "detail": text}]}).encode()
        return status, {"Content-Type": "application/json", "WWW-Authenticate": 'Basic realm="echo"'}, body

    with serving(script) as fake:
        yield fake.address


VERBS = {
    "push": ("push", "{}/me/x:v1"),
    "push --json": ("push", "--json", "{}/me/x:v1"),
    "plan": ("plan", "{}/me/x:v1"),
    "inspect": ("inspect", "{}/me/x:v1"),
    "inspect --json": ("inspect", "--json", "{}/me/x:v1"),
    "verify": ("verify", "{}/me/x:v1"),
    "pull": ("pull", "{}/me/x:v1", "-o", "out"),
    "copy": ("copy", "{}/me/x:v1", "out"),
    "weights pull": ("weights", "pull", "{}/me/x:v1", "-o", "out"),
    "weights ls": ("weights", "ls", "{}/me/x:v1"),
    "probe": ("registry", "probe", "{}/me/x"),
    "explain": ("auth", "explain", "{}/me/x"),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", [400, 403, 418])
def test_a_registry_that_repeats_our_header(world: World, verb: str, status: int) -> None:
    project = world.project()
    ok(project.cogpack("lock"))
    with echoing(status) as registry:
        words = [word.format(registry) for word in VERBS[verb]]
        done = clean(project.cogpack(*words, DOCKER_AUTH_CONFIG=login(registry)))
    assert done.code in (0, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COGPACK_DEBIAN_MIRROR", "http://u:planted-1@127.0.0.1:9/debian"),
        ("COGPACK_DEBIAN_MIRROR", "http://127.0.0.1:9/debian,http://planted-1@h/debian-security"),
        ("COGPACK_REGISTRY_MIRROR", "docker.io=http://u:planted-1@h"),
        ("COGPACK_REGISTRY_MIRROR", "{registry}=u:planted-1@h"),
        ("COGPACK_URL_MAP", "https://u:planted-1@a.test=https://b.test"),
        ("COGPACK_URL_MAP", "https://a.test=https://b.test/?token=planted-1"),
        ("COGPACK_URL_MAP", "https://u:planted-1@a.test"),
        ("UV_DEFAULT_INDEX", "http://u:planted-1@127.0.0.1:9/simple"),
        ("UV_INDEX", "mine=http://planted-1@127.0.0.1:9/simple?token=planted-2"),
        ("PIP_EXTRA_INDEX_URL", "http://u:planted-1@127.0.0.1:9/simple"),
        ("UV_FIND_LINKS", "http://u:planted-1@127.0.0.1:9/links"),
        ("HTTPS_PROXY", "http://u:planted-1@127.0.0.1:9"),
        ("HTTP_PROXY", "u:planted-1@127.0.0.1:9"),
        ("ALL_PROXY", "socks5://u:planted-1@127.0.0.1:9"),
        ("DOCKER_AUTH_CONFIG", '{"auths": {"{registry}": {"auth": "planted-1"}}}'),
        ("DOCKER_AUTH_CONFIG", '{"auths": planted-1'),
        ("SOURCE_DATE_EPOCH", "http://u:planted-1@h/"),
        ("COGPACK_REGISTRY_127_0_0_1_PASSWORD", "planted-1"),
    ],
)
def test_variables(world: World, name: str, value: str) -> None:
    project = world.project()
    if name.startswith(("UV", "PIP")):
        project.write("requirements.txt", "absent==1\n")
    done = project.cogpack("push", f"{world.registry}/me/x:v1", **{name: value.replace("{registry}", world.registry)})
    clean(done)


@pytest.mark.parametrize(
    "line",
    [
        "-e git+https://u:planted-1@h/x",
        "git+ssh://git:planted-1@h/x",
        "x==1 --hash=sha256:00 http://u:planted-1@h/",
        "https://h/a?token=planted-1",
        "x @ https://u:planted-1@127.0.0.1:9/x-1-py3-none-any.whl",
        "x @ https://127.0.0.1:9/x-1-py3-none-any.whl?X-Amz-Signature=planted-1",
        "--index-url http://u:planted-1@127.0.0.1:9/simple\nabsent",
        "--index-url ftp://u:planted-1@h/simple",
        "--index-url http://${PLANTED}@127.0.0.1:9/simple\nabsent",
        "--extra-index-url http://planted-1@127.0.0.1:9/simple\nabsent",
        "--find-links http://u:planted-1@h/links\nabsent",
        "--trusted-host u:planted-1@h",
        "-r http://u:planted-1@h/r.txt",
        "-c https://h/c.txt?key=planted-1",
        "x ; u:planted-1@h",
        "http://u:planted-1@[::1",
    ],
)
def test_requirements(world: World, line: str) -> None:
    project = world.project()
    project.write("requirements.txt", f"{line}\n")
    clean(project.cogpack("lock", PLANTED="user:planted-9"))


@pytest.mark.parametrize(
    "text",
    [
        "cogpack: {base: 'http://u:planted-1@h/python:v1'}",
        "cogpack: {base: 'u:planted-1@h/python:v1'}",
        "cogpack: {debian_mirror: 'ftp://u:planted-1@h/debian'}",
        "cogpack: {debian_mirror: 'http://u:planted-1@127.0.0.1:9/debian'}",
        "image: http://u:planted-1@h/x",
        "weights: [{name: w, source: {uri: 'https://u:planted-1@127.0.0.1:9/w.bin'}, target: /src/w}]",
        "weights: [{name: w, source: {uri: 'https://127.0.0.1:9/w.bin?sig=planted-1'}, target: /src/w}]",
        "weights: [{name: w, source: {uri: 'sftp://u:planted-1@h/w.bin'}, target: /src/w}]",
        "unknown_http://u:planted-1@h/: 1",
    ],
)
def test_cog_yaml(world: World, text: str) -> None:
    project = world.project()
    project.write("cog.yaml", f'build: {{python_version: "3.13"}}\npredict: "predict.py:Predictor"\n{text}\n')
    for verb in ("lock", "plan", "push"):
        clean(project.cogpack(verb))


@pytest.mark.parametrize(
    "words",
    [
        ("push", "http://u:planted-1@h/r:v1"),
        ("push", "u:planted-1@h/r:v1"),
        ("push", "h.invalid/r:v1?token=planted-1"),
        ("inspect", "https://u:planted-1@h/r"),
        ("copy", "http://u:planted-1@h/r", "out"),
        ("copy", "out", "http://u:planted-1@h/r"),
        ("pull", "u:planted-1@h/r", "-o", "out"),
        ("weights", "pull", "http://u:planted-1@h/r", "-o", "out"),
        ("verify", "http://u:planted-1@h/r"),
        ("login", "http://u:planted-1@h"),
        ("logout", "u:planted-1@h"),
        ("auth", "explain", "u:planted-1@h/r"),
        ("registry", "probe", "http://u:planted-1@h/r"),
        ("plan", "--registry-mirror", "docker.io=http://u:planted-1@h", "ghcr.invalid/x"),
        ("inspect", "--insecure-registry", "u:planted-1@h", "x"),
        ("inspect", "--allow-realm", "https://u:planted-1@h/", "x"),
        ("build", "-o", "out", "-t", "http://u:planted-1@h/r"),
        ("inspct", "http://u:planted-1@h"),
    ],
)
def test_arguments(world: World, words: tuple[str, ...]) -> None:
    assert clean(world.project().cogpack(*words)).code == 2


def test_a_bug_of_ours(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(
            f"header: Basic {base64.b64encode(b'me:planted-login').decode()} for http://me:planted-login@h"
        )

    monkeypatch.setattr("cogpack.commands.inspect.inspect", broken)
    done = clean(world.cogpack("inspect", "h/x", CI_JOB_TOKEN="planted-login"))
    assert "this is a bug of cogpack" in done.err
    assert "RuntimeError: header: Basic *** for http://***@h" in done.err


def test_a_name_in_a_result_that_is_like_a_short_password_stays(world: World) -> None:
    """What a script reads is right: the repository is called like the password."""
    project = world.project()
    done = ok(project.cogpack("push", f"{world.registry}/models/x:v1", DOCKER_AUTH_CONFIG=login(world.registry)))
    again = ok(project.cogpack("inspect", "--json", f"{world.registry}/models/x:v1", MODEL_TOKEN="models/x"))
    assert again.json["digest"] == done.digest
    assert again.json["reference"].startswith(f"{world.registry}/models/x")
