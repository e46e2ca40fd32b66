"""What an image tells of its lock: no secret, and no address that is nobody else's business."""

import json
from typing import Any

import msgspec
import pytest

from cogpack.errors import InputError
from cogpack.lockfile import (
    NO_ADDRESS,
    VERSION,
    AttachedLock,
    Lock,
    encode_lock,
    parse_attached_lock,
    parse_lock,
)
from cogpack.locking.attached import attached_lock
from cogpack.redaction import learn
from cogpack.sbom import cyclonedx_document, spdx_document

SHA = "0" * 64
DIGEST = f"sha256:{SHA}"
TOKEN = "hunter2-hunter2-hunter2"


def lock(**decided: Any) -> Lock:
    wheel = {"name": "a", "version": "1", "filename": "a-1-py3-none-any.whl", "sha256": SHA}
    deb = {"name": "python3.13", "version": "3.13.5-2", "arch": "amd64", "archive": "debian", "path": "pool/p.deb"}
    base = {
        "kind": "debian", "suite": "trixie", "arch": "amd64", "python": "3.13", "glibc": "2.41", "releases": [],
        "packages": [{**deb, "size": 1, "sha256": SHA}],
    }  # fmt: skip
    weights = decided.pop("weights", [])
    decisions = {"base": base, "wheels": [wheel], "clashes": [], **decided}
    head = {"version": VERSION, "requires": "cogpack>=0.2.0", "format": 2, "inputs": {}}
    return msgspec.convert({**head, "platforms": {"linux/amd64": decisions}, "weights": weights}, Lock)


def wheel_at(url: str) -> Lock:
    return lock(wheels=[{"name": "a", "version": "1", "filename": "a-1-py3-none-any.whl", "sha256": SHA, "url": url}])


def left(found: Lock, told: str = "") -> AttachedLock:
    """What is left, having gone over the wire."""
    attached = attached_lock(found, told=told)
    assert attached_lock(found, told=told).encode() == attached.encode()
    said = parse_attached_lock(attached.encode())
    assert said == attached
    return said


def url(attached: AttachedLock) -> str | None:
    return attached.lock.platforms["linux/amd64"].wheels[0].url


@pytest.mark.parametrize(
    ("address", "stays"),
    [
        (
            "https://github.com/a/b/releases/a-1-py3-none-any.whl",
            "https://github.com/a/b/releases/a-1-py3-none-any.whl",
        ),
        (f"https://me:{TOKEN}@github.com/a.whl", "https://github.com/a.whl"),
        (f"https://{TOKEN}@github.com/a.whl", "https://github.com/a.whl"),
        (f"https://github.com/a.whl?x={TOKEN}", "https://github.com/a.whl"),
        (f"https://github.com/a.whl#{TOKEN}", "https://github.com/a.whl"),
        (f"https://github.com@evil.test/{TOKEN}/a.whl", None),
        (f"https://github.com:{TOKEN}@evil.test/a.whl", None),
        (f"https://evil.test/{TOKEN}#@github.com/a.whl", None),
        (f"https://github.com.evil.test/{TOKEN}/a.whl", None),
        (f"https://github.com:8443/{TOKEN}/a.whl", None),
        (f"https://dl.example.com/{TOKEN}/org/simple/a.whl", None),
        (f"https://pypi.corp/simple/a b.whl?token={TOKEN}", None),
        (f"http://10.0.0.1/{TOKEN}/a.whl", None),
        (f"http://[fe80::1]:3141/{TOKEN}", None),
        (f"//evil.test/{TOKEN}", None),
        (f"git+ssh://git@git.corp/{TOKEN}.git", None),
        (f"file:///home/me/{TOKEN}/a.whl", None),
        (f"s3://bucket-of-ours/{TOKEN}", None),
    ],
)
def test_an_address_stays_where_all_the_world_asks_and_without_what_may_be_a_token(
    address: str, stays: str | None
) -> None:
    said = left(wheel_at(address))
    assert url(said) == (stays or f"{NO_ADDRESS}1")
    assert said.removed == (address != stays)
    for text in (said.encode(), spdx_document("a", said.lock), cyclonedx_document("a", said.lock)):
        assert TOKEN.encode() not in text
        assert stays or b"evil" not in text


def test_what_the_image_says_itself_stays_but_nothing_that_looks_like_a_secret() -> None:
    bare, signed = "https://files.corp/team/a.whl?download=true", f"https://files.corp/team/a.whl?sig={TOKEN}"
    user = f"https://me:{TOKEN}@files.corp/team/a.whl"
    assert url(left(wheel_at(bare), told=f"pip install {bare}")) == bare
    assert left(wheel_at(bare), told=f"pip install {bare}").removed == 0
    assert url(left(wheel_at(signed), told=f"pip install {signed}")) == "https://files.corp/team/a.whl"
    said = left(wheel_at(user), told=f"pip install {user}")
    assert (url(said), said.removed) == (f"{NO_ADDRESS}1", 1)


