"""What can't be described is refused with the place, what is wrong and what to do; nothing of the user's runs."""

import sys

import pytest
from predictors import FIRST_LINE, IMPORTS, described, predictor, refusal, schemas

from cogpack.errors import InputError
from cogpack.runtime.schema import describe

BODY = "    def predict(self, x: int) -> str: ...\n"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("missing.py:Predictor", "missing.py:Predictor: no such file in the project"),
        ("../predict.py:Predictor", "../predict.py:Predictor: the file is outside the project"),
        ("/src/predict.py:Predictor", "/src/predict.py:Predictor: the file is outside the project"),
        ("predict.py:Nobody", "predict.py:Nobody: predict.py has no class or function 'Nobody' at the top level"),
        (
            "predict.py:not a name",
            "predict.py:not a name: predict.py has no class or function 'not a name' at the top level",
        ),
        ("predict.py:VALUE", "predict.py:VALUE: predict.py has no class or function 'VALUE' at the top level"),
        ("predict.py", "predict.py: expected FILE.py:NAME"),
        ("", ": expected FILE.py:NAME"),
    ],
)
def test_a_reference_must_name_a_class_or_function_of_the_project(reference: str, message: str) -> None:
    assert refusal("VALUE = 1\ndef predict(x: int) -> str: ...", predict=reference) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "class Predictor: pass",
            (
                "predict.py:1: class Predictor: has no run or predict method, neither its own"
                " nor of a base class in the project"
            ),
        ),
        (
            f"class Predictor:\n{BODY}    def run(self) -> str: ...",
            "predict.py:1: class Predictor: has both run and predict, of which coglet takes one",
        ),
        (
            f"class Base:\n{BODY}class Predictor(Base):\n    def run(self) -> str: ...",
            "predict.py:3: class Predictor: has both run and predict, of which coglet takes one",
        ),
        (
            "class Predictor:\n    @staticmethod\n    def run(x: int) -> str: ...",
            "predict.py:3: method run: is no ordinary method, and coglet can't load others",
        ),
        ("class Predictor:\n    def run(x: int) -> str: ...", "predict.py:2: method run: has no self"),
        ("class Predictor:\n    def run() -> str: ...", "predict.py:2: method run: has no self"),
        ("def Predictor(x: int): ...", "predict.py:1: function Predictor: has no return type"),
        ("def Predictor(x) -> str: ...", "predict.py:1: parameter 'x': has no type"),
        ("def Predictor(x=1) -> str: ...", "predict.py:1: parameter 'x': has no type"),
        ("def Predictor(*x: int) -> str: ...", "predict.py:1: parameter 'x': takes any number of arguments"),
        ("def Predictor(**x: int) -> str: ...", "predict.py:1: parameter 'x': takes any number of arguments"),
        (
            "def Predictor(x: int, /) -> str: ...",
            "predict.py:1: parameter 'x': is positional only, and coglet passes names",
        ),
        ("def Predictor(x: int) -> str:\n  return (", "predict.py:2: syntax error: '(' was never closed"),
        (
            "if x:\n    class Predictor: pass\nelse:\n    class Predictor: pass",
            "predict.py:Predictor: predict.py has no class or function 'Predictor' at the top level",
        ),
    ],
)
def test_a_function_must_be_one_that_coglet_can_call(source: str, message: str) -> None:
    assert refusal(source) == message


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("x: list", "list does not say what it holds"),
        ("x: List", "List does not say what it holds"),
        ("x: list[Optional[int]]", "type list[Optional[int]] is not supported: a list's items are of one simple type"),
        ("x: list[list[int]]", "type list[list[int]] is not supported: a list's items are of one simple type"),
        ("x: list[int | str]", "type list[int | str] is not supported: a list's items are of one simple type"),
        ("x: set[int]", "type set[int] is not supported"),
        ("x: Tuple[int, int]", "type Tuple[int, int] is not supported"),
        ("x: Literal", "Literal does not say what it may be"),
        ("x: Literal[()]", "Literal[()] does not say what it may be"),
        ("x: Literal[b'a']", "b'a' in a Literal is no text, integer or truth value"),
        ("x: Literal[1.5]", "1.5 in a Literal is no text, integer or truth value"),
        ("x: Literal[2**3]", "2 ** 3 in a Literal is no text, integer or truth value"),
        ("x: Literal[18446744073709551616]", "18446744073709551616 in a Literal is no text, integer or truth value"),
        ("x: Literal[str]", "str in a Literal is no text, integer or truth value"),
        ("x: Literal['a'] = 'b'", "its default 'b' does not fit Literal['a']: expected 'a'"),
        ("x: Literal[1, 2] = True", "its default True does not fit Literal[1, 2]: expected 1 or 2"),
        ("x: Literal['a', 'b'] = Input(choices=['c'])", "its choice 'c' does not fit Literal['a', 'b']"),
        ("x: bytes", "type bytes is not supported"),
        ("x: None", "type None is not supported as an input"),
        ("x: Iterator[str]", "type Iterator[str] is not supported as an input"),
        ("x: Model", "type Model is not supported as an input"),
        ("x: Plain", "type Plain is not supported as an input"),
        ("x: Path | int", "type Path | int is not supported: Path can't be in a union"),
        ("x: Secret | str | None", "type Secret | str | None is not supported: Secret can't be in a union"),
        ("x: list[Path] | str", "type list[Path] | str is not supported: list[Path] can't be in a union"),
        ("x: Model | str", "type Model | str is not supported: Model can't be in a union"),
        (
            "x: Image",
            (
                "type Image is not supported: PIL.Image is of another package,"
                " and the project has no PIL.py or PIL/__init__.py"
            ),
        ),
        ("x: np.ndarray", "type np.ndarray is not supported: numpy.ndarray is of another package"),
        ("x: Unheard", "type Unheard can't be found: Unheard is not defined in predict.py"),
        ("x: Unheard[int]", "type Unheard[int] can't be found: Unheard is not defined in predict.py"),
        ("x: Gone", "type Gone can't be found: other.py has no Gone"),
        ("x: 3", "3 is not a type"),
        ("x: 'a b'", "'a b' is not a type"),
        ("x: int()", "int() is not a type"),
        ("x: Loop", "type Loop can't be found: it is defined by itself"),
        ("x: Circle", "its type is nested too deeply"),
        ("x: other", "other is not a type"),
    ],
)
def test_types_that_no_input_has_are_named(parameter: str, message: str) -> None:
    before = "class Model(BaseModel):\n    x: int\nclass Plain: pass\nfrom PIL import Image\nimport numpy as np\n"
    before += "from other import Gone\nLoop = Loop\nCircle = Optional[Circle]\nimport other"
    line = FIRST_LINE + before.count("\n") + 4
    found = refusal(predictor(parameter, before=before), others={"other.py": ""})
    assert found.startswith(f"predict.py:{line}: parameter 'x': {message}") or "Circle" in parameter
    assert message in found


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        (
            "x: float = float('inf')",
            "its default float('inf') is not known without running the code: it is not a finite",
        ),
        (
            "x: int = 2**10**10",
            "its default 2 ** 10 ** 10 is not known without running the code: 2**10000000000 does not",
        ),
        ("x: int = 99999999999999999999", "its default 99999999999999999999 is not known"),
        ("x: str = '\\ud800'", "its default '\\ud800' is not known without running the code: it has a lone surrogate"),
        ("x: bytes = b'a'", "type bytes is not supported"),
        ("x: int = GONE", "its default GONE is not known without running the code: GONE is not defined"),
        ("x: list[str] = Input(default_factory=list)", "default_factory is refused by cog at start"),
        ("x: int = Input(1, 2)", "Input takes one argument without a name, the default"),
        ("x: int = Input(default=1, title='X')", "Input takes no argument 'title'"),
        ("x: int = Input(**compute())", "**compute() in Input is not known without running the code"),
        ("x: int = Input(description=3)", "description: expected text, got 3"),
        ("x: int = Input(ge='a')", "ge: expected a number, got 'a'"),
        ("x: int = Input(ge=True)", "ge: expected a number, got True"),
        ("x: int = Input(ge=GONE)", "ge=GONE is not known without running the code"),
        ("x: str = Input(min_length=-1)", "min_length: expected an integer of 0 or more, got -1"),
        ("x: str = Input(choices=compute())", "choices=compute() is not known without running the code"),
        ("x: str = Input(choices=[compute()])", "choices=[compute()] is not known without running the code"),
        ("x: str = Input(choices='ab')", "choices: expected a list, got 'ab'"),
        (
            "x: str = Input(choices=[a for a in 'ab'])",
            "choices=[a for a in 'ab'] is not known without running the code",
        ),
        ("x: str = Input(choices=['a', 1])", "its choice 1 does not fit str: expected text"),
        ("x: dict = Input(choices=[{}])", "choices on dict are not supported"),
        ("x: int | str = Input(choices=[1])", "choices on a union is not supported"),
        ("x: int | str = Input(ge=1)", "ge on a union is not supported"),
        ("x: str = Input(accept='image/*')", "accept is for Path inputs only"),
        ("x: list[int] = Input(accept='image/*')", "accept is for Path inputs only"),
        ("x: str = Input(regex='[a')", "regex='[a' is not a regular expression: unterminated character set"),
        ("x: int = Input(default=1, ge=2)", "its default 1 is less than ge=2"),
        ("x: int = Input(default=9, le=2)", "its default 9 is more than le=2"),
        ("x: str = Input(default='', min_length=1)", "its default '' has 0 characters, less than min_length=1"),
        ("x: str = Input(default='abc', max_length=2)", "its default 'abc' has 3 characters, more than max_length=2"),
        ("x: str = Input(default='b', regex='^a')", "its default 'b' does not match regex='^a'"),
        ("x: str = Input(default='c', choices=['a', 'b'])", "its default 'c' is not one of its choices"),
        ("x: list[str] = Input(default=['c'], choices=['a'])", "its default 'c' is not one of its choices"),
        ("x: int = 'a'", "its default 'a' does not fit int: expected an integer"),
        ("x: int = 1.5", "its default 1.5 does not fit int: expected an integer"),
        ("x: int = True", "its default True does not fit int: expected an integer"),
        ("x: bool = 1", "its default 1 does not fit bool: expected True or False"),
        ("x: list[str] = ['a', 1]", "its default ['a', 1] does not fit list[str]: expected a list of str"),
        ("x: str | float = True", "its default True does not fit str | float: expected one of str, float"),
        ("x: dict = {1: 2}", "its default {1: 2} is not known without running the code: the key 1 is not text"),
        ("Status: str = Input(choices=['a'])", "with choices, can't have this name"),
        ("Input: str = cog.Input(choices=['a'])", "with choices, can't have this name"),
        ("TrainingInput: str = Input(choices=['a'])", "with choices, can't have this name"),
    ],
)
def test_arguments_that_do_not_fit_are_named(parameter: str, message: str) -> None:
    before = "import os\nCHANGED = 1\nCHANGED += 1\ndef compute(): return 1"
    line = FIRST_LINE + before.count("\n") + 4
    name = parameter.partition(":")[0]
    found = refusal(predictor(parameter, before=before))
    assert found.startswith(f"predict.py:{line}: parameter {name!r}: {message}")


