"""What cog.yaml asks for is never skipped without a word."""

import json

import msgspec
import pytest

from cogpack.config.parse import parse_config
from cogpack.digest import DiffID, sha256
from cogpack.errors import InputError
from cogpack.lockfile import Decisions, LockedInterpreter, LockedWheel
from cogpack.lockfile.base_kinds import Base, DebianBase, LockedDeb, RegistryBase, RegistryLayer
from cogpack.locking.deviations import check_left_to_wheels, notes_of
from cogpack.notes import Code, Note
from cogpack.oci import OCI_LAYER

HASH = "0" * 64
PYTHON = LockedDeb(
    name="python3.13", version="3.13.5-2+deb13u1", arch="amd64", archive="debian", path="p", size=1, sha256=HASH
)
DEBIAN = DebianBase(suite="trixie", arch="amd64", python="3.13", glibc="2.41", releases=(), packages=(PYTHON,))


def wheel(name: str, version: str) -> LockedWheel:
    return LockedWheel(name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", sha256=HASH)


def base(*environment: str) -> RegistryBase:
    digest = sha256(b"layer")
    document = {"rootfs": {"type": "layers", "diff_ids": [digest]}, "config": {"Env": list(environment)}}
    layer = RegistryLayer(media_type=OCI_LAYER, digest=digest, size=5, diff_id=DiffID(digest))
    return RegistryBase(
        reference="python:3.12-slim",
        digest=digest,
        python="3.12",
        glibc="2.36",
        interpreter="/usr/bin/python3.12",
        config=json.dumps(document),
        layers=(layer,),
    )


def told(text: str, *wheels: LockedWheel, upon: Base = DEBIAN, laid: LockedInterpreter | None = None) -> list[Note]:
    decisions = Decisions(base=upon, interpreter=laid, wheels=wheels, clashes=())
    return list(notes_of(parse_config(text.encode()), decisions))


def test_cuda_of_the_wheels_is_told_where_another_is_asked_for() -> None:
    found = told(
        "build:\n  cuda: '12.1'\n  cudnn: 8\n",
        wheel("nvidia-cuda-runtime-cu12", "12.8.90"),
        wheel("nvidia-cudnn-cu12", "9.7.1.26"),
    )
    assert found == [
        Note(
            Code.CUDA_OF_WHEELS,
            "cog.yaml:2:9: build.cuda: 12.1 is asked for, and what was taken is CUDA 12.8.90 "
            "(nvidia-cuda-runtime-cu12)",
        ),
        Note(
            Code.CUDA_OF_WHEELS,
            "cog.yaml:3:10: build.cudnn: 8 is asked for, and what was taken is cuDNN 9.7.1.26 (nvidia-cudnn-cu12)",
        ),
    ]


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        ("12.6", "; torch==2.11.0 is the newest with a build for 12.6"),
        ("12.5.1", "; torch==2.6.0 is the newest with a build for 12.4"),
        ("12.2", "; torch==2.5.1 is the newest with a build for 12.1"),
        ("11.8", "; torch==2.7.1 is the newest with a build for 11.8"),
        ("13.1", ""),
        ("11.3", ""),
    ],
)
def test_of_a_torch_for_a_newer_cuda_the_one_for_the_asked_is_named(asked: str, advice: str) -> None:
    wheels = [wheel("nvidia-cuda-runtime", "13.0.96"), wheel("torch", "2.12.0")]
    (note,) = told(f"build: {{cuda: '{asked}'}}", *wheels)
    assert note.text.partition("(nvidia-cuda-runtime)")[2] == advice
    (note,) = told(f"build: {{cuda: '{asked}'}}", wheels[0])
    assert note.text.endswith("(nvidia-cuda-runtime)"), "no torch is there"
    (note,) = told(f"build: {{cuda: '{asked}'}}", wheel("nvidia-cuda-runtime", "14rc1"), wheels[1])  # no error within
    assert note.text.partition("(nvidia-cuda-runtime)")[2].startswith(advice)


