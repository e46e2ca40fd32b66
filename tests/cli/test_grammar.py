"""The command line's own words: help that fits a screen, errors of one line, completion."""

import argparse
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from cogpack import __version__
from cogpack.cli import run
from cogpack.cli.grammar import Grammar, NamedAct, topic_page
from cogpack.cli.helping import EXIT_CODES, SHELLS
from cogpack.cli.options import CONNECTION, TOPICS, docker_size, room, size
from cogpack.cli.parser import parser, read
from cogpack.cli.suggestions import ANSWERS, COMMANDS, OPTIONS

README = (Path(__file__).parents[2] / "README.md").read_text()


def walk(found: Grammar) -> Iterator[Grammar]:
    yield found
    for command in found.commands.values():
        yield from walk(command)


EVERY = {command.prog: command for command in walk(parser())}
LEAVES = {name: command for name, command in EVERY.items() if not command.commands}


@pytest.fixture(autouse=True)
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = run(words)
    out, err = capsys.readouterr()
    assert (out == "") == ("--json" not in words)
    return code, err


@pytest.mark.parametrize("page", [*EVERY, *TOPICS])
def test_every_help_fits_a_screen_of_80_columns_and_24_lines(page: str) -> None:
    lines = (topic_page(TOPICS[page]) if page in TOPICS else EVERY[page].format_help()).splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_has_an_example_that_it_reads_and_every_argument_a_help(name: str) -> None:
    command = LEAVES[name]
    assert command.description
    for action in command.own() + [action for made in command.shared.values() for action in made]:
        assert action.help, action.dest
        assert action.metavar or action.nargs == 0, action.dest
    words = command.example.split(" > ")[0].removeprefix("docker run -p 5000:5000 $(").removesuffix(")").split()
    assert " ".join(words).startswith(name)
    act = parser().parse_args(words[1:]).act
    assert not isinstance(act, NamedAct) or callable(getattr(import_module(act.module), act.name))
    if words[1] not in ("help", "completion"):  # whose acts hold the grammar
        assert read(words[1:]) == parser().parse_args(words[1:]), "its command's grammar alone reads the same"
        assert [*parser(words[1]).commands] == [words[1]]
    assert name.removeprefix("cogpack ").split()[-1] in README, "it stands in the table of commands"


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_every_help_is_printed_by_help_and_by_h(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = name.split()[1:]
    assert run(["help", *words]) == 0
    shown = capsys.readouterr().out
    assert run([*words, "-h"]) == 0
    assert capsys.readouterr().out == shown == EVERY[name].format_help()


def test_the_topics_are_explained_and_the_exit_codes_too(capsys: pytest.CaptureFixture[str]) -> None:
    for name, topic in TOPICS.items():
        assert run(["help", name]) == 0
        assert topic.text in capsys.readouterr().out
    assert run(["help", "exit-codes"]) == 0
    assert [int(line.split()[0]) for line in capsys.readouterr().out.splitlines()] == list(EXIT_CODES)


def test_every_topic_that_help_explains_is_named_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "help"]) == 0
    told = capsys.readouterr().out.partition("Topics: ")[2].partition(";")[0].replace(",", " ").split()
    assert {"variables", "cog.yaml", "exit-codes"} <= set(told)
    for topic in told:
        assert run(["help", topic]) == 0, topic


def test_the_version_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    assert capsys.readouterr().out == f"cogpack {__version__}\n"


