"""Which notes end a command: what the command line, cog.yaml, CI and the machine's file say of them."""

import json
import re
from pathlib import Path

import pytest
from support.world import Project, World, ok

from cogpack.errors import InputError
from cogpack.machine import read_machine
from cogpack.notes import Code

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ODD = "oddity: 1\n"
"""A line of cog.yaml that is a note: `unknown-key`."""


def odd(world: World, notes: str = "") -> Project:
    """A project whose cog.yaml has an unknown key in its first line."""
    project = world.project(config=f"  notes: {{{notes}}}\n" if notes else "")
    project.write("cog.yaml", ODD + (project.root / "cog.yaml").read_text())
    return project


def machine(world: World, text: str) -> dict[str, str]:
    path = world.directory / "machine.toml"
    path.write_text(text)
    return {"COGPACK_CONFIG": str(path)}


TEXT = "cog.yaml:1:1: oddity: unknown key, ignored"


def test_a_note_is_told_and_ends_nothing(world: World) -> None:
    done = ok(odd(world).cogpack("plan"))
    assert f"note: {TEXT}" in done.err


@pytest.mark.parametrize(
    ("notes", "words", "denied_by"),
    [
        ("", "--deny unknown-key", "--deny unknown-key"),
        ("", "--deny all", "--deny all"),
        ("", "--deny all --allow unknown-key", ""),
        ("", "--deny yanked", ""),
        ("unknown-key: deny", "", "cog.yaml"),
        ("all: deny", "", "cog.yaml"),
        ("all: deny, unknown-key: allow", "", ""),
        ("unknown-key: deny", "--allow unknown-key", ""),
        ("all: deny", "--allow unknown-key", ""),
        ("unknown-key: allow", "--deny unknown-key", "--deny unknown-key"),
        ("unknown-key: allow", "--deny all", ""),
    ],
)
def test_the_nearer_and_the_more_exact_word_counts(world: World, notes: str, words: str, denied_by: str) -> None:
    project = odd(world, notes)
    done = project.cogpack("push", project.target(), *words.split())
    if denied_by:
        assert done.code == 2
        excerpt = f"    1 | {ODD}      | ^"
        assert f"error: {TEXT} (unknown-key, denied by {denied_by})\n{excerpt}\nnext: change it, or " in done.err
        assert f"note: {TEXT}" not in done.err
        assert not world.has("me/model", "v1")
        assert not (project.root / "cogpack.lock").exists()
    else:
        assert done.code == 0, done.err
        assert f"note: {TEXT}" in done.err


def test_all_denied_notes_are_told_at_once_each_with_how_to_allow_it(world: World) -> None:
    project = odd(world)
    project.write("cog.yaml", "another: 2\n" + (project.root / "cog.yaml").read_text())
    done = project.cogpack("plan", "--deny", "all")
    assert done.code == 2
    assert "error: 2 things must change:" in done.err
    assert done.err.count("--allow unknown-key, or notes: {unknown-key: allow} under cogpack in cog.yaml") == 1