@pytest.mark.parametrize(
    ("settings", "python", "advice"),
    [
        ("cuda: '11.3'", "3.10", "; torch==1.12.1 is the newest with a build for 11.3"),
        ("cuda: '11.7'", "3.11", "; torch==2.0.1 is the newest with a build for 11.7"),
        ("cuda: '11.7'", "3.12", ""),
        ("cuda: '12.2'", "3.8", "; torch==2.4.1 is the newest with a build for 12.1"),
        ("cuda: '11.8'", "3.14", ""),
        ("cuda: '12.6'}\ncogpack: {platform: linux/arm64", "3.13", ""),
    ],
)
def test_no_torch_is_named_that_this_python_or_machine_cannot_have(settings: str, python: str, advice: str) -> None:
    wheels = [wheel("nvidia-cuda-runtime", "13.0.96"), wheel("torch", "2.12.0")]
    (note,) = told(f"build: {{{settings}}}", *wheels, upon=msgspec.structs.replace(DEBIAN, python=python))
    assert note.text.partition("(nvidia-cuda-runtime)")[2] == advice


def test_no_cuda_at_all_is_told() -> None:
    (note,) = told("build: {cuda: '11.8'}", wheel("numpy", "2.1"))
    assert note.text == "cog.yaml:1:15: build.cuda: 11.8 is asked for, and no wheel brings CUDA"


def test_a_build_that_holds_cudnn_itself_is_not_said_to_lack_it() -> None:
    assert not told("build: {cuda: '11.8', cudnn: '8'}", wheel("torch", "2.0.1+cu118"))


@pytest.mark.parametrize(
    ("name", "version", "asked"),
    [
        ("nvidia-cuda-runtime-cu12", "12.1.105", "12.1"),
        ("nvidia-cuda-runtime", "13.0.48", "13.0"),
        ("torch", "2.1.0+cu118", "11.8"),
        ("torch", "2.1.0+cu121", "12.1.1"),
    ],
)
def test_the_version_that_is_there_needs_no_word(name: str, version: str, asked: str) -> None:
    assert told(f"build: {{cuda: '{asked}'}}", wheel(name, version)) == []


LAID = LockedInterpreter(version="3.13.1", url="https://p.example/a.tar.gz", sha256=HASH)


def test_a_patch_release_that_is_laid_over_the_bases_own_is_told() -> None:
    (note,) = told("build:\n  python_version: 3.13.1\n", laid=LAID)
    text = 'Debian has 3.13.5, and 3.13.1 is laid over it; write "3.13" if any patch level will do'
    assert note == Note(Code.PYTHON_PATCH, f"cog.yaml:2:19: build.python_version: {text}")
    assert told("build: {python_version: 3.13.5}") == told("build: {python_version: '3.13'}") == []


def test_of_a_base_that_does_not_tell_its_patch_release_that_is_told() -> None:
    text = "build: {python_version: 3.12.1}"
    assert "the image has the 3.12 of python:3.12-slim" in told(text, upon=base("A=1"))[0].text
    assert told(text, upon=base("PYTHON_VERSION=3.12.1")) == []


def test_another_python_than_that_of_a_base_that_is_named_is_told() -> None:
    text = "build: {python_version: 3.13}\ncogpack: {base: python:3.12-slim}\n"
    (note,) = told(text, upon=base("PYTHON_VERSION=3.12.7"), laid=LAID)
    has = 'python:3.12-slim has Python 3.12.7, and 3.13.1 is laid over it; write "3.12" to do without'
    assert note == Note(Code.PYTHON_LAID, f"cog.yaml:1:25: build.python_version: {has}")
    assert told("build: {python_version: '3.12'}", laid=LAID) == []  # no Debian base has it


