"""Values of expressions are those that Python gives, and what is not harmless to compute is not computed."""

import ast
import cProfile
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from predictors import described, only, predictor, refusal, schemas

from cogpack.errors import InputError
from cogpack.runtime.schema.bindings import Assigned, Scope
from cogpack.runtime.schema.computing import Unresolved, Value
from cogpack.runtime.schema.names import Sources
from cogpack.runtime.schema.source import MappedSourceFiles
from cogpack.runtime.schema.values import evaluate

MODULE = """
from enum import Enum, StrEnum, auto
from typing import Literal, get_args
ONE = 1
PAIR = (1, "a")
TABLE = {"a": 1, "b": 2}
MIXED = {"a": 1, "b": object()}
class Defaults:
    SIZE = 512
class Kind(str, Enum):
    A = "a"
    B = "b"
    def told(self): return self.value
class Bare(Enum):
    _ignore_ = "X"
    X = 2
    C = X + 1
class Late(StrEnum):
    D = auto()
Words = Literal["u", "v"]
LIST = []
LIST.insert(0, 1)
COUNT = 0
for COUNT in range(3): pass
if ONE: EITHER = 1
else: EITHER = 2
with open("x") as HANDLE: INSIDE = 3
DICT = {}
DICT["a"] = 1
GONE = 1
del GONE
ANNOTATED: int = 4
UNSET: int
"""


def value(text: str, source: str = MODULE) -> Value:
    sources = Sources(MappedSourceFiles({"m.py": source.encode()}), python=(3, 11))
    module = sources.load("m.py")
    assert module
    return evaluate(sources, Scope(module), ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("None", None),
        ("-1.5", -1.5),
        ("+0x_ff", 255),
        ("not True", False),
        ("2**31 - 1", 2147483647),
        ("2**-1", 0.5),
        ("1 << 20", 1048576),
        ("7 // 2 * 1.0", 3.0),
        ("9 % 4", 1),
        ("(-1)**1000001", -1),
        ("'a' 'b' + u'c'", "abc"),
        (r"'\x41\n'", "A\n"),
        (r"r'\d'", r"\d"),
        ("f'{ONE}-{Defaults.SIZE}'", "1-512"),
        ("(1, [2, {3}])", [1, [2, [3]]]),
        ("{'a': ONE, **TABLE}", {"a": 1, "b": 2}),
        ("{'a': 1} | {'b': 2}", {"a": 1, "b": 2}),
        ("[*PAIR, *TABLE]", [1, "a", "a", "b"]),
        ("TABLE['b']", 2),
        ("PAIR[-1]", "a"),
        ("list(TABLE.values())", [1, 2]),
        ("tuple(MIXED)", ["a", "b"]),
        ("sorted([3, 1.5, 2])", [1.5, 2, 3]),
        ("len(MIXED)", 2),
        ("float('1e3')", 1000.0),
        ("Defaults.SIZE", 512),
        ("INSIDE", 3),
        ("ANNOTATED", 4),
        ("{1, 1, 2}", [1, 2]),
        ("f'{ONE:>3}|{ONE!r}|{2.5:.2f}|{\"a\"!r:5}'", "  1|1|2.50|'a'  "),
        ("1 if ONE < 2 <= 3 and 'a' in TABLE else 2", 1),
        ("None or ''", ""),
        ("[n for n in range(9) if n % 2 == 0 if n != 4]", [0, 2, 6, 8]),
        ("[f'{k}{v}' for k, v in TABLE.items()]", ["a1", "b2"]),
        ("{k: [k] for k in TABLE}", {"a": ["a"], "b": ["b"]}),
        ("list({k: 1 for k in 'a b'} if False else TABLE)", ["a", "b"]),
        ("Kind.A", "a"),
        ("Kind.B.name + Kind.B.value", "Bb"),
        ("list(Kind)", ["a", "b"]),
        ("[*Kind.__members__]", ["A", "B"]),
        ("[one.value for one in Kind if one != 'a']", ["b"]),
        ("len(Kind)", 2),
        ("[one.name for one in Bare]", ["C"]),
        ("Bare.C.value", 3),
        ("list(get_args(Words))", ["u", "v"]),
        ("[word for word in get_args(Literal[1, 2])]", [1, 2]),
    ],
)
def test_these_are_known_without_running_anything(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "...",
        "b'a'",
        "1j",
        "open('x')",
        "LIST",
        "DICT",
        "COUNT",
        "EITHER",
        "HANDLE",
        "GONE",
        "UNSET",
        "Kind.C",
        "Kind.A.told",
        "Kind",
        "Bare.C",
        "list(Bare)",
        "Bare.__members__",
        "Late.D",
        "get_args(Kind)",
        "1 < 'a'",
        "1 in 2",
        "f'{ONE:1000d}'",
        "f'{ONE:.100f}'",
        "f'{ONE:x<9s}'",
        "f'{TABLE}'",
        "[a for a, b in PAIR]",
        "Defaults.MISSING",
        "MIXED",
        "NOWHERE",
        "int",
        "2**64",
        "2**63",
        "9223372036854775807 + 1",
        "1 << 64",
        "1 << 10**15",
        "2.0**99999",
        "(-8)**0.5",
        "1 / 0",
        "1e308 * 10",
        "0**-1",
        "float('nan')",
        "float('x')",
        "'a' * 10**9",
        "[0] * 10**9",
        "'%s' % 1",
        "[1][5]",
        "TABLE['z']",
        "TABLE[0]",
        "{[]: 1}",
        "{1: 2}",
        "{*[[]]}",
        "sorted([1, 'a'])",
        "lambda: 1",
        "(ONE := 3)",
        "-'a'",
        "'a'.zfill(3)",
        "Defaults().SIZE",
        "list(1)",
        "list(*PAIR)",
        "'\\udc00'",
    ],
)
def test_these_are_not_told(text: str) -> None:
    with pytest.raises(Unresolved):
        value(text)


