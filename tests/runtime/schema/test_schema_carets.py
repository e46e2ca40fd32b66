"""Each fault that a predictor can have (the list is Cog's, and ours) is told with its place to the column, and advice.

`^` stands in the sources before what the column is of.
"""

import pytest
from predictors import without_column

from cogpack.errors import InputError
from cogpack.runtime.schema import describe

HEAD = """\
from enum import Enum
from typing import Generator, Iterator, Literal, Optional
from cog import BaseModel, ConcatenateIterator, Input, Path, concurrent, streaming
from transformers import AutoModel
def compute(): return 1
class Plain: ...
class Kind(Enum):
    A = "a"
"""
FAULTS = {
    "no method": (
        "^class Predictor:\n    def setup(self): ...",
        "class Predictor: has no run or predict method, neither its own nor of a base class in the project",
        "define a run or predict method",
    ),
    "two methods": (
        "^class Predictor:\n    def run(self) -> str: ...\n    def predict(self) -> str: ...",
        "class Predictor: has both run and predict, of which coglet takes one",
        "remove one of the two",
    ),
    "no self": (
        "class Predictor:\n    ^def run(x: int) -> str: ...",
        "method run: has no self",
        "write self as its first parameter",
    ),
    "parameter without annotation": (
        "def Predictor(a: int, ^x=1) -> str: ...",
        "parameter 'x': has no type",
        "annotate it: x: str",
    ),
    "any number of arguments": (
        "def Predictor(*^x: int) -> str: ...",
        "parameter 'x': takes any number of arguments",
        "name each input as a parameter of its own",
    ),
    "unsupported type": (
        "def Predictor(x: Optional[^bytes]) -> str: ...",
        "parameter 'x': type bytes is not supported",
        "use str, int, float, bool, Path, Secret, dict, a list of these, or Annotated[T, cog.Opaque] for JSON",
    ),
    "type behind a name": (
        "Bits = Optional[^bytes]\ndef Predictor(x: Bits) -> str: ...",
        "parameter 'x': type bytes is not supported",
        "Annotated[T, cog.Opaque]",
    ),
    "Literal": (
        "def Predictor(x: Literal['a', ^b'b']) -> str: ...",
        "parameter 'x': b'b' in a Literal is no text, integer or truth value",
        "write the value itself, as Literal['a', 'b']",
    ),
    "Enum": (
        "def Predictor(x: Optional[^Kind]) -> str: ...",
        "parameter 'x': type Kind is an Enum, and coglet gives text",
        "write str, and choices=[one.value for one in Kind] in its Input",
    ),
    "member that is no value": (
        "def Predictor(x: str = Input(choices=^[Kind.A])) -> str: ...",
        (
            "parameter 'x': choices=[Kind.A] is not known without running the code: Kind.A is a member of an Enum, "
            "which JSON has not: write Kind.A.value"
        ),
        "write choices as a literal",
    ),
    "quoted type": (
        "def Predictor(x: ^'bytes') -> str: ...",
        "parameter 'x': type bytes is not supported",
        "Annotated[T, cog.Opaque]",
    ),
    "list of what": (
        "def Predictor(x: ^list) -> str: ...",
        "parameter 'x': list does not say what it holds",
        "write list[str], for example",
    ),
    "list in a list": (
        "def Predictor(x: ^list[list[int]]) -> str: ...",
        "parameter 'x': type list[list[int]] is not supported: a list's items are of one simple type",
        "Annotated[T, cog.Opaque]",
    ),
    "file in a union": (
        "def Predictor(x: str | ^Path) -> str: ...",
        "parameter 'x': type str | Path is not supported: Path can't be in a union",
        "unite str, int, float, bool, dict and lists of these only",
    ),
    "another package's type": (
        "def Predictor(x: ^AutoModel) -> str: ...",
        (
            "parameter 'x': type AutoModel is not supported: transformers.AutoModel is of another package, and the "
            "project has no transformers.py or transformers/__init__.py"
        ),
        "Annotated[T, cog.Opaque]",
    ),
    "unresolved import": (
        "from .shapes import Shape\ndef Predictor(x: int) -> ^Shape: ...",
        "output of Predictor: type Shape can't be found: the project has no shapes.py or shapes/__init__.py",
        "import it",
    ),
    "no return annotation": (
        "^def Predictor(x: int): ...",
        "function Predictor: has no return type",
        "annotate it, for example -> str",
    ),
    "None as output": (
        "def Predictor(x: int) -> ^None: ...",
        "output of Predictor: None can't be an output",
        "annotate what it returns, for example -> str",
    ),
    "optional output": (
        "def Predictor(x: int) -> ^Optional[str]: ...",
        "output of Predictor: Optional[str] is optional, and an output can't be declared so",
        "annotate it as str; returning None is allowed all the same",
    ),
    "union output": (
        "def Predictor(x: int) -> ^int | str: ...",
        "output of Predictor: int | str is a union, which an output can't have",
        "Annotated[T, cog.Opaque]",
    ),
    "Generator": (
        "def Predictor(x: int) -> ^Generator[str, None, None]: ...",
        (
            "output of Predictor: type Generator[str, None, None] is not supported: a function that yields is "
            "annotated as Iterator"
        ),
        "write -> Iterator[str], with the type of what it yields",
    ),
    "iterator of what": (
        "def Predictor(x: int) -> ^Iterator: ...",
        "output of Predictor: Iterator does not say of what",
        "write Iterator[str], for example",
    ),
    "iterator in a list": (
        "def Predictor(x: int) -> list[^Iterator[str]]: ...",
        "output of Predictor: Iterator[str] is only possible as the whole output",
        "Annotated[T, cog.Opaque]",
    ),
    "joined numbers": (
        "def Predictor(x: int) -> ^ConcatenateIterator[int]: ...",
        "output of Predictor: ConcatenateIterator[int] joins text only",
        "write ConcatenateIterator[str], or Iterator of something",
    ),
    "class without fields": (
        "def Predictor(x: int) -> ^Plain: ...",
        "output of Predictor: class Plain is no BaseModel, TypedDict or dataclass, so its fields aren't known",
        "derive it from cog.BaseModel, or annotate Annotated[T, cog.Opaque]",
    ),
    "field of an unknown type": (
        "class Out(BaseModel):\n    good: int\n    bad: list[^bytes]\ndef Predictor(x: int) -> Out: ...",
        "field 'bad' of Out: type bytes is not supported",
        "Annotated[T, cog.Opaque]",
    ),
    "streaming without iterator": (
        "@streaming\ndef Predictor(x: int) -> ^str: ...",
        "output of Predictor: @streaming needs an iterator as output, not str",
        "annotate -> Iterator[str] or ConcatenateIterator[str], or remove @streaming",
    ),
    "concurrent that is not known": (
        "@concurrent(max=^compute())\nasync def Predictor(x: int) -> str: ...",
        "function Predictor: max of @concurrent is not known without running the code: compute() is not called",
        "write @concurrent(max=4), with a number",
    ),
    "concurrent and not async": (
        "@^concurrent(max=2)\ndef Predictor(x: int) -> str: ...",
        "function Predictor: @concurrent(max=2) needs an async function",
        "write async def, or remove max",
    ),
    "concurrent in an old Python": (
        "@^concurrent(max=2)\nasync def Predictor(x: int) -> str: ...",
        "function Predictor: @concurrent(max=2) needs Python 3.11, and the model has 3.10",
        "raise build.python_version in cog.yaml",
    ),
    "default_factory": (
        "def Predictor(x: list[str] = Input(default_factory=^list)) -> str: ...",
        "parameter 'x': default_factory is refused by cog at start",
        "write the value itself as default",
    ),
    "unknown argument": (
        "def Predictor(x: int = Input(default=1, title=^'X')) -> str: ...",
        "parameter 'x': Input takes no argument 'title'",
        "use accept, choices, default, deprecated, description, ge, le, max_length, min_length, regex",
    ),
    "default that is not known": (
        "def Predictor(x: int = ^NOHOW) -> str: ...",
        "parameter 'x': its default NOHOW is not known without running the code: NOHOW is not defined in predict.py",
        "write a literal or a constant of the file as default",
    ),
    "Input's default that is not known": (
        "def Predictor(x: int = Input(description='n', default=^NOHOW)) -> str: ...",
        "parameter 'x': default=NOHOW is not known without running the code: NOHOW is not defined in predict.py",
        "write default as a literal or a constant of the project",
    ),
    "choices that are not known": (
        "NAMED = Input(choices=^compute())\ndef Predictor(x: str = NAMED) -> str: ...",
        "parameter 'x': choices=compute() is not known without running the code: compute() is not called",
        "write choices as a literal or a constant of the project",
    ),
    "choices on a union": (
        "def Predictor(x: int | str = Input(choices=^[1])) -> str: ...",
        "parameter 'x': choices on a union is not supported",
        "take one type, or remove choices",
    ),
    "limit on a union": (
        "def Predictor(x: int | str = Input(ge=^1)) -> str: ...",
        "parameter 'x': ge on a union is not supported",
        "take one type, or remove ge",
    ),
    "choice of another type": (
        "def Predictor(x: int = Input(choices=^['a'])) -> str: ...",
        "parameter 'x': its choice 'a' does not fit int: expected an integer",
        "correct the choice or the type",
    ),
    "accept and no file": (
        "def Predictor(x: str = Input(accept=^'image/*')) -> str: ...",
        "parameter 'x': accept is for Path inputs only",
        "annotate it as Path, or remove accept",
    ),
    "default of another type": (
        "def Predictor(x: int = Input(default=^'a')) -> str: ...",
        "parameter 'x': its default 'a' does not fit int: expected an integer",
        "correct the default or the type",
    ),
    "default beyond a limit": (
        "def Predictor(x: int = Input(ge=2, default=^1)) -> str: ...",
        "parameter 'x': its default 1 is less than ge=2",
        "correct the default or the limit",
    ),
    "no regular expression": (
        "def Predictor(x: str = Input(regex=^'[a')) -> str: ...",
        "parameter 'x': regex='[a' is not a regular expression: unterminated character set at position 0",
        "correct the expression",
    ),
    "choices by a name that is taken": (
        "def Predictor(a: int, ^Status: str = Input(choices=['a'])) -> str: ...",
        "parameter 'Status': with choices, can't have this name, which another part of the schema has",
        "rename it",
    ),
    "wide signs before it": (
        "def Predictor(wörter: str = '日本語', x: ^bytes = b'') -> str: ...",
        "parameter 'x': type bytes is not supported",
        "Annotated[T, cog.Opaque]",
    ),
    "syntax": (
        "def Predictor(x: int)^\n    return x",
        "syntax error: expected ':'",
        "correct the syntax",
    ),
}


