"""Fifty small models, each served by the real `cog` in one container: its /openapi.json, what it makes of what fits,
that it refuses what does not, what is missing, and null, and that it takes what nobody knows.

What kinds of inputs there are is asked in `test_types_of_inputs.py`; here it is where a model's parts stand, how they
are written, and what it gives.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
from integration.conftest import Project

from cogpack.runtime.schema import describe
from cogpack.sandbox.rungs.choice import Rung, probe

pytestmark = pytest.mark.integration

HEAD = """\
import os
from dataclasses import dataclass, field
from enum import Enum
from typing import *
import cog
from cog import AsyncConcatenateIterator, BaseModel, BasePredictor, BaseRunner, ConcatenateIterator, File, Input, Opaque
from cog import Path, Secret, concurrent, streaming
def saved(text):
    with open(f"/tmp/{text}.txt", "w") as out:
        out.write(text)
    return Path(out.name)
"""
FILE = "data:text/plain;base64,"


class Row(NamedTuple):
    source: str
    """Behind the head; where it begins with `def run`, a class is put around it."""
    given: Mapping[str, Any] = {"s": "a"}
    output: Any = "a"
    files: Mapping[str, str] = {}


def method(returns: str, body: str, output: Any, before: str = "") -> Row:
    return Row(f"{before}def run(self, s: str) -> {returns}:\n    {body}", output=output)


MODELS = """
class Point(BaseModel):
    x: float
    label: Optional[str] = None
class Out(BaseModel):
    points: List[Point]
    by_name: Dict[str, Point]
    image: Optional[Path] = None
class Wider(Point):
    wide: bool = True
@dataclass
class Data:
    a: int
    b: list[str] = field(default_factory=list)
class Told(TypedDict, total=False):
    a: Required[int]
    b: str
