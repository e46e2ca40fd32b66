"""Maintainer scripts are read for what they would do, where that can be said without running them.

Nothing is executed. A script is understood when, in an image without an init system, each line that would run, on a
first installation or in the place of a version that is there, either does nothing or registers an alternative: the
parts that debhelper writes for services, byte code and caches, and a few plain commands. Anything else is named in an
error, never skipped.
"""

import operator
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase

import msgspec

from cogpack.debian_version import VersionKey, version_key
from cogpack.errors import InputError
from cogpack.layers.debs.effects.alternatives import Alternative, join_lines, parse_install

_MOST = 1024 * 1024
"""Letters of a script; Debian's have a hundred thousand at most."""
_LONGEST = 1000
"""Letters of a condition that is looked at: blanks in a row take the square of their number."""
_BEGIN = re.compile(r"^[ \t]*# Automatically added by (dh[\w-]*)[^\n]*\n", re.MULTILINE)
_END = re.compile(r"^[ \t]*# End automatically added section[^\n]*$", re.MULTILINE)
# Parts written by these change nothing in a fresh image: services are neither enabled nor started without an init
# system, byte code is not kept, `dpkg-maintscript-helper` (dh_installdeb) deals with upgrades, ldconfig runs anyway.
_HARMLESS = frozenset(
    {
        "dh_apparmor",
        "dh_fortran_mod",  # links, which `fortran_links` tells
        "dh_icons",
        "dh_installdeb",
        "dh_installinit",
        "dh_installmenu",
        "dh_installsystemd",
        "dh_installsystemduser",
        "dh_installtmpfiles",
        "dh_lisp",
        "dh_makeshlibs",
        "dh_pypy",
        "dh_python2",
        "dh_python3",
        "dh_systemd_enable",
        "dh_systemd_start",
    }
)
_PLAIN = re.compile(
    r"#!.*|set [+-][eux]+|exit(?: 0)?|:|true|ldconfig|umask \d+"
    r"|echo(?: [^;|&<>`$]*)?"
    r"|update-alternatives (?:--quiet )?--remove [^;|&<>`]*"
    r"|dpkg-maintscript-helper [^;|&<>`]*"
    r"|(?:export )?\w+=[\w./-]*"
    r"|\. /usr/share/debconf/confmodule|db_version 2\.0|db_stop(?: \|\| true)?"
)
_WORD = re.compile(r"(?:export )?(\w+)=([\w./-]*)[; ]*")
_NAMED = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
# Modules of Fortran lie in one directory, and compilers look for it by the names of several.
_FORTRAN = re.compile(r"^multiarch=\"([\w-]+)\"\nbase=\"([\w-]+)\"\ncanoncomp='([\w-]+)'\n", re.MULTILINE)
_FORTRAN_LINK = re.compile(
    r"^ +ln -sf /usr/lib/\$multiarch/fortran/\$base /usr/lib/\$multiarch/fortran/\$canoncomp$", re.MULTILINE
)
_LABEL = re.compile(r"\(?\s*([\w*-]+(?:\s*\|\s*[\w*-]+)*)\s*\)\s*(.*)")
_OPENERS = re.compile(r"(if|case|for|while|until)\b")
_CLOSERS = {"fi": "if", "esac": "case", "done": "loop"}
_ARGUMENT = re.compile(r"\"?x?\$\{?1\}?\"? ?(={1,2}|!=) ?[\"']?x?([\w-]+)[\"']?")
_TEST = re.compile(r"(?:\[ (.*?) \]|test (.*?))\s*")
_COMPARE = re.compile(r"dpkg --compare-versions (?:-- )?\"?\$\{?2\}?\"? \"?'?([a-z-]+)'?\"? \"?'?([^\s\"']+)'?\"?")
# With an empty second argument (no version was installed before): dpkg(1), --compare-versions.
_EMPTY_COMPARES = {"lt": True, "le": True, "eq": False, "ne": True, "ge": False, "gt": False} | {
    "lt-nl": False,
    "le-nl": False,
    "ge-nl": True,
    "gt-nl": True,
}
_COMPARES: Mapping[str, Callable[[VersionKey, VersionKey], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "ge": operator.ge,
    "gt": operator.gt,
}
# Whether the test is true where there is no second argument.
_SECOND = {
    '-z "$2"': True,
    '-z "${2}"': True,
    '"$2" = ""': True,
    '-n "$2"': False,
    '-n "${2}"': False,
    '"$2" != ""': False,
}
_HELPER = re.compile(r"dpkg-maintscript-helper (?:rm_conffile|mv_conffile|symlink_to_dir|dir_to_symlink) (.*)")
# How many paths each of them has before the version.
_HELPER_PATHS = {"rm_conffile": 1, "mv_conffile": 2, "symlink_to_dir": 2, "dir_to_symlink": 2}


class Understood(msgspec.Struct, frozen=True):
    """Says that the script registers these alternatives on a first installation, and does nothing else."""

    choices: tuple[Alternative, ...]


class NotUnderstood(msgspec.Struct, frozen=True):
    """Names the line that would run, and of which nobody knows what it does."""

    line: str


class _Call(msgspec.Struct, frozen=True):
    """Has a script's first two arguments. `other`: the second, where that is a version; "" on a first installation."""

    argument: str
    other: str = ""


class _Block(msgspec.Struct):
    kind: str  # "if", "case", "loop"
    live: bool  # does the present branch run?
    done: bool = False  # did a branch of it run already?


class _CannotTell(Exception):  # noqa: N818 - never leaves this module
    """Says that nobody can tell whether the lines that follow would run."""


def read_script(script: str, *, fresh: str, other: str = "") -> Understood | NotUnderstood:
    """Read what the script does when it is run. `fresh`: the script's first argument, on a first installation "install"
    or "configure"; `other`: the second, a version, which there is none of then."""
    if len(script) > _MOST:
        return NotUnderstood(f"it has {len(script)} letters")
    call = _Call(fresh, other)
    choices: list[Alternative] = []
    blocks: list[_Block] = []
    words: dict[str, str] = {}
    for written in join_lines(_without_harmless(script, call)):
        line = _NAMED.sub(lambda found: words.get(found[1] or found[2], found[0]), written)
        outer = all(block.live for block in blocks[:-1])
        live = outer and (not blocks or blocks[-1].live)
        try:
            if _structure(line, blocks, live=live, outer=outer, call=call):
                continue
        except _CannotTell:
            return NotUnderstood(line)
        if not live:
            if "<<" in line:  # the end of a here-document is not looked for
                return NotUnderstood(line)
        elif (choice := parse_install(line)) is not None:
            choices.append(choice)
        elif not _PLAIN.fullmatch(line.rstrip("; ")) or _helps(line, call):
            return NotUnderstood(line)
        elif (assigned := _WORD.fullmatch(line)) is not None:
            words[assigned[1]] = assigned[2]
        elif line.startswith("exit"):
            break
    else:
        if blocks:
            return NotUnderstood("a block that does not end")
    return Understood(tuple(choices))


def _structure(line: str, blocks: list[_Block], *, live: bool, outer: bool, call: _Call) -> bool:
    """Follow `line` where it opens, divides or closes a block; False for a command."""
    top = blocks[-1] if blocks else _Block("", live=True)
    word = line.rstrip("; ")
    if word in ("then", "do"):
        return True
    if _CLOSERS.get(word) == top.kind:
        blocks.pop()
    elif word == "else" and top.kind == "if":
        top.live, top.done = not top.done, True
    elif line.startswith("elif ") and top.kind == "if":
        value = False if top.done or not outer else _condition(line[5:], call)
        top.live, top.done = value, top.done or value
    elif top.kind == "case" and line == ";;":
        top.live = False
    elif top.kind == "case" and not top.live and (label := _LABEL.fullmatch(line)) is not None:
        names = re.split(r"\s*\|\s*", label[1])
        top.live = not top.done and any(fnmatchcase(call.argument, name) for name in names)
        top.done = top.done or top.live
        command = label[2].removesuffix(";;").strip("; ")
        if command and top.live and outer and not _PLAIN.fullmatch(command):
            raise _CannotTell
        if label[2].endswith(";;"):
            top.live = False
    elif (opener := _OPENERS.match(line)) is not None:
        _open(line, opener[1], blocks, live=live, call=call)
    else:
        return False
    return True


def _open(line: str, kind: str, blocks: list[_Block], *, live: bool, call: _Call) -> None:
    if re.search(r"; *(?:fi|esac|done)\b", line):  # all on one line
        if live:
            raise _CannotTell
    elif not live:
        blocks.append(_Block(kind if kind in ("if", "case") else "loop", live=False))
    elif kind == "case" and re.fullmatch(r"case \"?\$\{?1\}?\"? in", line):
        blocks.append(_Block("case", live=False))
    elif kind == "if":
        value = _condition(line[3:], call)
        blocks.append(_Block("if", live=value, done=value))
    else:
        raise _CannotTell


def _condition(text: str, call: _Call) -> bool:
    """Evaluate a list of tests."""
    if len(text) > _LONGEST:
        raise _CannotTell
    parts = re.split(r"(\|\||&&)", re.sub(r";? *then$", "", text.strip()).strip("; "))
    value = _test(parts[0], call)
    for joined, part in zip(parts[1::2], parts[2::2], strict=True):
        if value == (joined == "&&"):
            value = _test(part, call)
    return value


def _test(text: str, call: _Call) -> bool:
    text = text.strip()
    if (compared := _COMPARE.fullmatch(text)) is not None:
        return _compared(compared[1], compared[2], call)
    matched = _TEST.fullmatch(text)
    test = (matched[1] or matched[2]).strip() if matched else ""
    if (argument := _ARGUMENT.fullmatch(test)) is not None:
        return (argument[2] == call.argument) == (argument[1] != "!=")
    if test in _SECOND:
        return _SECOND[test] == (not call.other)
    if test == "-d /run/systemd/system":
        return False
    raise _CannotTell


def _compared(operation: str, version: str, call: _Call) -> bool:
    if not call.other and operation in _EMPTY_COMPARES:
        return _EMPTY_COMPARES[operation]
    compare = _COMPARES.get(operation.removesuffix("-nl"))
    if not call.other or compare is None or "$" in version:
        raise _CannotTell
    try:
        return compare(version_key(call.other), version_key(version.replace("\\", "")))
    except InputError:
        raise _CannotTell from None


def _helps(line: str, call: _Call) -> bool:
    """Tell whether dpkg-maintscript-helper(1) may do something: it deals with upgrades from before a version."""
    matched = _HELPER.fullmatch(line)
    if not call.other or matched is None:
        return False
    try:
        words = shlex.split(matched[1])
    except ValueError:
        return True
    after = words[_HELPER_PATHS[line.split()[1]] :]
    version = after[0] if after else "--"
    return version == "--" or not version or _compared("lt", version, call)


def _without_harmless(script: str, call: _Call) -> str:
    parts = _sections(script)
    return "".join(text for who, text in parts if who not in _HARMLESS or (call.other and who == "dh_installdeb"))


def _sections(script: str) -> Iterator[tuple[str, str]]:
    """Give the parts of a script in their order: which program of debhelper wrote each, "" for the author, and its
    lines."""
    at = 0
    while (begin := _BEGIN.search(script, at)) is not None and (end := _END.search(script, begin.end())) is not None:
        yield "", script[at : begin.start()]
        yield begin[1], script[begin.end() : end.start()]
        at = end.end()
    yield "", script[at:]


def literal_choices(script: str) -> list[Alternative]:
    """Give every alternative that some line of the script registers literally."""
    return [choice for line in join_lines(script) if (choice := parse_install(line)) is not None]


def fortran_links(script: str) -> Iterator[tuple[str, str]]:
    """Give path and target of each link that a preinst makes by the words of dh_fortran_mod, where nothing is."""
    for who, text in _sections(script):
        found = _FORTRAN.search(text) if who == "dh_fortran_mod" else None
        if found is not None and _FORTRAN_LINK.search(text, found.end()) is not None:
            directory = f"usr/lib/{found[1]}/fortran"
            yield f"{directory}/{found[3]}", f"/{directory}/{found[2]}"
