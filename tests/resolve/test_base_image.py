"""What is learned of a base image, from layers that stdlib's tarfile made."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cogpack.digest import sha256
from cogpack.errors import InputError, MismatchError
from cogpack.images.graph import check_platform, choose
from cogpack.lockfile.base_kinds import InheritedDirectory
from cogpack.oci import DOCKER_INDEX, DOCKER_MANIFEST, OCI_MANIFEST, Descriptor, FoundManifest, Platform
from cogpack.progress import SILENT
from cogpack.reference import Reference
from cogpack.resolve.base_image import BaseFiles, resolve_base_image

LIBC = b"\x7fELF... GNU C Library (Debian GLIBC 2.41-12) stable release version 2.41.\n"
AMD64 = Platform.parse("linux/amd64")
NAME = Reference.parse("h.io/base:v1")

Tree = dict[str, bytes | str | int]
"""path -> content of a file, target of a link, or mode of a directory."""


def layer(tree: Tree) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, what in tree.items():
            info = tarfile.TarInfo(path)
            if isinstance(what, int):
                info.type, info.mode = tarfile.DIRTYPE, what
                archive.addfile(info)
            elif isinstance(what, str):
                info.type, info.linkname = tarfile.SYMTYPE, what
                archive.addfile(info)
            else:
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
    return out.getvalue()


class Images:
    """A repository with one image."""

    def __init__(
        self, *trees: Tree, path: str = "/usr/local/bin:/usr/bin", index: bool = False, claimed: Tree | None = None
    ) -> None:
        """`claimed`: what the config says that each layer is."""
        plain = [layer(tree) for tree in trees]
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": [f"PATH={path}"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [sha256(data if claimed is None else layer(claimed)) for data in plain],
            },
        }
        self.blobs: dict[str, bytes] = {}
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": self._add(json.dumps(config).encode(), "application/vnd.docker.container.image.v1+json"),
            "layers": [
                self._add(gzip.compress(data), "application/vnd.docker.image.rootfs.diff.tar.gzip") for data in plain
            ],
        }
        data = json.dumps(manifest).encode()
        self.manifests = {"v1": (DOCKER_MANIFEST, data)}
        if index:
            child = self._add(data, DOCKER_MANIFEST) | {"platform": {"os": "linux", "architecture": "amd64"}}
            self.manifests[str(child["digest"])] = (DOCKER_MANIFEST, data)
            self.manifests["v1"] = (DOCKER_INDEX, json.dumps({"schemaVersion": 2, "manifests": [child]}).encode())

    def _add(self, data: bytes, media_type: str) -> dict[str, object]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, ref: str) -> FoundManifest | None:
        found = self.manifests.get(ref)
        return FoundManifest(*found, sha256(found[1])) if found else None

    @contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[Iterator[bytes]]:
        yield iter([self.blobs[descriptor.digest]])

    def blob_bytes(self, descriptor: Descriptor, *, limit: int) -> bytes:
        return self.blobs[descriptor.digest]


def good() -> Tree:
    return {
        "tmp": 0o1777,
        "lib": "usr/lib",
        "usr/lib/x86_64-linux-gnu/libc.so.6": LIBC,
        "usr/local/bin/python3.12": b"elf",
        "usr/local/bin/python3": "python3.12",
    }


def test_python_glibc_and_layers_are_found() -> None:
    found = resolve_base_image(NAME, AMD64, Images(good(), {"opt": 0o775, "etc/x": b""}, index=True), SILENT)
    assert (found.python, found.interpreter, found.glibc) == ("3.12", "/usr/local/bin/python3.12", "2.41")
    assert [one.diff_id for one in found.layers] == [sha256(layer(good())), sha256(layer({"opt": 0o775, "etc/x": b""}))]
    assert found.inherited_directories == (InheritedDirectory("opt", 0o775, 0, 0),)
    assert found.init is None
    upper: Tree = {"sbin": "usr/sbin", "usr/sbin/tini": b"elf"}
    assert resolve_base_image(NAME, AMD64, Images(good(), upper), SILENT).init == "/sbin/tini"


@pytest.mark.parametrize(
    ("files", "release"),
    [
        ({"usr/local/bin/python3.12": b"\0%d.%d\0" + b"Z" * 1024 * 1024 + b"\x003.12.4\x003.2.0\0"}, "3.12.4"),
        (
            {"usr/local/lib/libpython3.12.so.1.0": b"\x003.12.4\0", "usr/lib/libpython3.12.so.1.0": b"3.12.9\0"},
            "3.12.4",
        ),
        ({"usr/local/lib/x86_64-linux-gnu/libpython3.12.so.1.0": b"\x003.12.4\0"}, "3.12.4"),
        ({"usr/local/bin/python3.12": b"3.12.4\0", "usr/local/lib/libpython3.12.so.1.0": b"3.12.5\0"}, None),
        ({"usr/local/bin/python3.12": b"3.12.4\x003.12.5\0"}, None),
        ({"usr/local/bin/python3.12": b"\x003.12.0rc1\0"}, None),
        ({"usr/local/bin/python3.12": b"\x003.12.4+\0"}, None),
        ({"usr/local/bin/python3.12": b"\x0013.12.4\0 3.12.4 3.11.4\0"}, None),
        ({"usr/local/bin/python3.11": b"3.11.4\0"}, None),
        ({}, None),
    ],
)
def test_the_release_of_its_cpython_is_what_is_in_the_program_itself_or_in_its_library(
    files: Tree, release: str | None
) -> None:
    seen: list[BaseFiles] = []
    resolve_base_image(NAME, AMD64, Images({**good(), **files}), SILENT, listed=seen.append)
    assert seen[0].release("/usr/local/bin/python3.12") == release


def test_a_base_of_endless_files_is_refused_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.images.root_file_system._LIMIT", 10_000)
    many: Tree = {f"many/{number}": b"" for number in range(30)}
    with pytest.raises(InputError, match=r"so many files, or .* that the list of them takes 10000 bytes"):
        resolve_base_image(NAME, AMD64, Images(good(), many), SILENT)


def test_what_is_kept_of_files_counts_over_all_layers_as_long_as_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cogpack.images.root_file_system._LIMIT", 30_000)
    status: Tree = {"var/lib/dpkg/status": b"x" * 8_000}
    resolve_base_image(NAME, AMD64, Images(good(), *[status] * 9), SILENT)
    others: list[Tree] = [{f"var/lib/dpkg/{number}": b"x" * 8_000} for number in range(3)]
    with pytest.raises(InputError, match="takes 30000 bytes"):
        resolve_base_image(NAME, AMD64, Images(good(), *others), SILENT)


def test_an_image_that_claims_the_layers_of_another_is_refused() -> None:
    evil = good() | {"etc/passwd": b"evil"}
    with pytest.raises(MismatchError, match=f"expected diff ID {sha256(layer(good()))}"):
        resolve_base_image(NAME, AMD64, Images(evil, claimed=good()), SILENT)


def test_names_that_no_lock_can_hold_are_not_taken_for_others() -> None:
    odd: Tree = {"usr/bin/python3": "/opt2/caf\udce9/python3.11", "opt2/caf\udce9/python3.11": b"elf"}
    tree = without("usr/local/bin/python3") | odd
    listed: list[BaseFiles] = []
    assert resolve_base_image(NAME, AMD64, Images(tree), SILENT, listed=listed.append).python is None
    assert listed[0].place("usr/bin/python3").kind == "special file"


@pytest.mark.parametrize("minor", ["\u0661\u0662", "1200"])
def test_what_is_called_like_no_python_is_none(minor: str) -> None:
    """Its minor version went into the lock, which nobody could read then."""
    tree: Tree = {"usr/local/bin/python3": f"python3.{minor}", f"usr/local/bin/python3.{minor}": b"elf"}
    assert resolve_base_image(NAME, AMD64, Images(good() | tree), SILENT).python is None


def test_a_glibc_of_a_million_versions_is_none() -> None:
    """Each of them is the name of a platform: 200,000 took 2 GB."""
    tree: Tree = {"usr/lib/x86_64-linux-gnu/libc.so.6": LIBC.replace(b"version 2.41", b"version 2.1000000")}
    with pytest.raises(InputError, match="no glibc was found in it"):
        resolve_base_image(NAME, AMD64, Images(good() | tree), SILENT)


def test_links_are_followed_and_whiteouts_obeyed() -> None:
    upper: Tree = {"usr/local/bin/.wh.python3": b"", "usr/bin/python3": "/opt2/py/bin/python3.11", "opt2": 0o755}
    upper["opt2/py/bin/python3.11"] = b"elf"
    found = resolve_base_image(NAME, AMD64, Images(good(), upper), SILENT)
    assert (found.python, found.interpreter) == ("3.11", "/opt2/py/bin/python3.11")


def without(*paths: str, **more: bytes | str | int) -> Tree:
    return {path: what for path, what in good().items() if path not in paths} | more


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (without("usr/lib/x86_64-linux-gnu/libc.so.6"), "no glibc"),
        (without("usr/lib/x86_64-linux-gnu/libc.so.6") | {"lib/ld-musl-x86_64.so.1": b""}, "musl"),
        (without("tmp"), "1777"),
        (without(src="elsewhere"), "/src"),
        (without() | {"opt/venv": 0o755}, "/opt/venv"),
        (without() | {"opt/cpython-3.12/x": b"", "opt/cpython-3.12": 0o755}, "/opt/cpython-3.12"),
        (without() | {"../outside": b""}, "leaves the root"),
    ],
)
def test_an_image_that_cannot_be_a_base_is_refused_and_told_why(tree: Tree, words: str) -> None:
    with pytest.raises(InputError, match=words):
        resolve_base_image(NAME, AMD64, Images(tree), SILENT)


@pytest.mark.parametrize("tree", [without("usr/local/bin/python3"), good() | {"usr/local/bin/python3": "python3"}])
def test_an_image_without_python_can_be_a_base(tree: Tree) -> None:
    found = resolve_base_image(NAME, AMD64, Images(tree), SILENT)
    assert (found.python, found.interpreter, found.own_python) == (None, None, None)


def test_a_missing_tag_or_platform_is_named() -> None:
    with pytest.raises(InputError, match="no tag v2 in it"):
        resolve_base_image(NAME.with_tag("v2"), AMD64, Images(good()), SILENT)
    with pytest.raises(InputError, match="linux/arm64; it has linux/amd64"):
        resolve_base_image(NAME, Platform.parse("linux/arm64"), Images(good(), index=True), SILENT)
    with pytest.raises(InputError, match="is for linux/amd64, not linux/arm64"):
        resolve_base_image(NAME, Platform.parse("linux/arm64"), Images(good()), SILENT)


def test_an_image_that_says_no_platform_is_told_as_that() -> None:
    with pytest.raises(InputError) as caught:
        check_platform(b'{"architecture": "", "os": ""}', AMD64, "cogpack.base: h.io/x")
    assert caught.value.message == "cogpack.base: h.io/x is for no stated platform, not linux/amd64"
    offered = [
        Descriptor(media_type=OCI_MANIFEST, digest=sha256(b""), size=0, platform=Platform(architecture="", os=""))
    ]
    with pytest.raises(InputError, match="no image for linux/amd64; it has no stated platform"):
        choose(offered, AMD64, "h.io/x")
