"""Wheels as layers: keys, names, clashes, groups, and the spliced bytes."""

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.wheels import make_wheel, wheel_file

from cogpack.formats import FORMATS
from cogpack.layers.built import BuiltLayer
from cogpack.layers.compression import SplicedGzip, Zstd
from cogpack.layers.entry import File, complete
from cogpack.layers.wheels.groups import MAX_GROUPS, group
from cogpack.layers.wheels.source import WheelFile, WheelsSource
from cogpack.layers.wheels.venv import VenvSource, local_names

LARGE = FORMATS[2].large_wheel


def nobody() -> Path:
    raise AssertionError("the wheel was asked for")


def source(*wheels: tuple[str, str]) -> WheelsSource:
    return WheelsSource([WheelFile(name, sha256 * 64, nobody) for name, sha256 in wheels])


A, B = ("a-1.0-py3-none-any.whl", "a"), ("b-1.0-py3-none-any.whl", "b")


def test_the_key_depends_on_the_wheels_alone_and_reads_none() -> None:
    assert source(A, B).key() == source(B, A).key()
    assert len({source(A).key(), source(B).key(), source(A, B).key()}) == 3


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"], "wheels: torch 2.13.0+cpu"),
        (["Ruamel.Yaml-0.18-py3-none-any.whl"], "wheels: ruamel-yaml 0.18"),
        (["a-1-py3-none-any.whl", "nvidia_x-1-py3-none-any.whl"], "wheels: 2 small ones"),
        (["cuda_y-1-py3-none-any.whl", "nvidia_x-1-py3-none-any.whl"], "wheels: 2 small ones of CUDA"),
    ],
)
def test_the_name_says_what_is_in_it(names: list[str], title: str) -> None:
    assert source(*((name, "a") for name in names)).name == title


def drained(layer: BuiltLayer) -> tuple[bytes, str]:
    blocks: list[bytes] = []

    def consume(body: Iterable[bytes]) -> None:
        blocks.extend(body)

    info = layer.copy_to(consume)
    return b"".join(blocks), info.diff_id


def test_a_layer_holds_the_wheels_own_deflate_streams(tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(5000))
    wheel = make_wheel(tmp_path, "a", files={"a.py": text, "noise": os.urandom(3000), "empty": b""})
    layer = WheelsSource([wheel_file(wheel)])
    stored, diff_id = drained(BuiltLayer(layer, SplicedGzip()))
    plain = gzip.decompress(stored)
    assert diff_id == "sha256:" + hashlib.sha256(plain).hexdigest()
    file = next(entry for entry in layer.entries() if entry.path.endswith("/a.py"))
    raw = file.content.deflated()
    with raw.open() as stream:
        assert stream.read() in stored
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        member = archive.extractfile("opt/venv/lib/python/site-packages/a.py")
        assert member is not None
        assert member.read() == text
        assert archive.getmember("opt/venv/lib/python/site-packages/empty").size == 0


def test_every_codec_gives_the_same_diff_id(tmp_path: Path) -> None:
    layer = WheelsSource([wheel_file(make_wheel(tmp_path, "a"))])
    assert drained(BuiltLayer(layer, SplicedGzip()))[1] == drained(BuiltLayer(layer, Zstd()))[1]


def test_a_stored_and_a_deflated_wheel_give_the_same_plain_layer(tmp_path: Path) -> None:
    layers = [WheelsSource([wheel_file(make_wheel(tmp_path / str(method), "a", method=method))]) for method in (0, 8)]
    assert len({drained(BuiltLayer(layer, SplicedGzip()))[1] for layer in layers}) == 1


def test_golden_layer(tmp_path: Path) -> None:
    """Of a stored wheel, whose bytes no zlib decides: a change here is another `_RECIPE`, codec profile or format."""
    wheel = make_wheel(tmp_path, "a", entry_points="[console_scripts]\na = a:main\n", method=0)
    stored, diff_id = drained(BuiltLayer(WheelsSource([wheel_file(wheel)]), SplicedGzip()))
    assert diff_id == "sha256:12ce0db0c3ee14085fdb5e8151ed15c9b8eca5050bc87d46976343d95d4f5cd2"
    assert hashlib.sha256(stored).hexdigest() == "b5f91245e09a1922084b6a81957eaa9b8d1082ebc8c167c8353873569def883c"