@pytest.mark.parametrize(
    "setting",
    [
        "debian_mirror: http://m/debian",
        "recommends: false",
        "debian_snapshot: 2026-01-31",
    ],
)
def test_a_setting_for_packages_that_nobody_asks_for_is_told(setting: str) -> None:
    (note,) = told(f"cogpack:\n  base: python:3.12-slim\n  {setting}\n", upon=base())
    key, _, _ = setting.partition(" ")
    assert note.text.startswith(f"cog.yaml:3:{len(key) + 4}: cogpack.{key} has no effect")


def test_packages_of_the_python_that_is_laid_over_the_base_are_told_to_be_left_out() -> None:
    text = "build:\n  python_version: '{}'\n  system_packages:\n    - git\n    - python{}-dev\n"
    laid = msgspec.structs.replace(LAID, version="3.12.9")
    (note,) = told(text.format("3.12", "3.12"), laid=laid)
    assert note.code is Code.PACKAGE_OF_WHEELS
    assert note.text == (
        "cog.yaml:5:7: build.system_packages[1]: python3.12-dev is left out: CPython 3.12.9 comes with what is in it"
    )
    assert told(text.format("3.12", "3.13"), laid=laid) == []
    assert [one.code for one in told(text.format("3.13.1", "3.13"), laid=LAID)] == [Code.PYTHON_PATCH]


PACKAGES = "build:\n  system_packages:\n    - ffmpeg\n    - cudnn9-cuda-12\n    - libnccl2\n"


def test_libraries_of_nvidia_that_debian_has_not_are_left_out_where_wheels_bring_them() -> None:
    wheels = wheel("nvidia-cudnn-cu12", "9.7.1.26"), wheel("torch", "2.1.0+cu118")
    assert [note.text for note in told(PACKAGES, *wheels)] == [
        (
            "cog.yaml:4:7: build.system_packages[1]: cudnn9-cuda-12 is left out: "
            "cuDNN is brought by nvidia-cudnn-cu12 9.7.1.26"
        ),
        "cog.yaml:5:7: build.system_packages[2]: libnccl2 is left out: NCCL is brought by torch 2.1.0+cu118",
    ]
    check_left_to_wheels(parse_config(PACKAGES.encode()), Decisions(base=DEBIAN, wheels=wheels, clashes=()))


@pytest.mark.parametrize(("version", "more"), [("9.1.0.70", ""), ("8.9.2.26", ", where the package has cuDNN 9")])
def test_another_cudnn_than_the_one_of_the_package_is_told(version: str, more: str) -> None:
    (text,) = (
        note.text for note in told("build: {system_packages: [cudnn9-cuda-12]}\n", wheel("nvidia-cudnn-cu12", version))
    )
    assert text.endswith(f"cuDNN is brought by nvidia-cudnn-cu12 {version}{more}")


def test_libraries_of_nvidia_that_nobody_brings_are_all_named_with_the_wheels_that_would() -> None:
    with pytest.raises(InputError) as caught:
        check_left_to_wheels(
            parse_config(PACKAGES.replace("libnccl2", "libcublas-11-8").encode()),
            Decisions(base=DEBIAN, wheels=(wheel("torch", "2.1.0+cpu"),), clashes=()),
        )
    assert [(part.message, part.next_step) for part in caught.value.parts] == [
        (
            "cog.yaml:4:7: build.system_packages[1]: Debian has no package 'cudnn9-cuda-12', and no wheel brings cuDNN",
            "require nvidia-cudnn-cu12, or what requires it, as torch does",
        ),
        (
            (
                "cog.yaml:5:7: build.system_packages[2]: Debian has no package 'libcublas-11-8', and no wheel brings "
                "cuBLAS"
            ),
            "require nvidia-cublas-cu11, or what requires it, as torch does",
        ),
    ]


def test_a_compiler_that_is_asked_for_over_an_image_of_a_registry_is_told_to_have_no_effect() -> None:
    (note,) = told("cogpack:\n  base: python:3.12-slim\n  compiler: true\n", upon=base())
    assert note.code is Code.UNUSED_SETTING
    assert note.text.startswith("cog.yaml:3:13: cogpack.compiler: has no effect")
    assert told("cogpack:\n  compiler: true\n") == []