@pytest.mark.parametrize("code", ["private-key", "environment-file", "credentials-file"])
def test_secrets_are_denied_where_ci_is_set(world: World, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cogpack.notes import Note
    from cogpack.policy import Noted, Policy, Rules
    from cogpack.progress import SILENT

    def denies(policy: Policy) -> bool:
        noted = Noted(SILENT, policy)
        noted.note(Note(Code(code), ".env:1: secret"))
        try:
            noted.check()
        except InputError:
            return True
        return False

    assert denies(Policy(in_ci=True))
    assert not denies(Policy(in_ci=False))
    assert not denies(Policy(Rules(allow=frozenset({code})), in_ci=True))
    project = Policy(in_ci=True)
    project.project = Rules(allow=frozenset({code}))
    assert not denies(project)


def test_a_note_is_kept_and_shown_once() -> None:
    from cogpack.notes import Code, Note
    from cogpack.policy import Noted, Policy, Rules
    from cogpack.progress import SILENT

    shown: list[str] = []

    class Shows(type(SILENT)):  # type: ignore[misc]
        def note(self, note: Note) -> None:
            shown.append(note.text)

    noted = Noted(Shows(), Policy(Rules(deny=frozenset({"large-files"})), in_ci=False))
    for text in ("a", "b", "a"):
        noted.note(Note(Code.MISSING_PACKAGE, text))
    assert shown == [note.text for note in noted.all] == ["a", "b"]
    for _ in range(2):  # who asks again is refused again
        noted.note(Note(Code.LARGE_FILES, "c"))
        with pytest.raises(InputError, match=r"^c \(large-files"):
            noted.check()


def test_the_machines_file_can_only_tighten(world: World) -> None:
    project = odd(world, "unknown-key: allow")
    denying = machine(world, '[notes]\ndeny = ["all"]\nallow = ["lock-stale"]\n')
    done = project.cogpack("plan", "--allow", "unknown-key", **denying)
    assert done.code == 2
    path = denying["COGPACK_CONFIG"]
    assert f"(unknown-key, denied by {path})" in done.err
    assert f"ask who keeps {path}" in done.err
    allowing = machine(world, '[notes]\nallow = ["unknown-key"]\n')
    assert project.cogpack("plan", "--deny", "unknown-key", **allowing).code == 2


def test_the_machines_file_names_the_bases_that_are_allowed(world: World) -> None:
    project = world.project()
    base = f"{world.registry}/base/python"
    ok(project.cogpack("plan", **machine(world, f'allowed_bases = ["docker.io/*", "{world.registry}/base/*"]\n')))
    done = project.cogpack("plan", **machine(world, 'allowed_bases = ["docker.io/library/*"]\n'))
    assert done.code == 2
    assert re.search(
        rf"error: cog\.yaml:\d+:\d+: cogpack\.base: {base} is not among the bases that .*machine.toml", done.err
    )


def test_the_machines_file_names_mirrors_where_nobody_else_does() -> None:
    def environment(text: str, path: Path, **given: str) -> dict[str, str]:
        path.write_text(text)
        return read_machine({"COGPACK_CONFIG": str(path)}).environment(given)

    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "c.toml"
        text = 'registry_mirrors = ["docker.io=m.test", "quay.io=m.test"]\ndebian_mirror = "http://m.test/debian"\n'
        text += 'depot = "https://files.test/depot"\ndebian_snapshot = "2026-11-01"\n'
        assert environment(text, path) == {
            "COGPACK_REGISTRY_MIRROR": "docker.io=m.test quay.io=m.test",
            "COGPACK_DEBIAN_MIRROR": "http://m.test/debian",
            "COGPACK_DEPOT": "https://files.test/depot",
            "COGPACK_DEBIAN_SNAPSHOT": "2026-11-01",
        }
        own = {"COGPACK_DEBIAN_MIRROR": "http://own.test/debian", "COGPACK_REGISTRY_MIRROR": "ghcr.io=own.test"}
        own |= {"COGPACK_DEPOT": "/srv/depot", "COGPACK_DEBIAN_SNAPSHOT": "2026-10-01"}
        assert environment(text, path, **own) == own
        assert environment("", path, A="b") == {"A": "b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[notes]\ndeny = ["unknwon-key"]\n', "notes: no note has the code 'unknwon-key'; did you mean unknown-key?"),
        ('[notes]\nallow = ["all"]\n', "notes: no note has the code 'all'"),
        ('[note]\ndeny = ["all"]\n', "unknown key 'note'; did you mean notes?"),
        ('[notes]\ndenied = ["all"]\n', "notes: unknown key 'denied'; did you mean deny?"),
        ('[notes]\ndeny = "all"\n', "Expected `array`, got `str` - at `$.notes.deny`"),
        ("[notes\n", "at line 1"),
        ('debian_mirror = "http://u:p@m.test/debian"\n', "debian_mirror: expected a URL without a password"),
        ('debian_snapshot = "now"\n', "debian_snapshot: expected a date or a time in quotes"),
        ('depot = "relative"\n', "depot: expected a URL without a password, or an absolute path"),
        ('registry_mirrors = ["docker.io"]\n', "machine.toml: registry mirror 'docker.io': expected"),
        ('url_map = ["https://a.test"]\n', "machine.toml: url_map: 'https://a.test': expected PREFIX=PREFIX"),
        ("a = 1\n" * 20_000, "more than 65536 bytes"),
    ],
)
def test_a_mistake_in_the_machines_file_ends_every_command(world: World, text: str, said: str) -> None:
    done = world.project().cogpack("plan", **machine(world, text))
    assert done.code == 2
    assert said in done.err


