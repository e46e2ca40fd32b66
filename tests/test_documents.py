"""Two images in one document: wherever a document of others is read, what another parser reads otherwise is refused."""

import ast
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_registry import FakeRegistry
from support.personalities import DIST3

from cogpack.commands.copy import copy
from cogpack.commands.inspect import inspect
from cogpack.commands.pull import pull
from cogpack.commands.pull_weights import pull_weights
from cogpack.digest import Digest, sha256
from cogpack.documents import check, folded
from cogpack.errors import CogpackError, DeniedError, InputError
from cogpack.http import Response, Trust
from cogpack.images.layout import LayoutImages
from cogpack.images.referrers import fallback_tag
from cogpack.images.registry import RegistryImages
from cogpack.layers.weights.join_document import joined_files
from cogpack.layers.weights.safetensors import read_header
from cogpack.layout import Layout
from cogpack.lockfile.base_kinds import RegistryBase
from cogpack.oci import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    Platform,
    decode,
)
from cogpack.planning.known import present_image
from cogpack.progress import SILENT
from cogpack.reference import Reference
from cogpack.registry.auth.challenge import parse_challenges
from cogpack.registry.auth.tokens import Registry, authorize
from cogpack.registry.server.failure import Refusal
from cogpack.registry.server.storage import read_document
from cogpack.resolve.base_image import resolve_base_image
from cogpack.session import Session, Settings

pytestmark = pytest.mark.slow

Document = dict[str, Any]
PACKAGE = Path(__file__).parents[1] / "cogpack"

TWICE = [
    pytest.param(lambda key: key, id="twice"),
    pytest.param(str.upper, id="upper"),
    pytest.param(str.title, id="title"),
    pytest.param(lambda key: key.replace("s", "ſ").replace("S", "ſ"), id="long-s"),
    pytest.param(lambda key: key.replace("k", "K").replace("K", "K"), id="kelvin"),
]
"""How a key's other reading may be spelled."""

Spelled = Callable[[str], str]
REFUSED = r"twice|ignores case"


def ambiguous(data: bytes, key: str, value: object, spelled: Spelled) -> bytes:
    """`data`, where the first `key` comes a second time as another parser takes it for the same; unchanged where that
    spelling has no letter to change."""
    other = spelled(key)
    if other == key and spelled("a") != "a":
        other = key.upper()
    at = f'"{key}":'.encode()
    assert at in data.replace(b'": ', b'":'), key
    return data.replace(b'": ', b'":').replace(at, f'"{other}":{json.dumps(value)},'.encode() + at, 1)


def blob(data: bytes, media_type: str = OCI_LAYER) -> Document:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


def tar(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            out.addfile(info, io.BytesIO(content))
    return stream.getvalue()


GOOD, EVIL = tar(f=b"good"), tar(f=b"EVIL")
CONFIG = json.dumps(
    {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=good"], "Labels": {"x": "good"}},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(GOOD).hexdigest()]},
    }
).encode()
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": blob(CONFIG, OCI_CONFIG),
        "layers": [blob(GOOD)],
    }
).encode()
INDEX = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [blob(MANIFEST, OCI_MANIFEST) | {"platform": {"os": "linux", "architecture": "amd64"}}],
    }
).encode()

OF_A_MANIFEST = {
    "layers": [blob(EVIL)],
    "config": blob(b"{}"),
    "mediaType": OCI_INDEX,
    "digest": sha256(EVIL),
    "size": 1,
}
OF_AN_INDEX = {"manifests": [], "platform": {"os": "linux", "architecture": "arm64"}, "architecture": "arm64"}
OF_A_CONFIG = {"config": {"Env": ["A=EVIL"]}, "Env": ["A=EVIL"], "rootfs": {}, "diff_ids": [], "os": "windows"}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with Session(Settings(cache=tmp_path / "cache", environment={"HOME": "/nonexistent"})) as found:
        yield found


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(DIST3).running() as found:
        for data in (GOOD, EVIL, CONFIG, b"{}"):
            found.add_blob("a/b", data)
        found.add_manifest("a/b", MANIFEST, OCI_MANIFEST)
        yield found


def layout(root: Path, data: bytes, media_type: str) -> str:
    made = Layout.create(root)
    for one in (GOOD, EVIL, CONFIG, MANIFEST, b"{}", data):
        made.add(one)
    made.publish({"x": Descriptor(media_type=media_type, digest=sha256(data), size=len(data))})
    return str(root)


def with_config(config: bytes) -> bytes:
    return MANIFEST.replace(sha256(CONFIG).encode(), sha256(config).encode()).replace(
        f'"size": {len(CONFIG)}'.encode(), f'"size": {len(config)}'.encode()
    )