@pytest.mark.parametrize("words", [(), ("weights",), ("registry",), ("auth",)])
def test_a_command_that_is_left_out_is_answered_with_those_that_there_are(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == EVERY[" ".join(["cogpack", *words])].format_help()


@pytest.mark.parametrize(
    ("words", "error", "advice"),
    [
        ("pusj", "cogpack pusj: no such command; did you mean push?", "see cogpack push --help"),
        ("Push", "cogpack Push: no such command; did you mean push?", "see cogpack push --help"),
        ("probe h", "cogpack probe: no such command; did you mean registry probe?",
         "see cogpack registry probe --help"),
        ("help pusj", "cogpack pusj: no such command; did you mean push?", "see cogpack push --help"),
        ("login h.io -u me -p word", "cogpack login: no option -p; arguments can be read by others",
         "give --password-stdin, and it on standard input"),
        ("zzz", "cogpack zzz: no such command", "see cogpack --help for those that there are"),
        ("push --lokced", "cogpack push: no option --lokced; did you mean --locked?", "see cogpack push --help"),
        ("push --lockd=1 a b c", "cogpack push: no option --lockd; did you mean --locked?", "see cogpack push --help"),
        ("push --lo h/a", "cogpack push: no option --lo; did you mean --locked?", "see cogpack push --help"),
        ("push -json", "cogpack push: no option -json; did you mean --json?", "see cogpack push --help"),
        ("push --frozen", "cogpack push: no option --frozen; here it is --locked", "see cogpack push --help"),
        ("push -Z", "cogpack push: no option -Z", "see cogpack push --help"),
        ("logout --storage h", "cogpack logout: no option --storage", "see cogpack logout --help"),
        ("schema --insecure-registry h", ("cogpack schema: no option --insecure-registry; that is one of push, plan, "
         "build and others"), "leave it out, or see cogpack schema --help"),
        ("logout --strict-realmm h", ("cogpack logout: no option --strict-realmm; --strict-realm is one of push, plan, "
         "build and others"), "leave it out, or see cogpack logout --help"),
        ("weights split --insecure a", ("cogpack weights split: no option --insecure; --insecure-registry is one of "
         "push, plan, build and others"), "leave it out, or see cogpack weights split --help"),
        ("plan --dry-run", "cogpack plan: no option --dry-run; that is one of push",
         "leave it out, or see cogpack plan --help"),
        ("--jbs 4 push", "cogpack: no option --jbs; did you mean --jobs, behind the command?",
         "see cogpack push --help"),
        ("verify a b", "cogpack verify: 'b' is one argument too many", "see cogpack verify --help"),
        ("-j 4 push", "cogpack: no option -j; it goes behind the command", "write cogpack push -j 4"),
        ("-C wrong push h/a", "cogpack: no option -C; it goes behind the command", "write cogpack push -C wrong h/a"),
        ("--json weights ls a", "cogpack: no option --json; it goes behind the command",
         "write cogpack weights ls --json a"),
        ("--jobs=4", "cogpack: no option --jobs; it goes behind the command", "write cogpack push ... --jobs=4"),
        ("push -j", "cogpack push: --jobs: expected one argument", "see cogpack push --help"),
        ("pull h/a --docker --podman", "cogpack pull: --podman: not allowed with argument --docker",
         "see cogpack pull --help"),
        ("fetch", "cogpack fetch: -o DIR (where to, an OCI layout) is missing",
         "write, for example, cogpack fetch -o depot"),
        ("build --ouput x", "cogpack build: no option --ouput; did you mean --output?", "see cogpack build --help"),
        ("pull h/a", "cogpack pull: one of --output, --docker, --podman, --containerd is missing",
         "write, for example, cogpack pull ghcr.io/me/model:v1 --docker"),
        ("logout", "cogpack logout: HOST (the registry, as in ghcr.io) is missing",
         "write, for example, cogpack logout ghcr.io"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_one_line_with_the_nearest_name(
    words: str, error: str, advice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, *words.split()) == (2, f"error: {error}\nnext: {advice}\n")


@pytest.mark.parametrize("option", ["--help", "-h", "--version", "--debug"])
def test_a_wrong_word_is_one_whatever_stands_behind_it(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = said(capsys, "biuld", option)
    assert (code, err) == (
        2,
        "error: cogpack biuld: no such command; did you mean build?\nnext: see cogpack build --help\n",
    )


@pytest.mark.parametrize(
    "command",
    [
        ["tool", "--strip=all", "--no-cache=/x", "--debug=false", "--no-color=1"],
        ["--", "tool", "--debug=true"],
        ["--", "--debug=true"],
    ],
)
@pytest.mark.parametrize("before", [[], ["--debug=true", "-e", "A=1", "--use-cog-base-image=false"]])
def test_a_command_of_the_users_own_stays_as_it_is(before: list[str], command: list[str]) -> None:
    found = read(["exec", *before, *command])
    assert (found.command, hasattr(found, "debug")) == (command, bool(before))
    assert not hasattr(found, "rebuild") or not found.rebuild


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("build --debug=true", "debug", True),
        ("--debug=1 build", "debug", True),
        ("build --debug=false", "debug", None),
        ("build --no-color=T", "no_color", True),
        ("build --no-color=0", "no_color", None),
        ("build --strip=false", "rebuild", False),
        ("build --no-cache=true", "rebuild", True),
        ("build --no-cache=false", "rebuild", False),
        ("run --use-replicate-token=true", "use_replicate_token", True),
        ("run --use-replicate-token=FALSE", "use_replicate_token", False),
    ],
)
def test_a_switch_of_cog_may_have_a_value_as_gos_have(line: str, name: str, value: bool | None) -> None:
    found = read(line.split())
    assert getattr(found, name, None) is value
    assert hasattr(found, "of_cog") is (bool(value) or "--strip" in line) or "token" in line


def test_another_value_of_a_switch_is_refused_and_what_stands_behind_two_dashes_is_no_option(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, err = said(capsys, "build", "--no-cache=/x")
    assert (code, "--no-cache: ignored explicit argument '/x'" in err) == (2, True)
    found = read(["run", "--", "--json={}"])
    assert (found.image, found.inputs) == ("--json={}", None)


@pytest.mark.parametrize("word", ["--json", '--json={"a":1}', "--json="])
def test_who_asked_for_json_gets_it_of_a_wrong_line_too(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", word, "--nope"]) == 2
    assert "no option --nope" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.slow
@pytest.mark.parametrize("word", [*COMMANDS, *(line.removeprefix("cogpack ") for line in ANSWERS)])
def test_words_of_other_tools_have_a_next_step_that_exists(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, err = said(capsys, *word.split())
    assert code == 2
    error, advice = err.splitlines()
    assert error.startswith(f"error: cogpack {word}: no such command; ") or "no option -" in error
    assert advice.startswith("next: ")
    words = advice.replace(",", " ").split()
    for at, found in enumerate(words):
        assert found != "cogpack" or words[at + 1] in parser().commands, advice


def test_options_of_other_tools_lead_to_ours() -> None:
    known = {option for command in EVERY.values() for option in command.options()}
    for theirs, ours in OPTIONS.items():
        assert ours in known or not ours.startswith("--"), theirs
        assert theirs not in known, theirs


@pytest.mark.parametrize("option", ["--jso", "--quie", "--insecure-reg"])
def test_no_option_is_abbreviated(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "push", option, "h/a")[0] == 2


@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("schema", {"--jobs", "--locked", "--paranoid", "--cache-dir", "--json", "--insecure-registry"}),
        ("lock", {"--locked", "--paranoid"}),
        ("verify", {"--locked"}),
        ("inspect", {"--jobs", "--locked", "--cache-dir"}),
        ("logout", {"--insecure-registry", "--registry-mirror", "--cache-dir"}),
        ("weights split", {"--insecure-registry", "--registry-mirror", "--cache-dir"}),
        ("login", {"--registry-mirror"}),
    ],
)
def test_options_are_only_where_they_mean_something(command: str, absent: set[str]) -> None:
    assert not absent & set(EVERY[f"cogpack {command}"].options())


def test_options_of_connections_have_a_group_of_their_own() -> None:
    connecting = {name for name, command in LEAVES.items() if "--insecure-registry" in command.options()}
    assert connecting == {name for name, command in LEAVES.items() if CONNECTION.name in command.shared}
    assert {"cogpack push", "cogpack inspect", "cogpack login"} <= connecting


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_a_script_that_its_shell_reads(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("push", "weights-only", "insecure-registry", "split"):
        assert word in script
    path = tmp_path / "script"
    path.write_text(script)
    if program := shutil.which(shell):
        assert subprocess.run([program, "-n", str(path)], capture_output=True, text=True, check=True).stderr == ""


def test_bash_completes_commands_options_and_directories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == 0
    (tmp_path / "complete.sh").write_text(capsys.readouterr().out)
    (tmp_path / "some-dir").mkdir()
    (tmp_path / "some-file").touch()

    def completed(*words: str) -> set[str]:
        line = " ".join(words)
        program = (
            f"source ./complete.sh; COMP_WORDS=({line} ''); COMP_CWORD={len(words)}; "
            "_shtab_cogpack; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        if words[-1] != "":
            program = program.replace(" '')", ")").replace(f"CWORD={len(words)}", f"CWORD={len(words) - 1}")
        done = subprocess.run(["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        return set(done.stdout.split())

    assert completed("cogpack", "pu") == {"push", "pull"}
    assert completed("cogpack", "push", "--weights") == {"--weights-only"}
    assert completed("cogpack", "weights", "s") == {"split"}
    assert completed("cogpack", "push", "-C", "some") == {"some-dir"}


def test_every_key_of_cog_yaml_is_explained_and_editors_have_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "cog.yaml"]) == 0
    assert "default: linux/amd64" in " ".join(capsys.readouterr().out.split())
    assert run(["help", "cog.yaml", "cogpack.limits"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  cogpack")] == [
        *("cogpack.limits", "cogpack.limits.time", "cogpack.limits.idle", "cogpack.limits.size")
    ]
    assert run(["help", "cog.yaml", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["build"]
    for words, said in (
        (["cog.yaml", "cogpack.limit"], "next: see cogpack help cog.yaml cogpack.limits"),
        (["cog.yaml", "build", "--schema"], "--schema is of all keys"),
        (["push", "--schema"], "next: cogpack help cog.yaml --schema"),
    ):
        assert run(["help", *words]) == 2
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("push", "-j"), "1 to 64"),
        (("lock", "--upgrade-run"), "the N of build.run[N]"),
        (("serve", "-p"), "0 to 65535"),
        (("serve", "--setup-timeout"), "a number of seconds"),
        (("weights", "split", "a.safetensors", "--layer-size"), "a size such as 20MB, 512MiB or 1000000 (bytes)"),
        (("cache", "prune", "--max-size"), "a size such as 20GB, 500MiB or 1000000 (bytes)"),
        (("run", "--shm-size"), "a size such as 512m or 2g"),
        (("cache", "prune", "--days"), "a number of days"),
    ],
)
def test_a_number_that_nobody_would_read_is_told_in_short(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    code, text = said(capsys, *words, "9" * 5000)
    assert (code, f"expected {expected}, found '999" in text, len(text) < 400) == (2, True, True), text


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (size, "1000000", 1_000_000),
        (size, "20MB", 20_000_000),
        (size, "20mb", 20_000_000),
        (size, "1.5GiB", 3 * 2**29),
        (room, "0", 0),
        (docker_size, "512m", 2**29),
        (docker_size, "2GB", 2**31),
        (docker_size, "1.5g", 3 * 2**29),
        (docker_size, "64", 64),
    ],
)
def test_a_size_is_read_in_every_form_and_docker_s_units_are_powers_of_1024(
    read: Callable[[str], int], text: str, expected: int
) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("read", "text"), [(size, "0"), (docker_size, "0"), (size, "-1"), (room, "much"), (room, ""), (size, "1 PB")]
)
def test_what_is_no_size_is_refused(read: Callable[[str], int], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a size such as"):
        read(text)
