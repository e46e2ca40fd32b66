"""What newer Pythons write is read by older ones: each row is as the same is written for all."""

import ast
import contextlib
import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cogpack.errors import InputError
from cogpack.runtime.newer_syntax import TemplateStr, newer_format, parse_newer
from cogpack.runtime.schema.source import parse_module, parsed


def tree(text: str, python: tuple[int, int] = (3, 14)) -> ast.Module:
    return parse_newer(text.encode(), "predict.py", python=python)[0]


def dumped(found: ast.AST) -> str:
    """A tree without places, t-strings as f-strings; text beside text in one is one text in some Pythons, and two in
    others."""
    for node in ast.walk(found):
        if isinstance(node, ast.JoinedStr | TemplateStr):
            values: list[ast.expr] = []
            for part in node.values:
                match values, part:
                    case [*_, ast.Constant(value=str() as before)], ast.Constant(value=str() as text):
                        values[-1] = ast.Constant(before + text)
                    case _, ast.Constant(value=""):
                        pass  # Python 3.12.1 has such
                    case _:
                        values.append(part)
            node.values = values
    return ast.dump(found).replace("TemplateStr", "JoinedStr")


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ('f"{d["a"]}"', "f\"{d['a']}\""),
        ('f"x {d["a"]!r:>{n}} y"', "f\"x {d['a']!r:>{n}} y\""),
        ("def\\\n f[T](): 0", "def\\\n f(): 0"),
        ('f"{", ".join(a)}: {{}}"', "f\"{', '.join(a)}: {{}}\""),
        ("f'{'\\n'.join(a)}'", "f'{NL.join(a)}'"),
        ('f"{f"{f"{1}"}"}"', "f\"{f'''{f'{1}'}'''}\""),
        ('f"""{"""a"""}"""', 'f"""{\'a\'}"""'),
        ('f"{a  # what\n}"', 'f"{a}"'),
        ('f"{\n  a\n  + b}" + c', 'f"{a + b}" + c'),
        ('"a" f"{d["b"]}" "c" f"{e}"', '"a" f"{d[\'b\']}" "c" f"{e}"'),
        ('f"{d["a"]=}"', 'f"d[\\"a\\"]={d[\'a\']!r}"'),
        ('f"{d["a"] == 1}"', "f\"{d['a'] == 1}\""),
        ('f"{d["a"] != 1!s}"', "f\"{d['a'] != 1!s}\""),
        ('rf"\\d{d["a"]}\\{b}"', "rf\"\\d{d['a']}\\{b}\""),
        ('f"\\N{BULLET} \\" {d["a"]}"', 'f"• \\" {d[\'a\']}"'),
        ('f"{3!s  }"', 'f"{3!s}"'),
        ('f"{(lambda x: "a")(1)}"', "f\"{(lambda x: 'a')(1)}\""),
        ("f'{d['a'] is 1}{'\\d'}'", "f\"{d['a'] is 1}{BACKSLASH}\""),
        ('f"{x["a"]:%H:%M}"', "f\"{x['a']:%H:%M}\""),
        ('f"{{"a": 1}["a"]}"', None),
        ('x if"{"else f"{"a"}"', "x if'{'else f\"{'a'}\""),
        ("type X = int", "X = int"),
        ("type X[T: (int, str), *Ts, **P] = list[T]", "X = list[T]"),
        ("type = 1\ntype(x)\nprint(type)", "type = 1\ntype(x)\nprint(type)"),
        ("class A:\n    type B = int; type C = str", "class A:\n    B = int; C = str"),
        ("x: type = 3", "x: type = 3"),
        ("x = type in [1] or a.type is [2]", "x = type in [1] or a.type is [2]"),
        ("if x: type X = int", "if x: X = int"),
        ("# type Y = int\n'type Z = int'; type X = int", "'type Z = int'; X = int"),
        ("class A[T, U = int](B[T]): pass", "class A(B[T]): pass"),
        ("def f[T: list['x[']](x: T) -> T: ...", "def f(x: T) -> T: ..."),
        ("class A:\n    async def f[\n        T,  # what\n    ](self): ...", "class A:\n    async def f(self): ..."),
        ("try: pass\nexcept A, B: pass", "try: pass\nexcept (A, B): pass"),
        ("try:\n    pass\nexcept a.B, c[1, 2]:\n    pass", "try:\n    pass\nexcept (a.B, c[1, 2]):\n    pass"),
        ("try: pass\nexcept* A, B: pass", "try: pass\nexcept* (A, B): pass"),
        ("try: pass\nexcept (A, B) as e: pass", "try: pass\nexcept (A, B) as e: pass"),
        ("class A[T = int, *Ts = *tuple[int], **P = [str]](B[T]): pass", "class A(B[T]): pass"),
        ("type X[T: (a == b) = int] = list[T]", "X = list[T]"),
        ('T(t"")', 'T(f"")'),
        ("x = t'a {b!r:>{n}} {{}}'", "x = f'a {b!r:>{n}} {{}}'"),
        ('x = rt"\\d{a["b"]}" Rt\'{c=}\'', "x = rf\"\\d{a['b']}\" f'{c=}'"),
        ('f"{t"{a}"}"', "f\"{f'{a}'}\""),
        ('t"{f"{a["b"]}"}"', "f\"{f'''{a['b']}'''}\""),
        ('x = t"a" "b"', None),
        ('x = "b" t"a"', None),
        ('x = t"a" f"{b["c"]}"', None),
        ('x = bt"a"', None),
        ('x = ft"a"', None),
    ],
)
def test_newer_syntax_is_the_same_tree_as_older_syntax(newer: str, older: str | None) -> None:
    if older is None:
        with pytest.raises(SyntaxError):
            tree(newer)
        return
    expected = dumped(ast.parse(older))
    for name, text in (("NL", "\n"), ("BACKSLASH", "\\d")):
        expected = expected.replace(f"Name(id='{name}', ctx=Load())", f"Constant(value={text!r})")
    assert dumped(tree(newer)) == expected


