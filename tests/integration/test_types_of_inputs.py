"""Each kind of input behaves as its schema says, with the real `cog` in a container: with a value that fits, with
one that does not, left out, and null.

They are the inputs of one model: what coglet does with one does not depend on the others.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from integration.conftest import Project
from support import plain

from cogpack.sandbox.rungs.choice import Rung, probe

pytestmark = pytest.mark.integration

HEAD = """\
import os
from enum import Enum
from typing import Annotated, Any, List, Literal, Optional, TypedDict, Union
import cog
from cog import BaseRunner, Input, Opaque, Path, Secret
class Kind(str, Enum):
    A = "a"
    B = "b"
class Told(TypedDict, total=False):
    a: str
class Image: ...
class Presets:
    SIZE = Input(default=512, choices=[256, 512])
def compute():
    return 7
def shown(value):
    if isinstance(value, Path):
        return "file of " + value.read_text()
    if isinstance(value, Secret):
        return "secret of " + value.get_secret_value()
    return [shown(one) for one in value] if isinstance(value, list) else value
"""
REQUIRED = object()
FILE, SEEN = "data:text/plain;base64,aGVsbG8=", "file of hello"


class Row(NamedTuple):
    """Is one input: what fits it and what the code gets of that, what does not fit, and what it gets of nothing."""

    declared: str
    fits: tuple[tuple[Any, Any], ...]
    others: tuple[Any, ...]
    without: Any = REQUIRED

    @property
    def name(self) -> str:
        return self.declared.partition(":")[0]


def row(declared: str, fits: Any, *others: Any, without: Any = REQUIRED) -> Row:
    return Row(declared, ((fits, fits),), others, without)


ROWS = [
    row("text: str", "http://h/x", 1, [], True),
    row(
        "short: str = Input(default='d', min_length=1, max_length=3, regex='^[a-z]+$')",
        "ab",
        "",
        "abcd",
        "A",
        without="d",
    ),
    row("plain: str = 'x'", "y", 1, without="x"),
    row("from_environment: str = Input(default=os.getenv('NOBODY_SETS_IT', 'f'))", "g", 1, without="f"),
    Row("whole: int", ((3, 3), (3.0, 3)), (1.5, "3", True)),
    row("within: int = Input(default=5, ge=1, le=9)", 9, 0, 10, without=5),
    row("large: int = 2**40 - 1", 2**52, "1", without=2**40 - 1),
    row("computed: int = Input(default=compute())", 3, "3", without=7),
    row("computed_or_none: Optional[int] = Input(default=compute())", 3, "3", without=7),
    row("none_of_int: int = Input(default=None)", 3, "3", without=None),
    Row("real: float", ((1.5, 1.5), (1, 1)), ("1", True)),
    row("bounded: float = Input(default=1.0, ge=0.5, le=2.0)", 0.5, 0.4, 2.1, without=1.0),
    row("yes: bool", True, 1, "true"),
    row("old: bool = Input(default=False, deprecated=True)", True, 0, without=False),
    Row("file: Path", ((FILE, SEEN),), (3, [FILE])),
    Row("picture: Optional[Path] = Input(default=None, accept='image/*')", ((FILE, SEEN),), (3,), None),
    Row("none_of_file: cog.Path = cog.Input(default=None)", ((FILE, SEEN),), (3,), None),
    Row("newer_file: Path | None = None", ((FILE, SEEN),), (3,), None),
    Row("key: Secret", (("k", "secret of k"),), (3,)),
    Row("no_key: Secret = Input(default=None)", (("k", "secret of k"),), (3,), None),
    row("mapping: dict", {"a": [1, None]}, [1], "a"),
    row("empty_mapping: dict = {}", {"a": 1}, [], without={}),
    row("anything: Any", {"a": 1}, "a"),
    row("texts: list[str]", ["a"], "a", [1]),
    row("numbers: List[int] = Input(default=[1, 2])", [], [1.5], without=[1, 2]),
    Row("files: list[Path]", (([FILE, FILE], [SEEN, SEEN]),), (FILE, [3])),
    Row("no_files: Optional[list[Path]] = None", (([FILE], [SEEN]),), (FILE,), None),
    row("chosen: list[str] = Input(default=['a'], choices=['a', 'b'])", ["b", "a"], ["c"], "a", without=["a"]),
    row("mappings: list[dict]", [{"a": 1}], [1], {}),
    row("bare: Optional[int]", 3, "3", without=None),
    row("with_value: Optional[str] = Input(default='q')", "r", 3, without="q"),
    row("quoted: 'Optional[int]' = None", 3, "3", without=None),
    row("choice: str = Input(choices=['a', 'b'])", "b", "c", 1),
    row("number: int = Input(default=2, choices=[1, 2])", 1, 3, "1", without=2),
    row("no_choice: Optional[str] = Input(default=None, choices=['a', 'b'])", "b", "c", without=None),
    row("member: str = Input(default=Kind.A.value, choices=[one.value for one in Kind])", "b", "c", without="a"),
    row("preset: int = Presets.SIZE", 256, 3, without=512),
    Row("either: str | float", (("a", "a"), (1.5, 1.5), (2, 2)), (True, {})),
    row("either_or_none: Union[int, str, None] = None", 3, 1.5, [], without=None),
    Row("either_list: list[int] | list[float]", (([1], [1]), ([1.5], [1.5])), (["a"], 1)),
    row("literal: Literal['a', 'b'] = 'a'", "b", "c", 1, without="a"),
    row("literal_number: Literal[1, 2]", 1, 3, "1"),
    row("literals: list[Literal['a', 'b']]", ["b"], ["c"], "a"),
    row("literal_or_number: int | Literal['auto'] = 'auto'", 3, "other", without="auto"),
    row("told: Told", {"a": "x"}, "x"),
    row("many_told: list[Told] | None = None", [{"a": "x"}], [1], without=None),
    row("opaque: Annotated[Image, Opaque]", {"a": 1}, 3),
    row("opaque_list: Annotated[list[Image], Opaque]", [{"a": 1}], {}, [1]),
]
MODEL = f"""{HEAD}
class Runner(BaseRunner):
    def run(
        self,
        *,
        {", ".join(one.declared for one in ROWS)}
    ) -> dict:
        return {{name: shown(value) for name, value in locals().items() if name != "self"}}
