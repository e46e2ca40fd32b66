"""Names that are no packages: what is taken for them, who brings it, and what may be meant."""

import re
from pathlib import Path

import pytest
from resolve.debs.test_deb_solver import universe
from support.debs import stanza

from cogpack.errors import InputError
from cogpack.resolve.debs.names.elsewhere import of_wheels
from cogpack.resolve.debs.names.programs import PROGRAMS
from cogpack.resolve.debs.names.renamed import RENAMED

DEBIAN = "".join(
    stanza(name, Description=description)
    for name, description in {
        "ffmpeg": "Tools for transcoding, streaming and playing of multimedia files",
        "gcc-12": "GNU C compiler",
        "gcc-14": "GNU C compiler",
        "imagemagick": "image manipulation programs -- binaries",
        "libavcodec61": "FFmpeg library with de/encoders for audio/video codecs",
        "libaio1t64": "Linux kernel AIO access library",
        "libgl1": "Vendor neutral GL dispatch library",
        "libopencv-dev": "development files for opencv",
        "libssl-dev": "Secure Sockets Layer toolkit",
        "libx11-6": "X11 client-side library",
        "libx11-dev": "X11 client-side library (development headers)",
        "netcat-openbsd": "TCP/IP swiss army knife",
        "netcat-traditional": "TCP/IP swiss army knife",
        "openjdk-21-jdk": "OpenJDK Development Kit (JDK)",
        "openjdk-25-jdk": "OpenJDK Development Kit (JDK)",
        "pitivi": "non-linear audio/video editor using GStreamer",
        "python3-dev": "header files and a static library for Python",
        "python3-editor": "programmatically open an editor",
    }.items()
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ffmpg", "ffmpeg"),
        ("ffpmeg", "ffmpeg"),
        ("convert", "imagemagick"),
        ("gcc-9", "gcc-14 or gcc-12"),
        ("openjdk-8-jdk", "openjdk-25-jdk or openjdk-21-jdk"),
        ("libavcodec58", "libavcodec61"),
        ("libgl.so.1", "libgl1"),
        ("libx11", "libx11-6 or libx11-dev"),
        ("openssl-devel", "libssl-dev"),
        ("opencv", "libopencv-dev"),
        ("python-dev", "python3-dev"),
        ("video-editor", "pitivi"),
    ],
)
def test_a_name_that_is_no_package_gets_those_that_may_be_meant(tmp_path: Path, name: str, meant: str) -> None:
    with pytest.raises(InputError, match=rf"Debian has no package '{re.escape(name)}'") as caught:
        universe(tmp_path, DEBIAN).request(name)
    assert caught.value.next_step == f"did you mean {meant}?"


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("cuda-toolkit-11-8", "leave it out, and write cuda_toolkit: build under cogpack"),
        ("cuda-nvcc-12-1", "nvidia-cuda-nvcc-cu12 is a wheel"),
        ("nvidia-cuda-toolkit", "(image: in the image, too)"),
        ("nvidia-utils-525", "leave it out: the driver of the machine"),
        ("libgconf-2-4", "leave it out: no Chrome of today wants it; bookworm has it: base: debian:bookworm"),
        ("unrar", "name unar or unrar-free"),
        ("python3.10-dev", "leave it out: a Python that Debian has not comes with its headers"),
    ],
)
def test_a_name_of_which_no_package_of_debians_is_like_says_what_to_do(tmp_path: Path, name: str, step: str) -> None:
    with pytest.raises(InputError, match=rf"Debian has no package '{re.escape(name)}'") as caught:
        universe(tmp_path, DEBIAN).request(name)
    assert step in caught.value.next_step


@pytest.mark.parametrize(
    ("name", "wheel"),
    [
        ("libcudnn8", "nvidia-cudnn"),
        ("libcudnn8-dev", "nvidia-cudnn"),
        ("cudnn9-cuda-12", "nvidia-cudnn"),
        ("libcudnn9-dev-cuda-12=9.1.0.70-1", "nvidia-cudnn"),
        ("nvidia-cudnn", "nvidia-cudnn"),
        ("libcublas-11-8", "nvidia-cublas"),
        ("libcublas-dev-12-1", "nvidia-cublas"),
        ("libnccl2", "nvidia-nccl"),
        ("cuda-cudart-12-1", "nvidia-cuda-runtime"),
        ("libnvrtc11.2", "nvidia-cuda-nvrtc"),
        ("libnvinfer8", "tensorrt"),
    ],
)
def test_what_wheels_bring_of_nvidias_is_known_by_the_names_of_its_archive(name: str, wheel: str) -> None:
    found = of_wheels(name)
    assert found is not None
    assert found.wheel == wheel


@pytest.mark.parametrize("name", ["ffmpeg", "libcurl4", "libcuda-is-not-this", "cudnn-frontend-docs", "libnpth0"])
def test_no_other_package_is_left_to_wheels(name: str) -> None:
    assert of_wheels(name) is None


def test_a_package_under_another_name_is_taken_for_what_the_suite_has_not(tmp_path: Path) -> None:
    found = universe(tmp_path, DEBIAN + stanza("libglib2.0-0", Provides="libold"))
    assert found.successors("libaio1") == ["libaio1t64"]
    assert found.successors("libglib2.0-0t64") == ["libglib2.0-0"]
    assert found.successors("netcat") == ["netcat-openbsd"], "though two packages provide it"
    assert not found.successors("libold"), "somebody provides it"
    assert not found.successors("nothing-like-it")


def test_no_name_stands_for_another_that_is_itself_renamed() -> None:
    assert not {new for names in RENAMED.values() for new in names} & RENAMED.keys()
    assert not {package for package in PROGRAMS.values() if package in RENAMED}