def test_a_file_that_is_named_must_be_there_and_the_usual_one_need_not(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"COGPACK_CONFIG: .*: No such file"):
        read_machine({"COGPACK_CONFIG": str(tmp_path / "none")})
    assert read_machine({}, usual=tmp_path / "none").name == ""
    (tmp_path / "usual.toml").write_text('[notes]\ndeny = ["all"]\n')
    assert read_machine({"COGPACK_CONFIG": ""}, usual=tmp_path / "usual.toml").rules.deny == {"all"}


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ("unknwon-key: deny", "no note has the code 'unknwon-key'; did you mean unknown-key?"),
        ("unknown-key: maybe", "expected deny or allow, found maybe"),
        ("all: allow", "notes are allowed one by one"),
    ],
)
def test_a_mistake_in_cog_yaml_is_named_with_its_line(world: World, notes: str, said: str) -> None:
    done = odd(world, notes).cogpack("plan")
    assert done.code == 2
    assert re.search(rf"error: cog\.yaml:\d+:\d+: cogpack\.notes\.[a-z-]+: {re.escape(said)}", done.err)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--deny", "unknwon-key"), "no note has the code 'unknwon-key'; did you mean unknown-key?"),
        (("--allow", "all"), "no note has the code 'all'"),
        (("--deny", "yanked", "--allow", "yanked"), "yanked is denied and allowed"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(world: World, words: tuple[str, ...], said: str) -> None:
    done = world.project().cogpack("plan", *words)
    assert (done.code, said in done.err) == (2, True)


def test_notes_do_not_make_a_lock_stale(world: World) -> None:
    project = odd(world)
    ok(project.cogpack("lock"))
    text = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", text + "  notes: {yanked: deny}\n  git: false\n")
    assert "stale" not in ok(project.cogpack("plan", "--locked")).err


def test_a_deprecated_key_is_told_where_the_lock_is_made_or_looked_at_and_denied_everywhere(world: World) -> None:
    project = world.project()
    config = (project.root / "cog.yaml").read_text()
    project.write("cog.yaml", config.replace("build:\n", "build:\n  pre_install: []\n", 1))
    told = "cog.yaml:2:16: build.pre_install: deprecated by Cog; its commands run after those of build.run"
    verbs = ["push REF", "push  REF", "verify REF", "build -o ../out", "lock", "lock --check", "plan", "push --dry-run"]
    done = {verb: ok(project.cogpack(*verb.replace("REF", project.target()).split())).err for verb in verbs}
    assert [verb for verb, said in done.items() if f"note: {told}\n" in said] == [
        "push REF",  # the first, which makes the lock
        *("lock", "lock --check", "plan", "push --dry-run"),
    ]
    found = json.loads(ok(project.cogpack("push", project.target(), "--json")).out)
    assert [note["code"] for note in found["notes"]] == ["deprecated-key"]
    denied = project.cogpack("push", project.target("v2"), "--deny", "deprecated-key")
    assert denied.code == 2
    assert f"{told} (deprecated-key, denied by --deny deprecated-key)" in denied.err
    assert not world.has("me/model", "v2")