FIELDS = {"list[Odd]": "    x: NotRequired[int]", "Bad": "    kind: Literal[b'a']", "Worse": "    both: int | str"}


@pytest.mark.parametrize(
    ("returns", "message"),
    [
        ("None", "output of predict: None can't be an output"),
        ("Optional[str]", "output of predict: Optional[str] is optional, and an output can't be declared so"),
        ("int | str", "output of predict: int | str is a union, which an output can't have"),
        ("list[Optional[int]]", "output of predict: Optional[int] is optional, which is only possible for fields"),
        ("Tuple[int, str]", "output of predict: type Tuple[int, str] is not supported"),
        ("set", "output of predict: type set is not supported"),
        ("bytes", "output of predict: type bytes is not supported"),
        ("Generator[str, None, None]", "output of predict: type Generator[str, None, None] is not supported"),
        ("Iterator", "output of predict: Iterator does not say of what"),
        ("list[Iterator[str]]", "output of predict: Iterator[str] is only possible as the whole output"),
        ("ConcatenateIterator", "output of predict: ConcatenateIterator joins text only"),
        ("ConcatenateIterator[int]", "output of predict: ConcatenateIterator[int] joins text only"),
        ("Image.Image", "output of predict: type Image.Image is not supported: PIL.Image.Image is of another package"),
        ("Plain", "output of predict: class Plain is no BaseModel, TypedDict or dataclass"),
        (
            "Elsewhere",
            (
                "output of predict: type Elsewhere can't be found:"
                " the project has no elsewhere.py or elsewhere/__init__.py"
            ),
        ),
        ("list[Odd]", "field 'x' of Odd: type NotRequired[int] is for fields of a TypedDict only"),
        ("Bad", "field 'kind' of Bad: b'a' in a Literal is no text, integer or truth value"),
        ("Worse", "field 'both' of Worse: int | str is a union, which an output can't have"),
    ],
)
def test_outputs_that_cog_has_not_are_named(returns: str, message: str) -> None:
    before = """from typing import Generator
from PIL import Image
from .elsewhere import Elsewhere
class Plain: pass
class Bad(BaseModel):
    kind: Literal[b'a']
class Odd(BaseModel):
    x: NotRequired[int]
class Worse(BaseModel):
    both: int | str"""
    found = refusal(predictor("x: int", returns, before))
    line = FIRST_LINE + before.splitlines().index(field) if (field := FIELDS.get(returns)) else FIRST_LINE + 14
    assert found.startswith(f"predict.py:{line}: {message}")