VERBS: list[Any] = [
    pytest.param(lambda session, ref, out: inspect(session, ref), id="inspect"),
    pytest.param(lambda session, ref, out: pull(session, ref, out), id="pull"),
    pytest.param(lambda session, ref, out: pull(session, ref, out.with_suffix(".tar")), id="pull-tar"),
    pytest.param(lambda session, ref, out: pull_weights(session, ref, out), id="weights-pull"),
    pytest.param(lambda session, ref, out: copy(session, ref, str(out)), id="copy"),
]


@pytest.mark.parametrize("spelled", TWICE)
@pytest.mark.parametrize("key", OF_A_MANIFEST)
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_takes_a_manifest_that_is_two(
    session: Session, registry: FakeRegistry, tmp_path: Path, verb: Callable[..., object], key: str, spelled: Spelled
) -> None:
    """M1."""
    registry.add_manifest("a/b", ambiguous(MANIFEST, key, OF_A_MANIFEST[key], spelled), OCI_MANIFEST, "x")
    with pytest.raises(InputError, match=REFUSED):
        verb(session, f"{registry.address}/a/b:x", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == []


@pytest.mark.parametrize("spelled", TWICE)
@pytest.mark.parametrize("key", OF_AN_INDEX)
@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_takes_an_index_that_is_two(
    session: Session, registry: FakeRegistry, tmp_path: Path, verb: Callable[..., object], key: str, spelled: Spelled
) -> None:
    registry.add_manifest("a/b", ambiguous(INDEX, key, OF_AN_INDEX[key], spelled), OCI_INDEX, "x")
    with pytest.raises(InputError, match=REFUSED):
        verb(session, f"{registry.address}/a/b:x", tmp_path / "out")


@pytest.mark.parametrize("spelled", TWICE)
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX])
@pytest.mark.parametrize("verb", [verb for verb in VERBS if str(verb.id) in ("inspect", "weights-pull", "copy")])
def test_no_verb_takes_either_out_of_a_layout(
    session: Session, tmp_path: Path, verb: Callable[..., object], media_type: str, spelled: Spelled
) -> None:
    key, data = ("layers", MANIFEST) if media_type == OCI_MANIFEST else ("manifests", INDEX)
    place = layout(tmp_path / "in", ambiguous(data, key, [], spelled), media_type)
    with pytest.raises(InputError, match=REFUSED):
        verb(session, place, tmp_path / "out")


@pytest.mark.parametrize("spelled", TWICE)
@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("index.json", "manifests", []),
        ("index.json", "digest", sha256(EVIL)),
        ("index.json", "mediaType", OCI_INDEX),
        ("oci-layout", "imageLayoutVersion", "1.0.0"),
    ],
)
def test_no_verb_takes_a_layout_whose_files_are_two(
    session: Session, tmp_path: Path, file: str, key: str, value: object, spelled: Spelled
) -> None:
    place = layout(tmp_path / "in", MANIFEST, OCI_MANIFEST)
    path = tmp_path / "in" / file
    data = path.read_bytes()
    at = data.rindex(f'"{key}":'.encode())
    path.write_bytes(data[:at] + ambiguous(data[at:], key, value, spelled))
    for act in (
        lambda: inspect(session, place),
        lambda: copy(session, place, str(tmp_path / "out")),
        lambda: copy(session, place, place + ":y"),
        lambda: Layout.create(tmp_path / "in").publish({}),
    ):
        with pytest.raises(InputError, match=REFUSED):
            act()


@pytest.mark.slow
@pytest.mark.parametrize("spelled", TWICE)
@pytest.mark.parametrize("key", OF_A_CONFIG)
def test_a_config_that_is_two_is_not_read(
    session: Session, registry: FakeRegistry, tmp_path: Path, key: str, spelled: Spelled
) -> None:
    config = ambiguous(CONFIG, key, OF_A_CONFIG[key], spelled)
    registry.add_blob("a/b", config)
    registry.add_manifest("a/b", with_config(config), OCI_MANIFEST, "x")
    name = f"{registry.address}/a/b:x"
    reference = Reference.parse(name)
    images = session.images(reference)
    for act in (
        lambda: inspect(session, name),
        lambda: pull_weights(session, name, tmp_path / "out"),
        lambda: resolve_base_image(reference, Platform(architecture="amd64", os="linux"), images, SILENT),
        lambda: RegistryBase(
            reference=name, digest=sha256(b""), python="3.12", glibc="2.41", interpreter="/p", config=config.decode(),
            layers=(),
        ),
    ):  # fmt: skip
        with pytest.raises(InputError, match=REFUSED):
            act()
    assert present_image(images, reference, session.facts).layers == {}