def test_addresses_within_text_of_others_go_too() -> None:
    why = f"https://github.com/x led to https://me:{TOKEN}@git.corp/secret?token={TOKEN} (me:{TOKEN}@git.test)"
    found = lock(
        sandboxed=[{"step": 0, "why": why}],
        breaks=[{"step": 0, "name": "a", "requires": f"b @ https://pypi.corp/{TOKEN}/b.whl"}],
        fetches=[{"url": f"https://files.corp/{n}?k={TOKEN}", "sha256": SHA, "size": 1} for n in (1, 2)],
        clones=[],
        interpreter={"version": "3.13.5", "url": "file:///mnt/corp/cpython.tar", "sha256": SHA},
    )
    found = msgspec.structs.replace(found, inputs={f"https://corp.test/{TOKEN}/constraints.txt": DIGEST})
    said = left(found)
    text = said.encode().decode()
    assert TOKEN not in text
    assert "corp" not in text
    assert "https://github.com/x led to" in text
    fetched = said.lock.platforms["linux/amd64"].fetches
    assert len({one.url for one in fetched}) == 2, "one is told from the other"
    assert said.lock.platforms["linux/amd64"].interpreter is not None


def test_a_known_secret_goes_wherever_it_stands() -> None:
    learn("a-secret-of-this-process")
    found = lock(sandboxed=[{"step": 0, "why": "it said a-secret-of-this-process"}])
    said = left(found)
    assert b"a-secret-of-this-process" not in said.encode()
    assert said.removed == 1


def registry_base(reference: str) -> dict[str, Any]:
    config = {
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "config": {"Env": ["A=1"], "OnBuild": [f"RUN curl {TOKEN}"], "Healthcheck": {"Test": [TOKEN]}},
        "container_config": {"Cmd": [TOKEN]}, "history": [{"created_by": TOKEN}, {"created_by": "of no layer"}],
    }  # fmt: skip
    layer = {"media_type": "application/vnd.oci.image.layer.v1.tar", "digest": DIGEST, "size": 1, "diff_id": DIGEST}
    return {
        "kind": "registry", "reference": reference, "digest": DIGEST, "python": "3.13", "glibc": "2.41",
        "interpreter": "/usr/bin/python3.13", "config": json.dumps(config), "layers": [layer],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reference", "told", "stays"),
    [
        ("docker.io/library/python:3.13", "", True),
        ("registry.corp/bases/py:3.13", "", False),
        ("registry.corp/bases/py:3.13", "cogpack: {base: registry.corp/bases/py:3.13}", True),
    ],
)
def test_of_a_base_stays_what_the_image_has_of_it(reference: str, told: str, stays: bool) -> None:
    said = left(lock(base=registry_base(reference)), told=told)
    base = said.lock.platforms["linux/amd64"].base
    assert base.title == (reference if stays else "removed.invalid/base")
    assert said.removed == (not stays)
    assert TOKEN.encode() not in said.encode()
    assert b"A=1" in said.encode()


def test_a_whole_lock_is_the_projects_without_results() -> None:
    found = lock()
    assert attached_lock(found, told="").encode() == encode_lock(found)
    assert parse_lock(attached_lock(found, told="").encode()) == found


def test_one_of_which_something_was_removed_is_no_lock_of_a_project() -> None:
    data = attached_lock(wheel_at("https://pypi.corp/a.whl"), told="").encode()
    assert data.startswith(b"# The lock of an image. Addresses")
    with pytest.raises(InputError, match="is of an image, and addresses are removed") as refused:
        parse_lock(data)
    assert "--from-image" in refused.value.next_step


def test_managed_weights_keep_the_hub_and_lose_buckets() -> None:
    part = {"size": 1, "sha256": DIGEST, "rule": "none", "layer_size": 1}
    uris = ("hf://Owner/Name@main", "s3://bucket/key", "https://huggingface.co/a/resolve/main/w.bin")
    found = lock(weights=[{"path": f"w/{n}", "uri": uri, "file": "w", **part} for n, uri in enumerate(uris)])
    assert [weight.uri for weight in left(found).lock.weights] == [uris[0], f"{NO_ADDRESS}1", uris[2]]


def test_a_lock_with_a_name_that_is_taken_for_a_secret_is_an_error_that_names_its_key_and_not_the_secret() -> None:
    """It was a bug of ours, after all layers were sent; hidden it has to be: it may be a secret."""
    learn("someones-private-model")
    file = {"repository": "a/someones-private-model", "commit": "0" * 40, "path": "x", "size": 1, "sha256": DIGEST}
    with pytest.raises(InputError, match=r"hub_files\[0\]\.repository: expected .* taken for a secret") as refused:
        attached_lock(lock(hub_files=[file]), told="")
    assert "someones" not in f"{refused.value.message} {refused.value.next_step}"
