"""What extensions are built with is told of the place where the interpreter lies, and of a compiler that is there.

An archive was built for /install, by a clang of its publisher's. uv changes the same when it installs one.
"""

import ast
import re

from cogpack.errors import InputError

_INSTALL = re.compile(r"(?<![^\s=,:])(-[IL])?/install(?=/|[\s:]|$)")
_COMPILER = re.compile(r"(?:/\S*/)?(?:[A-Za-z0-9_]+-)*(?:clang|gcc)")
_COMPILER_OF_CXX = re.compile(r"(?:/\S*/)?(?:[A-Za-z0-9_]+-)*(?:clang|g)\+\+")
_COMMANDS = frozenset({"BLDSHARED", "CC", "CXX", "LDCXXSHARED", "LDSHARED", "LINKCC", "MAINCC"})

_VARIABLES = "build_time_vars"
_PREFIX_LINE = re.compile(r"^([A-Za-z_]+)=/install$", re.MULTILINE)


def build_variables(source: str, prefix: str, *, where: str) -> str:
    """Give a module `_sysconfigdata_*` of `source`, which is read and not run, for an interpreter at `prefix`."""
    found = {name: _moved(name, value, prefix) for name, value in _read(source, where).items()}
    found["PYTHON_BUILD_STANDALONE"] = 1
    lines = "".join(f" {name!r}: {found[name]!r},\n" for name in sorted(found))
    return f"# system configuration generated and used by the sysconfig module\n{_VARIABLES} = {{\n{lines}}}\n"


def package_description(source: str) -> str:
    """Give a `.pc` file of pkg-config, from a directory two below the prefix, which it then tells by its own place."""
    return _PREFIX_LINE.sub(r"\1=${pcfiledir}/../..", source)


def _moved(name: str, value: str | int, prefix: str) -> str | int:
    if isinstance(value, int):
        return value
    if name == "AR":
        return "ar"
    value = _INSTALL.sub(lambda found: f"{found[1] or ''}{prefix}", value)
    if name in _COMMANDS:
        command, space, rest = value.partition(" ")
        if _COMPILER.fullmatch(command):
            return f"cc{space}{rest}"
        if _COMPILER_OF_CXX.fullmatch(command):
            return f"c++{space}{rest}"
    return value


def _read(source: str, where: str) -> dict[str, str | int]:
    try:
        for statement in ast.parse(source).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if name == _VARIABLES:
                    found = ast.literal_eval(value)
                    if isinstance(found, dict) and all(
                        isinstance(key, str) and isinstance(one, str | int) for key, one in found.items()
                    ):
                        return found
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise InputError(
        f"{where}: no {_VARIABLES} of names, texts and numbers was found in it",
        next_step="take an archive as python-build-standalone publishes them",
    )