ENUMS = """
from enum import Enum, IntEnum, StrEnum, auto
class Mixed(str, Enum):
    A = "a"
    B = "b"
class Told(str, Enum):
    A = "a"
    def __str__(self): return self.value
class Text(StrEnum):
    A = "a"
    B = A
    _c = "c"
class Own(StrEnum):
    A = "a"
    def __str__(self): return "own"
class Number(IntEnum):
    A = 1
    B = 1
    C = 2
class Real(float, Enum):
    A = 1.5
class Bare(Enum):
    _ignore_ = ["i", "_j"]
    i = _j = 0
    A = (1, i)
    B = (1, 0)
    C = "c"
    D = {"d": [1]}
    E = {"d": [1]}
    __private = 1
class Words(Enum):
    _ignore_ = "u, v w"
    u = v = w = 1
    A = 1
class Auto(Enum):
    A = auto()
    B = auto()
class Both(Enum):
    A = auto()
    B = 1
class Made(str, Enum):
    def __new__(cls, value): return str.__new__(cls, value * 2)
    A = "a"
class Grown(Enum):
    A = 1
    if A: B = 2
    else: B = 3
class Converted(str, Enum):
    A = 1
PAIRS = {k: k for k in Mixed}
ALL = list(Mixed)
"""
ENUM_NAMES = "Mixed Told Text Own Number Real Bare Words Auto Both Made Grown Converted"


@pytest.mark.parametrize("enum", ENUM_NAMES.split())
def test_what_is_told_of_an_enum_is_what_python_has(enum: str) -> None:
    """Whatever is asked of one: Python's answer, or none where that is no value of JSON or hard to tell."""
    namespace: dict[str, object] = {}
    exec(ENUMS, namespace)
    told = 0
    for text in ENUM_QUESTIONS:
        asked = text.replace("K", enum)
        try:
            found = value(asked, ENUMS)
        except Unresolved:
            continue
        told += 1
        assert json.dumps(found) == json.dumps(eval(asked, namespace)), asked
    assert told >= ENUM_TOLD.get(enum, 0)


ENUM_QUESTIONS = """[k.name for k in K]
[*K.__members__]
[k.value for k in K]
list(K)
len(K)
[str(k) for k in K]
[str(k) for k in list(K)]
[f"{k}" for k in K]
[f"{k!s:>3}" for k in K]
[f"{k!r}" for k in K]
[f"{k.value}" for k in K]
[str(k.value) for k in K]
[k.name for k in K if k is not K.A]
[k.name for k in K if k == "a" or k == 1]
str(K.A)
str([K.A][0])
str(K.A or 1)
K.A
K.A + K.A
", ".join(K)
sorted(K)
{k.name: k for k in K}
[str(k) for k in {K.A: 1}]
int(K.A)
K.A is K.A
K.A is K.A.value
[str(k) for k in sorted(K)]""".splitlines()
ENUM_TOLD = {"Mixed": 16, "Told": 25, "Text": 25, "Number": 25, "Real": 16, "Bare": 3, "Words": 5, "Auto": 2}
"""How many answers there are at least."""