def test_an_error_in_another_file_names_that_file() -> None:
    model = "from cog import BaseModel\nclass Out(BaseModel):\n    x: Unheard\n"
    found = refusal(predictor("x: int", "Out", "from models import Out"), others={"models.py": model})
    assert found == "models.py:3: field 'x' of Out: type Unheard can't be found: Unheard is not defined in models.py"


def test_a_syntax_error_in_another_file_names_that_file() -> None:
    found = refusal(predictor("x: int", "Out", "from models import Out"), others={"models.py": "x = (\n"})
    assert found == "models.py:1: syntax error: '(' was never closed"


@pytest.mark.parametrize(
    ("decorator", "message"),
    [
        ("concurrent(max=0)", "max of @concurrent: expected an integer of 1 or more, got 0"),
        ("concurrent(max=True)", "max of @concurrent: expected an integer of 1 or more, got True"),
        ("concurrent(max=count())", "max of @concurrent is not known without running the code"),
        ("concurrent(4)", "@concurrent takes max=N and nothing else"),
        ("concurrent(max=2)", "@concurrent(max=2) needs an async function"),
        ("streaming", "@streaming needs an iterator as output, not str"),
    ],
)
def test_decorators_must_suit_the_function(decorator: str, message: str) -> None:
    source = f"{IMPORTS}@{decorator}\ndef Predictor(x: int) -> str: ..."
    assert message in refusal(source)


