"""`auto` splits only what no code can tell from the whole."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from cogpack.config import PackWeights
from cogpack.errors import InputError
from cogpack.model_files import index_path
from cogpack.project import find_project
from cogpack.project.weight_splits import Attempt, SplitChoice, SplitRules

CONFIG = "build:\n  python_version: '3.13'\npredict: predict.py:Predictor\n"
HF = {"m/config.json": '{"model_type": "bert"}', "m/model.safetensors": "x" * 2000}


def choose(
    root: Path,
    files: dict[str, str],
    path: str,
    *,
    split: str = "",
    limit: int = 1000,
    attempt: Attempt | None = None,
) -> SplitChoice:
    options = f"cogpack:\n  weights:\n    min_size: 0\n    split: {split}\n" if split else ""
    everything = {"cog.yaml": CONFIG + options, "predict.py": "import transformers\n"} | files
    for name, text in everything.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    project = find_project(root)
    (file,) = [file for file in project.files() if file.path == path]
    return project.split_rules({}).choose(file.path, file.size, limit=limit, attempt=attempt)


def test_a_model_that_loaders_know_is_split(tmp_path: Path) -> None:
    assert choose(tmp_path, HF, "m/model.safetensors").rule == "tensor"


def test_a_diffusers_component_is_split(tmp_path: Path) -> None:
    files = {
        "unet/config.json": '{"_class_name": "UNet2DConditionModel"}',
        "unet/diffusion_pytorch_model.fp16.safetensors": "x" * 2000,
    }
    assert choose(tmp_path, files, "unet/diffusion_pytorch_model.fp16.safetensors").rule == "tensor"


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"m/model.safetensors": "x" * 1000}, "fits in one layer"),
        ({"m/config.json": "{}"}, "no config.json of a transformers"),
        ({"m/config.json": "not JSON"}, "no config.json of a transformers"),
        ({"m/config.json": '{"in_features": 768}'}, "no config.json of a transformers"),
        ({"m/model.safetensors.index.json": "{}"}, "is there already"),
        ({"predict.py": "from safetensors.torch import load_file"}, "predict.py reads safetensors files itself"),
        ({"predict.py": "open('m/model.safetensors')"}, "predict.py reads"),
        ({"lib/more.py": "Pipeline.from_single_file(path)"}, "lib/more.py reads"),
        ({"notebook.ipynb": '"safe_open(f)"'}, "notebook.ipynb reads"),
        ({"conf/app.yaml": "checkpoint: m/model.safetensors"}, "conf/app.yaml names model.safetensors"),
    ],
)
def test_what_code_could_notice_stays_whole(tmp_path: Path, files: dict[str, str], why: str) -> None:
    choice = choose(tmp_path, HF | files, "m/model.safetensors")
    assert choice.rule == "none"
    assert why in choice.why


def test_what_is_no_such_file_stays_whole_unless_a_split_was_asked_for(tmp_path: Path) -> None:
    def attempt(rule: str) -> None:
        raise InputError(f"model.safetensors: no header for {rule}", next_step="")

    choice = choose(tmp_path, HF, "m/model.safetensors", attempt=attempt)
    assert choice == SplitChoice("none", "no header for tensor", auto=True)
    asked = choose(tmp_path, HF, "m/model.safetensors", split="tensor", attempt=attempt)
    assert (asked.rule, asked.auto) == ("tensor", False)


def test_two_files_that_are_looked_at_at_once_get_the_answer_of_one(tmp_path: Path) -> None:
    """Weights of servers are pinned in several threads: the code of the project is the same for all of them."""
    reading, read_on = threading.Event(), threading.Event()

    def read(path: str) -> bytes:
        if path.endswith(".json"):
            return HF["m/config.json"].encode()
        reading.set()
        assert read_on.wait(10)
        return b"safe_open"

    rules = SplitRules(PackWeights(), ["a/config.json", "b/config.json", "load.py"], read, config="cog.yaml", where=str)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(rules.choose, "a/model.safetensors", 2000, limit=1000)
        assert reading.wait(10)
        other = pool.submit(rules.choose, "b/model.safetensors", 2000, limit=1000)
        wait([other], timeout=0.1)
        read_on.set()
        assert [one.result().rule, other.result().rule] == ["none", "none"]


def test_what_a_link_leads_to_stays_whole(tmp_path: Path) -> None:
    (tmp_path / "best").symlink_to("m/model.safetensors")
    choice = choose(tmp_path, HF, "m/model.safetensors")
    assert (choice.rule, choice.why) == ("none", "a link of the project leads to it")


def test_a_link_to_the_models_directory_hinders_nothing(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("m")
    assert choose(tmp_path, HF, "m/model.safetensors").rule == "tensor"


def test_a_file_of_another_kind_stays_whole_and_the_offer_is_told(tmp_path: Path) -> None:
    choice = choose(tmp_path, {"big.pt": "x" * 2000}, "big.pt")
    assert choice.rule == "none"
    assert "split: opaque" in choice.why


def test_the_users_word_counts_and_the_last_of_them_most(tmp_path: Path) -> None:
    split = "{'**': opaque, 'm/*': none}"
    assert choose(tmp_path, HF, "m/model.safetensors", split=split).rule == "none"
    assert choose(tmp_path, HF | {"big.pt": "x" * 2000}, "big.pt", split=split).rule == "opaque"
    assert choose(tmp_path, {"big.pt": "x"}, "big.pt", split="opaque").rule == "none"  # nothing to gain


def test_tensors_are_cut_by_word_even_where_code_reads_them(tmp_path: Path) -> None:
    files = HF | {"predict.py": "load_file"}
    assert choose(tmp_path, files, "m/model.safetensors", split="tensor").rule == "tensor"


def test_tensor_for_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\Acog\.yaml:7:21: cogpack\.weights\.split.*big\.pt is no safetensors file"):
        choose(tmp_path, {"big.pt": "x" * 2000}, "big.pt", split="{'*.pt': tensor}")


def test_one_rule_for_all_leaves_what_fits_in_a_layer(tmp_path: Path) -> None:
    files = HF | {"m/tokenizer.model": "x"}
    assert choose(tmp_path, files, "m/tokenizer.model", split="tensor").rule == "none"
    assert choose(tmp_path, files, "m/model.safetensors", split="tensor").rule == "tensor"


def test_a_rule_in_cog_yaml_is_no_word_about_what_is_opened(tmp_path: Path) -> None:
    assert choose(tmp_path, HF, "m/model.safetensors", split="{'m/model.safetensors': auto}").rule == "tensor"


def test_a_gguf_file_is_cut_by_word_alone_whatever_its_size(tmp_path: Path) -> None:
    """What code has to open must not hang on the size."""
    assert choose(tmp_path / "auto", {"m.gguf": "x" * 2000}, "m.gguf").rule == "none"
    assert choose(tmp_path / "large", {"m.gguf": "x" * 2000}, "m.gguf", split="{'*.gguf': gguf}").rule == "gguf"
    assert choose(tmp_path / "small", {"m.gguf": "x"}, "m.gguf", split="{'*.gguf': gguf}").rule == "gguf"


def test_code_that_names_a_gguf_file_that_will_be_gone_is_named(tmp_path: Path) -> None:
    files = {"m/llm.gguf": "x", "predict.py": "Llama('m/llm.gguf')"}
    choice = choose(tmp_path, files, "m/llm.gguf", split="{'**/*.gguf': gguf}")
    assert (choice.rule, "predict.py names llm.gguf" in choice.why) == ("gguf", True)


def test_parts_of_a_split_file_stay_as_they_are(tmp_path: Path) -> None:
    name = "m-00001-of-00002.gguf"
    choice = choose(tmp_path, {name: "x" * 2000}, name, split="{'*.gguf': gguf}")
    assert (choice.rule, choice.why) == ("none", "a part of a split file already")


def test_gguf_for_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\Acog\.yaml:7:21: cogpack\.weights\.split.*big\.pt is no GGUF file"):
        choose(tmp_path, {"big.pt": "x" * 2000}, "big.pt", split="{'*.pt': gguf}")


def test_parts_of_the_projects_own_are_not_overwritten(tmp_path: Path) -> None:
    files = {"m.gguf": "x", "m-00001-of-00009.gguf": "x"}
    with pytest.raises(InputError, match=r"m-00001-of-00009\.gguf is there already"):
        choose(tmp_path, files, "m.gguf", split="{'*.gguf': gguf}")


def test_an_index_of_the_projects_own_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors\.index\.json is there already"):
        choose(tmp_path, HF | {"m/model.safetensors.index.json": "{}"}, "m/model.safetensors", split="tensor")


@pytest.mark.parametrize(
    ("split", "place"),
    [
        ("halves", r"cog\.yaml:7:\d+: cogpack\.weights\.split"),
        ("{'*': x}", r"cog\.yaml:7:\d+: cogpack\.weights\.split\.\*"),
    ],
)
def test_an_unknown_rule_is_named_with_its_line(tmp_path: Path, split: str, place: str) -> None:
    with pytest.raises(InputError, match=place):
        choose(tmp_path, {"big.pt": "x"}, "big.pt", split=split)


def test_a_variant_stands_before_the_last_suffix_of_the_index() -> None:
    assert index_path("a/model.safetensors") == "a/model.safetensors.index.json"
    assert index_path("model.fp16.safetensors") == "model.safetensors.index.fp16.json"