def test_the_text_of_a_member_that_is_not_its_value_is_no_choice() -> None:
    for text in ("[str(k) for k in Mixed]", "[f'{k}' for k in Mixed]", "[f'{k}' for k in ALL]", "[str(PAIRS['a'])]"):
        with pytest.raises(InputError, match=r"writes Mixed\.A, a member of an Enum, and not its value"):
            described(predictor(f"x: str = Input(choices={text})", before=ENUMS))


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(LITERALS)
def test_every_literal_has_the_value_it_has_in_python(literal: object) -> None:
    assert value(repr(literal)) == literal


NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)


@given(st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<<"]), NUMBERS, NUMBERS)
def test_arithmetic_is_python_s_or_refused(operator: str, left: float, right: float) -> None:
    text = f"({left!r}) {operator} ({right!r})"
    try:
        found = value(text)
    except Unresolved:
        return
    assert found == eval(text)


@pytest.mark.parametrize(
    ("parameter", "before", "expected"),
    [
        ("x: int = Input(choices=[n * 8 for n in range(1, 4)])", "", [8, 16, 24]),
        (
            "x: str = Input(choices=[f'{a}{b}' for a in SIZES for b in [1, 2]])",
            "SIZES = ['s', 'm']",
            ["s1", "s2", "m1", "m2"],
        ),
        ("x: str = Input(choices=list(str(n) for n in range(2)))", "", ["0", "1"]),
        ("x: str = Input(choices=[name for name in {'a': 1, 'b': 2}])", "", ["a", "b"]),
    ],
)
def test_choices_are_computed_where_no_code_has_to_run(parameter: str, before: str, expected: list[object]) -> None:
    assert schemas(predictor(parameter, before=before))["x"]["enum"] == expected


def test_an_optional_input_gets_its_own_default_where_only_the_running_model_knows_it() -> None:
    """coglet hands None to what is nullable and has no default in the document: Python's own would not count."""
    found = described(
        predictor(
            "x: Optional[int] = Input(default=compute());y: int | str | None = Input(default=compute())",
            before="from other import compute",
        )
    )
    inputs = json.loads(found.document)["components"]["schemas"]["Input"]
    assert "required" not in inputs
    assert inputs["properties"]["x"] == {"title": "X", "type": "integer", "x-order": 0}
    assert "nullable" not in json.dumps(inputs["properties"]["y"])
    assert [note.code for note in found.notes] == ["no-default"] * 2


@pytest.mark.parametrize(
    "default",
    [
        "-'a'",
        "None + 1",
        "1 + 'a'",
        "[1] - 3",
        "{} + {}",
        "1.5 | 2",
        "1 @ 2",
        "~1.5",
        "PAIR['a']",
        "None[0]",
        "{'a': 1}[0]",
        "foo(1)",
        "foo.bar(1)",
        "Own.missing()",
        "other.missing()",
    ],
)
def test_a_default_that_python_refuses_at_import_is_an_error_and_no_note(default: str) -> None:
    before = "import other\nPAIR = (1, 2)\nclass Own: pass\n"
    for written in (f"x: int = {default}", f"x: int = Input(default={default})"):
        with pytest.raises(InputError, match="is not known without running the code"):
            described(predictor(written, before=before), {"other.py": ""})


@pytest.mark.parametrize(
    "default",
    [
        "'a' * 3",
        "'%s' % 1",
        "Path('a') / 'b'",
        "{1} - {2}",
        "5 >> 1",
        "'abc'[0]",
        "made(1)",
        "Own.mro()",
        "'a'.zfill(3)",
        "Marked.made()",
        "other.made()",
        "HANDLE(1)",
    ],
)
def test_a_default_that_python_may_well_make_is_a_note(default: str) -> None:
    before = "import other\nclass Own: pass\n@mark\nclass Marked: pass\nfrom numpy import *\nwith a() as HANDLE: pass\n"
    found = described(
        predictor(f"x: str = Input(default={default})", before=before), {"other.py": "from numpy import *"}
    )
    assert [note.code for note in found.notes] == ["no-default"]


def test_two_branches_that_define_one_method_alike_are_one() -> None:
    method = "    def run(self, x: int) -> str:"
    source = f"class Predictor:\n  if fast():\n{method} return 'a'\n  else:\n{method} return 'b'\n"
    found = described(source)
    assert json.loads(found.document)["components"]["schemas"]["Input"]["required"] == ["x"]
    assert [note.code for note in found.notes] == ["wrapped-method"]
    with pytest.raises(InputError, match="has no run or predict method"):
        described(source.replace("x: int", "x: str", 1))


def test_a_source_of_2_000_lines_costs_little_beside_its_parsing() -> None:
    """Counted in Python's calls, since time is the machine's: 2,000 lines take 45 ms, of which 30 are `ast.parse`."""
    help_ = "    def help{}(self, a: int) -> int:\n        'Hülft.'\n        b = a\n        return b\n"
    given = "        p{}: int = Input(default=1, ge=0, le=99),\n"
    lines = "from cog import BaseRunner, Input\nclass Predictor(BaseRunner):\n"
    lines += "".join(help_.format(at) for at in range(480)) + "    def run(\n        self,\n"
    lines += "".join(given.format(at) for at in range(80)) + "    ) -> int: ...\n"
    for source, most in ((lines, 100_000), (lines.replace("ü", "i"), 50_000)):
        calls = cProfile.Profile()
        calls.runcall(described, source)
        assert sum(entry.callcount for entry in calls.getstats()) < most


@pytest.mark.parametrize(
    "line", ["a{1} = a{0}; a{1}.append(1)\n", "b = [a0, b]; b[0].append(1)\n", "def f{0}(): f{1}()\nf{0}\n"]
)
def test_changes_of_many_names_are_followed_once(line: str) -> None:
    def count(lines: int) -> int:
        calls = cProfile.Profile()
        calls.runcall(value, "1", "a0 = []\n" + "".join(line.format(at, at + 1) for at in range(lines)))
        return sum(entry.callcount for entry in calls.getstats())

    assert count(1_000) < 2.5 * count(500)


def test_a_wide_line_is_counted_through_once_however_much_stands_on_it() -> None:
    """A line decoded again for each node costs a second at 120 kB: such calls are counted, since time varies."""
    source = (
        "from cog import Input\nT = 'ü€😀'; " + "a = 1; " * 500 + "\ndef run(x: int = Input(default=1)) -> int: ...\n"
    )
    calls = cProfile.Profile()
    calls.runcall(described, source, predict="predict.py:run")
    assert sum(entry.callcount for entry in calls.getstats() if "decode" in str(entry.code)) < 50


def test_columns_are_counted_in_characters_whatever_their_width() -> None:
    text = "T = 'ü€😀e\u0301', b, ('ß', c)\n"
    module = Sources(MappedSourceFiles({"m.py": text.encode()}), python=(3, 11)).load("m.py")
    assert module
    bound = module.names["T"]
    assert isinstance(bound, Assigned)
    found = {node.id: node.col_offset for node in ast.walk(bound.node) if isinstance(node, ast.Name)}
    assert found == {name: text.index(name + end) for name, end in (("b", ","), ("c", ")"))}


def test_a_comprehension_of_any_size_is_no_way_around_the_limits() -> None:
    for text in (
        "[n for n in range(10**9)]",
        "[0 for a in L for b in L for c in L for d in L]",
        "range(0, 9, 0)",
        "range(-(2**62), 2**62)",
    ):
        with pytest.raises(InputError):
            described(predictor(f"x: int = Input(choices={text})", before=f"L = {list(range(60))}"))


def test_what_the_environment_would_say_is_its_fallback_with_a_note() -> None:
    parameters = "x: str = os.getenv('X', 'a');y: int = int(os.environ.get('Y', '3'))"
    found = described(predictor(parameters, before="import os"))
    inputs = json.loads(found.document)["components"]["schemas"]["Input"]["properties"]
    assert (inputs["x"]["default"], inputs["y"]["default"]) == ("a", 3)
    assert [note.code for note in found.notes] == ["environment-value"] * 2
    assert "os.getenv('X', 'a') is taken for its fallback, 'a'" in found.notes[0].text


def test_a_description_is_joined_or_left_out_and_never_in_the_way() -> None:
    parameters = "x: str = Input(description='One of ' + ', '.join(NAMES));y: str = Input(description=tell())"
    found = described(predictor(parameters, before="NAMES = ['a', 'b']"))
    inputs = json.loads(found.document)["components"]["schemas"]["Input"]["properties"]
    assert inputs["x"]["description"] == "One of a, b"
    assert "description" not in inputs["y"]
    assert [note.code for note in found.notes] == ["no-description"]


@pytest.mark.parametrize(
    ("before", "expression", "value"),
    [
        ("A = ['x']\nA += ['y']", "A", ["x", "y"]),
        ("A = ['x']\nA.append('y')\nA.extend(('z',))", "A", ["x", "y", "z"]),
        ("N = 1\nN += 2\nN *= 3", "N", 9),
        ("A, (B, C) = 1, [2, 3]", "[A, B, C]", [1, 2, 3]),
        ("A = ['x', 'y', 'z']", "A[1:] + A[-1:]", ["y", "z", "z"]),
        ("A = ['x', 'y', 'z']", "A[::-1]", ["z", "y", "x"]),
        ("A = 'some text'", "A[:4].title()", "Some"),
        ("", "' a b '.strip().split()", ["a", "b"]),
        ("import textwrap", "textwrap.dedent('  a\\n  b')", "a\nb"),
        ("", "[max(1, 2.5), min([3, 1]), abs(-2), round(1 / 3, 2)]", [2.5, 1, 2, 0.33]),
        ("import sys, math", "[sys.maxsize, math.pi]", [2**63 - 1, 3.141592653589793]),
        ("S = [(1, 2), (3, 4)]", "[f'{w}x{h}' for w, h in S]", ["1x2", "3x4"]),
        ("D = dict(a=1, b=2)", "[k for k, v in D.items() if v > 1]", ["b"]),
        ("A = ['b', 'a']", "sorted(A, reverse=True) + list(reversed(A))", ["b", "a", "a", "b"]),
    ],
)
def test_constants_may_be_added_to_and_taken_apart(before: str, expression: str, value: object) -> None:
    assert only(f"x: dict = {{'v': {expression}}}", before)[0]["default"] == {"v": value}
    python: dict[str, object] = {}
    exec(f"{before}\nFOUND = {expression}", python)
    assert python["FOUND"] == value


@pytest.mark.parametrize(
    "before",
    [
        "A = ['x']\nA += A",
        "B = ['x']\nA = B + []\nB += ['y']",
        "B = ['x']\nA = [f'{len(B)}']\nB.append('y')",
        "A = ['x']\nif cog:\n    A += ['y']",
        "A = ['x']\nfor i in range(3):\n    A.append('y')",
        "A, B = B, A",
        "A, *B = 1, 2",
        "A = ['x']\nA = A + ['y']",
        "A = [1, 2][:cog]",
        "A = max('a', 'b')",
        "A = max([])",
        "A = sorted([1], key=len)",
        "A = [x for x, y in [(1, 2, 3)]]",
    ],
)
def test_what_is_made_in_other_ways_is_not_told(before: str) -> None:
    assert "is not known without running the code" in refusal(predictor("x: str = Input(choices=A)", before=before))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("A = ['a']\nB = A\nB.append('b')", "A"),
        ("A = ['a']\nB = A\nB += ['b']", "A"),
        ("A = ['a']\nB = A if len(A) else []\nC = B\nC.append('b')", "A"),
        ("A = B = []\nA.append('a')", "B"),
        ("M = {'x': ['m']}\nM['x'].append('n')", "M['x']"),
        ("A = ['a']\nM = {'x': A}\nM['x'].append('b')", "A"),
        ("M = {'x': ['m']}\nfor each in M.values():\n    each.append('n')", "M['x']"),
        ("class C:\n    S = ['a']\nC.S.append('b')", "C.S"),
        ("class C:\n    S = ['a']\nsetattr(C, 'S', ['b'])", "C.S"),
        ("import consts\nconsts.S.append('b')", "consts.S"),
        ("A = ['a']\nA.append('b') if len(A) else None", "A"),
        ("A = ['a']\n_ = A.append('b')", "A"),
        ("A = ['a']\n[A.append(i) for i in 'bc']", "A"),
        ("A = ['a']\nclass C:\n    A.append('b')", "A"),
        ("A = ['a']\nclass C:\n    global A\n    A = 2", "A"),
        ("A = ['a']\ndef f():\n    global A\n    A = 2\nf()", "A"),
        ("A = ['a']\ndef g():\n    def f(): A.append('b')\n    f()\ndef f(): g()\nf()", "A"),
        ("A = ['a']\ndef f(given): given.append('b')\nf(A)", "A"),
        ("A = 1\nprint(A := 2)", "A"),
        ("A = 1\nmatch 2:\n    case A: pass", "A"),
        ("A = 1\nB = A\ntry: 1 / 0\nexcept ArithmeticError as A: pass\nA = 2", "B"),
        ("from contextlib import suppress\nA = 1\nwith suppress(ImportError):\n    import nosuch\n    A = 2", "A"),
        ("from consts import X\nB = X + 1\nX = 5", "B"),
        ("X = 7\nB = X + 1\nfrom consts import X", "B"),
        ("from consts import X\nB = X\nfrom more import X", "B"),
        ("X = 1\nB = X\nX = max(2, 3, key=abs)\nX = 3", "B"),
        ("from consts import *\nB = X\nX = 5", "B"),
        ("X = 5\nB = X\nfrom consts import *", "B"),
        ("pi = 3\nfrom numpy import *", "pi"),
        ("A = ['a']\nM = [0]\nM.append(A)\nM[1].append('b')", "A"),
    ],
)
def test_a_constant_that_may_be_changed_in_the_midst_is_not_told(source: str, name: str) -> None:
    files = {"consts.py": "X = 1\nS = ['a']", "more.py": "X = 2"}
    found = described(predictor(f"x: str = {name}", before=source), files)
    assert [note.code for note in found.notes] == ["no-default"]
    text = "is not known without running the code"
    assert text in refusal(predictor(f"x: str = Input(choices=[{name}])", before=source), others=files)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("A = 5\nfrom consts import *", 1),
        ("A = 5\nfrom none import *", 5),
        ("A = 5\nfrom typing import *", 5),
        ("A = 5\nB = [A]\nB.append(2)", 5),
        ("A = 5\nB = A\nB += 2", 5),
        ("A = 5\nL = [A]\nM = {k: k for k in L}\nM['x'] = 3", 5),
        ("A = 5\nclass C:\n    A = []\n    A.append(1)", 5),
        ("A = 5\ndef f():\n    A = []\n    A.append(1)\nf()", 5),
        ("A = 5\ndef f():\n    global A\n    A = 2\nif __name__ == '__main__':\n    f()", 5),
        ("import cog\nA = 5\nprint(cog)\nimport cog", 5),
    ],
)
def test_a_constant_is_told_beside_changes_of_others(source: str, expected: int) -> None:
    found, _ = only("x: int = A", source, others={"consts.py": "A = 1", "none.py": "_A = 1\n"})
    assert found["default"] == expected