def test_equal_files_of_two_wheels_are_there_once(tmp_path: Path) -> None:
    first = make_wheel(tmp_path, "nvidia-a", files={"nvidia/__init__.py": b"", "nvidia/a": b"a"})
    second = make_wheel(tmp_path, "nvidia-b", files={"nvidia/__init__.py": b"", "nvidia/b": b"b"})
    entries = complete(WheelsSource([wheel_file(second), wheel_file(first)]).entries(), {})
    assert [entry.path for entry in entries if "/nvidia/" in entry.path] == [
        f"opt/venv/lib/python/site-packages/nvidia/{name}" for name in ("__init__.py", "a", "b")
    ]


def test_a_layer_of_several_wheels_has_the_first_ones_file_whatever_else_is_in_the_image(tmp_path: Path) -> None:
    first = wheel_file(make_wheel(tmp_path, "opencv-a", files={"cv2/a": b"one"}))
    second = wheel_file(make_wheel(tmp_path, "opencv-b", files={"cv2/a": b"two"}))
    for wheels in ([first, second], [second, first]):
        (file,) = [entry for entry in WheelsSource(wheels).entries() if entry.path.endswith("/cv2/a")]
        assert isinstance(file, File)
        with file.content.open() as stream:
            assert stream.read() == b"one"


def test_large_wheels_are_alone_and_what_many_share_lies_below() -> None:
    big = LARGE
    wheels = [
        ("zlib_ng-1-py3-none-any.whl", big),
        ("coglet-0.23.1-cp310-abi3-any.whl", big),
        ("numpy-2.4-cp313.whl", big),
        ("torchvision-1-cp313.whl", big),
        ("torch-2.13-cp313.whl", big),
        ("triton-3-cp313.whl", big),
        ("nvidia_cudnn_cu13-9-py3.whl", big),
        ("nvidia_nvtx-1-py3.whl", 10),
        ("cuda_toolkit-13-py3.whl", 10),
        ("cog-0.23.1-py3-none-any.whl", 10),
        ("attrs-1-py3-none-any.whl", big - 1),
    ]
    assert group(wheels, LARGE) == group(wheels[::-1], LARGE)
    assert [[name.partition("-")[0] for name in names] for names in group(wheels, LARGE)] == [
        ["nvidia_cudnn_cu13"],
        ["cuda_toolkit", "nvidia_nvtx"],
        ["triton"],
        ["torch"],
        ["numpy"],
        ["torchvision"],
        ["zlib_ng"],
        ["coglet"],
        ["attrs", "cog"],
    ]


@given(st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.integers(0, 3 * LARGE), max_size=120))
def test_every_wheel_is_in_one_of_at_most_64_groups(sizes: dict[str, int]) -> None:
    wheels = [(f"{name}-1-py3-none-any.whl", size) for name, size in sizes.items()]
    groups = group(wheels, LARGE)
    assert sorted(name for names in groups for name in names) == sorted(name for name, _ in wheels)
    assert len(groups) <= MAX_GROUPS
    assert all(groups)


def test_the_venv_is_links_and_one_file() -> None:
    source = VenvSource(python="3.13", interpreter="/usr/bin/python3.13")
    entries = {entry.path: getattr(entry, "target", None) for entry in source.entries()}
    assert entries == {
        "opt/venv/bin/python": "python3",
        "opt/venv/bin/python3": "/usr/bin/python3.13",
        "opt/venv/bin/python3.13": "python3",
        "opt/venv/lib/python/site-packages": None,
        "opt/venv/lib/python3.13/site-packages": "../python/site-packages",
        "opt/venv/lib64": "lib",
        "opt/venv/pyvenv.cfg": None,
        "opt/venv/lib/cogpack/probe.py": None,
    }
    assert source.key() != VenvSource(python="3.13", interpreter="/usr/local/bin/python3.13").key()


def test_the_venv_has_the_names_that_commands_and_sources_use() -> None:
    source = VenvSource(python="3.13", interpreter="/usr/bin/python3.13", local=local_names("3.13"))
    entries = {entry.path: getattr(entry, "target", None) for entry in source.entries()}
    assert {path: target for path, target in entries.items() if path.startswith("usr/")} == {
        "usr/local/bin/python": None,
        "usr/local/bin/python3": None,
        "usr/local/bin/pip": "/opt/venv/bin/pip",
        "usr/local/lib/python3.13/site-packages": "/opt/venv/lib/python3.13/site-packages",
    }
    fewer = VenvSource(python="3.13", interpreter="/usr/bin/python3.13", local=["usr/local/bin/pip"])
    assert [entry.path for entry in fewer.entries() if entry.path.startswith("usr/")] == ["usr/local/bin/pip"]
    assert len({source.key(), fewer.key(), VenvSource(python="3.13", interpreter="/usr/bin/python3.13").key()}) == 3