@pytest.mark.parametrize(
    "newer",
    [
        'f"{d["a"]}"; here',
        'f"ä{d["ä"]}"; here',
        'f"""{"""a"""}\n\n  """; here',
        'f"{\n a}"; here',
        "type X = here",
        "type X[T] = here",
        "def f[T](x=here): ...",
        "def f[\n T](x=here): ...",
        "try: pass\nexcept A, here: ...",
    ],
)
def test_lines_and_columns_stay(newer: str) -> None:
    found, text = parse_newer(newer.encode(), "p.py", python=(3, 14))
    (name,) = (node for node in ast.walk(found) if isinstance(node, ast.Name) and node.id == "here")
    line = text.split("\n")[name.lineno - 1].encode()[: name.col_offset].decode()
    assert newer.split("\n")[name.lineno - 1][len(line) :].startswith("here")


@pytest.mark.parametrize(
    ("newer", "since"),
    [
        ('f"{d["a"]}"', 12),
        ("type X = int", 12),
        ("def f[T](): ...", 12),
        ("def f[T: int](): ...", 12),
        ("class A[T = int]: ...", 13),
        ("type X[T, *Ts = *tuple[int]] = int", 13),
        ("try: ...\nexcept A, B: ...", 14),
        ('t"{a}"', 14),
        ('f"{t"{a}"}"', 14),
    ],
)
def test_the_model_s_python_decides_what_is_read(newer: str, since: int) -> None:
    with pytest.raises(SyntaxError):
        tree(newer + "\nprint x", (3, since))
    with pytest.raises(SyntaxError):
        tree(newer, (3, since - 1))
    with pytest.raises(InputError) as caught:
        parse_module("predict.py", b"\n" + newer.encode(), python=(3, since - 1), running=sys.version_info[:2])
    assert re.match(r"predict.py:[23]:\d+: syntax error: ", caught.value.message)
    assert caught.value.message.endswith(f"this is of Python 3.{since}, and the model has 3.{since - 1}")
    assert str(caught.value.next_step).startswith("raise build.python_version")
    assert isinstance(tree(newer, (3, since)), ast.Module)
    module = parse_module("predict.py", newer.encode(), python=(3, since), running=(3, 11))
    assert module.path == "predict.py"
    with pytest.raises(InputError, match=r"^predict.py:\d+:\d+: syntax error: "):
        parse_module("predict.py", b"print x\n" + newer.encode(), python=(3, since), running=(3, 11))