def test_imports_of_all_that_lie_over_each_other_end() -> None:
    before = "A = 1\n" + "".join(f"from other{at} import *\n" for at in range(2_000))
    assert "are too large to be described" in refusal(predictor("x: int = A", before=before))


def test_a_type_that_is_imported_again_after_its_use_is_the_last() -> None:
    before = "from pathlib import Path\nROOT = Path('.')\nfrom cog import Path"
    assert only("x: Path", before)[0]["format"] == "uri"
    for star in ("os", "torch.nn"):  # which may have one: no type is lost to them
        assert only("x: Path", f"from cog import Path\nfrom {star} import *")[0]["format"] == "uri"
    before = "from cog import Path, Input\nprint(Path)\nfrom utils import *"
    assert only("x: Path = Input()", before, others={"utils.py": "from cog import Path\nY = 1"})[0]["format"] == "uri"


@pytest.mark.parametrize(
    "expression",
    [
        "str(Path('./a//b/'))",
        "f'{Path(\"x/\")}/y'",
        "'a' if Path('a') == 'a' else 'b'",
        "'a' if 'a' in [Path('a')] else 'b'",
        "sorted([Path('a/b'), Path('a-b')])",
        "'a' if {1, 2} == {2, 1} else 'b'",
        "'a' if [1] == (1,) else 'b'",
        "'a' if {'k': [1]} == {'k': (1,)} else 'b'",
        "'a' if {3} <= {1, 2, 3} else 'b'",
        "'a' if [1] in [(1,)] else 'b'",
    ],
)
def test_what_python_compares_and_writes_otherwise_is_not_told(expression: str) -> None:
    found = described(predictor(f"x: str = {expression}"))
    assert [note.code for note in found.notes] == ["no-default"]