def test_concurrency_above_one_needs_python_3_11() -> None:
    source = f"{IMPORTS}@concurrent(max=2)\nasync def Predictor(x: int) -> str: ..."
    assert described(source, python=(3, 11)).concurrency == 2
    assert "needs Python 3.11, and the model has 3.10" in refusal(source, python=(3, 10))


def test_a_syntax_error_is_said_to_be_one_and_newer_syntax_is_a_next_step() -> None:
    source = f"{IMPORTS}class Predictor(BasePredictor)\n    pass\n"
    said = [f"predict.py:{source.count(chr(10)) - 1}:31: syntax error: expected ':'"] * 2
    with pytest.raises(InputError) as ours:
        described(source, python=sys.version_info[:2])
    with pytest.raises(InputError) as newer:
        described(source, python=(3, 99))
    assert [ours.value.message, newer.value.message] == said
    assert ours.value.next_step == "correct the syntax"
    assert newer.value.next_step.startswith("correct the syntax, or run cogpack with Python 3.99: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        "(" * 100_000,
        "x = " + "-" * 50_000 + "1",
        "def Predictor(x: int = " + "1+" * 20_000 + "1) -> str: ...",
        "def Predictor(x: int = " + "[" * 90 + "]" * 90 + ") -> str: ...",
        "def Predictor(x: " + "list[" * 90 + "int" + "]" * 90 + ") -> str: ...",
        "from typing import *\ndef Predictor(x: " + " | ".join(["int"] * 500) + ") -> str: ...",
        "X0 = 1\n" + "".join(f"X{i + 1} = X{i}\n" for i in range(500)) + "def Predictor(x: int = X500) -> str: ...",
        "X0 = ['a']\n"
        + "".join(f"X{i + 1} = [X{i}, X{i}]\n" for i in range(50))
        + "def Predictor(x: dict = X50) -> str: ...",
        "X0 = 'a'\n"
        + "".join(f"X{i + 1} = X{i} + X{i}\n" for i in range(50))
        + "def Predictor(x: str = X50) -> str: ...",
        "X0 = int\n"
        + "".join(f"X{i + 1} = dict[X{i}, X{i}] | list[X{i}]\n" for i in range(35))
        + "def Predictor(x: X35) -> str: ...",
        "from cog import BaseModel\nclass A0(BaseModel):\n    x: int\n"
        + "".join(f"class A{i + 1}(BaseModel):\n    x: A{i}\n    y: A{i}\n" for i in range(28))
        + "def Predictor(x: int) -> A28: ...",
        "class A0: pass\n"
        + "".join(f"class A{i + 1}(A{i}, A{i}): pass\n" for i in range(28))
        + "class Predictor(A28): pass",
        "class Predictor(Predictor): pass",
        "from predict import Predictor",
        "from predict import *\nfrom other import *",
        "x = 1\n" * 200_000,
        "x\0",
        "# coding: no-such-coding\n",
        "# coding: rot13\n",
        "x = " + "9" * 10_000,
        "if x: pass\n" + "elif x: pass\n" * 2_000,
    ],
    ids=range(21),
)
def test_hostile_sources_are_refused_quickly(source: str) -> None:
    assert refusal(source, others={"other.py": "from predict import *"})


