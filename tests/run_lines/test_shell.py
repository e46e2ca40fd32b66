"""A line is read as dash and bash read it, or not at all."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from cogpack.run_lines.expansion import Command, commands
from cogpack.run_lines.shell import Refusal, RefusedError, Script, parse
from cogpack.run_lines.surroundings import Surroundings

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
ENVIRONMENT = {"HOME": "/home of nobody", "SET": "set", "EMPTY": "", "SPACED": "two words", "STAR": "*"}

SHOW = """#!/bin/sh
{ printf '%s\\0' "$#" "$@"; pwd -P | tr '\\n' '\\0'; env -0; printf 'END\\0'; } >> "LOG"
"""


class RealShell:
    """Runs lines in which the only program is `show`, and tells what it received."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.log = self.root / "log"
        self.start = self.root / "start"
        self.elsewhere = self.root / "elsewhere"
        self.programs = self.root / "programs"
        for each in (self.elsewhere, self.programs):
            each.mkdir()
        (self.elsewhere / "below").mkdir()
        show = self.programs / "show"
        show.write_text(SHOW.replace("LOG", str(self.log)))
        show.chmod(0o755)
        for name in ("uname", "env", "tr"):
            (self.programs / name).symlink_to(str(shutil.which(name)))
        self.surroundings = Surroundings(
            environment=ENVIRONMENT,
            directory=str(self.start),
            entries=frozenset(),
            architecture="arm64" if platform.machine() == "aarch64" else "amd64",
        )

    def run(self, shell: str, line: str) -> tuple[list[tuple[list[str], str, dict[str, str]]], set[str]]:
        shutil.rmtree(self.start, ignore_errors=True)
        self.start.mkdir()
        self.log.write_bytes(b"")
        subprocess.run(
            [str(shutil.which(shell)), "-c", line],
            cwd=self.start,
            env={**ENVIRONMENT, "PATH": str(self.programs)},
            capture_output=True,
            check=False,
        )
        fields = iter(self.log.read_bytes().decode(errors="surrogateescape").split("\0")[:-1])
        found = []
        for count in fields:
            words = [next(fields) for _ in range(int(count))]
            directory = next(fields)
            environment = dict(variable.split("=", 1) for variable in iter(lambda: next(fields), "END"))
            found.append((words, directory, environment))
        return found, {path.name for path in self.start.iterdir()}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RealShell:
    if not SHELLS:
        pytest.skip("neither dash nor bash is here")
    return RealShell(tmp_path_factory.mktemp("shell"))


def read(line: str, surroundings: Surroundings) -> tuple[Command, ...] | Refusal:
    script = parse(line)
    if isinstance(script, Refusal):
        return script
    entries = set(surroundings.entries)
    found = []
    try:
        for command in commands(script, surroundings, entries):
            found.append(command)
            entries |= {output.path for output in command.outputs}
        return tuple(found)
    except RefusedError as refused:
        return refused.refusal


def check(line: str, real: RealShell) -> bool:
    """Compare both readings; `False` where the line is refused, or would start another program."""
    found = read(line, real.surroundings)
    if isinstance(found, Refusal):
        assert 0 <= found.at <= len(line)
        assert found.why
        return False
    if not all(command.words[0] == "show" for command in found):
        return False
    outputs = [output.path for command in found for output in command.outputs]
    if not all(path and path.isascii() and path.isalpha() for path in outputs):
        return False
    for shell in SHELLS:
        ran, files = real.run(shell, line)
        assert [words for words, _, _ in ran] == [list(command.words[1:]) for command in found], shell
        assert [directory for _, directory, _ in ran] == [command.directory for command in found], shell
        for (_, _, environment), command in zip(ran, found, strict=True):
            assert dict(command.assigned).items() <= environment.items(), shell
            assert {name: environment.get(name) for name in command.environment} == dict(command.environment), shell
        assert files == set(outputs) or any(command.directory != str(real.start) for command in found)
    return True