"""
TAKES = "    def run(self, s: str) -> str:\n        return s\n"
A, B = f"{FILE}YQ==", f"{FILE}Yg=="
ROWS = {
    "text": method("str", "return s", "a"),
    "whole": method("int", "return 3", 3),
    "real": method("float", "return 1.5", 1.5),
    "truth": method("bool", "return True", True),
    "nothing": method("str", "return None", None),
    "anything": method("Any", "return {'a': [1, None]}", {"a": [1, None]}),
    "dict": method("dict", "return {'a': s}", {"a": "a"}),
    "typed_dict_of_lists": method("dict[str, list[float]]", "return {'a': [0.5]}", {"a": [0.5]}),
    "dict_of_optional": method("dict[str, Optional[int]]", "return {'a': None}", {"a": None}),
    "list": method("list[str]", "return [s]", ["a"]),
    "lists": method("list[list[int]]", "return [[1], []]", [[1], []]),
    "path": method("Path", "return saved('a')", A),
    "paths": method("list[Path]", "return [saved('a'), saved('b')]", [A, B]),
    "one_path": method("List[cog.Path]", "return [saved('a')]", [A]),
    "literal": method("Literal['a', 'b']", "return s", "a"),
    "opaque": method("Annotated[Data, Opaque]", "return {'k': 1}", {"k": 1}, MODELS),
    "model": method(
        "Out",
        "return Out(points=[Point(x=1.5)], by_name={'a': Point(x=1, label=s)}, image=saved('a'))",
        {"points": [{"x": 1.5, "label": None}], "by_name": {"a": {"x": 1, "label": "a"}}, "image": A},
        MODELS,
    ),
    "models": method("list[Point]", "return [Point(x=2.5)]", [{"x": 2.5, "label": None}], MODELS),
    "inherited_model": method("Wider", "return Wider(x=1.5)", {"x": 1.5, "label": None, "wide": True}, MODELS),
    "dataclass": method("Data", "return Data(a=1)", {"a": 1, "b": []}, MODELS),
    "typed_dict": method("Told", "return {'a': 1}", {"a": 1}, MODELS),
    "iterator": method("Iterator[str]", "yield from (s, 'b')", ["a", "b"]),
    "iterator_of_abc": method("abc.Iterator[int]", "yield 1", [1], "from collections import abc\n"),
    "iterator_of_models": method("Iterator[Point]", "yield Point(x=1.5)", [{"x": 1.5, "label": None}], MODELS),
    "concatenate": method("ConcatenateIterator[str]", "yield from (s, 'b')", ["a", "b"]),
    "streaming": Row("@streaming\ndef run(self, s: str) -> Iterator[str]:\n    yield s", output=["a"]),
    "asynchronous": Row("async def run(self, s: str) -> str:\n    return s"),
    "asynchronous_iterator": Row("async def run(self, s: str) -> AsyncIterator[str]:\n    yield s", output=["a"]),
    "asynchronous_concatenate": Row(
        "@concurrent(max=2)\nasync def run(self, s: str) -> AsyncConcatenateIterator[str]:\n    yield s", output=["a"]
    ),
    "function": Row("def Runner(s: str, n: int = Input(default=1, ge=0)) -> str:\n    return s * (n + 1)", output="aa"),
    "asynchronous_function": Row("async def Runner(*, s: str) -> str:\n    return s"),
    "predictor": Row("class Runner(BasePredictor):\n" + TAKES.replace("run", "predict")),
    "no_base": Row("class Runner:\n" + TAKES),
    "setup": Row(
        "class Runner(BaseRunner):\n    def setup(self, weights: Optional[Path] = None) -> None:\n"
        "        self.weights = weights\n    def run(self) -> str:\n        return str(self.weights)",
        {},
        "None",
    ),
    "base_here": Row("class Base(BaseRunner):\n" + TAKES + "class Runner(Base): ..."),
    "generic_base": Row(
        "T = TypeVar('T')\nclass Base(BaseRunner, Generic[T]):\n" + TAKES + "class Runner(Base[int]): ..."
    ),
    "mixin": Row("class Mixin:\n" + TAKES + "class Runner(Mixin, BaseRunner): ..."),
    "base_of_a_package": Row(
        "from lib import Base\nclass Runner(Base): ...",
        files={
            "lib/__init__.py": "from .base import Base\n",
            "lib/base.py": "from cog import BaseRunner\nclass Base(BaseRunner):\n" + TAKES,
        },
    ),
    "class_of_a_file": Row(
        "from other import Runner",
        files={"other.py": "from cog import BaseRunner\nclass Runner(BaseRunner):\n" + TAKES},
    ),
    "class_renamed": Row("class Model(BaseRunner):\n" + TAKES + "Runner = Model"),
    "class_under_if": Row(
        "if os.sep == '/':\n    class Runner(BaseRunner):\n        def run(self, s: str) -> str: return s"
    ),
    "method_renamed": Row("class Runner(BaseRunner):\n" + TAKES.replace("run", "go") + "    run = go"),
    "method_wrapped": Row(
        "import functools\ndef wrap(f):\n    @functools.wraps(f)\n    def inner(*a, **k): return f(*a, **k)\n"
        "    return inner\n"
        "class Runner(BaseRunner):\n" + TAKES + "    run = wrap(run)"
    ),
    "model_of_the_class": Row(
        "class Runner(BaseRunner):\n    class Out(BaseModel):\n        a: str\n    def run(self, s: str) -> Out:\n"
        "        return self.Out(a=s)",
        output={"a": "a"},
    ),
    "quoted": Row("def run(self, s: 'str', n: 'Optional[int]' = None) -> 'str':\n    return f'{s}{n}'", output="aNone"),
    "renamed": Row(
        "from cog import Input as I, Path as P\ndef run(self, p: P = I(description='d'), s: str = I('x')) -> P:\n"
        "    return saved(p.read_text() + s)",
        {"p": A},
        f"{FILE}YXg=",
    ),
    "preset": Row(
        "class Presets:\n    WORD = Input(default='x', choices=['x', 'y'])\n"
        "def word(**more):\n    return Input(**more)\n"
        "def run(self, s: str = Presets.WORD, t: str = word(default='t')) -> str:\n    return s + t",
        {"s": "y"},
        "yt",
    ),
    "alias": Row(
        "Word: TypeAlias = str\nMaybe = Optional[int]\ndef run(self, s: Word, n: Maybe) -> Word:\n    return f'{s}{n}'",
        output="aNone",
    ),
    "constants": Row(
        "import settings\nfrom settings import KINDS\nclass Kind(Enum):\n    A = 'a'\n"
        "def run(self, s: str = Input(choices=[k.value for k in Kind]), n: int = Input(default=settings.N, le=6),"
        " k: str = Input(default='q', choices=sorted(KINDS))) -> str:\n    return f'{s}{n}{k}'",
        {"s": "a", "n": 6},
        "a6q",
        {"settings.py": "N = 3\nKINDS = {'r': 1, 'q': 2}\n"},
    ),
    "computed": Row(
        "def make(): return 'x'\n"
        "def run(self, s: str = Input(default=make()), e: str = os.getenv('UNSET', 'e')) -> str:\n    return s + e",
        {},
        "xe",
    ),
    "none": Row("def run(self, s: str, n: int = Input(default=None)) -> str:\n    return f'{s}{n}'", output="aNone"),
    "union": Row("def run(self, s: Union[int, str, None] = None) -> str:\n    return repr(s)", {"s": 3}, "3"),
    "secret": Row("def run(self, s: Secret) -> str:\n    return s.get_secret_value()"),
}
"""The name of a model to what it is, a request that fits it, and the output."""

DRIVE = """
import json, os, shutil, subprocess, sys, time, urllib.request
from concurrent.futures import ThreadPoolExecutor
def ask(port, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
def predict(port, given):
    while True:
        status, answer = ask(port, "/predictions", {"input": given})
        if status != 409:
            return [status, answer.get("output"), answer.get("error") or answer.get("detail")]
def serve(port, name):
    directory = shutil.copytree(f"/src/models/{name}", f"/tmp/models/{name}")
    os.mkdir(f"{directory}/.cog")
    shutil.move(f"{directory}/schema.json", f"{directory}/.cog/openapi_schema.json")
    requests = json.load(open(f"{directory}/requests.json"))
    environment = {**os.environ, "PORT": str(port), "COG_PREDICT_TYPE_STUB": "predict.py:Runner"}
    command = [sys.executable, "-m", "cog.server.http", "--host", "127.0.0.1"]
    with subprocess.Popen(command, cwd=directory, env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(1200):
                try:
                    health = ask(port, "/health-check")[1]
                    if health["status"] != "STARTING":
                        break
                except OSError:
                    pass
                time.sleep(0.05)
            if health["status"] != "READY":
                return {"health": health}
            schema = ask(port, "/openapi.json")[1]
            return {"schema": schema, "answers": [predict(port, one) for one in requests]}
        finally:
            server.kill()
names = sorted(os.listdir("/src/models"))
with ThreadPoolExecutor(4) as pool:
    print(json.dumps(dict(zip(names, pool.map(serve, range(6001, 9999), names)))))
"""


def written(name: str, row: Row, directory: Path) -> dict[str, Any]:
    """Write a model with its document and the requests, and give what was written."""
    source = row.source
    lines = source.split("\n")
    first = next((at for at, line in enumerate(lines) if line.startswith(("def run", "async def run"))), None)
    if first is not None:
        first -= lines[first - 1].startswith("@") and first > 0
        inner = "\n".join(f"    {line}" for line in lines[first:])
        source = "\n".join([*lines[:first], "class Runner(BaseRunner):", inner])
    files = {"predict.py": f"{HEAD}{source}\n", **row.files}
    described = describe(
        {path: text.encode() for path, text in files.items()},
        predict="predict.py:Runner",
        train=None,
        version="0.23.1",
        python=(3, 11),
    )
    document: dict[str, Any] = json.loads(described.document)
    inputs = document["components"]["schemas"]["Input"]
    requests = [row.given, {**row.given, "nobody_knows": 1}]
    requests += [{key: value for key, value in row.given.items() if key != one} for one in inputs.get("required", [])]
    requests += [{**row.given, one: wrong} for one in inputs["properties"] for wrong in (None, {"wrong": [1]})]
    files |= {"schema.json": json.dumps(document), "requests.json": json.dumps(requests)}
    for path, text in files.items():
        (directory / name / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / name / path).write_text(text)
    return {"document": document, "requests": requests}


def test_fifty_models_are_served_as_their_documents_say(hello: Project, tmp_path: Path) -> None:
    if all(probe(tmp_path).refusal(rung, owners=False) for rung in (Rung.ROOT, Rung.USERNS)):
        pytest.skip("this machine lets nobody make namespaces")
    assert len(ROWS) >= 50
    expected = {name: written(name, row, hello.root / "models") for name, row in ROWS.items()}
    (hello.root / "drive.py").write_text(DRIVE)
    found = json.loads(hello.cogpack("exec", "python", "drive.py").stdout.splitlines()[-1])
    assert found.keys() == ROWS.keys()
    for name, row in ROWS.items():
        assert "health" not in found[name], (name, found[name])
        document = expected[name]["document"]
        assert found[name]["schema"] == document, name
        for asked, (status, output, why) in zip(expected[name]["requests"], found[name]["answers"], strict=True):
            if asked is row.given or "nobody_knows" in asked:
                assert (status, output, why) == (200, row.output, None), (name, asked)
                if output is not None:
                    jsonschema.Draft202012Validator(as_json_schema(document)).validate(output)
            else:
                assert status == 422, (name, asked, output)


def as_json_schema(document: dict[str, Any]) -> dict[str, Any]:
    """The output's component, with OpenAPI's `nullable` in JSON Schema's words."""

    def plain(piece: Any) -> Any:
        if isinstance(piece, list):
            return [plain(one) for one in piece]
        if not isinstance(piece, dict):
            return piece
        found = {key: plain(value) for key, value in piece.items()}
        return {"anyOf": [found, {"type": "null"}]} if found.pop("nullable", False) is True else found

    schema: dict[str, Any] = plain(document["components"]["schemas"]["Output"])
    return schema