def test_what_is_made_of_a_path_without_a_name_is_true() -> None:
    assert only("x: str = 'a' if Path('') else 'b'")[0]["default"] == "a"


def test_a_literal_has_each_value_once() -> None:
    before = "S = Literal['a', 'a', 1, True]"
    assert only("x: dict = {'v': list(t.get_args(S))}", before)[0]["default"] == {"v": ["a", 1, True]}


def test_get_args_gives_nothing_of_what_a_type_statement_made() -> None:
    before = "type S = Literal['a', 'b']"
    text = refusal(predictor("x: str = Input(choices=list(t.get_args(S)))", before=before), python=(3, 12))
    assert "get_args gives nothing of S, which a type statement made" in text
    assert "allOf" in only("x: S", before, python=(3, 12))[0]


def test_a_member_by_another_name_has_the_name_of_the_first() -> None:
    before = "from enum import Enum\nclass K(str, Enum):\n    A = 'a'\n    B = 'a'\n    C = 'c'"
    assert only("x: dict = {'v': [K.B.name, K.C.name]}", before)[0]["default"] == {"v": ["A", "C"]}


@pytest.mark.parametrize("limit", ["min(10, math.inf)", "[math.inf, 10][1]", "10 if 3 < math.inf else 5"])
def test_infinity_may_stand_within_a_limit(limit: str) -> None:
    assert only(f"x: float = Input(le={limit})", "import math")[0]["maximum"] == 10