PLAIN = "a|b c|#|x#y|=|:|-o|1|2|é|%|@|!|^|]|,|+|/|//|.|..|-|`|$(|~|~/x|{|}|[|[ab]|*|?|a[b]|$"
QUOTED = r"""'|"|\|\a|\$|\"|\'|\ |''|""|'a  b'|"a  b"|"\a\$\"\\" """.rstrip()
EXPANDED = '$SET|${SET}|"$SET"|"${EMPTY}"|$EMPTY|"$SPACED"|$SPACED|$STAR|"$STAR"|$UNSET|$A|$(uname -s)|"$(uname -m)"'
ATOMS = st.sampled_from("|".join([PLAIN, QUOTED, EXPANDED, "\\\n"]).split("|"))
SEPARATORS = st.sampled_from([*[" "] * 5, "  ", "\t", "\n", ";", " ; ", " && ", "&&", " &&\n", " # c\n"])
REDIRECTS = st.sampled_from(["", "", "", "", "", ">f", " > f", ">>g "])
BEGINNINGS = st.sampled_from(["show ", "A=1 show ", "A=$SET B='x y' show ", "export A=2 && show ", "B=3; show $B "])
ENDS = st.sampled_from(["", "", " && ", "; ", "\n"])


@st.composite
def lines(draw: st.DrawFn) -> str:
    text = ""
    for _ in range(draw(st.integers(1, 3))):
        text += draw(BEGINNINGS)
        for _ in range(draw(st.integers(0, 4))):
            text += "".join(draw(st.lists(ATOMS, min_size=1, max_size=3)))
            text += draw(REDIRECTS) + draw(SEPARATORS)
        text += draw(ENDS)
    return text


@pytest.mark.slow
@given(line=lines())
@settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@example(line="show a\\\nb '\\\n' \"c\\\nd\"")
@example(line="show a#b # c d\nshow e")
@example(line="A=1 B=\"$SET x\" show '' \"\" a''b")
@example(line="show 1>f && show 2 >g")
@example(line="show * >f; show 'f*' g*")
@example(line="show name[extra] git+https://h/p@r#egg=n[all]")
@example(line='show "$HOME" ~ ~/x "~" a~b')
def test_what_is_read_reaches_programs_as_a_real_shell_hands_it_over(real: RealShell, line: str) -> None:
    assume(check(line, real))


@given(text=st.text(alphabet="ab1=$'\"\\ \n;&|>#~*?[]{}()<!:-/.", max_size=24))
def test_no_text_is_read_otherwise_than_by_a_real_shell(real: RealShell, text: str) -> None:
    check(f"show {text}", real)


@pytest.mark.parametrize(
    "line",
    [
        "show a 'b c' \"d e\" f\\ g",
        "A=1 B='x y' show && show $(uname -s)_$(uname -m)",
        "export A=1 B=2 && show && A=3 show; show",
        'X=1; Y=${X}2 && show "$Y" $X',
        "show >f a >>f || true",
        "# nothing\n\nshow a # b",
        "show name[extra]",
        'show ~/x "$PWD/y"',
        'cd ELSEWHERE/below && show && cd .. && show "$PWD"',
        'show "a\\nb" \'c\\d\' "e\\$f"',
    ],
)
def test_ordinary_lines_are_read_as_they_are_run(real: RealShell, line: str) -> None:
    line = line.replace("ELSEWHERE", str(real.elsewhere))
    assert check(line, real) == ("||" not in line and True)