@pytest.mark.parametrize("spelled", TWICE)
def test_the_platform_of_a_config_that_is_two_is_not_believed(
    session: Session, registry: FakeRegistry, tmp_path: Path, spelled: Spelled
) -> None:
    config = ambiguous(CONFIG, "architecture", "arm64", spelled)
    registry.add_blob("a/b", config)
    registry.add_manifest("a/b", with_config(config), OCI_MANIFEST, "x")
    name, platform = f"{registry.address}/a/b:x", "linux/amd64"
    for act in (
        lambda: inspect(session, name, platform=platform),
        lambda: pull(session, name, tmp_path / "out", platform=platform),
        lambda: copy(session, name, str(tmp_path / "out"), platform="linux/amd64"),
    ):
        with pytest.raises(InputError, match=REFUSED):
            act()


@pytest.mark.parametrize("spelled", TWICE)
def test_lists_of_referrers_that_are_two_are_refused(session: Session, tmp_path: Path, spelled: Spelled) -> None:
    subject = Digest("sha256:" + "5" * 64)
    listed = ambiguous(INDEX, "manifests", [], spelled)
    with FakeRegistry(DIST3).running() as registry:
        registry.add_manifest("a/b", listed, OCI_INDEX, fallback_tag(subject))
        repository = session.repository(Reference.parse(f"{registry.address}/a/b"))
        with pytest.raises(InputError, match=REFUSED):
            RegistryImages(repository).referrers(subject)
    place = Layout(Path(layout(tmp_path / "in", listed, OCI_INDEX)))
    place.publish({fallback_tag(subject): Descriptor(media_type=OCI_INDEX, digest=sha256(listed), size=len(listed))})
    with pytest.raises(InputError, match=REFUSED):
        LayoutImages(place, session.cancellation).referrers(subject)


