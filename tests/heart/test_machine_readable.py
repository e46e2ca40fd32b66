"""What programs and runners are told: one JSON document however a command ends, files, GitHub's own words."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from json_tables import RESULTS, top_fields
from support.world import World, install_docker, noise, ok

from cogpack import __version__

pytestmark = pytest.mark.slow


def one(text: str) -> Any:
    """The only document of standard output."""
    (line,) = text.splitlines()
    return json.loads(line)


def test_a_result_has_its_fields_the_version_and_the_notes(world: World) -> None:
    project = world.project()
    project.write("cog.yaml", "oddity: 1\n" + (project.root / "cog.yaml").read_text())
    done = ok(project.cogpack("push", project.target(), "--json"))
    found = one(done.out)
    assert found["schema_version"] == 1
    assert {"code": "unknown-key", "text": "cog.yaml:1:1: oddity: unknown key, ignored"} in found["notes"]
    assert "error" not in found
    assert found["tags"] == [project.target()]
    manifest = world.manifest("me/model", "v1")
    assert found["descriptor"] == {
        "mediaType": manifest["mediaType"],
        "digest": found["digest"],
        "size": len(json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()),
    }
    assert found["config"] == manifest["config"]["digest"]
    named = [{key: layer[key] for key in ("mediaType", "digest", "size")} for layer in found["layers"]]
    assert named == [{key: layer[key] for key in ("mediaType", "digest", "size")} for layer in manifest["layers"]]


@pytest.mark.parametrize(
    ("words", "code", "exit_code", "message"),
    [
        (["push", "no host"], "input", 2, "expected a lowercase repository name"),
        (["push", "--nonsense"], "input", 2, "cogpack push: no option --nonsense"),
        (["nonsense"], "input", 2, "cogpack nonsense: no such command"),
        (
            ["plan", "--deny", "all"],
            "denied-note",
            2,
            "oddity: unknown key, ignored (unknown-key, denied by",
        ),
        (["verify", "REF"], "mismatch", 3, "there is no lock"),
        (["inspect", "127.0.0.1:9/a/b"], "unavailable", 5, "127.0.0.1:9"),
    ],
)
def test_a_failure_is_a_document_too_and_two_lines_for_people(
    world: World, words: list[str], code: str, exit_code: int, message: str
) -> None:
    project = world.project()
    project.write("cog.yaml", "oddity: 1\n" + (project.root / "cog.yaml").read_text())
    words = [project.target() if word == "REF" else word for word in words]
    done = project.cogpack(*words, "--json")
    assert done.code == exit_code
    found = one(done.out)
    error = found["error"]
    assert error.keys() == {"code", "message", "next", "exit_code"}
    assert (error["code"], error["exit_code"]) == (code, exit_code)
    assert message in error["message"]
    assert f"error: {error['message']}\n" in done.err
    assert f"\nnext: {error['next']}\n" in done.err
    assert found["schema_version"] == 1
    if code in ("denied-note", "mismatch"):
        assert [note["code"] for note in found["notes"]] == ["unknown-key"]


@pytest.mark.parametrize(
    ("stop", "code", "exit_code"), [(ZeroDivisionError("in test"), "bug", 1), (KeyboardInterrupt(), "interrupted", 130)]
)
def test_a_bug_and_an_interruption_are_documents_too(
    world: World, monkeypatch: pytest.MonkeyPatch, stop: BaseException, code: str, exit_code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr("cogpack.commands.plan.prepare_each", fail)
    done = world.project().cogpack("plan", "--json")
    assert done.code == exit_code
    error = one(done.out)["error"]
    assert (error["code"], error["exit_code"]) == (code, exit_code)
    assert "in test" not in done.out
    assert (__version__ in error["next"]) == (code == "bug")


def test_a_note_that_is_denied_at_the_end_leaves_the_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from cogpack.commands import push as module
    from cogpack.notes import Code, Note

    record = module.record_results

    def late(session: module.Session, *rest: object) -> None:
        record(session, *rest)
        session.progress.note(Note(Code.TAG_MOVED, "moved"))

    monkeypatch.setattr(module, "record_results", late)
    project = world.project()
    done = project.cogpack("push", project.target(), "--json", "--deny", "tag-moved")
    found = one(done.out)
    assert done.code == 2
    assert found["error"]["code"] == "denied-note"
    assert world.has("me/model", str(found["digest"]))
    plain = project.cogpack("push", project.target(), "--deny", "tag-moved")
    assert (plain.code, plain.out) == (2, f"{found['reference']}\n")


def test_each_command_prints_the_document_that_is_written_down(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    install_docker(world.directory, monkeypatch)
    project = world.project(files={"model/w.pt": noise(1_200_000)})
    image = project.target()
    runs = [
        "init ../begun",
        "lock", "fetch -o ../depot", "plan REF", "push REF", "build -o ../out", "load", "verify REF", "inspect REF",
        "diff REF .", "doctor", "copy REF ../copied",
        "pull REF -o ../pulled", "weights ls", "weights verify REF --against model/w.pt", "weights pull REF -o ../w",
        "logout localhost:9", "auth explain localhost:9", f"registry probe {world.registry}/me/probe",
        "bench pull REF --engine none --budget 1MB", f"bench push {world.registry}/me/bench --budget 1MB",
        "cache dir", "cache size", "cache prune", "cache clean",
    ]  # fmt: skip
    seen = set()
    for words in runs:
        name = next(name for name in RESULTS if f"{words} ".startswith(f"{name} "))
        found = one(ok(project.cogpack(*words.replace("REF", image).split(), "--json")).out)
        assert found.keys() == top_fields(name), words
        seen.add(name)
    without_a_model = {"run", "predict", "train", "serve"}  # this world's base has no programs
    assert set(RESULTS) - seen == {"login", "weights split", "weights join"} | without_a_model


# Files.


def test_the_digest_and_the_result_are_written_for_pipelines(world: World) -> None:
    project = world.project()
    files = ("--digest-file", "../digest", "--metadata-file", "../image.json")
    done = ok(project.cogpack("push", project.target(), "-t", "v2", *files, "--json"))
    found = one(done.out)
    assert (world.directory / "digest").read_text() == found["digest"]
    written = json.loads((world.directory / "image.json").read_text())
    assert written == {
        "cogpack.result": found,
        "containerimage.config.digest": found["config"],
        "containerimage.descriptor": found["descriptor"],
        "containerimage.digest": found["digest"],
        "image.name": f"{project.target('v1')},{project.target('v2')}",
    }


def test_files_within_the_project_do_not_change_the_image(world: World) -> None:
    project = world.project()
    words = ("push", project.target(), "--digest-file", "digest.txt", "--metadata-file", "image.json")
    first, second = ok(project.cogpack(*words)), ok(project.cogpack(*words))
    assert first.digest == second.digest == (project.root / "digest.txt").read_text()
    assert not {"src/digest.txt", "src/image.json"} & world.files("me/model", "v1").keys()
    assert not [path for path in project.root.iterdir() if path.name.startswith((".part-", ".cogpack-"))]


def test_a_place_that_takes_no_file_is_known_before_anything_moves(world: World) -> None:
    project = world.project()
    done = project.cogpack("push", project.target(), "--metadata-file", "../none/image.json")
    assert (done.code, "there is no such directory" in done.err) == (2, True)
    assert not world.has("me/model", "v1")
    assert not (project.root / "cogpack.lock").exists()
    empty = project.cogpack("push", project.target(), "--digest-file", "")
    assert (empty.code, "expected a path" in empty.err) == (2, True)


def test_a_failure_leaves_the_files_of_before(world: World) -> None:
    project = world.project()
    path = project.write("digest.txt", "sha256:before")
    assert project.cogpack("push", "127.0.0.1:9/a/b", "--digest-file", "digest.txt").code == 5
    assert path.read_text() == "sha256:before"


def test_build_and_load_write_what_they_know(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    install_docker(world.directory, monkeypatch)
    project = world.project()
    layout = one(ok(project.cogpack("build", "-o", "../out", "-t", "me/a:1", "-t", "me/b", "--json")).out)
    assert layout["tags"] == ["docker.io/me/a:1", "docker.io/me/b:latest"]
    index = json.loads((world.directory / "out" / "index.json").read_text())
    assert {entry["digest"] for entry in index["manifests"]} == {layout["digest"]}
    assert len(index["manifests"]) == 2
    loaded = one(ok(project.cogpack("load", "--metadata-file", "../load.json", "--json")).out)
    assert (loaded["descriptor"], loaded["digest"]) == (None, layout["config"])
    written = json.loads((world.directory / "load.json").read_text())
    assert written.keys() == {"cogpack.result", "containerimage.config.digest", "image.name"}


# GitHub.


def github(world: World, **more: str) -> dict[str, str]:
    names = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary.md"}
    return {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(world.directory),
        **{name: str(world.directory / file) for name, file in names.items()},
        **more,
    }


def outputs(path: Path) -> dict[str, str]:
    """As the runner reads them."""
    found: dict[str, str] = {}
    lines = iter(path.read_text().splitlines())
    for line in lines:
        name, _, word = line.partition("<<")
        value = []
        while (text := next(lines)) != word:
            value.append(text)
        found[name] = "\n".join(value)
    return found


def test_an_error_is_an_annotation_at_its_line(world: World) -> None:
    project = world.project()
    project.write("cog.yaml", "build:\n  python_version: 3.1,5%\n")
    done = project.cogpack("plan", **github(world))
    assert done.code == 2
    assert re.match(
        r"::error file=model/cog\.yaml,line=2,col=19,title=cogpack::cog\.yaml:2:19: build\.python_version: .* "
        r"found 3\.1,5%25%0Anext: [^\n]*\n\Z",
        done.err,
    )
    assert "**error:** cog.yaml:2:19: build.python&#95;version" in (world.directory / "summary.md").read_text()


def test_an_error_of_a_file_elsewhere_has_no_place(world: World) -> None:
    project = world.project()
    project.write("cog.yaml", "build:\n  python_version: 1\n")
    done = project.cogpack("plan", **github(world, GITHUB_WORKSPACE=str(world.directory / "other")))
    assert done.err.startswith("::error title=cogpack::cog.yaml:2:19: ")


def test_notes_are_warnings_at_their_lines_and_else_notices(world: World) -> None:
    project = world.project()
    project.write("cog.yaml", "oddity: 1\n" + (project.root / "cog.yaml").read_text())
    done = ok(project.cogpack("plan", **github(world)))
    place = "file=model/cog.yaml,line=1,col=1"
    assert f"::warning {place},title=cogpack%3A unknown-key::cog.yaml:1:1: oddity: unknown key, ignored\n" in done.err
    assert "::notice title=cogpack%3A lock-unwritten::cogpack.lock is not there" in done.err
    assert "note: " not in done.err


def test_a_push_sets_outputs_and_writes_the_summary(world: World) -> None:
    project = world.project()
    variables = github(world)
    (world.directory / "output").write_text("before<<x\n1\nx\n")
    done = ok(project.cogpack("push", project.target(), "-t", "v2", **variables))
    assert outputs(world.directory / "output") == {
        "before": "1",
        "digest": done.digest,
        "reference": done.out.strip(),
        "tags": f"{project.target('v1')}\n{project.target('v2')}",
    }
    summary = (world.directory / "summary.md").read_text()
    assert summary.startswith(f"### cogpack: `{done.out.strip()}`\n")
    assert f"| tag | `{project.target('v2')}` |" in summary
    assert "::" not in done.out


def test_elsewhere_nothing_of_it_happens(world: World) -> None:
    project = world.project()
    project.write("cog.yaml", "oddity: 1\n" + (project.root / "cog.yaml").read_text())
    done = ok(project.cogpack("push", project.target(), GITHUB_ACTIONS="false"))
    assert "::" not in done.err
    assert "note: cog.yaml:1:1: oddity" in done.err


def test_an_output_file_that_can_not_be_written_fails_no_push_and_is_told(world: World) -> None:
    project = world.project()
    variables = {"GITHUB_OUTPUT": "/nowhere/x", "GITHUB_STEP_SUMMARY": str(world.directory)}
    done = ok(project.cogpack("push", project.target(), "--json", **variables))
    told = [note["text"] for note in json.loads(done.out)["notes"] if note["code"] == "step-unwritten"]
    assert told == [
        "GITHUB_OUTPUT=/nowhere/x can't be written: No such file or directory; the step has none of it",
        f"GITHUB_STEP_SUMMARY={world.directory} can't be written: Is a directory; the step has none of it",
    ]


def test_a_summary_of_a_failure_that_can_not_be_written_is_told_beside_it(world: World) -> None:
    project = world.project()
    project.write("cog.yaml", "build:\n  python_version: 1\n")
    done = project.cogpack("plan", **github(world, GITHUB_STEP_SUMMARY="/nowhere/x"))
    assert done.code == 2
    assert "::error " in done.err
    assert "::notice title=cogpack%3A step-unwritten::GITHUB_STEP_SUMMARY=/nowhere/x can't be written" in done.err


def test_names_of_others_make_no_markup_in_the_summary(world: World) -> None:
    project = world.project(files={"a`b|<img>.bin": b"x"})
    project.write("cog.yaml", "'[x](http://evil.test)': 1\n" + (project.root / "cog.yaml").read_text())
    ok(project.cogpack("push", project.target(), **github(world)))
    summary = (world.directory / "summary.md").read_text()
    assert "[x](" not in summary
    assert "<img>" not in summary