@pytest.mark.parametrize("limit", ["ge=math.inf", "le=-math.inf"])
def test_a_limit_that_lets_no_number_in_is_refused(limit: str) -> None:
    assert "lets no number in" in refusal(predictor(f"x: float = Input({limit})", before="import math"))


@pytest.mark.parametrize("given", ["default=math.inf", "choices=[1.0, -math.inf]", "default=1e999"])
def test_a_number_without_end_is_nothing_but_a_limit(given: str) -> None:
    text = refusal(predictor(f"x: float = Input({given})", before="import math"))
    assert "it is not a finite number" in text


def test_a_limit_without_end_limits_nothing() -> None:
    parameter = "x: float = Input(default=1.0, ge=-math.inf, le=float('inf'))"
    assert only(parameter, "import math")[0] == {"type": "number", "default": 1.0}
    assert "not a finite number" in refusal(predictor("x: float = Input(le=float('nan'))"))


@pytest.mark.parametrize(
    ("before", "spread"),
    [
        ("A = dict(description='d', default=1)", "**A"),
        ("A = {'description': 'd', 'default': 3}", "**{**A, 'default': 1}"),
        ("A = {'description': 'd'}", "**dict(A2, default=1)"),
        ("A = dict(description='d')\nB = dict(**A, default=1)", "**B"),
    ],
)
def test_arguments_of_input_may_be_dicts_put_together(before: str, spread: str) -> None:
    if "A2" in spread:
        assert "is not known without running the code" in refusal(predictor(f"x: int = Input({spread})", before=before))
        return
    found = {"type": "integer", "description": "d", "default": 1}
    assert only(f"x: int = Input({spread})", before) == (found, False)


def test_dicts_put_together_of_themselves_end() -> None:
    before = "A = {" + "**A, " * 9 + "'default': 1}"
    assert refusal(predictor("x: int = Input(**A)", before=before))


@pytest.mark.parametrize(
    "source",
    [
        "A = 1\nB = A\nA = 2\nclass Predictor:\n    def run(self, x: int = Input(default=B)) -> str: ...",
        "A = 1\nclass Predictor:\n    def run(self, x: int = Input(default=A)) -> str: ...\nA = 2",
        "A = [1]\nB = A[0]\nA = [2]\nclass Predictor:\n    def run(self, x: int = B) -> str: ...",
    ],
)
def test_a_constant_that_is_bound_again_after_its_use_is_not_told(source: str) -> None:
    """It was told as it is at the end of the file."""
    found = described(f"from cog import Input\n{source}")
    assert "is bound again after it was used" in found.notes[0].text
    assert b'"default"' not in found.document


def test_a_constant_that_is_bound_again_before_its_use_is_the_last() -> None:
    before = "A = 1\nA = 2\ndef f(): return A\nA = 3"
    assert only("x: int = A", before)[0]["default"] == 3