@pytest.mark.parametrize("spelled", TWICE)
def test_a_nameless_referrer_of_a_layout_that_is_two_is_refused(
    session: Session, tmp_path: Path, spelled: Spelled
) -> None:
    data = json.dumps(json.loads(MANIFEST) | {"subject": blob(b"x", OCI_MANIFEST)}).encode()
    data = ambiguous(data, "subject", None, spelled)
    place = Layout(Path(layout(tmp_path / "in", data, OCI_MANIFEST)))
    entry = {"mediaType": OCI_MANIFEST, "digest": sha256(data), "size": len(data)}
    (tmp_path / "in" / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with pytest.raises(InputError, match=REFUSED):
        LayoutImages(place, session.cancellation).referrers(sha256(b"x"))


@pytest.mark.parametrize("spelled", TWICE)
def test_our_own_registry_takes_neither(spelled: Spelled) -> None:
    for media_type, data, keys in ((OCI_MANIFEST, MANIFEST, OF_A_MANIFEST), (OCI_INDEX, INDEX, OF_AN_INDEX)):
        for key, value in keys.items():
            with pytest.raises(Refusal) as caught:
                read_document(media_type, ambiguous(data, key, value, spelled))
            assert caught.value.status == 400
            assert b"MANIFEST_INVALID" in caught.value.body


@pytest.mark.parametrize(
    ("media_type", "document"),
    [
        (OCI_MANIFEST, json.loads(MANIFEST) | {"manifests": []}),
        (OCI_MANIFEST, json.loads(MANIFEST) | {"Manifests": []}),
        (OCI_MANIFEST, json.loads(MANIFEST) | {"fsLayers": []}),
        (OCI_INDEX, json.loads(INDEX) | {"layers": []}),
        (OCI_INDEX, json.loads(INDEX) | {"LAYERſ": []}),
        (OCI_INDEX, json.loads(INDEX) | {"Config": {}}),
    ],
)
def test_what_is_both_manifest_and_index_to_any_client_is_neither(
    session: Session, registry: FakeRegistry, media_type: str, document: Document
) -> None:
    """M5."""
    data = json.dumps(document).encode()
    with pytest.raises(Refusal):
        read_document(media_type, data)
    registry.add_manifest("a/b", data, media_type, "x")
    with pytest.raises(InputError, match="both a manifest and an index"):
        inspect(session, f"{registry.address}/a/b:x")


@pytest.mark.parametrize("spelled", TWICE)
def test_join_documents_and_headers_of_weights_are_held_to_it_too(spelled: Spelled) -> None:
    item = {"path": "/src/m", "joined": "/var/lib/cogpack/joined/m", "size": 1, "parts": [["/p", 1]]}
    with pytest.raises(InputError, match=REFUSED):
        joined_files(ambiguous(json.dumps([item]).encode(), "parts", [], spelled), "an image")
    tensor = b'{"dtype":"U8","shape":[1],"data_offsets":[0,1]}'
    text = b'{"a":' + tensor + b',"a":' + tensor + b"}"
    with pytest.raises(InputError, match="twice"):
        read_header(io.BytesIO(len(text).to_bytes(8, "little") + text + b"x"), 8 + len(text) + 1, where="w")


def test_a_token_that_is_two_is_none() -> None:
    challenge = parse_challenges('Bearer realm="https://auth.example.com/token",service="reg"')
    for body in (b'{"token":"a","token":"b"}', b'{"token":"a","Token":"b"}', b'{"toKen":"b"}'):
        steps = authorize(challenge, None, [], Registry("reg.example.com", Trust()))
        next(steps)
        with pytest.raises(DeniedError, match="without a token"):
            steps.send(Response(200, {}, body, ""))


def test_keys_that_users_choose_may_differ_by_case_alone() -> None:
    """As in Go: annotations and labels are maps, and so are ports and volumes."""
    manifest = json.loads(MANIFEST) | {"annotations": {"a": "1", "A": "2", "K": "3", "k": "4", "layers": "5"}}
    assert len(decode(json.dumps(manifest).encode(), Manifest, where="m").annotations or ()) == 5
    config = json.loads(CONFIG)
    config["config"] |= {"Labels": {"x": "1", "X": "2"}, "Volumes": {"/Data": {}, "/data": {}}}
    assert check(json.dumps(config).encode(), Platform) == config


@given(st.text(max_size=8), st.sampled_from(["layers", "config", "mediaType", "schemaVersion", "subject"]))
def test_a_key_is_refused_just_if_go_takes_it_for_a_field(text: str, name: str) -> None:
    """Against the definition: equal but for the case of ASCII letters, U+017F an s, U+212A a k."""

    def go(key: str) -> str:
        return "".join({"ſ": "s", "K": "k"}.get(one, one.lower() if one.isascii() else one) for one in key)

    for key in (text, name.upper(), name.replace("s", "ſ"), text + name, name.swapcase()):
        assert folded(key) == go(key)
        document = json.loads(MANIFEST) | ({} if key in json.loads(MANIFEST) else {key: None})
        names = {"layers", "config", "mediaType", "schemaVersion", "artifactType", "subject", "annotations"}
        misspelled = key not in names and go(key) in map(str.lower, names)
        try:
            check(json.dumps(document).encode(), Manifest)
        except ValueError:
            assert misspelled
        else:
            assert not misspelled


JSON_IS_READ_IN = {
    "running/server.py": "what a model says of its health, shown and never believed",
    "running/predictions.py": "what a model answers, shown and never believed",
    "locking/sources/lfs_server.py": "what the user's own server of git-lfs says by ssh, as git-lfs reads it",
    "resolve/interpreter.py": "what a program of ours tells, and a list of the user's own",
    "running/inputs.py": "what a user writes on the command line",
    "documents.py": "the door",
    "oci.py": "the door",
    "layout/layout.py": "an index again that was sound",
    "layers/weights/safetensors.py": "behind the door",
    "registry/refusals.py": "a refusal's words, shown and never believed",
    "registry/auth/tokens.py": "a number inside of what came through the door",
    "registry/pull/ranges.py": "a journal of ours",
    "registry/push/blob_origins.py": "a hint of ours",
    "registry/credentials/files.py": "the user's own",
    "registry/credentials/helpers.py": "the user's own program",
    "registry/credentials/keep.py": "the user's own",
    "project/weight_splits.py": "the project's own",
    "layers/weights/complete.py": "the project's own",
    "planning/building/front_end.py": "a program of its own, told by us and by itself",
    "runtime/inside/join.py": "a program of its own, in an image of ours",
    "runtime/inside/probe.py": "the same, told by the model's server",
    "sandbox/rungs/enter.py": "a program of ours, told by us",
    "sandbox/rungs/questions.py": "a program of ours, told by us",
    "sandbox/rungs/choice.py": "the answers of a program of ours",
    "sandbox/run.py": "what a program of ours tells",
}


def test_json_of_others_has_one_door() -> None:
    """Whoever reads JSON anywhere else says here why it need not be `oci.decode`."""
    readers = {"msgspec.json.decode", "msgspec.json.Decoder", "json.loads", "json.load", "json_module.loads"}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in readers:
                found.add(path.relative_to(PACKAGE).as_posix())
            if isinstance(node, ast.ImportFrom) and node.module in ("json", "msgspec.json"):
                found.add(path.relative_to(PACKAGE).as_posix())
    assert found == set(JSON_IS_READ_IN)


def test_all_that_is_decoded_is_checked() -> None:
    class Whatever(msgspec.Struct):
        one: list[dict[str, Index]]

    text = b'{"one":[{"ANY":{"schemaVersion":2,"manifests":[],"Manifests":[]}}]}'
    with pytest.raises(CogpackError, match="'Manifests' is 'manifests' to a parser that ignores case"):
        decode(text, Whatever, where="here")
