"""Files that hold secrets are told of, and files that only look like it are not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogpack.file_stat import pack
from cogpack.notes import Code
from cogpack.project import Files, find_project
from cogpack.project.secrets import KINDS, MAX_LOOKED_AT, is_suspect, secret_notes

KEY = "-----BEGIN {}PRIVATE KEY-----\nMIIEvQ...\n-----END PRIVATE KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIEvQ...\n-----END CERTIFICATE-----\n"


def told(root: Path, path: str, content: str | bytes) -> list[tuple[Code, str]]:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    (root / "cog.yaml").write_text("")
    return [(note.code, note.text) for note in find_project(root).notes()]


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("server.pem", CERTIFICATE + KEY.format(""), Code.PRIVATE_KEY),
        ("tls/server.KEY", KEY.format("RSA "), Code.PRIVATE_KEY),
        ("x.key", KEY.format("ENCRYPTED "), Code.PRIVATE_KEY),
        (".ssh/id_rsa", KEY.format("OPENSSH "), Code.PRIVATE_KEY),
        ("deploy/id_ed25519", KEY.format("OPENSSH "), Code.PRIVATE_KEY),
        ("deploy_ed25519", KEY.format("OPENSSH "), Code.PRIVATE_KEY),
        ("me.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", Code.PRIVATE_KEY),
        ("me.ppk", "PuTTY-User-Key-File-3: ssh-ed25519\n", Code.PRIVATE_KEY),
        ("me.p12", b"0\x82\x0a\x01\x02", Code.PRIVATE_KEY),
        ("me.jks", b"\xfe\xed\xfe\xed\x00", Code.PRIVATE_KEY),
        (".env", "# mine\nTOKEN=abc\n", Code.ENVIRONMENT_FILE),
        (".env", "export A='x'\r\n", Code.ENVIRONMENT_FILE),
        ("app/.env.production", "A=1", Code.ENVIRONMENT_FILE),
        (".envrc", "export A=1", Code.ENVIRONMENT_FILE),
        ("prod.env", "A=1", Code.ENVIRONMENT_FILE),
        (".netrc", "machine h.io\n  login me\n  password x\n", Code.CREDENTIALS_FILE),
        (".npmrc", "//registry.npmjs.org/:_authToken=npm_x\n", Code.CREDENTIALS_FILE),
        (".pypirc", "[pypi]\nusername = __token__\npassword = pypi-x\n", Code.CREDENTIALS_FILE),
        ("pip.conf", "[global]\nindex-url = https://me:x@h.io/simple\n", Code.CREDENTIALS_FILE),
        (".git-credentials", "https://me:x@h.io\n", Code.CREDENTIALS_FILE),
        (".aws/credentials", "[default]\naws_secret_access_key = x\n", Code.CREDENTIALS_FILE),
        ("credentials.json", '{"type": "service_account", "private_key": "-----BEGIN PRIVATE"}', Code.CREDENTIALS_FILE),
        ("my-service-account.json", '{"private_key": "-----BEGIN PRIVATE"}', Code.CREDENTIALS_FILE),
        ("application_default_credentials.json", '{"refresh_token": "1//x"}', Code.CREDENTIALS_FILE),
        (".docker/config.json", '{"auths": {"h.io": {"auth": "bWU6eA=="}}}', Code.CREDENTIALS_FILE),
        (".kube/config", "users:\n- user:\n    client-key-data: LS0t\n", Code.CREDENTIALS_FILE),
        ("kubeconfig.yaml", "users:\n- user:\n    token: abc\n", Code.CREDENTIALS_FILE),
        (".kaggle/kaggle.json", '{"username":"me","key":"0123456789abcdef"}', Code.CREDENTIALS_FILE),
        (".streamlit/secrets.toml", 'api_key = "x"\n', Code.CREDENTIALS_FILE),
    ],
)
def test_a_secret_is_told_of(tmp_path: Path, path: str, content: str | bytes, code: Code) -> None:
    ((found, text),) = told(tmp_path, path, content)
    assert found == code
    assert text.startswith(f"{path}: a")
    assert text.endswith(", which everybody can read who has the image; list it in .dockerignore")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("cacert.pem", CERTIFICATE),
        ("public.key", "-----BEGIN PUBLIC KEY-----\n"),
        ("talk.key", b"PK\x03\x04"),
        ("id_rsa.pub", "ssh-rsa AAAA me@h"),
        ("id_map", "0 1"),
        ("far.pem", " " * MAX_LOOKED_AT + KEY.format("")),
        ("docs/keys.md", KEY.format("")),
        ("module.py", KEY.format("")),
        (".env", ""),
        (".env", "# TOKEN=abc\nTOKEN=\nOTHER=''\nMORE=${MORE}\n"),
        (".env.example", "TOKEN=abc"),
        (".env.local.sample", "TOKEN=abc"),
        ("example.env", "TOKEN=abc"),
        ("prod.example.env", "TOKEN=abc"),
        (".npmrc", "registry=https://h.io/\n//h.io/:_authToken=${NPM_TOKEN}\n"),
        ("pip.conf", "[global]\nindex-url = https://h.io/simple\n"),
        ("pip.conf", "index-url = https://${USER}:${TOKEN}@h.io/simple\n"),
        (".aws/credentials", "[default]\nrole_arn = arn:aws:iam::1:role/x\n"),
        ("credentials.json", "{}"),
        ("tokenizer.json", '{"model": {"vocab": {"private_key": 1}}}'),
        ("config.json", '{"model_type": "bert", "auto_map": {}}'),
        ("aws/credentials", "see the wiki"),
        ("kubeconfig.yaml", "users: []\n"),
    ],
)
def test_what_only_looks_like_a_secret_is_not(tmp_path: Path, path: str, content: str | bytes) -> None:
    assert told(tmp_path, path, content) == []


def test_what_is_left_out_of_the_image_is_not_told_of(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text(".env\n")
    assert told(tmp_path, ".env", "A=1") == []


def test_only_files_of_such_names_are_opened() -> None:
    paths, stats = [f"data/{n:05}/annotation-{n}.json" for n in range(10_000)], [pack(9, 0, 0, 0, 0)] * 10_000
    assert list(secret_notes("/nowhere", Files.found(paths, stats, bytes(10_000), ()))) == []


@given(st.sampled_from(KINDS).flatmap(lambda kind: st.from_regex(kind.names, fullmatch=True)))
def test_each_name_that_is_looked_for_passes_the_quick_look(path: str) -> None:
    assert is_suspect(path.lower())
