"""More than one prediction at once is for functions that are async, as far as their source tells."""

from pathlib import Path

import msgspec
import pytest

from cogpack.errors import InputError
from cogpack.planning.describing import check_concurrency, describe_project
from cogpack.project import find_project


@pytest.mark.parametrize(("sdk", "code"), [("0.16.12", 2), ("0.17.0", 0), ("0.21.0", 0), ("0.22.0", 2)])
def test_versions_of_cog_that_give_places_to_any_function_are_noted(tmp_path: Path, sdk: str, code: int) -> None:
    (tmp_path / "predict.py").write_text("\ndef predict(text: str) -> str: ...\n")
    (tmp_path / "cog.yaml").write_text(
        f"build: {{sdk_version: {sdk}}}\npredict: predict.py:predict\nconcurrency: {{max: 2}}\n"
    )
    found = find_project(tmp_path)
    described = describe_project(found, sdk_version=sdk, python="3.12")
    if code:
        with pytest.raises(InputError, match=r"and that of predict\.py:2 is none"):
            check_concurrency(found, described, sdk_version=sdk)
    else:
        (note,) = check_concurrency(found, described, sdk_version=sdk)
        assert (note.code, f"cog {sdk} starts, and later ones do not" in note.text) == ("cog-refuses", True)


def test_a_function_that_is_wrapped_may_be_async_then(tmp_path: Path) -> None:
    class_ = "class P:\n    @concurrent(max=3)\n    def _predict(self, text: str) -> str: ...\n"
    source = f"from cog import concurrent\nfrom tools import as_async\n{class_}    predict = as_async(_predict)\n"
    (tmp_path / "predict.py").write_text(source)
    (tmp_path / "cog.yaml").write_text("predict: predict.py:P\nconcurrency: {max: 2}\n")
    found = find_project(tmp_path)
    described = describe_project(found, sdk_version="", python="3.12")
    (note,) = check_concurrency(found, described, sdk_version=None)
    assert (note.code, "predict.py:5 is none: the server starts only if" in note.text) == ("cog-refuses", True)
    assert described.concurrency == 3
    named = "class P:\n    def _predict(self, text: str) -> str: ...\n    predict = _predict\n"
    (tmp_path / "predict.py").write_text(named)
    found = find_project(tmp_path)
    described = describe_project(found, sdk_version="", python="3.12")
    with pytest.raises(InputError, match=r"and that of predict\.py:2 is none"):
        check_concurrency(found, described, sdk_version=None)


@pytest.mark.parametrize(
    ("decorators", "noted"),
    [
        ("@as_async", True),
        ("@as_async(workers=2)", True),
        ("@local", True),
        ("@tools.made['x']", True),
        ("@torch.inference_mode()\n@as_async", True),
        ("@torch.inference_mode()", False),
        ("@functools.cache", False),
        ("@typing.final", False),
    ],
)
@pytest.mark.parametrize("setting", ["concurrency: {max: 2}\n", ""])
@pytest.mark.parametrize("of_class", [True, False])
def test_a_decorator_that_nobody_knows_may_make_an_async_function(
    decorators: str, noted: bool, setting: str, of_class: bool, tmp_path: Path
) -> None:
    """Cog judges the object, which no source tells."""
    head = "import cog, functools, tools, torch, typing\nfrom tools import as_async\n\ndef local(function): ...\n"
    concurrent = "" if setting else "@cog.concurrent(max=2)\n"
    own = "self, " if of_class else ""
    lines = f"{concurrent}{decorators}\ndef predict({own}text: str) -> str: ...".splitlines()
    body = [*(["class Model:"] if of_class else []), *(f"    {line}" if of_class else line for line in lines)]
    (tmp_path / "predict.py").write_text(head + "\n".join(body) + "\n")
    (tmp_path / "cog.yaml").write_text(f"predict: predict.py:{'Model' if of_class else 'predict'}\n{setting}")
    found = find_project(tmp_path)
    if noted:
        described = describe_project(found, sdk_version="", python="3.12")
        (note,) = check_concurrency(found, described, sdk_version=None)
        assert (note.code, "is none: the server starts only if what wraps it" in note.text) == ("cog-refuses", True)
        assert note.text.startswith("cog.yaml:2:20: concurrency.max: " if setting else "@concurrent(max=2): "), note
    else:
        with pytest.raises(InputError, match="an async function"):
            check_concurrency(found, describe_project(found, sdk_version="", python="3.12"), sdk_version=None)


def test_what_a_given_schema_leaves_to_the_source_is_read_as_far_as_it_can_be(tmp_path: Path) -> None:
    """Cog reads the decorator then, too (pkg/image/build.go), and forgives what it can't read."""
    (tmp_path / "cog.yaml").write_text("predict: predict.py:predict\n")
    for head, expected in (
        ("@concurrent(max=3)\nasync def predict(text: str) -> dict[int, bytes]: ...", 3),
        ("@concurrent(max=what())\nasync def predict(text: str) -> str: ...", None),
        ("async def other(): ...", None),
        ("async def predict(", None),
    ):
        (tmp_path / "predict.py").write_text(f"from cog import concurrent\n{head}\n")
        found = msgspec.structs.replace(find_project(tmp_path), schema=b"{}")
        described = describe_project(found, sdk_version="", python="3.12")
        assert (described.document, described.concurrency) == (b"{}", expected)
