"""Bytecode is written by its values alone: whatever the process held that compiled it, equal code is equal bytes."""

import hashlib
import marshal
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType

import pytest

from cogpack.layers.bytecode import program

SOURCE = '''
"""A module of all kinds of values."""
import os.path, xml.dom as dom
NUMBERS = (0, -1, 1 << 70, -(1 << 70), 0.0, -0.0, 2.5, 3j, 1e400 * 0, True, None, ..., ())
TEXTS = ("name", "two words", "two words" "", "\\xe9", "\\u20ac", "\\ud800", "x" * 300, "x y" * 100, b"", b"name")
def f(a, /, b, *c, d=1, **e):
    x = 1
    def g():
        nonlocal x
        return x, a, [q for q in b if q in {1, 2.5, "two words", "name", (1, ("deep", b"x")), None}]
    class C:
        "text"
        \xe9 = lambda self: self in {"b", "a", "c", frozenset}
        def __init__(self):
            self.one = self.two = g
    try:
        return {**e, "k": [*c, d][1:2]}
    finally:
        print(lambda: x)
async def h(z):
    async with z as y: yield (y async for y in z)
'''
PROGRAM = (
    "import sys, marshal; sys.path.insert(0, sys.argv[1]); import program; import hashlib\n"
    "for path in sys.argv[3:]:\n"
    "    held = compile(open(path, 'rb').read(), 'held.py', 'exec') if sys.argv[2] == 'much' else None\n"
    "    with open(path, 'rb') as file: print(hashlib.sha256(program.bytecode('/m.py', file.read())).hexdigest())\n"
)
"""Says the hash of the bytecode of each file, where it holds much the same file, compiled."""
BESIDE = Path(sys.base_prefix).resolve().parent
"""Where pyenv and uv have other releases."""


def pythons() -> Sequence[str]:
    """Give this Python, and each other release from 3.10 on that this machine has."""
    found = [sys.executable]
    for minor in range(10, 15):
        beside = sorted(map(str, BESIDE.glob(f"*/bin/python3.{minor}")))
        for python in filter(None, (*beside, shutil.which(f"python3.{minor}"))):
            if (
                minor != sys.version_info[1]
                and not subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode
            ):
                found.append(python)
                break
    return found


def compiled(source: str) -> CodeType:
    return compile(source, "/m.py", "exec", dont_inherit=True)


def same(one: object, other: object) -> bool:
    """Tell whether two values are equal in all that a program can see, `==` leaving out much of code."""
    if type(one) is not type(other):
        return False
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        plain = [name for name in dir(one) if name.startswith("co_") and not callable(getattr(one, name))]
        listed = [list(getattr(code, "co_positions", code.co_lines)()) for code in (one, other)]
        return listed[0] == listed[1] and all(
            same(getattr(one, name), getattr(other, name)) for name in plain if name != "co_lnotab"
        )
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return same(tuple(sorted(one, key=repr)), tuple(sorted(other, key=repr)))
    return repr(one) == repr(other)


def everything(code: CodeType) -> Sequence[object]:
    """Give what code is made of, to be held: what others hold, too, is marshalled otherwise."""
    held: list[object] = []
    for value in (*code.co_consts, *code.co_names, code.co_code, code.co_name):
        held += [value, *(everything(value) if isinstance(value, CodeType) else ())]
    return held


def test_what_is_loaded_is_what_was_compiled() -> None:
    code = compiled(SOURCE)
    written = program.canonical(marshal.dumps(code))
    assert same(marshal.loads(written), code)
    assert program.canonical(written) == written
    assert len(written) <= len(marshal.dumps(code)) * 1.02
    assert not same(code, compiled(SOURCE.replace("-0.0", "0.0")))


def test_what_others_hold_and_intern_changes_no_byte() -> None:
    code = compiled(SOURCE)
    first = marshal.dumps(code)
    held = everything(code)
    assert marshal.dumps(code) != first, "it would show nothing"
    assert program.canonical(marshal.dumps(code)) == program.canonical(first)
    assert len(held) > 50


def marked(kind: bytes, size: bytes, text: bytes) -> set[bytes]:
    """Write a text with and without the mark of what is referred to."""
    return {size.join((mark, text)) for mark in (kind, bytes((kind[0] | 0x80,)))}


@pytest.mark.parametrize(
    ("text", "size", "kinds", "wanted"),
    [
        (b"name", b"\x04", (b"z", b"Z"), b"Z"),
        (b"f.<locals>.C", b"\x0c", (b"z", b"Z"), b"Z"),
        (b"two words", b"\x09", (b"z", b"Z"), b"z"),
        (b"x" * 300, b"\x2c\1\0\0", (b"a", b"A"), b"A"),
        (b"x " * 150, b"\x2c\1\0\0", (b"a", b"A"), b"a"),
        ("é".encode(), b"\2\0\0\0", (b"u", b"t"), b"u"),
    ],
)
def test_a_text_is_written_by_its_letters_interned_or_not(
    text: bytes, size: bytes, kinds: Sequence[bytes], wanted: bytes
) -> None:
    written = {program.canonical(data) for kind in kinds for data in marked(kind, size, text)}
    assert written == {size.join((wanted, text))}
    assert marshal.loads(written.pop()) == text.decode()


def test_a_set_is_in_one_order() -> None:
    members = [b"\xda\x03one", b"z\x03two", b"\xe9\x01\0\0\0", b")\x02\xda\x05three\xfa\x09two words"]
    wanted = program.canonical(b">\x04\0\0\0" + b"".join(members))
    assert {program.canonical(b"\xbe\x04\0\0\0" + b"".join(turned)) for turned in (members, members[::-1])} == {wanted}
    assert marshal.loads(wanted) == frozenset({"one", "two", 1, ("three", "two words")})


def test_code_that_is_nested_as_deeply_as_can_be_is_written_in_no_time() -> None:
    deep = marshal.dumps(compiled("lambda: " * 150 + "1"))
    assert same(marshal.loads(program.canonical(deep)), marshal.loads(deep))
    assert program.bytecode("/m.py", b"lambda: " * 1500 + b"1") == b"", "marshal itself refuses that"


@pytest.mark.parametrize("data", [b"N", b"\xda\x01aN", b"?", b"r\0\0\0\0", b")\x02N", b""])
def test_what_is_no_value_is_refused(data: bytes) -> None:
    if data == b"N":
        assert program.canonical(data) == data
    else:
        with pytest.raises((ValueError, IndexError)):
            program.canonical(data)


@pytest.mark.parametrize("python", pythons())
def test_any_history_and_hash_seed_give_the_same_bytes(python: str) -> None:
    files = [str(path) for path in sorted(Path(os.__file__).parent.glob("*.py"))[40:80]]
    said = set()
    for seed, history in (("1", "nothing"), ("2", "much")):
        order = files if seed == "1" else files[::-1]
        words = [python, "-S", "-B", "-c", PROGRAM, str(Path(program.__file__).parent), history]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([*words, *order], env=environment, capture_output=True, text=True, check=True)
        lines = done.stdout.split()
        assert len(lines) == len(files)
        said.add(tuple(lines if seed == "1" else lines[::-1]))
    assert len(said) == 1
    assert hashlib.sha256(b"").hexdigest() not in next(iter(said))