REFUSED = {
    "a | b": "pipes and || are not read here: '|' at character 3",
    "a || b": "pipes and || are not read here: '||' at character 3",
    "a & b": "a command in the background is not read here: '&' at character 3",
    "(a)": "subshells and functions are not read here: '(a)' at character 1",
    "f() { a; }": "subshells and functions are not read here: '()' at character 2",
    "cat <<E\nE": "input from a file or a here-document is not read here: '<<E' at character 5",
    "if a; then b; fi": "the shell's own language, beyond lists of commands, is not read: 'if' at character 1",
    "for x in a; do b; done": "the shell's own language, beyond lists of commands, is not read: 'for' at character 1",
    "! a": "the shell's own language, beyond lists of commands, is not read: '!' at character 1",
    "[[ a ]]": "the shell's own language, beyond lists of commands, is not read: '[[' at character 1",
    "$X a": "the command's name is known only where it runs: '$X' at character 1",
    "a $(b c)": "a command's output is known only where it runs: '$(b c)' at character 3",
    "a `b`": "a command's output is not read here: '`b`' at character 3",
    "a $((1))": "arithmetic is not read here: '$((1))' at character 3",
    "a ${X:-b}": "of expansions only ${NAME} is read here: '${X:-b}' at character 3",
    "a $?": "a $ that is no variable's: '$?' at character 3",
    "a $'b'": "a $ that is no variable's: \"$'b'\" at character 3",
    "a {b,c}": "braces, which bash expands and dash does not: '{b,c}' at character 3",
    "a ~b/c": "another user's home: '~b/c' at character 3",
    "a 2>/dev/null": "only standard output can be redirected: '2>/dev/null' at character 3",
    "a >&2": "only > and >> to a file are read here: '>&2' at character 3",
    "a >|b": "only > and >> to a file are read here: '>|b' at character 3",
    "a 'b": 'a quotation is not closed: "\'b" at character 3',
    'a "b': "a quotation is not closed: '\"b' at character 3",
    "a \\": "the line ends in a backslash: '\\\\' at character 3",
    "a &&": "a command is missing: '' at character 5",
    "; a": "a command is missing: ';' at character 1",
    "> a": "a command is missing: '' at character 4",
    "X+=1 a": "NAME+= is bash's alone: 'X+=1' at character 1",
    "a\rb": "a control character: '\\r' at character 2",
}


@pytest.mark.parametrize(("line", "message"), REFUSED.items())
def test_what_is_not_read_is_named_with_its_place(line: str, message: str) -> None:
    assert str(parse(line)) == message


UNSURE = {
    "a $X": "a variable whose value is known only where the line runs: '$X' at character 3",
    "a $SPACED": "the shell splits this value, or drops it: '$SPACED' at character 3",
    "a $EMPTY": "the shell splits this value, or drops it: '$EMPTY' at character 3",
    "a /x/*": "a pattern, for which the shell looks among the files: '/x/*' at character 3",
    "a *": "a pattern, for which the shell looks among the files: '*' at character 3",
    "cd /x && a b*": "a pattern, where files may lie that match it: '' at character 12",
    "set -e": "the shell itself is changed in a way that is not read here: 'set' at character 1",
    "eval a": "the shell itself is changed in a way that is not read here: 'eval' at character 1",
    ". ./a": "the shell itself is changed in a way that is not read here: '.' at character 1",
    "cd": "cd is read only with one directory: 'cd' at character 1",
    "cd src/a": "the project's directory, which comes later: 'src/a' at character 1",
    "a tmp*": "a pattern, for which the shell looks among the files: 'tmp*' at character 3",
    "a tmp/b[c]": "a pattern, for which the shell looks among the files: 'tmp/b[c]' at character 3",
    "cd -": "cd is read only with one directory: 'cd' at character 1",
    "cd /a; b": "what follows the ; runs elsewhere when cd fails: 'cd' at character 1",
    "PATH=/x a": "a variable that changes how the shell works: 'PATH' at character 1",
    "export IFS=x": "a variable that changes how the shell works, or none: 'IFS' at character 1",
    "A=1 B=$A c": "a variable made of one that is set beside it: 'B' at character 1",
    "A=1 export B": "shells disagree on a variable before this command: 'export' at character 1",
    "a >b*": "the output's file is a pattern: '' at character 4",
}


@pytest.mark.parametrize(("line", "message"), UNSURE.items())
def test_words_that_only_the_running_shell_knows_are_named(line: str, message: str) -> None:
    assert str(read(line, Surroundings(environment=ENVIRONMENT))) == message


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    found = parse(text)
    assert isinstance(found, Script) or (0 <= found.at <= len(text) and found.why)


def test_machines_answer_as_their_platform_does() -> None:
    found = read("a $(uname -s)-$(uname -m)", Surroundings(architecture="arm64"))
    assert not isinstance(found, Refusal)
    assert found[0].words == ("a", "Linux-aarch64")