def fault(source: str, python: tuple[int, int] = (3, 10)) -> InputError:
    files = {"predict.py": source.encode()}
    with pytest.raises(InputError) as caught:
        describe(files, predict="predict.py:Predictor", train=None, version="dev", python=python)
    return caught.value


@pytest.mark.parametrize(("source", "message", "advice"), FAULTS.values(), ids=list(FAULTS))
def test_a_fault_is_told_with_line_and_column_and_advice(source: str, message: str, advice: str) -> None:
    before, _, _ = (HEAD + source).partition("^")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    error = fault(HEAD + source.replace("^", ""))
    assert error.message == f"predict.py:{line}:{column}: {message}"
    assert advice in error.next_step


def test_syntax_that_is_newer_than_this_python_is_told_with_the_python_that_reads_it() -> None:
    error = fault("type = = 1", python=(3, 99))
    assert error.message.startswith("predict.py:1:8: syntax error: ")
    assert "run cogpack with Python 3.99" in error.next_step


def test_a_fault_in_another_file_is_told_at_the_parameter_that_leads_there() -> None:
    files = {"predict.py": b"from other import LEAST, Input\ndef Predictor(x: int = Input(ge=LEAST)) -> str: ..."}
    files["other.py"] = b"from cog import Input\n\n\nLEAST = compute()\n"
    with pytest.raises(InputError, match=r"\Apredict\.py:2:33: parameter 'x': ge=LEAST is not known"):
        describe(files, predict="predict.py:Predictor", train=None, version="dev", python=(3, 11))


def test_a_name_that_the_file_has_not_is_told_where_it_was_asked_for() -> None:
    files = {"predict.py": b"class Runner: ..."}
    with pytest.raises(InputError) as caught:
        describe(
            files,
            predict="predict.py:Runer",
            train=None,
            version="dev",
            python=(3, 11),
            named={"predict.py:Runer": "cog.yaml:7:6: run"},
        )
    said = "predict.py has no class or function 'Runer' at the top level; did you mean Runner?"
    assert caught.value.message == f"cog.yaml:7:6: run: {said}"


def test_columns_are_left_out_where_other_tests_ask_for_lines() -> None:
    assert without_column("predict.py:3:14: parameter 'x'") == "predict.py:3: parameter 'x'"
