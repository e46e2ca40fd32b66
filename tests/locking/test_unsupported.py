"""What this version can't pack is refused all at once, by line, each with a way on."""

import time

import pytest

from cogpack.config import Config, parse_config
from cogpack.errors import InputError
from cogpack.locking.unsupported import advice, refuse_unsupported

CONFIG = b"""\
build:
  python_version: "3.13"
  run:
    - pip install xformers
    - command: curl -o model.pth https://example.com/model.pth
  pre_install:
    - apt-get update && apt-get install -y ffmpeg libgl1
observability: {traces: {enabled: true}}
"""


def refused(config: Config) -> InputError:
    with pytest.raises(InputError) as caught:
        refuse_unsupported(config)
    return caught.value


def test_every_line_that_is_not_supported_is_named_with_its_own_advice() -> None:
    error = refused(parse_config(CONFIG))
    no = "not supported by this version of cogpack"
    assert error.message.splitlines() == [
        "4 things must change:",
        (
            f"  cog.yaml:4: build.run[0]: pip install xformers: {no} "
            "(next: write xformers into the file that build.python_requirements names)"
        ),
        (
            f"  cog.yaml:5: build.run[1]: curl -o model.pth https://example.com/model.pth: {no} "
            "(next: fetch https://example.com/model.pth yourself and put the file into the project as model.pth, "
            "or name it under weights)"
        ),
        (
            f"  cog.yaml:7: build.pre_install[0]: apt-get update && apt-get install -y ffmpeg libgl1: {no} "
            "(next: write ffmpeg, libgl1 under build.system_packages)"
        ),
        f"  cog.yaml:8: observability.traces: {no} (next: leave it out; tracing can be switched on in the predictor)",
    ]
    assert error.next_step == "change each of them as it says"


def test_one_line_is_an_error_of_one_line() -> None:
    error = refused(parse_config(b"build:\n  run: [git clone https://example.com/x]\n", path="other.yaml"))
    assert error.message == (
        "other.yaml:2: build.run[0]: git clone https://example.com/x: not supported by this version of cogpack"
    )
    assert error.next_step.startswith("clone https://example.com/x into the project")


def test_a_long_command_is_read_at_once() -> None:
    began = time.process_time()
    assert (
        advice(f"true{' ' * 200_000}x; pip install a") == "write a into the file that build.python_requirements names"
    )
    assert time.process_time() - began < 5


def test_what_is_supported_passes() -> None:
    refuse_unsupported(parse_config(b"build: {python_version: '3.13'}\nobservability: {traces: {enabled: no}}\n"))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("pip install -U a==1 b --extra-index-url https://x/y", "write a==1 b with its index into the file"),
        ("python3.11 -m pip install --no-deps a", "write a into the file"),
        ("FOO=1 uv pip install --system a", "write a into the file"),
        ("pip install -r extra.txt", "name extra.txt under build.python_requirements"),
        ("pip install git+https://x/y@v1", "build a wheel of git+https://x/y@v1"),
        ("pip install --upgrade pip", "leave it out: pip is in the image"),
        ("sudo apt install libgl1", "write libgl1 under build.system_packages"),
        ("apt-get update", "leave it out"),
        ("echo hi", "leave it out"),
        ("wget -q https://x/y.safetensors -P weights", "as weights, or name it under weights"),
        ("curl -o /usr/local/bin/pget -L https://x/pget && chmod +x /usr/local/bin/pget", "/src in the image"),
        ("git clone https://x/y && cd y && make", "clone https://x/y into the project, at one commit"),
        ("python -c 'import x'", "run it here, and put what it fetches or makes into the project"),
        ("sed -i s/a/b/ c", "keep the changed file in the project"),
        ("frobnicate 'unclosed", "put the result into the project, or into an image named under cogpack.base"),
        ("", "put the result into the project"),
    ],
)
def test_advice_follows_the_command(command: str, expected: str) -> None:
    assert expected in advice(command)