def test_a_slow_pattern_is_not_tried_on_the_default() -> None:
    described(predictor("x: str = Input(default='" + "a" * 60 + "!', regex='^(a+)+$')"))
    described(predictor("x: str = Input(default='" + "a" * 60 + "!', regex='^(a|a)*$')"))
    described(predictor("x: str = Input(default='" + "a" * 38 + "!', regex='" + "(a|a)" * 39 + "')"))


@pytest.mark.parametrize(
    "regex", ["^(" + "|".join("abcdefghijklmnopqrstuvwxyz") + ")$", "|".join(f"^a{n}$" for n in range(30))]
)
def test_many_alternatives_of_one_group_are_tried_on_the_default(regex: str) -> None:
    assert "regex" in refusal(predictor(f"x: str = Input(default='nope', regex='{regex}')"))


def test_an_empty_pattern_fits_all() -> None:
    described(predictor("x: str = Input(default='a', regex='')"))


def test_nothing_of_the_user_s_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("builtins.exec", refuse)
    monkeypatch.setattr("builtins.eval", refuse)
    described(predictor("x: int = 1 + 1", before="raise SystemExit"))


def test_a_reader_s_own_error_comes_through() -> None:
    class Locked:
        def read(self, path: str) -> bytes | None:
            raise InputError(f"{path}: not readable", next_step="chmod")

    with pytest.raises(InputError, match=r"predict\.py: not readable"):
        describe(Locked(), predict="predict.py:P", train=None, version="1", python=(3, 11))


@pytest.mark.parametrize("name", ["Missing", "str_"])
def test_a_name_that_a_circle_of_imports_does_not_bring_is_told_as_that(name: str) -> None:
    text = predictor(returns=name, before="from other import *\nfrom third import *")
    circle = "from predict import *\nfrom third import *\nfrom other import *"
    assert f"{name} is not defined in predict.py" in refusal(text, others={"other.py": circle, "third.py": circle})


def test_a_name_that_a_circle_of_imports_brings_is_found() -> None:
    text = predictor(returns="Made", before="from other import *\nfrom third import *")
    circle = "from predict import *\nfrom third import *\nfrom other import *\n"
    made = f"{circle}from cog import BaseModel\nclass Made(BaseModel):\n    text: str\n"
    found = schemas(text, others={"other.py": circle, "third.py": made})
    assert list(found["Output"]["properties"]) == ["text"]


def test_a_parameter_that_is_there_twice_is_an_error() -> None:
    """Found by a fuzzer: `ast` reads it, and Python refuses it only when it compiles the file."""
    assert refusal(predictor("x: int; y: str; x: str = 'a'")).endswith(
        "parameter 'x': is there twice, which Python refuses"
    )


def test_all_that_can_t_be_described_is_told_at_once() -> None:
    text = predictor("x: int; y: tuple; z: str = Input(choices=GONE)", returns="ConcatenateIterator").decode()
    with pytest.raises(InputError) as told:
        described(f"{text}\ndef train(w: set, v: tuple) -> str: ...\n", train="predict.py:train")
    parts = [part.message.partition(": ")[2].partition(": ")[0] for part in told.value.parts]
    of_train = ["parameter 'w'", "parameter 'v'"]
    assert parts == ["parameter 'y'", "parameter 'z'", "output of predict", *of_train]


def test_a_fault_that_two_inputs_have_of_one_file_is_told_once() -> None:
    text = predictor("x: Kind; y: Kind", before="from other import Kind")
    assert "things must change" not in refusal(text, others={"other.py": "def ("})