"""


def ask(client: httpx.Client, url: str, given: dict[str, Any]) -> httpx.Response:
    """Ask once the answer before has given its place free, which is a little after it came."""
    while (answer := client.post(f"{url}/predictions", json={"input": given})).status_code == 409:
        pass
    return answer


def check(client: httpx.Client, url: str) -> None:
    """Ask for each row: all others are left out, or have a value that fits where they are required."""
    needed = {one.name: one.fits[0][0] for one in ROWS if one.without is REQUIRED}
    nothing = ask(client, url, needed | {"nobody_knows": 1}).json()["output"]
    for one in ROWS:
        for value, got in one.fits:
            answer = ask(client, url, needed | {one.name: value})
            assert answer.status_code == 200, (one.declared, value, answer.text)
            assert answer.json()["output"][one.name] == got, (one.declared, value)
        for value in (*one.others, None):
            answer = ask(client, url, needed | {one.name: value})
            assert answer.status_code == 422, (one.declared, value, answer.text)
            places = {fault["loc"][2].partition("/")[0] for fault in answer.json()["detail"]}
            assert places == {one.name}, (one.declared, value, answer.text)
        if one.without is REQUIRED:
            answer = ask(client, url, {name: value for name, value in needed.items() if name != one.name})
            assert answer.status_code == 422, one.declared
            assert answer.json()["detail"][0]["msg"] == "Field required"
        else:
            assert nothing[one.name] == one.without, one.declared
    assert nothing.keys() == {one.name for one in ROWS}, "what nobody knows is not handed on"


def test_every_kind_of_input_is_taken_as_its_schema_says(hello: Project, tmp_path: Path) -> None:
    if all(probe(tmp_path).refusal(rung, owners=False) for rung in (Rung.ROOT, Rung.USERNS)):
        pytest.skip("this machine lets nobody make namespaces")
    (hello.root / "predict.py").write_text(MODEL)
    described = json.loads(hello.cogpack("schema").stdout)
    command = [sys.executable, "-m", "cogpack", "serve", "-p", "0"]
    with subprocess.Popen(
        command, cwd=hello.root, env=hello.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            url = serving.stdout.readline().removeprefix("serving on ").strip()
            with plain.client(timeout=60) as client:
                served = client.get(f"{url}/openapi.json").json()
                assert served["components"] == described["components"]
                check(client, url)
        finally:
            serving.terminate()
