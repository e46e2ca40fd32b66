"""Which index torch comes from follows from cog.yaml and the requirements alone."""

import pytest

from cogpack.config.parse import parse_config
from cogpack.notes import Code
from cogpack.requirements.parse import parse_requirements
from cogpack.resolve.wheels.torch import TorchChoice, TorchIndex, choose_torch, passing_notes

PYTORCH = "https://download.pytorch.org/whl"
GPU = "build:\n  gpu: true\n"


def chosen(config: str, lines: str, arch: str = "amd64") -> TorchChoice:
    return choose_torch(parse_config(config.encode()), parse_requirements(lines, path="requirements.txt"), arch)


@pytest.mark.parametrize(
    ("config", "lines", "index"),
    [
        # Without a GPU: the builds for CPU, whoever requires torch, and whatever it is written for.
        ("build: {gpu: false}", "torch==2.1.0", "cpu"),
        ("", "torch", "cpu"),
        ("", "diffusers", "cpu"),
        ("build: {cuda: '11.8'}", "torch==2.1.0+cu118", "cpu"),
        # With one: the build that is written, then the index that is named, then build.cuda by Cog's rule.
        (GPU, "torch==2.1.0+cu118", "cu118"),
        (f"{GPU}  cuda: '12.1'", "torch==2.1.0+cu118", "cu118"),
        (f"{GPU}  cuda: '12.1'", "torchvision==0.16.0+cpu\ntorch==2.1.0+cu118", "cu118"),
        (GPU, "torch==2.4.0+cpu", "cpu"),
        (GPU, f"--extra-index-url {PYTORCH}/cu124\ntorch==2.4.0", "cu124"),
        (GPU, f"--index-url {PYTORCH}/cu118/\ntorch>=2", "cu118"),
        (GPU, f"-f {PYTORCH}/cu117/torch_stable.html\ntorch==1.13.1", "cu117"),
        (GPU, f"-f {PYTORCH}/torch_stable.html\ntorch==1.13.1+cu116", "cu116"),
        (f"{GPU}  cuda: '11.8'", "torch==2.1.0", "cu118"),
        (f"{GPU}  cuda: '11.8'", "torch==2.1", "cu118"),
        (f"{GPU}  cuda: '12.3'", "torch==2.4.1", "pypi"),  # 12.1 is the highest that is not above, and PyPI's own
        (f"{GPU}  cuda: '12.6.1'", "torch==2.6.0", "cu126"),
        (f"{GPU}  cuda: '12.4'", "torch==2.6.0", "pypi"),
        (f"{GPU}  cuda: '11.8'", "torch==2.11.0", "pypi"),  # there is none as old
        (f"{GPU}  cuda: '12.1'", "torch==2.99.0", "pypi"),  # nor a word of this one
        (f"{GPU}  cuda: '11.8'", "torch>=2.0", "pypi"),
        (f"{GPU}  cuda: '11.8'", "torch==2.1.0 --hash=sha256:" + "0" * 64, "pypi"),
        (GPU, "torch==2.1.0", "pypi"),
        # What is written under cogpack goes before all.
        (f"{GPU}  cuda: '11.8'\ncogpack: {{torch_index: pypi}}", "torch==2.1.0+cu118", "pypi"),
        ("cogpack: {torch_index: cu121}", "torch==2.1.0", "cu121"),
        # Builds of a night come from the index that is named, which stays one of its own.
        ("", f"--pre\n--extra-index-url {PYTORCH}/nightly/cpu\ntorch", None),
        (GPU, f"--extra-index-url {PYTORCH}/nightly/cu124\ntorch==2.6.0.dev20241112+cu124", None),
        (GPU, f"-i {PYTORCH}/test/cu124\ntorchvision\ntorch>=2.6.0dev1", None),
        ("", f"--extra-index-url {PYTORCH}/nightly/cpu\ntorch==2.5.0", "cpu"),
        ("cogpack: {torch_index: pypi}", f"--pre\n--extra-index-url {PYTORCH}/nightly/cpu\ntorch", "pypi"),
        ("", "--pre\ntorch", "cpu"),
        # Files have no index.
        ("", "--no-index\ntorch==2.1.0", None),
    ],
)
def test_where_torch_comes_from(config: str, lines: str, index: str | None) -> None:
    assert chosen(config, lines).index == index


def test_what_pypi_has_for_arm64_without_cuda_is_taken_from_there() -> None:
    assert chosen("", "torch==2.1.0", "arm64").index == "pypi"
    assert chosen("", "torch==2.11.0", "arm64").index == "cpu"


def test_a_version_that_is_written_for_another_build_loses_that_with_a_note() -> None:
    found = chosen(
        "", f"--extra-index-url {PYTORCH}/cu118\ntorch==2.1.0+cu118 ; python_version > '3'\nxformers==1+cu118"
    )
    assert [line.text for line in found.requirements.required] == [
        'torch==2.1.0 ; python_version > "3"',
        "xformers==1",
    ]
    assert found.requirements.options.extra_index_urls == ()
    assert found.named
    assert [(note.code, note.text) for note in found.notes] == [
        (
            Code.TORCH_INDEX,
            "requirements.txt:2: torch==2.1.0+cu118 is taken from the index cpu: build.gpu is not true",
        ),
        (Code.TORCH_INDEX, "requirements.txt:3: xformers==1+cu118 is taken from the index cpu: build.gpu is not true"),
    ]
    kept = chosen(GPU, "torch==2.1.0+cu118\nauto-gptq==0.5.1+cu118\ntorch-scatter==2.1.2+pt21cu121")
    assert kept.requirements.required[0].text == "torch==2.1.0+cu118"
    assert not kept.notes


def test_only_what_is_built_for_a_device_comes_from_an_index_of_pytorchs() -> None:
    lines = [
        "torch==2.1.0",
        "torchvision ; sys_platform == 'win32'",
        "torchaudio @ https://h.test/torchaudio-1-py3-none-any.whl",
        "xformers==0.0.23",
        "torchtext==0.16.0+cu118 --hash=sha256:0",
        "numpy",
    ]
    assert TorchIndex("cu118").names(lines, {"sys_platform": "linux"}) == ["torch", "torchtext"]


def test_nightly_and_unknown_indexes_of_pytorchs_stay_what_they_are_with_a_note() -> None:
    lines = f"--extra-index-url {PYTORCH}/nightly/cu121\n--extra-index-url {PYTORCH}\n--extra-index-url https://a.test/whl/cu118"
    found = chosen(GPU, f"{lines}\ntorch")
    assert found.index == "pypi"
    assert found.requirements.options.extra_index_urls == (f"{PYTORCH}/nightly/cu121", "https://a.test/whl/cu118")
    (note,) = passing_notes(found.requirements)
    assert note.code == Code.PASSING_INDEX
    assert note.text.startswith(f"{PYTORCH}/nightly/cu121: ")
    assert "cogpack fetch" in note.text