def test_an_error_is_where_the_model_s_python_has_it() -> None:
    with pytest.raises(InputError, match=r"^predict.py:3:\d+: syntax error"):
        parse_module("predict.py", b"type X = int\ntry: ...\nexcept A, B: ...", python=(3, 13), running=(3, 11))


def test_what_can_t_be_read_names_the_python_that_can() -> None:
    with pytest.raises(InputError) as caught:
        parse_module("predict.py", b'x = f"{d["a"]}" 1', python=(3, 14), running=(3, 11))
    assert "run cogpack with Python 3.14: this is 3.11" in str(caught.value.next_step)


def test_syntax_that_the_model_s_python_has_not_is_refused() -> None:
    """`except*` is of 3.11, which all Pythons that run this have."""
    source = b"try: ...\nexcept* ValueError: ..."
    parse_module("predict.py", source, python=(3, 11), running=(3, 11))
    with pytest.raises(InputError) as caught:
        parse_module("predict.py", source, python=(3, 10), running=(3, 11))
    assert caught.value.message.startswith("predict.py:")
    assert caught.value.message.endswith("this is of Python 3.11, and the model has 3.10")
    assert str(caught.value.next_step).startswith("raise build.python_version")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = 1\ny = f'{d['a']}'", 2),
        ("x = f'{NL.join(a)}' f'''{\n a}''' f\"{d['a']!r:>{n}}\" rf'\\d' '{d['", None),
        ("'''\n'''; f'{chr(10).join('\\n')}'", 2),
        ("f'''{a  # what\n}'''", 1),
        ("'\U000f0001' f'{a}'", None),
    ],
)
def test_f_strings_that_only_newer_pythons_read_are_told_from_others(source: str, line: int | None) -> None:
    """A running Python of 3.12 reads them for a model of 3.11, whose own does not."""
    assert newer_format(source.encode()) == line


def test_t_strings_are_no_text() -> None:
    found = tree('x = t"a{b}"').body[0]
    assert isinstance(found, ast.Assign)
    assert isinstance(found.value, TemplateStr)
    assert (found.value.lineno, found.value.col_offset) == (1, 4)


def test_imports_are_read_in_newer_files_too() -> None:
    found = parsed(b'import torch\nprint(f"{d["a"]}")\n', "predict.py")
    assert found is not None
    assert isinstance(found.body[0], ast.Import)


@pytest.mark.parametrize(
    "hostile",
    [
        'f"' + "{" * 5000,
        'f"' + '{f"' * 5000,
        'f"{' + "(" * 5000,
        "type X" + "[" * 5000,
        "def f[" * 5000,
        'f"{x:' * 5000,
        '"\U000f0001" f"{d["a"]}"',
        'f"{d["a"]}" "\\U000f0000"',
        "except " * 20000,
        'f"{x!',
        'f"\\N{',
        "f'{a[\"",
        "\\",
    ],
)
def test_a_hostile_file_is_an_error_soon(hostile: str) -> None:
    with pytest.raises(SyntaxError):
        tree(hostile)


WORDS = [
    *('f"', '"', "'", '"""', "f'", "rf'", "{", "}", "{{", "[", "]", "(", ")", ":", "!r", "=", "type ", "X", "def f["),
    *("class A[", "except ", ", ", " ", "\\", "#", "\\N{", "x", "ä", "try: pass", ";", "\n", "\t"),
]


@given(st.lists(st.sampled_from(WORDS), max_size=20).map("".join))
@example("type X[")
@example("def f['")
def test_any_text_is_a_tree_or_a_syntax_error(text: str) -> None:
    with contextlib.suppress(SyntaxError, RecursionError, MemoryError):
        tree(text)
